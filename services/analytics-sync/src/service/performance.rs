//! `GetPerformanceBoard`.

use chairsync_proto::{
    analytics::{GetPerformanceBoardRequest, GetPerformanceBoardResponse},
    feature::Feature,
};
use jiff::civil::Date;
use mesh::names;
use tonic::Status;

use super::Analytics;
use crate::{
    metrics::{Scope, range},
    performance::{self, Asked},
};

impl Analytics {
    pub(super) async fn performance_board(
        &self,
        request: GetPerformanceBoardRequest,
    ) -> Result<GetPerformanceBoardResponse, Status> {
        let id = names::practice("practice", &request.practice)?;
        let scope = Scope::parse(id, &request.providers, &request.clinics, &[])?;
        // The default follows the snapshot's date, which is not known yet.
        let named = request.range.as_ref();
        let named = named.map(|named| range::read("range", Some(named), (Date::MIN, Date::MIN))).transpose()?;
        let snapshot = self.snapshot(id, Feature::PerformanceBoard).await?;
        let freshness = Some(snapshot.freshness.clone());
        let Some(question) = snapshot.question(None)? else {
            return Ok(GetPerformanceBoardResponse {
                range: named.map(range::to_proto),
                absent_sections: performance::missing(&snapshot.present),
                freshness,
                ..Default::default()
            });
        };
        let range = named.unwrap_or_else(|| performance::default_range(question.date));
        // The default range is the same board, whether it is named or left out.
        let request = GetPerformanceBoardRequest { range: Some(range::to_proto(range)), ..request };
        let present = snapshot.present.clone();
        let board: GetPerformanceBoardResponse = self
            .computed("GetPerformanceBoard", &request, snapshot, move |books| async move {
                performance::compute(&books, &question, &Asked { range, scope }, &present).await
            })
            .await?;
        Ok(GetPerformanceBoardResponse { freshness, ..board })
    }
}
