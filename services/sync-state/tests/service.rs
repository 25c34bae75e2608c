//! Promise: sync-state's API does what its protos say: work is handed out once and taken over within seconds, forced runs
//! are coalesced, dead letters are retried, groups are paused, writes are kept, and what is wrong is refused by name.
//! Method: the whole service, called over gRPC, on a file or on a real Redis that two of them share.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use chairsync_proto::{
    feature::{ErrorReason, Feature},
    google_type,
    practice::{
        CreatePracticeRequest, ExportPracticeRequest, GetPracticeRequest, ImportPracticeRequest, ListPracticesRequest,
        NightlyWindow, PausePracticesRequest, PmsSource, Practice, PracticeFilter, ResumePracticesRequest,
        SampleSource, UpdatePracticeRequest, pms_source::Kind, practice_service_client::PracticeServiceClient,
    },
    state::{
        AcceptDatasetsRequest, ClaimRunsRequest, ClaimRunsResponse, ClaimStreamsRequest, ClaimWritesRequest,
        ClaimedRun, DatasetCheckpoint, DatasetResult, EnqueueWriteRequest, FailRunRequest, FinishRunRequest,
        HeartbeatRequest, ReportWriteRequest, SaveCheckpointRequest, WriteRetry, WriteSending, WriteSent,
        WriteVerified, report_write_request::Report, state_service_client::StateServiceClient,
    },
    sync::{
        DropWriteRequest, GetRunRequest, GetWriteRequest, ListDueTimesRequest, ListRunsRequest, ListWriteAuditsRequest,
        ListWritesRequest, RetryRunRequest, RetryWriteRequest, Run, RunKind, RunState, StartSyncRequest,
        WatchFeatureStatusesRequest, WatchRunRequest, Write, WriteKind, WriteState,
        outbox_service_client::OutboxServiceClient, sync_service_client::SyncServiceClient,
    },
};
use mesh::{
    error::reason_of,
    secret::Secret,
    transport::{Channel, connect, in_process},
};
use sync_state::{Config, LimitArgs};
use test_servers::Redis;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// The longest that anything here may take.
const LIMIT: Duration = Duration::from_secs(60);

/// A sync-state in this process.
struct Service {
    channel: Channel,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<anyhow::Result<()>>,
    _folder: Option<tempfile::TempDir>,
}

impl Service {
    fn on(config: Config, folder: Option<tempfile::TempDir>) -> Self {
        let (endpoint, listener) = in_process("sync-state");
        let stop = CancellationToken::new();
        let task = tokio::spawn(sync_state::run(config, listener, stop.clone()));
        Self { channel: connect(&endpoint), stop, task, _folder: folder }
    }

    fn on_file() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::on(Config { data: Some(folder.path().join("state")), ..Config::default() }, Some(folder))
    }

    fn on_redis(redis: &Redis) -> Self {
        Self::on(Config { redis: Some(Secret::new(redis.url())), ..Config::default() }, None)
    }

    fn limited(limits: LimitArgs) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::on(Config { data: Some(folder.path().join("state")), limits, ..Config::default() }, Some(folder))
    }

    /// Stops at once, as a kill does; what it held is not given back.
    fn kill(self) {
        self.task.abort();
    }

    fn practices(&self) -> PracticeServiceClient<Channel> {
        PracticeServiceClient::new(self.channel.clone())
    }

    fn sync(&self) -> SyncServiceClient<Channel> {
        SyncServiceClient::new(self.channel.clone())
    }

    fn state(&self) -> StateServiceClient<Channel> {
        StateServiceClient::new(self.channel.clone())
    }

    fn outbox(&self) -> OutboxServiceClient<Channel> {
        OutboxServiceClient::new(self.channel.clone())
    }

    async fn create(&self, id: &str, group: &str) -> String {
        let practice = Practice { group: group.to_owned(), ..sample() };
        let request = CreatePracticeRequest { practice_id: id.to_owned(), practice: Some(practice) };
        self.practices().create_practice(request).await.unwrap().into_inner().initial_run
    }

    /// Claims runs, waiting for up to ten seconds.
    async fn claim(&self, worker: &str, capacity: i32, lease: i64) -> Vec<ClaimedRun> {
        let request = ClaimRunsRequest {
            worker: worker.to_owned(),
            capacity,
            lease_duration: Some(prost_types::Duration { seconds: lease, nanos: 0 }),
            wait: Some(prost_types::Duration { seconds: 10, nanos: 0 }),
            urgent_capacity: 0,
        };
        let ClaimRunsResponse { runs } = self.state().claim_runs(request).await.unwrap().into_inner();
        runs
    }

    /// A practice whose initial run has been done.
    async fn ready(&self, id: &str, group: &str) {
        self.create(id, group).await;
        let mut claimed = self.claim("maker", 1, 30).await;
        assert_eq!(claimed.len(), 1);
        self.bring(&claimed.remove(0)).await;
    }

    /// Does a claimed run as a worker would.
    async fn bring(&self, claimed: &ClaimedRun) -> Run {
        let (run, epoch) = (name(claimed), epoch(claimed));
        let done = |c: &DatasetCheckpoint| DatasetCheckpoint { chunks: 1, rows_done: 3, finished: true, ..c.clone() };
        let request = SaveCheckpointRequest {
            run: run.clone(),
            epoch,
            checkpoints: claimed.checkpoints.iter().map(done).collect(),
            start_position: "p".to_owned(),
        };
        self.state().save_checkpoint(request).await.unwrap();
        let result = |c: &DatasetCheckpoint| DatasetResult {
            dataset: c.dataset.clone(),
            version: 1,
            rows: 3,
            ..Default::default()
        };
        let datasets = claimed.checkpoints.iter().map(result).collect();
        self.state().accept_datasets(AcceptDatasetsRequest { run: run.clone(), epoch, datasets }).await.unwrap();
        self.state().finish_run(FinishRunRequest { run, epoch }).await.unwrap().into_inner().run.unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.cancel();
        self.task.abort();
    }
}

fn sample() -> Practice {
    Practice {
        time_zone: "America/Chicago".to_owned(),
        source: Some(PmsSource { kind: Some(Kind::Sample(SampleSource { patients: 10, ..Default::default() })) }),
        ..Practice::default()
    }
}

fn name(claimed: &ClaimedRun) -> String {
    claimed.run.as_ref().unwrap().name.clone()
}

fn epoch(claimed: &ClaimedRun) -> u64 {
    claimed.lease.as_ref().unwrap().epoch
}

fn field(status: &Status) -> String {
    let details = status.get_details_bad_request().unwrap_or_else(|| panic!("no field in {status:?}"));
    details.field_violations[0].field.clone()
}

async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, work).await.unwrap_or_else(|_| panic!("{what} in time"))
}

#[tokio::test(flavor = "multi_thread")]
async fn forced_runs_are_coalesced_and_dead_letters_retried() {
    let service = Service::on_file();
    service.ready("north", "").await;
    let start = |features: Vec<Feature>, request_id: &str| StartSyncRequest {
        practice: "practices/north".to_owned(),
        features: features.into_iter().map(Into::into).collect(),
        request_id: request_id.to_owned(),
        ..Default::default()
    };
    let first = service.sync().start_sync(start(vec![], "one")).await.unwrap().into_inner();
    let run = first.run.unwrap();
    assert!(!first.coalesced && run.kind() == RunKind::Forced);
    let again = service.sync().start_sync(start(vec![Feature::PatientFinder], "")).await.unwrap().into_inner();
    assert!(again.coalesced && again.run.unwrap().name == run.name, "what is asked for is read by the one that waits");
    let repeated = service.sync().start_sync(start(vec![], "one")).await.unwrap().into_inner();
    assert!(repeated.coalesced && repeated.run.unwrap().name == run.name);
    let reused = service.sync().start_sync(start(vec![Feature::PatientFinder], "one")).await.unwrap_err();
    assert_eq!((reused.code(), reason_of(&reused)), (Code::InvalidArgument, Some(ErrorReason::RequestIdReused)));

    let claimed = within("a claim", service.claim("worker", 1, 30)).await.remove(0);
    assert_eq!(name(&claimed), run.name);
    let failed = FailRunRequest {
        run: run.name.clone(),
        epoch: epoch(&claimed),
        reason: ErrorReason::PmsTableMissing.into(),
        message: "a table is missing".to_owned(),
        permanent: true,
    };
    let failed = service.state().fail_run(failed).await.unwrap().into_inner().run.unwrap();
    assert_eq!(failed.state(), RunState::Failed);
    let kept =
        service.sync().get_run(GetRunRequest { name: run.name.clone() }).await.unwrap().into_inner().run.unwrap();
    assert_eq!((kept.state(), kept.error.unwrap().reason()), (RunState::Failed, ErrorReason::PmsTableMissing));

    let retry = RetryRunRequest { name: run.name.clone() };
    let retried = service.sync().retry_run(retry.clone()).await.unwrap().into_inner().run.unwrap();
    assert_eq!((retried.state(), retried.name.as_str()), (RunState::Queued, run.name.as_str()));
    let claimed = within("a claim", service.claim("worker", 1, 30)).await.remove(0);
    assert_eq!(service.bring(&claimed).await.state(), RunState::Succeeded);
    let refused = service.sync().retry_run(retry).await.unwrap_err();
    assert_eq!(reason_of(&refused), Some(ErrorReason::RunNotRetryable));

    // The watch of a run that has ended says so, and ends.
    let watched = service.sync().watch_run(WatchRunRequest { name: run.name.clone() }).await.unwrap();
    let mut watched = watched.into_inner();
    assert_eq!(watched.message().await.unwrap().unwrap().run.unwrap().state(), RunState::Succeeded);
    assert!(watched.message().await.unwrap().is_none());

    // A page at a time, newest first, the ended ones with the others.
    service.sync().start_sync(start(vec![], "")).await.unwrap();
    let mut request =
        ListRunsRequest { practice: "practices/north".to_owned(), page_size: 2, page_token: String::new() };
    let page = service.sync().list_runs(request.clone()).await.unwrap().into_inner();
    assert_eq!(page.runs.iter().map(Run::state).collect::<Vec<_>>(), [RunState::Queued, RunState::Succeeded]);
    request.page_token = page.next_page_token;
    let page = service.sync().list_runs(request).await.unwrap().into_inner();
    assert_eq!(page.runs.iter().map(Run::kind).collect::<Vec<_>>(), [RunKind::Initial]);
    assert!(page.next_page_token.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_paused_and_goes_on() {
    let service = Service::on_file();
    for (id, group) in [("a", "chain"), ("b", "chain"), ("c", "")] {
        service.create(id, group).await;
    }
    let filter = || Some(PracticeFilter { group: "chain".to_owned(), ..Default::default() });
    let pause = PausePracticesRequest { filter: filter(), pause_note: "moving".to_owned() };
    let counts = service.practices().pause_practices(pause.clone()).await.unwrap().into_inner();
    assert_eq!((counts.paused, counts.already_paused), (2, 0));
    let counts = service.practices().pause_practices(pause).await.unwrap().into_inner();
    assert_eq!((counts.paused, counts.already_paused), (0, 2));
    let practice = service.practices().get_practice(GetPracticeRequest { name: "practices/a".to_owned() }).await;
    let practice = practice.unwrap().into_inner().practice.unwrap();
    assert!(practice.paused && practice.pause_note == "moving");

    let claimed = within("a claim", service.claim("worker", 10, 30)).await;
    assert_eq!(claimed.iter().map(name).collect::<Vec<_>>(), ["practices/c/runs/1"], "what is paused is not offered");
    let resume = ResumePracticesRequest { filter: filter() };
    let counts = service.practices().resume_practices(resume).await.unwrap().into_inner();
    assert_eq!((counts.resumed, counts.already_running), (2, 0));
    let mut claimed: Vec<String> = within("a claim", service.claim("worker", 10, 30)).await.iter().map(name).collect();
    if claimed.len() == 1 {
        claimed.extend(within("a claim", service.claim("worker", 10, 30)).await.iter().map(name));
    }
    claimed.sort();
    assert_eq!(claimed, ["practices/a/runs/1", "practices/b/runs/1"]);
    for (filter, wanted) in [(None, "filter"), (Some(PracticeFilter::default()), "filter")] {
        let refused = service.practices().resume_practices(ResumePracticesRequest { filter }).await.unwrap_err();
        assert_eq!(field(&refused), wanted);
    }
}

fn write(practice: &str, request_id: &str, kind: WriteKind, patient: &str, body: &[u8]) -> EnqueueWriteRequest {
    EnqueueWriteRequest {
        practice: format!("practices/{practice}"),
        request_id: request_id.to_owned(),
        kind: kind.into(),
        patient: patient.to_owned(),
        body: body.to_vec().into(),
        actor: "tester".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_are_kept_in_order_and_verified() {
    let redis = Redis::start().await;
    let service = Service::on_redis(&redis);
    service.create("north", "").await;
    let mut state = service.state();
    let enqueue = |id: &str, patient: &str| write("north", id, WriteKind::Commlog, patient, id.as_bytes());
    let first = state.enqueue_write(enqueue("w1", "7")).await.unwrap().into_inner();
    assert!(!first.repeated);
    let first = first.write.unwrap();
    let repeated = state.enqueue_write(enqueue("w1", "7")).await.unwrap().into_inner();
    assert!(repeated.repeated && repeated.write.unwrap().name == first.name);
    let other = state.enqueue_write(write("north", "w1", WriteKind::Commlog, "7", b"other")).await.unwrap_err();
    assert_eq!((other.code(), reason_of(&other)), (Code::InvalidArgument, Some(ErrorReason::RequestIdReused)));
    state.enqueue_write(enqueue("w2", "7")).await.unwrap();
    state.enqueue_write(enqueue("w3", "8")).await.unwrap();
    let held = state.enqueue_write(write("north", "w4", WriteKind::Payment, "7", b"50")).await.unwrap().into_inner();
    assert_eq!(held.write.unwrap().state(), WriteState::Held, "automatic write-back is off");

    let claim = || ClaimWritesRequest {
        worker: "writer".to_owned(),
        capacity: 10,
        lease_duration: None,
        wait: Some(prost_types::Duration { seconds: 10, nanos: 0 }),
    };
    let claimed = within("a claim", state.clone().claim_writes(claim())).await.unwrap().into_inner().writes;
    let bodies: Vec<&[u8]> = claimed.iter().map(|claimed| claimed.body.as_ref()).collect();
    assert_eq!(bodies, [b"w1", b"w3"], "a patient's second write waits for its first");
    let report = |claimed: &chairsync_proto::state::ClaimedWrite, report| ReportWriteRequest {
        write: claimed.write.as_ref().unwrap().name.clone(),
        epoch: claimed.lease.as_ref().unwrap().epoch,
        report: Some(report),
    };
    let early = report(&claimed[0], Report::Sent(WriteSent { pms_key: "99".to_owned() }));
    let early = state.report_write(early).await.unwrap_err();
    assert_eq!(reason_of(&early), Some(ErrorReason::WriteReportMisplaced));
    for step in [
        Report::Sending(WriteSending {}),
        Report::Sent(WriteSent { pms_key: "99".to_owned() }),
        Report::Verified(WriteVerified::default()),
    ] {
        state.report_write(report(&claimed[0], step)).await.unwrap();
    }
    let verified = service.outbox().get_write(GetWriteRequest { name: first.name.clone() }).await.unwrap().into_inner();
    let verified = verified.write.unwrap();
    assert_eq!((verified.state(), verified.pms_key.as_str()), (WriteState::Verified, "99"));
    let retry = WriteRetry {
        reason: ErrorReason::PmsTimeout.into(),
        message: "slow".to_owned(),
        not_applied: true,
        retry_at: None,
    };
    let waits =
        state.report_write(report(&claimed[1], Report::Retry(retry))).await.unwrap().into_inner().write.unwrap();
    assert_eq!(waits.state(), WriteState::RetryWait);
    let retried = RetryWriteRequest { name: waits.name.clone(), reason: "it is back".to_owned() };
    service.outbox().retry_write(retried).await.unwrap();
    let mut bodies = Vec::new();
    while bodies.len() < 2 {
        let claimed = within("a claim", state.clone().claim_writes(claim())).await.unwrap().into_inner().writes;
        bodies.extend(claimed.into_iter().map(|claimed| claimed.body.to_vec()));
    }
    bodies.sort();
    assert_eq!(bodies, [b"w2".to_vec(), b"w3".to_vec()]);

    let list = |states: &[WriteState]| ListWritesRequest {
        practice: "practices/north".to_owned(),
        states: states.iter().map(|state| (*state).into()).collect(),
        ..Default::default()
    };
    let held: Vec<Write> = service.outbox().list_writes(list(&[WriteState::Held])).await.unwrap().into_inner().writes;
    assert_eq!(held.iter().map(|write| write.request_id.as_str()).collect::<Vec<_>>(), ["w4"]);
    let silent = DropWriteRequest { name: held[0].name.clone(), reason: String::new() };
    assert_eq!(field(&service.outbox().drop_write(silent.clone()).await.unwrap_err()), "reason");
    let dropped = DropWriteRequest { reason: "entered by hand".to_owned(), ..silent };
    let dropped = service.outbox().drop_write(dropped).await.unwrap().into_inner().write.unwrap();
    assert_eq!(dropped.state(), WriteState::Dropped);
    let audits = ListWriteAuditsRequest { parent: dropped.name.clone(), ..Default::default() };
    let audits = service.outbox().list_write_audits(audits).await.unwrap().into_inner().audits;
    assert_eq!(audits[0].reason, "entered by hand");

    // Nothing of it is gone when the service is.
    service.kill();
    let service = Service::on_redis(&redis);
    let kept = within("the list", service.outbox().list_writes(list(&[]))).await.unwrap().into_inner().writes;
    assert_eq!(kept.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_worker_and_a_dead_service_are_taken_over() {
    let redis = Redis::start().await;
    let (one, two) = (Service::on_redis(&redis), Service::on_redis(&redis));
    one.create("north", "").await;
    let claimed = within("a claim", one.claim("first", 1, 1)).await.remove(0);
    // Its worker falls silent, and the service that handed the run out dies with it.
    one.kill();
    let again = within("the take-over", two.claim("second", 1, 30)).await.remove(0);
    assert_eq!(name(&again), name(&claimed));
    assert!(epoch(&again) > epoch(&claimed));
    let late = HeartbeatRequest { resource: name(&claimed), epoch: epoch(&claimed), lease_duration: None };
    let late = two.state().heartbeat(late).await.unwrap_err();
    assert_eq!((late.code(), reason_of(&late)), (Code::Aborted, Some(ErrorReason::LeaseLost)));
    assert_eq!(two.bring(&again).await.state(), RunState::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_service_saves_the_other_knows() {
    let redis = Redis::start().await;
    let (one, two) = (Service::on_redis(&redis), Service::on_redis(&redis));
    one.create("north", "").await;
    let claimed = within("a claim", one.claim("worker", 1, 30)).await.remove(0);
    // A report may go to any of them, whether it has seen the claim or not.
    let beat = HeartbeatRequest { resource: name(&claimed), epoch: epoch(&claimed), lease_duration: None };
    two.state().heartbeat(beat).await.unwrap();
    assert_eq!(two.bring(&claimed).await.state(), RunState::Succeeded);
    let streams = ClaimStreamsRequest {
        worker: "follower".to_owned(),
        capacity: 5,
        lease_duration: None,
        wait: Some(prost_types::Duration { seconds: 10, nanos: 0 }),
    };
    let streams = within("a stream", one.state().claim_streams(streams)).await.unwrap().into_inner().streams;
    assert_eq!(streams.len(), 1, "the stream is offered once the initial run has ended, wherever that was told");
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_and_a_large_group_waits_its_turn() {
    let service = Service::limited(LimitArgs { runs_per_host: 2, runs: 3 });
    for id in ["big-a", "big-b", "big-c", "big-d"] {
        service.create(id, "big").await;
    }
    service.create("small", "").await;
    let claimed = within("a claim", service.claim("worker", 3, 30)).await;
    let names: Vec<String> = claimed.iter().map(name).collect();
    assert!(names.contains(&"practices/small/runs/1".to_owned()), "{names:?}");
    let mut held = claimed;
    while held.len() < 3 {
        held.extend(within("a claim", service.claim("worker", 3, 30)).await);
    }
    let none = ClaimRunsRequest { worker: "worker".to_owned(), capacity: 3, ..Default::default() };
    assert!(
        service.state().claim_runs(none).await.unwrap().into_inner().runs.is_empty(),
        "the fleet's limit is reached"
    );
    service.bring(&held[0]).await;
    assert_eq!(within("a claim", service.claim("worker", 3, 30)).await.len(), 1, "who is done makes room for one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_goes_on_where_it_stopped() {
    let service = Service::on_file();
    service.create("north", "").await;
    let watch = |resume_token: &str| WatchFeatureStatusesRequest {
        practice: "practices/north".to_owned(),
        resume_token: resume_token.to_owned(),
    };
    let mut stream = service.sync().watch_feature_statuses(watch("")).await.unwrap().into_inner();
    let first = stream.message().await.unwrap().unwrap();
    assert_eq!(first.statuses.len(), 14);
    drop(stream);
    let mut resumed = service.sync().watch_feature_statuses(watch(&first.resume_token)).await.unwrap().into_inner();
    let claimed = within("a claim", service.claim("worker", 1, 30)).await.remove(0);
    service.bring(&claimed).await;
    let next = within("the change", resumed.message()).await.unwrap().unwrap();
    assert_ne!(next.statuses, first.statuses, "what was seen is not sent again");
    service.create("south", "").await;
    let other = WatchFeatureStatusesRequest { practice: "practices/south".to_owned(), ..watch(&first.resume_token) };
    for request in [other, watch("forged")] {
        let refused = service.sync().watch_feature_statuses(request).await.unwrap_err();
        assert_eq!(
            (refused.code(), reason_of(&refused)),
            (Code::InvalidArgument, Some(ErrorReason::ResumeTokenInvalid))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_practice_is_taken_out_and_put_in() {
    let (here, redis) = (Service::on_file(), Redis::start().await);
    let there = Service::on_redis(&redis);
    here.ready("north", "").await;
    let owed = write("north", "w1", WriteKind::Payment, "7", b"50");
    here.state().enqueue_write(owed.clone()).await.unwrap();
    let export = |name: &str| ExportPracticeRequest { name: name.to_owned() };
    let mut stream = here.practices().export_practice(export("practices/north")).await.unwrap().into_inner();
    let mut lines = Vec::new();
    while let Some(line) = stream.message().await.unwrap() {
        lines.push(ImportPracticeRequest { line: line.line });
    }
    let import = |lines: &[ImportPracticeRequest]| futures::stream::iter(lines.to_vec());
    let cut = there.practices().import_practice(import(&lines[..lines.len() - 1])).await.unwrap_err();
    assert_eq!((cut.code(), reason_of(&cut)), (Code::InvalidArgument, Some(ErrorReason::ExportInvalid)));
    let moved = there.practices().import_practice(import(&lines)).await.unwrap().into_inner().practice.unwrap();
    assert!(moved.paused && moved.initial_sync_time.is_some());
    let twice = there.practices().import_practice(import(&lines)).await.unwrap_err();
    assert_eq!(reason_of(&twice), Some(ErrorReason::PracticeAlreadyExists));
    assert!(there.state().enqueue_write(owed).await.unwrap().into_inner().repeated, "what is owed came with it");
    let run = GetRunRequest { name: "practices/north/runs/1".to_owned() };
    let run = there.sync().get_run(run).await.unwrap().into_inner().run.unwrap();
    assert_eq!((run.kind(), run.state()), (RunKind::Initial, RunState::Succeeded));
    let none = here.practices().export_practice(export("practices/none")).await.unwrap_err();
    assert_eq!(reason_of(&none), Some(ErrorReason::PracticeNotFound));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_nights_are_told() {
    let service = Service::on_file();
    service.create("north", "").await;
    let ask = |count| ListDueTimesRequest { practice: "practices/north".to_owned(), count };
    let times = service.sync().list_due_times(ask(0)).await.unwrap().into_inner().due_times;
    assert_eq!(times.len(), 10);
    assert!(times.windows(2).all(|two| two[0].local_date < two[1].local_date));
    assert!(times.iter().all(|t| t.due_at.unwrap().seconds < t.window_closes_at.unwrap().seconds));
    assert_eq!(field(&service.sync().list_due_times(ask(101)).await.unwrap_err()), "count");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_refused_by_name() {
    let service = Service::on_file();
    service.create("north", "").await;
    service.create("south", "").await;
    let create = |practice| CreatePracticeRequest { practice_id: "new".to_owned(), practice: Some(practice) };
    let window = Some(NightlyWindow { start_minute: 300, end_minute: 60 });
    for (practice, wanted) in [
        (Practice { nightly_window: window, ..sample() }, "practice.nightly_window.end_minute"),
        (Practice { time_zone: "Mars/Olympus".to_owned(), ..sample() }, "practice.time_zone"),
        (Practice { group: "No Group".to_owned(), ..sample() }, "practice.group"),
        (Practice { overlap_policy: 99, ..sample() }, "practice.overlap_policy"),
    ] {
        let refused = service.practices().create_practice(create(practice)).await.unwrap_err();
        assert_eq!((refused.code(), field(&refused).as_str()), (Code::InvalidArgument, wanted));
    }

    let pages = ListPracticesRequest { page_size: 1, page_token: String::new() };
    let page_token = service.practices().list_practices(pages).await.unwrap().into_inner().next_page_token;
    let runs = ListRunsRequest { practice: "practices/north".to_owned(), page_size: 1, page_token };
    let refused = service.sync().list_runs(runs).await.unwrap_err();
    assert_eq!((reason_of(&refused), field(&refused).as_str()), (Some(ErrorReason::PageTokenInvalid), "page_token"));

    let stale = UpdatePracticeRequest {
        name: "practices/north".to_owned(),
        practice: Some(Practice { display_name: "North".to_owned(), ..Practice::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["display_name".to_owned()] }),
        etag: "stale".to_owned(),
    };
    let refused = service.practices().update_practice(stale).await.unwrap_err();
    assert_eq!((refused.code(), reason_of(&refused)), (Code::Aborted, Some(ErrorReason::EtagMismatch)));

    let claimed = within("a claim", service.claim("worker", 1, 30)).await.remove(0);
    let future = FinishRunRequest { run: name(&claimed), epoch: epoch(&claimed) + 1_000_000 };
    let refused = service.state().finish_run(future).await.unwrap_err();
    assert_eq!((refused.code(), reason_of(&refused)), (Code::Aborted, Some(ErrorReason::LeaseLost)));
    assert!(refused.message().contains("never given"), "{}", refused.message());

    let large = vec![0; 262_145];
    let refused =
        service.state().enqueue_write(write("north", "w", WriteKind::Commlog, "7", &large)).await.unwrap_err();
    assert_eq!((refused.code(), field(&refused).as_str()), (Code::InvalidArgument, "body"));
    for (request, wanted) in [
        (write("north", "a b", WriteKind::Commlog, "7", b"x"), "request_id"),
        (write("north", "w", WriteKind::Commlog, "", b"x"), "patient"),
        (write("north", "w", WriteKind::Unspecified, "7", b"x"), "kind"),
    ] {
        assert_eq!(field(&service.state().enqueue_write(request).await.unwrap_err()), wanted);
    }

    let date = |day| Some(google_type::Date { year: 2026, month: 2, day });
    let backfill = |from_date, until_date| StartSyncRequest {
        practice: "practices/north".to_owned(),
        from_date,
        until_date,
        ..Default::default()
    };
    for (request, wanted) in [
        (backfill(date(20), date(10)), "until_date"),
        (backfill(date(20), None), "until_date"),
        (backfill(date(30), date(31)), "from_date"),
    ] {
        assert_eq!(field(&service.sync().start_sync(request).await.unwrap_err()), wanted);
    }
    for (capacity, lease, wanted) in
        [(0, 30, "capacity"), (101, 30, "capacity"), (1, 0, "lease_duration"), (1, 301, "lease_duration")]
    {
        let request = ClaimRunsRequest {
            worker: "worker".to_owned(),
            capacity,
            lease_duration: Some(prost_types::Duration { seconds: lease, nanos: 0 }),
            ..Default::default()
        };
        assert_eq!(field(&service.state().claim_runs(request).await.unwrap_err()), wanted);
    }
}
