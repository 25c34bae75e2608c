//! Reports to sync-state about a run under a lease: each may be repeated, so each is, until it is answered.

use std::{collections::HashMap, future::Future, time::Duration};

use chairsync_proto::{
    feature::ErrorReason,
    state::{
        AcceptDatasetsRequest, DatasetCheckpoint, DatasetFailure, DatasetResult, FailDatasetsRequest, FailRunRequest,
        FinishRunRequest, GetPracticeStateRequest, Lease, ReleaseLeaseRequest, SaveCheckpointRequest,
        state_service_client::StateServiceClient,
    },
    sync::RunState,
};
use mesh::{backoff::Backoff, error::reason_of, transport::Channel};
use tonic::{Code, Request, Response, Status};

use super::{Failure, Stop};

/// A client of sync-state's internal service.
pub(super) type StateClient = StateServiceClient<Channel>;

/// How long one report may take.
const REPORT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a report is tried; the lease usually ends it sooner.
const TRIES_MAX: u32 = 60;
const BACKOFF: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

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
        self.report(request, |mut client, request| async move { client.save_checkpoint(request).await }).await?;
        Ok(())
    }

    /// Asks for committed versions to become visible, all or none.
    pub async fn accept(&self, datasets: Vec<DatasetResult>) -> Result<(), Stop> {
        let request = AcceptDatasetsRequest { run: self.run.clone(), epoch: self.epoch, datasets };
        self.report(request, |mut client, request| async move { client.accept_datasets(request).await }).await?;
        Ok(())
    }

    /// The versions of a practice's datasets that readers see now.
    pub async fn accepted(&self, practice: &str) -> Result<HashMap<String, i64>, Stop> {
        let request = GetPracticeStateRequest { practice: practice.to_owned() };
        let answer =
            self.report(request, |mut client, request| async move { client.get_practice_state(request).await }).await?;
        let datasets = answer.state.map(|state| state.datasets).unwrap_or_default();
        Ok(datasets.into_iter().filter_map(|d| Some((d.dataset, d.version?))).collect())
    }

    /// Says of one dataset that it failed in this attempt; the others go on.
    pub async fn fail_dataset(&self, dataset: &str, failure: Failure) -> Result<(), Stop> {
        let failures = vec![DatasetFailure {
            dataset: dataset.to_owned(),
            reason: failure.reason.into(),
            message: failure.message,
            permanent: failure.permanent,
        }];
        let request = FailDatasetsRequest { run: self.run.clone(), epoch: self.epoch, failures };
        self.report(request, |mut client, request| async move { client.fail_datasets(request).await }).await?;
        Ok(())
    }

    /// Ends an attempt whose every dataset was accepted or has failed, and answers where the run stands.
    pub async fn finish(&self) -> Result<RunState, Stop> {
        let request = FinishRunRequest { run: self.run.clone(), epoch: self.epoch };
        let answer =
            self.report(request, |mut client, request| async move { client.finish_run(request).await }).await?;
        Ok(answer.run.map(|run| run.state()).unwrap_or_default())
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
        self.report(request, |mut client, request| async move { client.fail_run(request).await }).await?;
        Ok(())
    }

    /// Gives the lease back; tried once, silence gives it back as well.
    pub async fn release(&self) {
        let request = timed(ReleaseLeaseRequest { resource: self.run.clone(), epoch: self.epoch });
        if let Err(status) = self.client.clone().release_lease(request).await {
            tracing::debug!(code = ?status.code(), "the lease was not given back and will run out");
        }
    }

    async fn report<Q, A, F>(&self, request: Q, call: impl Fn(StateClient, Request<Q>) -> F) -> Result<A, Stop>
    where
        Q: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        for pause in Backoff::new(BACKOFF, BACKOFF_MAX, TRIES_MAX) {
            let status = match call(self.client.clone(), timed(request.clone())).await {
                Ok(answer) => return Ok(answer.into_inner()),
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
