//! Leases and cursors in memory, with sync-state's promises: epochs only rise, a stale one is refused, cursors move by
//! compare-and-set.

use chairsync_proto::{
    practice::Practice,
    state::{
        ClaimStreamsRequest, ClaimStreamsResponse, ClaimedStream, GetPracticeStateRequest, GetPracticeStateResponse,
        HeartbeatRequest, HeartbeatResponse, Lease, PracticeState, ReleaseLeaseRequest, ReleaseLeaseResponse,
        SaveCursorRequest, SaveCursorResponse, StreamState, WatchPracticeStatesRequest, WatchPracticeStatesResponse,
        state_service_server::StateService, watch_practice_states_response::Event,
    },
    sync::RunProgress,
};
use mesh::{ErrorReason, Refusal};
use parking_lot::Mutex;
use tonic::{Code, Request, Response, Status, codegen::BoxStream};

#[derive(Debug, Default)]
struct Held {
    owner: String,
    epoch: u64,
    cursor: String,
    stream: Option<StreamState>,
    initial_sync_running: bool,
}

/// One practice, `practices/a`.
#[derive(Debug, Default)]
pub struct FakeState(Mutex<Held>);

impl FakeState {
    pub fn cursor(&self) -> String {
        self.0.lock().cursor.clone()
    }

    /// The practice is in its initial sync.
    pub fn initial_sync_running(&self) {
        self.0.lock().initial_sync_running = true;
    }

    fn practice() -> Practice {
        Practice { name: "practices/a".into(), time_zone: "America/Chicago".into(), ..Practice::default() }
    }

    fn current(&self) -> PracticeState {
        let held = self.0.lock();
        let eta = held.initial_sync_running.then_some(prost_types::Duration { seconds: 90, nanos: 0 });
        let share_done = if held.initial_sync_running { 0.25 } else { 1.0 };
        PracticeState {
            practice: Some(Self::practice()),
            initial_sync_finished: !held.initial_sync_running,
            initial_progress: Some(RunProgress { share_done, eta, ..RunProgress::default() }),
            stream: held.stream.clone(),
            ..PracticeState::default()
        }
    }

    fn lease(held: &Held) -> Option<Lease> {
        let resource = "practices/a/stream".into();
        Some(Lease { resource, owner: held.owner.clone(), epoch: held.epoch, expires_at: None })
    }
}

fn checked(held: &Held, epoch: u64) -> Result<(), Status> {
    if epoch == held.epoch && !held.owner.is_empty() {
        return Ok(());
    }
    Err(Refusal::new(Code::Aborted, ErrorReason::LeaseLost, "lost").into())
}

#[tonic::async_trait]
impl StateService for FakeState {
    /// Any worker that does not hold the stream takes it: the lease of the one before is lost without its knowing.
    async fn claim_streams(
        &self,
        request: Request<ClaimStreamsRequest>,
    ) -> Result<Response<ClaimStreamsResponse>, Status> {
        let worker = request.into_inner().worker;
        {
            let mut held = self.0.lock();
            if held.owner != worker && !held.initial_sync_running {
                held.owner = worker;
                held.epoch += 1;
                let (lease, cursor) = (Self::lease(&held), held.cursor.clone());
                let stream = ClaimedStream { lease, practice: Some(Self::practice()), cursor };
                return Ok(Response::new(ClaimStreamsResponse { streams: vec![stream] }));
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        Ok(Response::new(ClaimStreamsResponse { streams: Vec::new() }))
    }

    async fn heartbeat(&self, request: Request<HeartbeatRequest>) -> Result<Response<HeartbeatResponse>, Status> {
        let held = self.0.lock();
        checked(&held, request.into_inner().epoch)?;
        Ok(Response::new(HeartbeatResponse { lease: Self::lease(&held) }))
    }

    async fn release_lease(
        &self,
        request: Request<ReleaseLeaseRequest>,
    ) -> Result<Response<ReleaseLeaseResponse>, Status> {
        let mut held = self.0.lock();
        checked(&held, request.into_inner().epoch)?;
        held.owner.clear();
        Ok(Response::new(ReleaseLeaseResponse {}))
    }

    async fn save_cursor(&self, request: Request<SaveCursorRequest>) -> Result<Response<SaveCursorResponse>, Status> {
        let (request, mut held) = (request.into_inner(), self.0.lock());
        checked(&held, request.epoch)?;
        if request.expected != held.cursor {
            return Err(Refusal::new(Code::Aborted, ErrorReason::CursorMismatch, "moved").into());
        }
        held.cursor = request.cursor;
        let epoch = held.epoch;
        held.stream = Some(StreamState { synced_through: request.synced_through, epoch, ..StreamState::default() });
        Ok(Response::new(SaveCursorResponse { lease: Self::lease(&held) }))
    }

    async fn watch_practice_states(
        &self,
        _: Request<WatchPracticeStatesRequest>,
    ) -> Result<Response<BoxStream<WatchPracticeStatesResponse>>, Status> {
        let state = self.current();
        let stream = async_stream::stream! {
            yield Ok(WatchPracticeStatesResponse { event: Some(Event::State(state)) });
            yield Ok(WatchPracticeStatesResponse { event: Some(Event::CaughtUp(true)) });
            std::future::pending::<()>().await;
        };
        Ok(Response::new(Box::pin(stream)))
    }

    async fn get_practice_state(
        &self,
        request: Request<GetPracticeStateRequest>,
    ) -> Result<Response<GetPracticeStateResponse>, Status> {
        let name = request.into_inner().practice;
        if name != "practices/a" {
            return Err(Refusal::practice_not_found(&name).into());
        }
        Ok(Response::new(GetPracticeStateResponse { state: Some(self.current()) }))
    }
}
