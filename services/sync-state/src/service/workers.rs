//! What the workers of the mesh ask: claims, leases, reports, and the states that serving replicas follow.

use std::{sync::Arc, time::Duration};

use chairsync_proto::state::{
    AcceptDatasetsRequest, AcceptDatasetsResponse, ClaimRunsRequest, ClaimRunsResponse, ClaimStreamsRequest,
    ClaimStreamsResponse, ClaimedRun, ClaimedStream, FailRunRequest, FailRunResponse, FinishRunRequest,
    FinishRunResponse, GetPracticeStateRequest, GetPracticeStateResponse, HeartbeatRequest, HeartbeatResponse,
    Lease as LeaseMessage, ReleaseLeaseRequest, ReleaseLeaseResponse, SaveCheckpointRequest, SaveCheckpointResponse,
    SaveCursorRequest, SaveCursorResponse, WatchPracticeStatesRequest, WatchPracticeStatesResponse,
    state_service_server::StateService, watch_practice_states_response::Event,
};
use jiff::{SignedDuration, Timestamp};
use mesh::{Refusal, names};
use tokio::{sync::broadcast, time::Instant};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, codegen::BoxStream};

use super::{convert, states::States};
use crate::core::{
    command::{Command, DatasetResult, Outcome, Resource},
    dataset::DatasetId,
    fair,
    run::{Progress, RunError},
    shared::Text,
    state::PracticeState,
};

const LEASE_DEFAULT: SignedDuration = SignedDuration::from_secs(30);
const LEASE_LEAST: SignedDuration = SignedDuration::from_secs(1);
const LEASE_MOST: SignedDuration = SignedDuration::from_mins(5);
const WAIT_MOST: Duration = Duration::from_secs(30);
/// While a claim waits it looks again at least this often: a run becomes due without any change.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// See [`StateService`].
#[derive(Debug)]
pub(super) struct Workers {
    states: Arc<States>,
    shutdown: CancellationToken,
}

/// What a lease is for.
struct Leased<'a> {
    practice: &'a str,
    resource: Resource,
}

fn leased<'a>(field: &str, name: &'a str) -> Result<Leased<'a>, Refusal> {
    let practice = names::practice_of(field, name)?;
    if name.ends_with("/stream") {
        return Ok(Leased { practice, resource: Resource::Stream });
    }
    let (practice, run) = names::under(field, name, "runs")?;
    let run = run.parse().map_err(|_| Refusal::invalid(field, "must end in a run's number"))?;
    Ok(Leased { practice, resource: Resource::Run(run) })
}

impl Workers {
    pub(super) fn new(states: Arc<States>, shutdown: CancellationToken) -> Self {
        Self { states, shutdown }
    }

    /// Waits for a reason to look again; false when there is no time left to.
    async fn look_again(&self, until: Instant, changes: &mut broadcast::Receiver<String>) -> bool {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || self.shutdown.is_cancelled() {
            return false;
        }
        tokio::select! {
            () = self.shutdown.cancelled() => {}
            () = tokio::time::sleep(left.min(LOOK_AGAIN)) => {}
            _ = changes.recv() => {}
        }
        true
    }

    async fn claim_runs_now(
        &self,
        worker: &Text,
        capacity: usize,
        duration: SignedDuration,
    ) -> Result<Vec<ClaimedRun>, Refusal> {
        let mut claimed = Vec::new();
        let now = Timestamp::now();
        let silent = |state: &PracticeState| {
            state.runs.iter().filter_map(|run| run.lease.as_ref()).any(|lease| !lease.live(now))
        };
        let waiting = |state: &&Arc<PracticeState>| fair::offer(state, now).is_some() || silent(state);
        for state in self.states.all().iter().filter(waiting) {
            if claimed.len() >= capacity {
                break;
            }
            let command = Command::ClaimRun { worker: worker.clone(), duration, urgent_only: false };
            let (state, outcome) = match self.states.execute(&state.id, &command).await {
                Ok(done) => done,
                // Deleted meanwhile, or the store failed: what was claimed so far must still be handed out.
                Err(refusal) if claimed.is_empty() => return Err(refusal),
                Err(_) => break,
            };
            if let Outcome::Run(run) = outcome
                && let Some(lease) = &run.lease
            {
                claimed.push(ClaimedRun {
                    lease: Some(convert::lease(convert::run_name(&state.id, run.sequence), lease)),
                    run: Some(convert::run(&state, &run)),
                    practice: Some(convert::practice(&state)),
                    checkpoints: convert::checkpoints(&run),
                    start_position: run.start_position.to_string(),
                    sequence: run.fence,
                });
            }
        }
        Ok(claimed)
    }

    async fn claim_streams_now(
        &self,
        worker: &Text,
        capacity: usize,
        duration: SignedDuration,
    ) -> Result<Vec<ClaimedStream>, Refusal> {
        let mut claimed = Vec::new();
        let now = Timestamp::now();
        let states = self.states.all();
        let free = |state: &&Arc<PracticeState>| {
            let lease = state.stream.lease.as_ref();
            !state.settings.paused && state.initial_sync_at.is_some() && lease.is_none_or(|lease| !lease.live(now))
        };
        for state in states.iter().filter(free) {
            if claimed.len() >= capacity {
                break;
            }
            let command = Command::ClaimStream { worker: worker.clone(), duration };
            let (state, outcome) = match self.states.execute(&state.id, &command).await {
                Ok(done) => done,
                Err(refusal) if claimed.is_empty() => return Err(refusal),
                Err(_) => break,
            };
            if let Outcome::Lease(lease) = &outcome {
                claimed.push(ClaimedStream {
                    lease: Some(convert::lease(convert::stream_name(&state.id), lease)),
                    practice: Some(convert::practice(&state)),
                    cursor: state.stream.cursor.to_string(),
                });
            }
        }
        Ok(claimed)
    }

    /// Reports on a run and answers with its lease.
    async fn report(&self, practice: &str, run: u64, command: &Command) -> Result<Option<LeaseMessage>, Refusal> {
        let (state, outcome) = self.states.execute(practice, command).await?;
        Ok(outcome.lease().map(|lease| convert::lease(convert::run_name(&state.id, run), lease)))
    }
}

fn run_of(field: &str, name: &str) -> Result<(String, u64), Refusal> {
    let (practice, run) = names::under(field, name, "runs")?;
    let run = run.parse().map_err(|_| Refusal::invalid(field, "must end in a run's number"))?;
    Ok((practice.to_owned(), run))
}

fn dataset(field: &str, name: &str) -> Result<DatasetId, Refusal> {
    DatasetId::named(name).ok_or_else(|| Refusal::invalid(field, "must be a canonical dataset's name"))
}

fn wait_until(wait: Option<prost_types::Duration>) -> Instant {
    Instant::now() + wait.and_then(|wait| Duration::try_from(wait).ok()).unwrap_or_default().min(WAIT_MOST)
}

fn lease_duration(asked: Option<prost_types::Duration>) -> Result<Option<SignedDuration>, Refusal> {
    let Some(asked) = asked else { return Ok(None) };
    let asked = SignedDuration::new(asked.seconds, asked.nanos);
    if (LEASE_LEAST..=LEASE_MOST).contains(&asked) {
        return Ok(Some(asked));
    }
    Err(Refusal::invalid("lease_duration", "must be 1 second to 5 minutes"))
}

fn worker(name: &str) -> Result<Text, Refusal> {
    match name.len() {
        1..=200 => Ok(name.into()),
        _ => Err(Refusal::invalid("worker", "must be a unique name of 1 to 200 bytes")),
    }
}

fn capacity(asked: i32, most: i32) -> Result<usize, Refusal> {
    match usize::try_from(asked) {
        Ok(capacity) if (1..=most).contains(&asked) => Ok(capacity),
        _ => Err(Refusal::invalid("capacity", format!("must be 1 to {most}"))),
    }
}

#[tonic::async_trait]
impl StateService for Workers {
    async fn claim_runs(&self, request: Request<ClaimRunsRequest>) -> Result<Response<ClaimRunsResponse>, Status> {
        let request = request.into_inner();
        let (worker, capacity) = (worker(&request.worker)?, capacity(request.capacity, 100)?);
        let duration = lease_duration(request.lease_duration)?.unwrap_or(LEASE_DEFAULT);
        let (until, mut changes) = (wait_until(request.wait), self.states.changes());
        loop {
            let runs = self.claim_runs_now(&worker, capacity, duration).await?;
            if !runs.is_empty() || !self.look_again(until, &mut changes).await {
                return Ok(Response::new(ClaimRunsResponse { runs }));
            }
        }
    }

    async fn claim_streams(
        &self,
        request: Request<ClaimStreamsRequest>,
    ) -> Result<Response<ClaimStreamsResponse>, Status> {
        let request = request.into_inner();
        let (worker, capacity) = (worker(&request.worker)?, capacity(request.capacity, 1000)?);
        let duration = lease_duration(request.lease_duration)?.unwrap_or(LEASE_DEFAULT);
        let (until, mut changes) = (wait_until(request.wait), self.states.changes());
        loop {
            let streams = self.claim_streams_now(&worker, capacity, duration).await?;
            if !streams.is_empty() || !self.look_again(until, &mut changes).await {
                return Ok(Response::new(ClaimStreamsResponse { streams }));
            }
        }
    }

    async fn heartbeat(&self, request: Request<HeartbeatRequest>) -> Result<Response<HeartbeatResponse>, Status> {
        let request = request.into_inner();
        let Leased { practice, resource } = leased("resource", &request.resource)?;
        let duration = lease_duration(request.lease_duration)?;
        let command = Command::Heartbeat { resource, epoch: request.epoch, duration };
        let (_, outcome) = self.states.execute(practice, &command).await?;
        let lease = outcome.lease().map(|lease| convert::lease(request.resource.clone(), lease));
        Ok(Response::new(HeartbeatResponse { lease }))
    }

    async fn release_lease(
        &self,
        request: Request<ReleaseLeaseRequest>,
    ) -> Result<Response<ReleaseLeaseResponse>, Status> {
        let request = request.into_inner();
        let Leased { practice, resource } = leased("resource", &request.resource)?;
        self.states.execute(practice, &Command::Release { resource, epoch: request.epoch }).await?;
        Ok(Response::new(ReleaseLeaseResponse {}))
    }

    async fn save_checkpoint(
        &self,
        request: Request<SaveCheckpointRequest>,
    ) -> Result<Response<SaveCheckpointResponse>, Status> {
        let request = request.into_inner();
        let (practice, run) = run_of("run", &request.run)?;
        let checkpoint = |c: chairsync_proto::state::DatasetCheckpoint| {
            let kept = Progress {
                resume_token: c.resume_token.into(),
                chunks: c.chunks,
                rows_done: c.rows_done,
                rows_total: c.rows_total,
                finished: c.finished,
                accepted: None,
                failed: None,
            };
            Ok((dataset("checkpoints.dataset", &c.dataset)?, kept))
        };
        let command = Command::SaveCheckpoints {
            run,
            epoch: request.epoch,
            checkpoints: request.checkpoints.into_iter().map(checkpoint).collect::<Result<_, Refusal>>()?,
            start_position: request.start_position.into(),
        };
        let lease = self.report(&practice, run, &command).await?;
        Ok(Response::new(SaveCheckpointResponse { lease }))
    }

    async fn accept_datasets(
        &self,
        request: Request<AcceptDatasetsRequest>,
    ) -> Result<Response<AcceptDatasetsResponse>, Status> {
        let request = request.into_inner();
        let (practice, run) = run_of("run", &request.run)?;
        let result = |result: chairsync_proto::state::DatasetResult| {
            Ok(DatasetResult {
                dataset: dataset("datasets.dataset", &result.dataset)?,
                version: result.version,
                rows: result.rows,
                synced_through: result.synced_through.as_ref().and_then(convert::moment),
            })
        };
        let results = request.datasets.into_iter().map(result).collect::<Result<_, Refusal>>()?;
        let command = Command::Accept { run, epoch: request.epoch, results };
        let lease = self.report(&practice, run, &command).await?;
        Ok(Response::new(AcceptDatasetsResponse { lease }))
    }

    async fn finish_run(&self, request: Request<FinishRunRequest>) -> Result<Response<FinishRunResponse>, Status> {
        let request = request.into_inner();
        let (practice, run) = run_of("run", &request.run)?;
        let command = Command::FinishRun { run, epoch: request.epoch, jitter: rand::random() };
        let (state, outcome) = self.states.execute(&practice, &command).await?;
        Ok(Response::new(FinishRunResponse { run: outcome.run().map(|run| convert::run(&state, run)) }))
    }

    async fn fail_run(&self, request: Request<FailRunRequest>) -> Result<Response<FailRunResponse>, Status> {
        let request = request.into_inner();
        let (practice, run) = run_of("run", &request.run)?;
        let command = Command::FailRun {
            run,
            epoch: request.epoch,
            error: RunError {
                reason: convert::reason(request.reason),
                message: request.message.into(),
                retry_at: None,
            },
            permanent: request.permanent,
            jitter: rand::random(),
        };
        let (state, outcome) = self.states.execute(&practice, &command).await?;
        Ok(Response::new(FailRunResponse { run: outcome.run().map(|run| convert::run(&state, run)) }))
    }

    async fn save_cursor(&self, request: Request<SaveCursorRequest>) -> Result<Response<SaveCursorResponse>, Status> {
        let request = request.into_inner();
        let practice = names::practice_of("stream", &request.stream)?;
        let command = Command::SaveCursor {
            epoch: request.epoch,
            expected: request.expected.into(),
            cursor: request.cursor.into(),
            synced_through: request.synced_through.as_ref().and_then(convert::moment),
            mode: request.mode.into(),
        };
        let (state, outcome) = self.states.execute(practice, &command).await?;
        let lease = outcome.lease().map(|lease| convert::lease(convert::stream_name(&state.id), lease));
        Ok(Response::new(SaveCursorResponse { lease }))
    }

    async fn watch_practice_states(
        &self,
        _: Request<WatchPracticeStatesRequest>,
    ) -> Result<Response<BoxStream<WatchPracticeStatesResponse>>, Status> {
        let (states, shutdown) = (self.states.clone(), self.shutdown.clone());
        let mut changes = states.changes();
        Ok(Response::new(Box::pin(async_stream::try_stream! {
            let message = |event| WatchPracticeStatesResponse { event: Some(event) };
            for state in states.all() {
                yield message(Event::State(convert::state(&state, Timestamp::now())));
            }
            yield message(Event::CaughtUp(true));
            loop {
                let change = tokio::select! {
                    () = shutdown.cancelled() => None,
                    change = changes.recv() => Some(change),
                };
                match change {
                    None => Err(Refusal::upstream_unavailable("the service is restarting; watch again"))?,
                    Some(Ok(id)) => match states.get(&id) {
                        Some(state) => yield message(Event::State(convert::state(&state, Timestamp::now()))),
                        None => yield message(Event::Deleted(convert::practice_name(&id))),
                    },
                    // Too slow to see each change: begin again, from everything as it is.
                    Some(Err(broadcast::error::RecvError::Lagged(_))) => {
                        Err(Refusal::upstream_unavailable("the watch fell behind; watch again"))?;
                    }
                    Some(Err(broadcast::error::RecvError::Closed)) => return,
                }
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
