//! `GetMorningHuddle`.

use chairsync_proto::{
    analytics::{GetMorningHuddleRequest, GetMorningHuddleResponse},
    feature::Feature,
};
use mesh::{calendar, names};
use tonic::Status;

use super::Analytics;
use crate::huddle;

impl Analytics {
    pub(super) async fn morning_huddle(
        &self,
        request: GetMorningHuddleRequest,
    ) -> Result<GetMorningHuddleResponse, Status> {
        let id = names::practice("practice", &request.practice)?;
        let snapshot = self.snapshot(id, Feature::MorningHuddle).await?;
        let date = request.date.as_ref().map(|date| calendar::date_from_proto("date", date)).transpose()?;
        let freshness = Some(snapshot.freshness.clone());
        let Some(question) = snapshot.question(date)? else {
            return Ok(GetMorningHuddleResponse {
                date: date.map(calendar::date_to_proto),
                absent_sections: huddle::missing(&snapshot.present),
                freshness,
                ..Default::default()
            });
        };
        // The latest huddle is the same one, whether its date is named or left out.
        let asked = GetMorningHuddleRequest {
            practice: request.practice.clone(),
            date: Some(calendar::date_to_proto(question.date)),
        };
        let present = snapshot.present.clone();
        let huddle: GetMorningHuddleResponse = self
            .computed("GetMorningHuddle", &asked, snapshot, move |books| async move {
                huddle::compute(&books, &question, &present).await
            })
            .await?;
        Ok(GetMorningHuddleResponse { freshness, ..huddle })
    }
}
