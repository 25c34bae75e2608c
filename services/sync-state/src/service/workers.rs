//! What the workers of the mesh ask: claims, leases, reports, and the states that serving replicas follow.

use std::{sync::Arc, time::Duration};

use chairsync_proto::{
    feature::ErrorReason,
    state::{
        AcceptDatasetsRequest, AcceptDatasetsResponse, ClaimRunsRequest, ClaimRunsResponse, ClaimStreamsRequest,
        ClaimStreamsResponse, ClaimWritesRequest, ClaimWritesResponse, DatasetCheckpoint, DeleteSavedRequest,
        DeleteSavedResponse, EnqueueWriteRequest, EnqueueWriteResponse, FailDatasetsRequest, FailDatasetsResponse,
        FailRunRequest, FailRunResponse, FinishRunRequest, FinishRunResponse, GetPracticeStateRequest,
        GetPracticeStateResponse, GetSavedRequest, GetSavedResponse, HeartbeatRequest, HeartbeatResponse,
        Lease as LeaseMessage, ListSavedRequest, ListSavedResponse, PutSavedRequest, PutSavedResponse,
        ReleaseLeaseRequest, ReleaseLeaseResponse, ReportWriteRequest, ReportWriteResponse, SaveCheckpointRequest,
        SaveCheckpointResponse, SaveCursorRequest, SaveCursorResponse, WatchPracticeStatesRequest,
        WatchPracticeStatesResponse, WriteFailure, report_write_request, state_service_server::StateService,
        watch_practice_states_response::Event,
    },
};
use jiff::Timestamp;
use mesh::{Refusal, names};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, codegen::BoxStream};

use super::{
    claims::Claimer,
    convert, read, saved,
    states::{Done, Kind, States},
};
use crate::core::{
    command::{Command, DatasetFailure, DatasetResult, Outcome, Report, Resource},
    dataset::DatasetId,
    run::{Progress, RunError},
    shared::{Shared, Text},
    write::WriteError,
};

/// Changes that are sent to a follower together, and the pause after them: a run's progress is a storm otherwise.
const FOLLOW_TOGETHER: usize = 256;
const FOLLOW_PAUSE: Duration = Duration::from_millis(50);
const ACTOR_CHARS_MAX: usize = 200;
/// The longest tokens and positions of a source that are kept.
const TOKEN_BYTES_MAX: usize = 8 << 10;
const CURSOR_BYTES_MAX: usize = 64 << 10;

/// See [`StateService`].
#[derive(Debug)]
pub(super) struct Workers {
    states: Arc<States>,
    shutdown: CancellationToken,
}

impl Workers {
    pub(super) fn new(states: Arc<States>, shutdown: CancellationToken) -> Self {
        Self { states, shutdown }
    }

    fn claimer(&self, worker: String, duration: Option<prost_types::Duration>) -> Result<Claimer, Refusal> {
        let (worker, duration) = (read::worker(worker)?, read::claimed_for(duration)?);
        Ok(Claimer { states: self.states.clone(), shutdown: self.shutdown.clone(), worker, duration })
    }

    /// Reports under a lease, and answers with the lease.
    async fn report(
        &self,
        practice: &str,
        resource: String,
        command: &Command,
    ) -> Result<Option<LeaseMessage>, Refusal> {
        let done = self.states.execute(practice, command).await?;
        Ok(done.outcome.lease().map(|lease| convert::lease(resource, lease)))
    }
}

fn checkpoint(c: DatasetCheckpoint) -> Result<(DatasetId, Progress), Refusal> {
    let dataset = read::dataset("checkpoints.dataset", &c.dataset)?;
    if c.chunks < 0 || c.rows_done < 0 || c.rows_total < 0 {
        return Err(Refusal::invalid("checkpoints", "must not count less than nothing"));
    }
    let progress = Progress {
        resume_token: read::token("checkpoints.resume_token", c.resume_token, TOKEN_BYTES_MAX)?,
        chunks: c.chunks,
        rows_done: c.rows_done,
        rows_total: c.rows_total,
        finished: c.finished,
        accepted: None,
        failed: None,
    };
    Ok((dataset, progress))
}

fn run_error(reason: i32, message: &str) -> RunError {
    RunError { reason: convert::reason(reason), message: read::message(message), retry_at: None }
}

fn write_error(failure: &WriteFailure, default: ErrorReason) -> WriteError {
    let reason = match failure.reason() {
        ErrorReason::Unspecified => default as i32,
        _ => convert::reason(failure.reason),
    };
    WriteError { reason, message: read::message(&failure.message) }
}

fn write_report(report: Option<report_write_request::Report>) -> Result<Report, Refusal> {
    use report_write_request::Report as Told;
    Ok(match report.ok_or_else(|| Refusal::invalid("report", "is missing: say what happened to the write"))? {
        Told::Sending(_) => Report::Sending,
        Told::Sent(sent) => Report::Sent { pms_key: Text::from(read::text("sent.pms_key", sent.pms_key, 200)?) },
        Told::Verified(verified) => {
            Report::Verified { pms_key: Text::from(read::text("verified.pms_key", verified.pms_key, 200)?) }
        }
        Told::Conflict(failure) => Report::Conflict(write_error(&failure, ErrorReason::WriteConflict)),
        Told::Rejected(failure) => Report::Rejected(write_error(&failure, ErrorReason::WriteRejected)),
        Told::Retry(retry) => Report::Retry {
            error: WriteError { reason: convert::reason(retry.reason), message: read::message(&retry.message) },
            at: read::moment("retry.retry_at", retry.retry_at)?,
            not_applied: retry.not_applied,
            jitter: rand::random(),
        },
    })
}

#[tonic::async_trait]
impl StateService for Workers {
    async fn claim_runs(&self, request: Request<ClaimRunsRequest>) -> Result<Response<ClaimRunsResponse>, Status> {
        let request = request.into_inner();
        let urgent = match usize::try_from(request.urgent_capacity) {
            Ok(urgent) if urgent <= 100 => urgent,
            _ => return Err(Refusal::invalid("urgent_capacity", "must be 0 to 100").into()),
        };
        let capacity = match request.capacity {
            0 if urgent > 0 => 0,
            asked => read::capacity(asked, 100)?,
        };
        let claimer = self.claimer(request.worker, request.lease_duration)?;
        let until = read::wait_until(request.wait);
        let runs = claimer.wait(Kind::Runs, until, || claimer.runs(capacity, urgent)).await?;
        Ok(Response::new(ClaimRunsResponse { runs }))
    }

    async fn claim_streams(
        &self,
        request: Request<ClaimStreamsRequest>,
    ) -> Result<Response<ClaimStreamsResponse>, Status> {
        let request = request.into_inner();
        let capacity = read::capacity(request.capacity, 1000)?;
        let claimer = self.claimer(request.worker, request.lease_duration)?;
        let until = read::wait_until(request.wait);
        let streams = claimer.wait(Kind::Streams, until, || claimer.streams(capacity)).await?;
        Ok(Response::new(ClaimStreamsResponse { streams }))
    }

    async fn claim_writes(
        &self,
        request: Request<ClaimWritesRequest>,
    ) -> Result<Response<ClaimWritesResponse>, Status> {
        let request = request.into_inner();
        let capacity = read::capacity(request.capacity, 100)?;
        let claimer = self.claimer(request.worker, request.lease_duration)?;
        let until = read::wait_until(request.wait);
        let writes = claimer.wait(Kind::Writes, until, || claimer.writes(capacity)).await?;
        Ok(Response::new(ClaimWritesResponse { writes }))
    }

    async fn heartbeat(&self, request: Request<HeartbeatRequest>) -> Result<Response<HeartbeatResponse>, Status> {
        let request = request.into_inner();
        let (practice, resource) = read::resource("resource", &request.resource)?;
        let duration = read::lease_duration(request.lease_duration)?;
        let command = Command::Heartbeat { resource, epoch: request.epoch, duration };
        let done = self.states.execute(practice, &command).await?;
        let lease = done.outcome.lease().map(|lease| convert::lease(request.resource, lease));
        Ok(Response::new(HeartbeatResponse { lease }))
    }

    async fn release_lease(
        &self,
        request: Request<ReleaseLeaseRequest>,
    ) -> Result<Response<ReleaseLeaseResponse>, Status> {
        let request = request.into_inner();
        let (practice, resource) = read::resource("resource", &request.resource)?;
        self.states.execute(practice, &Command::Release { resource, epoch: request.epoch }).await?;
        Ok(Response::new(ReleaseLeaseResponse {}))
    }

    async fn save_checkpoint(
        &self,
        request: Request<SaveCheckpointRequest>,
    ) -> Result<Response<SaveCheckpointResponse>, Status> {
        let request = request.into_inner();
        let (practice, run) = read::numbered("run", &request.run, "runs")?;
        let command = Command::SaveCheckpoints {
            run,
            epoch: request.epoch,
            checkpoints: request.checkpoints.into_iter().map(checkpoint).collect::<Result<_, _>>()?,
            start_position: read::token("start_position", request.start_position, CURSOR_BYTES_MAX)?,
        };
        let lease = self.report(practice, request.run.clone(), &command).await?;
        Ok(Response::new(SaveCheckpointResponse { lease }))
    }

    async fn accept_datasets(
        &self,
        request: Request<AcceptDatasetsRequest>,
    ) -> Result<Response<AcceptDatasetsResponse>, Status> {
        let request = request.into_inner();
        let (practice, run) = read::numbered("run", &request.run, "runs")?;
        let result = |result: chairsync_proto::state::DatasetResult| -> Result<DatasetResult, Refusal> {
            Ok(DatasetResult {
                dataset: read::dataset("datasets.dataset", &result.dataset)?,
                version: result.version,
                rows: result.rows,
                synced_through: read::moment("datasets.synced_through", result.synced_through)?,
            })
        };
        let results = request.datasets.into_iter().map(result).collect::<Result<_, _>>()?;
        let command = Command::Accept { run, epoch: request.epoch, results };
        let lease = self.report(practice, request.run.clone(), &command).await?;
        Ok(Response::new(AcceptDatasetsResponse { lease }))
    }

    async fn fail_datasets(
        &self,
        request: Request<FailDatasetsRequest>,
    ) -> Result<Response<FailDatasetsResponse>, Status> {
        let request = request.into_inner();
        let (practice, run) = read::numbered("run", &request.run, "runs")?;
        let failure = |failure: chairsync_proto::state::DatasetFailure| -> Result<DatasetFailure, Refusal> {
            Ok(DatasetFailure {
                dataset: read::dataset("failures.dataset", &failure.dataset)?,
                error: run_error(failure.reason, &failure.message),
                permanent: failure.permanent,
            })
        };
        let failures: Vec<_> = request.failures.into_iter().map(failure).collect::<Result<_, _>>()?;
        if failures.is_empty() {
            return Err(Refusal::invalid("failures", "must name at least one dataset").into());
        }
        let command = Command::FailDatasets { run, epoch: request.epoch, failures };
        let lease = self.report(practice, request.run.clone(), &command).await?;
        Ok(Response::new(FailDatasetsResponse { lease }))
    }

    async fn finish_run(&self, request: Request<FinishRunRequest>) -> Result<Response<FinishRunResponse>, Status> {
        let request = request.into_inner();
        let (practice, run) = read::numbered("run", &request.run, "runs")?;
        let command = Command::FinishRun { run, epoch: request.epoch, jitter: rand::random() };
        let Done { state, outcome } = self.states.execute(practice, &command).await?;
        Ok(Response::new(FinishRunResponse { run: outcome.run().map(|run| convert::run(&state.id, run)) }))
    }

    async fn fail_run(&self, request: Request<FailRunRequest>) -> Result<Response<FailRunResponse>, Status> {
        let request = request.into_inner();
        let (practice, run) = read::numbered("run", &request.run, "runs")?;
        let command = Command::FailRun {
            run,
            epoch: request.epoch,
            error: run_error(request.reason, &request.message),
            permanent: request.permanent,
            jitter: rand::random(),
        };
        let Done { state, outcome } = self.states.execute(practice, &command).await?;
        Ok(Response::new(FailRunResponse { run: outcome.run().map(|run| convert::run(&state.id, run)) }))
    }

    async fn save_cursor(&self, request: Request<SaveCursorRequest>) -> Result<Response<SaveCursorResponse>, Status> {
        let request = request.into_inner();
        let (practice, resource) = read::resource("stream", &request.stream)?;
        if resource != Resource::Stream {
            return Err(Refusal::invalid("stream", "must be practices/{practice}/stream").into());
        }
        let command = Command::SaveCursor {
            epoch: request.epoch,
            expected: read::token("expected", request.expected, CURSOR_BYTES_MAX)?,
            cursor: read::token("cursor", request.cursor, CURSOR_BYTES_MAX)?,
            synced_through: read::moment("synced_through", request.synced_through)?,
            mode: read::message(&request.mode),
        };
        let lease = self.report(practice, request.stream.clone(), &command).await?;
        Ok(Response::new(SaveCursorResponse { lease }))
    }

    async fn enqueue_write(
        &self,
        request: Request<EnqueueWriteRequest>,
    ) -> Result<Response<EnqueueWriteResponse>, Status> {
        let request = request.into_inner();
        let practice = names::practice("practice", &request.practice)?;
        let kind = convert::kind_of(request.kind()).ok_or_else(|| Refusal::invalid("kind", "must say what it is"))?;
        let command = Command::EnqueueWrite {
            kind,
            request_id: Text::from(request.request_id),
            patient: Text::from(request.patient),
            body: Shared::new(request.body.to_vec()),
            actor: Text::from(read::text("actor", request.actor, ACTOR_CHARS_MAX)?),
        };
        let Done { state, outcome } = self.states.execute(practice, &command).await?;
        let repeated = matches!(outcome, Outcome::FoundWrite(_));
        let write = outcome.write().map(|write| convert::write(&state, write));
        Ok(Response::new(EnqueueWriteResponse { write, repeated }))
    }

    async fn report_write(
        &self,
        request: Request<ReportWriteRequest>,
    ) -> Result<Response<ReportWriteResponse>, Status> {
        let request = request.into_inner();
        let (practice, write) = read::numbered("write", &request.write, "writes")?;
        let command = Command::ReportWrite { write, epoch: request.epoch, report: write_report(request.report)? };
        let Done { state, outcome } = self.states.execute(practice, &command).await?;
        let lease = state.outbox.lease(write).map(|lease| convert::lease(request.write.clone(), lease));
        let write = outcome.write().map(|write| convert::write(&state, write));
        Ok(Response::new(ReportWriteResponse { write, lease }))
    }

    async fn put_saved(&self, request: Request<PutSavedRequest>) -> Result<Response<PutSavedResponse>, Status> {
        Ok(Response::new(saved::put(&self.states, request.into_inner()).await?))
    }

    async fn get_saved(&self, request: Request<GetSavedRequest>) -> Result<Response<GetSavedResponse>, Status> {
        Ok(Response::new(saved::get(&self.states, request.into_inner()).await?))
    }

    async fn list_saved(&self, request: Request<ListSavedRequest>) -> Result<Response<ListSavedResponse>, Status> {
        Ok(Response::new(saved::list(&self.states, request.into_inner()).await?))
    }

    async fn delete_saved(
        &self,
        request: Request<DeleteSavedRequest>,
    ) -> Result<Response<DeleteSavedResponse>, Status> {
        Ok(Response::new(saved::delete(&self.states, request.into_inner()).await?))
    }

    async fn watch_practice_states(
        &self,
        _: Request<WatchPracticeStatesRequest>,
    ) -> Result<Response<BoxStream<WatchPracticeStatesResponse>>, Status> {
        let (states, shutdown) = (self.states.clone(), self.shutdown.clone());
        let follower = states.follow();
        Ok(Response::new(Box::pin(async_stream::try_stream! {
            let message = |event| WatchPracticeStatesResponse { event: Some(event) };
            for id in states.ids() {
                if let Some(state) = states.get(&id) {
                    yield message(Event::State(convert::state(&state, Timestamp::now())));
                }
            }
            yield message(Event::CaughtUp(true));
            loop {
                let changed = tokio::select! {
                    () = shutdown.cancelled() => None,
                    changed = follower.next(FOLLOW_TOGETHER) => Some(changed),
                };
                let Some(changed) = changed else {
                    Err(Refusal::upstream_unavailable("the service is restarting; watch again"))?;
                    return;
                };
                for id in changed {
                    yield message(match states.get(&id) {
                        Some(state) => Event::State(convert::state(&state, Timestamp::now())),
                        None => Event::Deleted(convert::practice_name(&id)),
                    });
                }
                tokio::time::sleep(FOLLOW_PAUSE).await;
            }
        })))
    }

    async fn get_practice_state(
        &self,
        request: Request<GetPracticeStateRequest>,
    ) -> Result<Response<GetPracticeStateResponse>, Status> {
        let state = self.states.practice(names::practice("practice", &request.get_ref().practice)?)?;
        Ok(Response::new(GetPracticeStateResponse { state: Some(convert::state(&state, Timestamp::now())) }))
    }
}
