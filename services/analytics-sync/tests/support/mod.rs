//! A scripted sync-state and pms-connector with one practice and one run, so that a test can kill the worker at any
//! report or chunk and count what was read twice. The real ones meet in the `tests` crate.
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code)]

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, Date32Array, Decimal128Array, Int32Array, Int64Array, RecordBatch, StringArray, new_null_array},
    datatypes::DataType,
};
use chairsync_proto::{
    pms::{
        DatasetCount, SnapshotChunk, SnapshotRequest, SnapshotResponse, SnapshotStart,
        pms_connector_service_server::{PmsConnectorService, PmsConnectorServiceServer},
        snapshot_response::Part,
    },
    practice::{PmsSource, Practice, SampleSource, pms_source::Kind},
    state::{
        state_service_server::{StateService, StateServiceServer},
        watch_practice_states_response::Event,
        *,
    },
    sync::{Completeness, FeatureStatus, Freshness, Run, RunKind, RunState},
};
use mesh::{
    ErrorReason, Refusal, datasets,
    transport::{Endpoint, in_process},
};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Response, Status, codegen::BoxStream, service::Routes};

pub mod pms;

pub const PRACTICE: &str = "practices/north";
const SERVER_TIME: i64 = 1_774_900_000;

/// What both servers know and count.
pub struct World {
    inner: Mutex<Inner>,
    /// Steps so far: each report taken, each chunk sent.
    pub steps: watch::Sender<u64>,
}

#[derive(Default)]
struct Inner {
    rows: BTreeMap<String, i64>,
    chunk_rows: i64,
    sequence: u64,
    nightly: bool,
    epoch: u64,
    held: bool,
    finished: bool,
    cancelled: bool,
    failure: Option<FailRunRequest>,
    checkpoints: BTreeMap<String, DatasetCheckpoint>,
    accepted: BTreeMap<String, AcceptedDataset>,
    resumed_at: HashMap<String, i64>,
    refuse: Option<ErrorReason>,
}

impl World {
    pub fn new(rows: &[(&str, i64)], chunk_rows: i64) -> Arc<Self> {
        let rows: BTreeMap<String, i64> = rows.iter().map(|(name, rows)| ((*name).to_owned(), *rows)).collect();
        let world = Self { inner: Mutex::default(), steps: watch::Sender::new(0) };
        world.inner.lock().rows = rows;
        world.inner.lock().chunk_rows = chunk_rows;
        world.new_run(1);
        Arc::new(world)
    }

    /// Queues a run with this number over all datasets.
    pub fn new_run(&self, sequence: u64) {
        let mut w = self.inner.lock();
        w.sequence = sequence;
        (w.finished, w.held) = (false, false);
        let fresh = |name: &String| (name.clone(), DatasetCheckpoint { dataset: name.clone(), ..Default::default() });
        w.checkpoints = w.rows.keys().map(fresh).collect();
    }

    /// Queues a nightly run with this number over all datasets.
    pub fn new_night(&self, sequence: u64) {
        self.new_run(sequence);
        self.inner.lock().nightly = true;
    }

    /// The worker is dead: its lease is as good as expired.
    pub fn expire_lease(&self) {
        self.inner.lock().held = false;
    }
    pub fn cancel(&self) {
        self.inner.lock().cancelled = true;
    }
    pub fn refuse_snapshots(&self, reason: ErrorReason) {
        self.inner.lock().refuse = Some(reason);
    }
    pub fn resize(&self, dataset: &str, rows: i64) {
        self.inner.lock().rows.insert(dataset.to_owned(), rows);
    }
    pub fn finished(&self) -> bool {
        self.inner.lock().finished
    }
    pub fn failure(&self) -> Option<FailRunRequest> {
        self.inner.lock().failure.clone()
    }
    pub fn accepted(&self, dataset: &str) -> Option<AcceptedDataset> {
        self.inner.lock().accepted.get(dataset).cloned()
    }
    /// The rows that the last attempt did not ask for again; `None` when it asked for none of the dataset.
    pub fn resumed_at(&self, dataset: &str) -> Option<i64> {
        self.inner.lock().resumed_at.get(dataset).copied()
    }
    /// What the run's folders are named by: its fence.
    pub fn run(&self) -> u64 {
        self.inner.lock().sequence
    }

    fn step(&self) {
        self.steps.send_modify(|steps| *steps += 1);
    }

    fn check(&self, epoch: u64) -> Result<Lease, Status> {
        let w = self.inner.lock();
        if w.cancelled || !w.held || epoch != w.epoch {
            return Err(Refusal::new(Code::Aborted, ErrorReason::LeaseLost, "the lease is lost").into());
        }
        Ok(Lease { resource: run_name(w.sequence), epoch, ..Default::default() })
    }

    fn state(&self) -> PracticeState {
        let w = self.inner.lock();
        let whole = w.accepted.len() == w.rows.len();
        let completeness = if whole { Completeness::Complete } else { Completeness::Partial };
        let freshness = Freshness {
            synced_through: whole.then_some(prost_types::Timestamp { seconds: SERVER_TIME, nanos: 0 }),
            completeness: completeness.into(),
            share_done: w.accepted.len() as f64 / w.rows.len() as f64,
            ..Default::default()
        };
        let feature = chairsync_proto::feature::Feature::MorningHuddle.into();
        PracticeState {
            practice: Some(practice()),
            initial_sync_finished: whole,
            datasets: w.accepted.values().cloned().collect(),
            features: vec![FeatureStatus { feature, freshness: Some(freshness), ..Default::default() }],
            ..Default::default()
        }
    }

    /// Serves sync-state in memory until `shutdown`.
    pub fn serve_state(self: &Arc<Self>, shutdown: &CancellationToken) -> Endpoint {
        let (state, state_listener) = in_process("sync-state");
        let states = Routes::new(StateServiceServer::new(Server(self.clone())));
        tokio::spawn(mesh::serve::serve("sync-state", states, state_listener, shutdown.clone()));
        state
    }

    /// Serves both in memory until `shutdown`.
    pub fn serve(self: &Arc<Self>, shutdown: &CancellationToken) -> (Endpoint, Endpoint) {
        let state = self.serve_state(shutdown);
        let (pms, pms_listener) = in_process("pms-connector");
        let connectors = Routes::new(PmsConnectorServiceServer::new(Server(self.clone())));
        tokio::spawn(mesh::serve::serve("pms-connector", connectors, pms_listener, shutdown.clone()));
        (state, pms)
    }
}

/// What the real sample connector serves where a test uses it.
fn sample() -> SampleSource {
    SampleSource { seed: 7, patients: 300, live: false, as_of_date: "2026-03-30".into(), years: 2 }
}

fn run_name(sequence: u64) -> String {
    format!("{PRACTICE}/runs/r{sequence}")
}

fn practice() -> Practice {
    Practice {
        name: PRACTICE.into(),
        time_zone: "America/Chicago".into(),
        currency_code: "USD".into(),
        create_time: Some(prost_types::Timestamp { seconds: 1, nanos: 0 }),
        source: Some(PmsSource { kind: Some(Kind::Sample(sample())) }),
        ..Default::default()
    }
}

struct Server(Arc<World>);

#[tonic::async_trait]
impl StateService for Server {
    async fn claim_runs(&self, request: Request<ClaimRunsRequest>) -> Result<Response<ClaimRunsResponse>, Status> {
        // No run here is urgent: a worker whose hands are full gets none, and one that dies leaves no claim on its way.
        if request.get_ref().capacity > 0 {
            let mut w = self.0.inner.lock();
            if !(w.held || w.finished || w.cancelled || w.failure.is_some()) {
                w.held = true;
                w.resumed_at.clear();
                w.epoch += 1;
                let kind = if w.nightly { RunKind::Nightly } else { RunKind::Initial };
                let run = ClaimedRun {
                    lease: Some(Lease { resource: run_name(w.sequence), epoch: w.epoch, ..Default::default() }),
                    run: Some(Run { name: run_name(w.sequence), kind: kind.into(), ..Default::default() }),
                    practice: Some(practice()),
                    checkpoints: w.checkpoints.values().cloned().collect(),
                    sequence: w.sequence,
                    ..Default::default()
                };
                return Ok(Response::new(ClaimRunsResponse { runs: vec![run] }));
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await; // a short long-poll
        Ok(Response::new(ClaimRunsResponse::default()))
    }

    async fn heartbeat(&self, request: Request<HeartbeatRequest>) -> Result<Response<HeartbeatResponse>, Status> {
        let lease = Some(self.0.check(request.get_ref().epoch)?);
        Ok(Response::new(HeartbeatResponse { lease }))
    }

    async fn release_lease(
        &self,
        request: Request<ReleaseLeaseRequest>,
    ) -> Result<Response<ReleaseLeaseResponse>, Status> {
        self.0.check(request.get_ref().epoch)?;
        self.0.expire_lease();
        Ok(Response::new(ReleaseLeaseResponse {}))
    }

    async fn save_checkpoint(
        &self,
        request: Request<SaveCheckpointRequest>,
    ) -> Result<Response<SaveCheckpointResponse>, Status> {
        let request = request.into_inner();
        let lease = Some(self.0.check(request.epoch)?);
        {
            let mut w = self.0.inner.lock();
            for checkpoint in request.checkpoints {
                let known = w.checkpoints.get_mut(&checkpoint.dataset).expect("a dataset of the run");
                assert!(
                    checkpoint.chunks >= known.chunks && checkpoint.rows_done >= known.rows_done,
                    "never goes back"
                );
                assert!(known.accepted_version.is_none(), "an accepted dataset is done");
                *known = checkpoint;
            }
        }
        self.0.step();
        Ok(Response::new(SaveCheckpointResponse { lease }))
    }

    async fn accept_datasets(
        &self,
        request: Request<AcceptDatasetsRequest>,
    ) -> Result<Response<AcceptDatasetsResponse>, Status> {
        let request = request.into_inner();
        let lease = Some(self.0.check(request.epoch)?);
        {
            let mut w = self.0.inner.lock();
            for result in request.datasets {
                let checkpoint = w.checkpoints.get_mut(&result.dataset).expect("a dataset of the run");
                assert!(checkpoint.finished, "finished before it is accepted");
                checkpoint.accepted_version = Some(result.version);
                let freshness = Some(Freshness { synced_through: result.synced_through, ..Default::default() });
                let accepted = AcceptedDataset {
                    dataset: result.dataset.clone(),
                    version: Some(result.version),
                    freshness,
                    rows: result.rows,
                };
                w.accepted.insert(result.dataset, accepted);
            }
        }
        self.0.step();
        Ok(Response::new(AcceptDatasetsResponse { lease }))
    }

    async fn finish_run(&self, request: Request<FinishRunRequest>) -> Result<Response<FinishRunResponse>, Status> {
        self.0.check(request.get_ref().epoch)?;
        {
            let mut w = self.0.inner.lock();
            assert!(w.checkpoints.values().all(|c| c.accepted_version.is_some()), "every dataset was accepted");
            (w.finished, w.held) = (true, false);
        }
        self.0.step();
        let run = Run { state: RunState::Succeeded.into(), ..Default::default() };
        Ok(Response::new(FinishRunResponse { run: Some(run) }))
    }

    async fn fail_run(&self, request: Request<FailRunRequest>) -> Result<Response<FailRunResponse>, Status> {
        self.0.check(request.get_ref().epoch)?;
        self.0.inner.lock().failure = Some(request.into_inner());
        self.0.step();
        Ok(Response::new(FailRunResponse::default()))
    }

    async fn watch_practice_states(
        &self,
        _: Request<WatchPracticeStatesRequest>,
    ) -> Result<Response<BoxStream<WatchPracticeStatesResponse>>, Status> {
        let (world, mut steps) = (self.0.clone(), self.0.steps.subscribe());
        let event = |event| Ok(WatchPracticeStatesResponse { event: Some(event) });
        Ok(Response::new(Box::pin(async_stream::stream! {
            yield event(Event::State(world.state()));
            yield event(Event::CaughtUp(true));
            while steps.changed().await.is_ok() {
                yield event(Event::State(world.state()));
            }
        })))
    }

    async fn get_practice_state(
        &self,
        request: Request<GetPracticeStateRequest>,
    ) -> Result<Response<GetPracticeStateResponse>, Status> {
        if request.get_ref().practice != PRACTICE {
            return Err(Refusal::practice_not_found(&request.get_ref().practice).into());
        }
        Ok(Response::new(GetPracticeStateResponse { state: Some(self.0.state()) }))
    }
}

#[tonic::async_trait]
impl PmsConnectorService for Server {
    async fn snapshot(
        &self,
        request: Request<SnapshotRequest>,
    ) -> Result<Response<BoxStream<SnapshotResponse>>, Status> {
        let (world, request) = (self.0.clone(), request.into_inner());
        let (rows, size) = {
            let mut w = world.inner.lock();
            let asked = request.datasets.iter().map(|d| (d.dataset.clone(), d.resume_token.parse().unwrap_or(0)));
            w.resumed_at = asked.collect();
            if let Some(reason) = w.refuse {
                return Err(Refusal::new(Code::FailedPrecondition, reason, "the source cannot be read").into());
            }
            // Borders differ from attempt to attempt, as they do where the server's latency sets them.
            (w.rows.clone(), w.chunk_rows + w.epoch as i64 % 3)
        };
        let counts = request.datasets.iter().map(|d| DatasetCount {
            dataset: d.dataset.clone(),
            rows: rows[&d.dataset],
            ..Default::default()
        });
        let start = SnapshotStart {
            position: "p".into(),
            server_time: Some(prost_types::Timestamp { seconds: SERVER_TIME, nanos: 0 }),
            counts: counts.collect(),
            ..Default::default()
        };
        Ok(Response::new(Box::pin(async_stream::stream! {
            yield Ok(SnapshotResponse { part: Some(Part::Start(start)) });
            for wanted in request.datasets {
                let total = rows[&wanted.dataset];
                let mut at: i64 = wanted.resume_token.parse().unwrap_or(0);
                loop {
                    let end = (at + size).min(total);
                    let chunk = SnapshotChunk {
                        dataset: wanted.dataset.clone(),
                        arrow_ipc: mesh::rows::encode(&batch(&wanted.dataset, at..end)).unwrap(),
                        rows: end - at,
                        resume_token: end.to_string(),
                        last: end == total,
                    };
                    world.step();
                    yield Ok(SnapshotResponse { part: Some(Part::Chunk(chunk)) });
                    at = end;
                    if at == total {
                        break;
                    }
                }
            }
        })))
    }
}

/// Rows with these keys; the other columns hold whatever fits their type.
fn batch(dataset: &str, keys: std::ops::Range<i64>) -> RecordBatch {
    let dataset = datasets::get(dataset).unwrap();
    let schema = datasets::schema(dataset);
    let length = usize::try_from(keys.end - keys.start).unwrap();
    let column = |field: &Arc<arrow::datatypes::Field>| -> ArrayRef {
        match field.data_type() {
            DataType::Int64 => Arc::new(Int64Array::from_iter_values(keys.clone())),
            DataType::Int32 => Arc::new(Int32Array::from_iter_values(keys.clone().map(|key| (key % 3) as i32))),
            DataType::Date32 => {
                Arc::new(Date32Array::from_iter_values(keys.clone().map(|key| 20_000 + (key % 400) as i32)))
            }
            DataType::Decimal128(18, 4) => {
                let values = Decimal128Array::from_iter_values(keys.clone().map(|key| i128::from(key % 9_999) * 100));
                Arc::new(values.with_precision_and_scale(18, 4).unwrap())
            }
            DataType::Utf8 => Arc::new(StringArray::from_iter_values(keys.clone().map(|key| (key % 32).to_string()))),
            other => new_null_array(other, length),
        }
    };
    let columns = schema.fields().iter().map(column).collect();
    RecordBatch::try_new(schema, columns).unwrap()
}
