//! `GetCollectionsBoard`.

use chairsync_proto::{
    analytics::{GetCollectionsBoardRequest, GetCollectionsBoardResponse},
    feature::Feature,
};
use jiff::civil::Date;
use mesh::names;
use tonic::Status;

use super::Analytics;
use crate::{
    collections::{self, Asked},
    metrics::{range, scope::Scope},
};

impl Analytics {
    pub(super) async fn collections_board(
        &self,
        request: GetCollectionsBoardRequest,
    ) -> Result<GetCollectionsBoardResponse, Status> {
        let id = names::practice("practice", &request.practice)?;
        let scope = Scope::parse(id, &request.providers, &request.clinics, &[])?;
        // The default follows the snapshot's date, which is not known yet.
        let named = request.range.as_ref();
        let named = named.map(|named| range::read("range", Some(named), (Date::MIN, Date::MIN))).transpose()?;
        let snapshot = self.snapshot(id, Feature::CollectionsBoard).await?;
        let freshness = Some(snapshot.freshness.clone());
        let Some(question) = snapshot.question(None)? else {
            return Ok(GetCollectionsBoardResponse {
                range: named.map(range::to_proto),
                absent_sections: collections::missing(&snapshot.present),
                freshness,
                ..Default::default()
            });
        };
        let asked = Asked { range: named.unwrap_or_else(|| collections::default_range(question.date)), scope };
        // The default range is the same answer, whether it is named or left out.
        let key = GetCollectionsBoardRequest { range: Some(range::to_proto(asked.range)), ..request };
        let present = snapshot.present.clone();
        let board: GetCollectionsBoardResponse = self
            .computed("GetCollectionsBoard", &key, snapshot, move |books| async move {
                collections::compute(&books, &question, &asked, &present).await
            })
            .await?;
        Ok(GetCollectionsBoardResponse { freshness, ..board })
    }
}
