//! Reports to sync-state about a run under a lease: each may be repeated, so each is, until it is answered.

use std::{future::Future, time::Duration};

use chairsync_proto::{
    feature::ErrorReason,
    state::{
        AcceptDatasetsRequest, DatasetCheckpoint, DatasetResult, FailRunRequest, FinishRunRequest, Lease,
        ReleaseLeaseRequest, SaveCheckpointRequest, state_service_client::StateServiceClient,
    },
};
use mesh::{backoff::Backoff, error::reason_of, transport::Channel};
use tonic::{Code, Request, Response, Status};

use super::{Failure, Stop};
use crate::tables::commit::Committed;

/// A client of sync-state's internal service.
pub(super) type StateClient = StateServiceClient<Channel>;

/// How long one report may take.
const REPORT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a report is tried; the lease usually ends it sooner.
const TRIES_MAX: u32 = 60;
const BACKOFF: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// Reports under one lease.
#[derive(Clone)]
pub(super) struct Reports {
    client: StateClient,
    run: String,
    epoch: u64,
}

impl Reports {
    pub fn new(client: StateClient, lease: &Lease) -> Self {
        Self { client, run: lease.resource.clone(), epoch: lease.epoch }
    }

    /// Reports how far the sink is; what is reported must be durable.
    pub async fn checkpoint(&self, checkpoints: Vec<DatasetCheckpoint>, start_position: &str) -> Result<(), Stop> {
        let request = SaveCheckpointRequest {
            run: self.run.clone(),
            epoch: self.epoch,
            checkpoints,
            start_position: start_position.to_owned(),
        };
        self.report(request, |mut client, request| async move { client.save_checkpoint(request).await }).await
    }

    /// Asks for a committed version to become visible.
    pub async fn accept(&self, dataset: &str, committed: Committed, synced_through: i64) -> Result<(), Stop> {
        let result = DatasetResult {
            dataset: dataset.to_owned(),
            version: committed.version,
            rows: committed.rows,
            synced_through: Some(prost_types::Timestamp {
                seconds: synced_through.div_euclid(1_000_000),
                nanos: i32::try_from(synced_through.rem_euclid(1_000_000)).unwrap_or_default() * 1_000,
            }),
        };
        let request = AcceptDatasetsRequest { run: self.run.clone(), epoch: self.epoch, datasets: vec![result] };
        self.report(request, |mut client, request| async move { client.accept_datasets(request).await }).await
    }

    /// Ends the run as succeeded.
    pub async fn finish(&self) -> Result<(), Stop> {
        let request = FinishRunRequest { run: self.run.clone(), epoch: self.epoch };
        self.report(request, |mut client, request| async move { client.finish_run(request).await }).await
    }

    /// Ends the attempt as failed.
    pub async fn fail(&self, failure: Failure) -> Result<(), Stop> {
        let request = FailRunRequest {
            run: self.run.clone(),
            epoch: self.epoch,
            reason: failure.reason.into(),
            message: failure.message,
            permanent: failure.permanent,
        };
        self.report(request, |mut client, request| async move { client.fail_run(request).await }).await
    }

    /// Gives the lease back; tried once, silence gives it back as well.
    pub async fn release(&self) {
        let request = timed(ReleaseLeaseRequest { resource: self.run.clone(), epoch: self.epoch });
        if let Err(status) = self.client.clone().release_lease(request).await {
            tracing::debug!(code = ?status.code(), "the lease was not given back and will run out");
        }
    }

    async fn report<Q, A, F>(&self, request: Q, call: impl Fn(StateClient, Request<Q>) -> F) -> Result<(), Stop>
    where
        Q: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        for pause in Backoff::new(BACKOFF, BACKOFF_MAX, TRIES_MAX) {
            let status = match call(self.client.clone(), timed(request.clone())).await {
                Ok(_) => return Ok(()),
                Err(status) => status,
            };
            match status.code() {
                Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::ResourceExhausted => {}
                Code::Aborted | Code::NotFound => return Err(Stop::LeaseLost),
                Code::FailedPrecondition if reason_of(&status) == Some(ErrorReason::RunFinished) => {
                    return Err(Stop::LeaseLost);
                }
                code => {
                    tracing::error!(?code, reason = ?reason_of(&status), "sync-state refuses a report");
                    return Err(Failure::new(ErrorReason::Internal, "sync-state refused a report of this run").into());
                }
            }
            tokio::time::sleep(pause).await;
        }
        Err(Failure::new(ErrorReason::UpstreamUnavailable, "sync-state does not answer").into())
    }
}

fn timed<Q>(request: Q) -> Request<Q> {
    let mut request = Request::new(request);
    request.set_timeout(REPORT_TIMEOUT);
    request
}
