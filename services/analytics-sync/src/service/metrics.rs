//! `ListMetrics`.

use chairsync_proto::analytics::{Focus, ListMetricsRequest, ListMetricsResponse};
use mesh::{Refusal, names};
use tonic::Status;

use super::Analytics;
use crate::metrics;

impl Analytics {
    pub(super) async fn metrics(&self, request: ListMetricsRequest) -> Result<ListMetricsResponse, Status> {
        let id = names::practice("practice", &request.practice)?;
        self.states.get(id).await?;
        let focus = Focus::try_from(request.focus)
            .map_err(|_| Refusal::invalid("focus", "is none that this version knows; leave it out for all metrics"))?;
        let split = metrics::all().iter().filter(|metric| metric.splits_by(focus));
        Ok(ListMetricsResponse { metrics: split.map(metrics::Metric::to_proto).collect() })
    }
}
