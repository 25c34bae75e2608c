//! `GetProviderPulse`.

use chairsync_proto::{
    analytics::{GetProviderPulseRequest, GetProviderPulseResponse, ProductionBasis},
    feature::Feature,
};
use mesh::{Refusal, names};
use tonic::Status;

use super::Analytics;
use crate::{
    metrics::{Scope, range},
    pulse::{self, Asked},
};

/// What makes two pulses the same: the request, and what people keep of the practice.
#[derive(Clone, PartialEq, prost::Message)]
struct AskedWith {
    #[prost(message, optional, tag = "1")]
    request: Option<GetProviderPulseRequest>,
    #[prost(string, tag = "2")]
    kept: String,
}

impl Analytics {
    pub(super) async fn provider_pulse(
        &self,
        request: GetProviderPulseRequest,
    ) -> Result<GetProviderPulseResponse, Status> {
        let practice = names::practice("practice", &request.practice)?;
        let basis = match ProductionBasis::try_from(request.basis) {
            Ok(ProductionBasis::Unspecified) => ProductionBasis::Gross,
            Ok(basis) => basis,
            Err(_) => return Err(Refusal::invalid("basis", "must be gross or net").into()),
        };
        let scope = Scope::parse(practice, &request.providers, &request.clinics, &[])?;
        let snapshot = self.snapshot(practice, Feature::ProviderPulse).await?;
        let freshness = Some(snapshot.freshness.clone());
        let question = snapshot.question(None)?;
        let week =
            question.as_ref().map_or((jiff::civil::Date::MIN, jiff::civil::Date::MIN), |q| pulse::week_of(q.date));
        let asked = Asked { range: range::read("range", request.range.as_ref(), week)?, scope, basis };
        let Some(question) = question else {
            return Ok(GetProviderPulseResponse {
                range: request.range,
                basis: basis.into(),
                absent_sections: pulse::missing(&snapshot.present),
                freshness,
                ..Default::default()
            });
        };
        let kept = self.kept(&snapshot).await?;
        let canonical =
            GetProviderPulseRequest { range: Some(range::to_proto(asked.range)), basis: basis.into(), ..request };
        let key = AskedWith { request: Some(canonical), kept: kept.edition.clone() };
        let present = snapshot.present.clone();
        let pulse: GetProviderPulseResponse = self
            .computed("GetProviderPulse", &key, snapshot, move |books| async move {
                pulse::compute(&books, &question, &present, &kept, &asked).await
            })
            .await?;
        Ok(GetProviderPulseResponse { freshness, ..pulse })
    }
}
