//! `chairsync.pms.v1` over the connectors: checks what is asked, opens the source, hands the answer on.

use chairsync_proto::{
    pms::{
        ChangesRequest, ChangesResponse, DescribeRequest, DescribeResponse, DigestRequest, DigestResponse,
        FetchRequest, FetchResponse, SnapshotRequest, SnapshotResponse, WriteRequest, WriteResponse,
        pms_connector_service_server::PmsConnectorService,
    },
    practice::PmsSource,
};
use futures::{Stream, StreamExt as _, stream::BoxStream};
use mesh::Refusal;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::{
    Sources,
    connector::{Connector, Write},
};

/// Selectors of one `Fetch`.
const SELECTORS_LIMIT: usize = 64;
/// Values of one selector.
const VALUES_LIMIT: usize = 10_000;

/// What a streaming call answers.
type Sent<T> = BoxStream<'static, Result<T, Status>>;

/// The service.
#[derive(Debug)]
pub struct Service {
    sources: Sources,
    shutdown: CancellationToken,
}

impl Service {
    /// Serves these sources; streams end when `shutdown` is cancelled.
    pub fn new(sources: Sources, shutdown: CancellationToken) -> Self {
        Self { sources, shutdown }
    }

    async fn open(&self, practice: &str, source: Option<&PmsSource>) -> Result<std::sync::Arc<dyn Connector>, Refusal> {
        mesh::names::practice("practice", practice)?;
        let source = source.ok_or_else(|| Refusal::invalid("source", "must be set: the practice's PMS"))?;
        self.sources.open(practice, source).await
    }

    /// A stream that a shutdown ends in good order: the caller resumes elsewhere.
    fn until_shutdown<T: Send + 'static>(
        &self,
        stream: impl Stream<Item = Result<T, Refusal>> + Send + 'static,
    ) -> Sent<T> {
        let ended = Refusal::upstream_unavailable("the connector is shutting down; resume with the last token");
        let shutdown = self.shutdown.clone();
        let ending = futures::stream::once(async move { Err(Status::from(ended)) });
        let stream = stream.map(|item| item.map_err(Status::from));
        stream
            .take_until(shutdown.clone().cancelled_owned())
            .chain(ending.filter(move |_| {
                let told = shutdown.is_cancelled();
                async move { told }
            }))
            .boxed()
    }
}

#[tonic::async_trait]
impl PmsConnectorService for Service {
    async fn describe(&self, request: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        let request = request.into_inner();
        let connector = self.open(&request.practice, request.source.as_ref()).await?;
        Ok(Response::new(connector.describe().await?))
    }

    async fn snapshot(&self, request: Request<SnapshotRequest>) -> Result<Response<Sent<SnapshotResponse>>, Status> {
        let request = request.into_inner();
        let connector = self.open(&request.practice, request.source.as_ref()).await?;
        if request.datasets.is_empty() {
            return Err(Refusal::invalid("datasets", "must name at least one dataset, e.g. patient").into());
        }
        let stream = connector.snapshot(request.datasets).await?;
        Ok(Response::new(self.until_shutdown(stream)))
    }

    async fn changes(&self, request: Request<ChangesRequest>) -> Result<Response<Sent<ChangesResponse>>, Status> {
        let request = request.into_inner();
        let connector = self.open(&request.practice, request.source.as_ref()).await?;
        if request.datasets.is_empty() {
            return Err(Refusal::invalid("datasets", "must name at least one dataset, e.g. patient").into());
        }
        let stream = connector.changes(request.position, request.datasets).await?;
        Ok(Response::new(self.until_shutdown(stream)))
    }

    async fn fetch(&self, request: Request<FetchRequest>) -> Result<Response<FetchResponse>, Status> {
        let request = request.into_inner();
        let connector = self.open(&request.practice, request.source.as_ref()).await?;
        if !(1..=SELECTORS_LIMIT).contains(&request.selectors.len()) {
            return Err(Refusal::invalid("selectors", "must be 1 to 64").into());
        }
        if let Some(place) = request.selectors.iter().position(|s| s.values.len() > VALUES_LIMIT) {
            return Err(Refusal::invalid(format!("selectors[{place}].values"), "must be at most 10,000").into());
        }
        Ok(Response::new(connector.fetch(request.selectors).await?))
    }

    async fn write(&self, request: Request<WriteRequest>) -> Result<Response<WriteResponse>, Status> {
        let request = request.into_inner();
        let connector = self.open(&request.practice, request.source.as_ref()).await?;
        let step = request.step();
        let (key, perhaps_sent) = (request.idempotency_key, request.perhaps_sent);
        let content = request.content.ok_or_else(|| Refusal::invalid("content", "must say what is written"))?;
        Ok(Response::new(connector.write(Write { key, content, step, perhaps_sent }).await?))
    }

    async fn digest(&self, request: Request<DigestRequest>) -> Result<Response<DigestResponse>, Status> {
        let request = request.into_inner();
        let connector = self.open(&request.practice, request.source.as_ref()).await?;
        Ok(Response::new(connector.digest(request).await?))
    }
}
