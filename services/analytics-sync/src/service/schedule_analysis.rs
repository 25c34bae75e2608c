//! `GetScheduleAnalysis`.

use chairsync_proto::{
    analytics::{GetScheduleAnalysisRequest, GetScheduleAnalysisResponse},
    feature::Feature,
};
use mesh::names;
use tonic::Status;

use super::Analytics;
use crate::{
    metrics::range,
    schedule_analysis::{self, Asked},
};

impl Analytics {
    pub(super) async fn analysed_schedule(
        &self,
        request: GetScheduleAnalysisRequest,
    ) -> Result<GetScheduleAnalysisResponse, Status> {
        let id = names::practice("practice", &request.practice)?;
        let asked = Asked::parse(id, &request)?;
        let snapshot = self.snapshot(id, Feature::ScheduleAnalysis).await?;
        let freshness = Some(snapshot.freshness.clone());
        let Some(question) = snapshot.question(None)? else {
            return Ok(GetScheduleAnalysisResponse {
                range: asked.range.map(range::to_proto),
                grouping: asked.group.to_proto().into(),
                absent_sections: schedule_analysis::missing(&snapshot.present),
                freshness,
                ..Default::default()
            });
        };
        // What is left out is the same answer as what is named.
        let key = GetScheduleAnalysisRequest {
            range: Some(range::to_proto(asked.range_at(question.date)?)),
            grouping: asked.group.to_proto().into(),
            ..request
        };
        let present = snapshot.present.clone();
        let analysis: GetScheduleAnalysisResponse = self
            .computed("GetScheduleAnalysis", &key, snapshot, move |books| async move {
                schedule_analysis::compute(&books, &question, &asked, &present).await
            })
            .await?;
        Ok(GetScheduleAnalysisResponse { freshness, ..analysis })
    }
}
