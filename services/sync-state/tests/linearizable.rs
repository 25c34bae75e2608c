//! Each practice is one thing, whoever asks whichever replica: concurrent clients of two replicas, whose connections are
//! cut, over a Redis that is killed with -9, see answers that some order of their calls explains, one after the other.
//!
//! The calls are recorded while it happens and judged afterwards, see `harness/linear.rs`. Redis is set to `appendfsync
//! always`, so that a kill forgets nothing that was acknowledged; what other settings can lose is `lost_tail.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use chairsync_proto::{
    practice::{
        CreatePracticeRequest, GetPracticeRequest, PmsSource, Practice, SampleSource, UpdatePracticeRequest,
        pms_source::Kind, practice_service_client::PracticeServiceClient,
    },
    state::{
        AcceptDatasetsRequest, ClaimRunsRequest, ClaimStreamsRequest, DatasetCheckpoint, DatasetResult,
        EnqueueWriteRequest, FinishRunRequest, HeartbeatRequest, ReleaseLeaseRequest, SaveCheckpointRequest,
        SaveCursorRequest, state_service_client::StateServiceClient,
    },
    sync::WriteKind,
};
use harness::{
    Replica, endpoint, eventually,
    linear::{self, History, Op, Spec},
    long,
    proxy::Proxy,
    reason, seed,
};
use mesh::transport::Channel;
use parking_lot::Mutex;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use test_servers::Redis;
use tonic::{Request, Status};

const PRACTICES: [&str; 3] = ["one", "two", "three"];
const CLIENTS: usize = 8;
/// Answered calls to each practice.
const CALLS: usize = 250;
const LEASE: Duration = Duration::from_secs(2);
/// What a clock may be off by between a call and the service: both are this machine's.
const SLACK: Duration = Duration::from_millis(20);
const DEADLINE: Duration = Duration::from_secs(4);

/// What a client asks of one practice.
#[derive(Debug, Clone)]
enum Call {
    /// Changes the name, if it is still the expected one (by the etag that came with it).
    Rename { expected: String, name: String },
    /// Reads the name when nothing goes on any more.
    Name,
    /// Takes the change stream.
    Claim,
    /// Renews the lease of the stream.
    Heartbeat { epoch: u64 },
    /// Moves the stream's cursor.
    Move { epoch: u64, expected: String, cursor: String },
    /// Gives the stream back.
    Release { epoch: u64 },
    /// Owes a write to the PMS.
    Enqueue { request_id: String, body: u8 },
}

/// What it is told.
#[derive(Debug, Clone, PartialEq)]
enum Answer {
    Done,
    Named(String),
    Claimed { epoch: u64, cursor: String },
    Write { name: String },
    Refused(String),
}

/// What one practice is, as far as these calls see it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    name: String,
    cursor: String,
    /// The last epoch that was given; none where it was given in a call that failed, so that nobody knows it.
    epoch: Option<u64>,
    /// The last epoch that somebody knows.
    greatest: u64,
    lease: Option<Renewed>,
    writes: BTreeMap<String, (u8, Option<String>)>,
}

/// When the lease was renewed last: at some time from the call to the return, or later where the call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Renewed {
    after: Duration,
    before: Option<Duration>,
}

struct OnePractice;

impl Spec for OnePractice {
    type State = State;
    type Call = Call;
    type Answer = Answer;

    fn step(state: &State, op: &Op<Call, Answer>) -> Option<State> {
        let mut next = state.clone();
        let renewed = Renewed { after: op.called, before: op.answer.as_ref().map(|_| op.returned) };
        // Whether the lease may have run out by the end of this call, and whether it must have by its beginning.
        let lost = state.lease.is_none_or(|lease| op.answer.is_none() || op.returned + SLACK >= lease.after + LEASE);
        let over =
            state.lease.is_none_or(|lease| lease.before.is_some_and(|before| op.called > before + LEASE + SLACK));
        let holds = |epoch: u64| !over && state.epoch == Some(epoch);
        let (held, legal) = match &op.call {
            Call::Rename { expected, name } => {
                let as_expected = *expected == state.name;
                if as_expected {
                    next.name.clone_from(name);
                }
                let told = match &op.answer {
                    Some(Answer::Named(named)) => as_expected && named == name,
                    Some(Answer::Refused(reason)) => !as_expected && reason == "ETAG_MISMATCH",
                    answer => answer.is_none(),
                };
                return told.then_some(next);
            }
            Call::Name => return (op.answer == Some(Answer::Named(state.name.clone()))).then_some(next),
            Call::Enqueue { request_id, body } => {
                let entry = next.writes.get_mut(request_id);
                let legal = match (entry, &op.answer) {
                    (None, Some(Answer::Write { name })) => {
                        next.writes.insert(request_id.clone(), (*body, Some(name.clone())));
                        true
                    }
                    (None, None) => {
                        next.writes.insert(request_id.clone(), (*body, None));
                        true
                    }
                    (Some((first, known)), Some(Answer::Write { name })) => {
                        let same = known.as_ref().is_none_or(|known| known == name);
                        *known = Some(name.clone());
                        first == body && same
                    }
                    (Some((first, _)), Some(Answer::Refused(_))) => first != body,
                    (Some(_), None) => true,
                    _ => false,
                };
                return legal.then_some(next);
            }
            Call::Claim => {
                let legal = match &op.answer {
                    Some(Answer::Claimed { epoch, cursor }) => {
                        next.epoch = Some(*epoch);
                        next.greatest = *epoch;
                        *epoch > state.greatest && *cursor == state.cursor
                    }
                    answer => {
                        next.epoch = None;
                        answer.is_none()
                    }
                };
                next.lease = Some(renewed);
                return (legal && lost).then_some(next);
            }
            Call::Heartbeat { epoch } => (*epoch, true),
            Call::Move { epoch, expected, cursor } => {
                let as_expected = *expected == state.cursor;
                if as_expected && holds(*epoch) {
                    next.cursor.clone_from(cursor);
                }
                (*epoch, as_expected)
            }
            Call::Release { epoch } => (*epoch, true),
        };
        match &op.answer {
            Some(Answer::Refused(reason)) => {
                let stale = state.epoch != Some(held);
                let told = match reason.as_str() {
                    "LEASE_LOST" => lost || stale,
                    "CURSOR_MISMATCH" => !legal && holds(held),
                    _ => false,
                };
                return told.then(|| state.clone());
            }
            Some(Answer::Done) if !(legal && holds(held)) => return None,
            None if !(legal && holds(held)) => return Some(state.clone()),
            _ => {}
        }
        next.lease = (!matches!(op.call, Call::Release { .. })).then_some(renewed);
        Some(next)
    }
}

/// What the clients of a practice know of it together.
#[derive(Debug, Default)]
struct Known {
    /// Name and etag, as they were read last.
    named: Option<(String, String)>,
    /// Epochs that were given, and the cursor as their holders know it.
    epochs: Vec<(u64, String)>,
    /// Keys of writes, with their bodies.
    writes: Vec<(String, u8)>,
}

struct Subject {
    id: &'static str,
    history: History<Call, Answer>,
    known: Mutex<Known>,
    answered: AtomicUsize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_practice_answers_as_one() {
    let seed = seed();
    let mut redis = Redis::start_with(None, &["--appendfsync", "always"]).await;
    let mut random = StdRng::seed_from_u64(seed);
    let (mut replicas, mut to_redis, mut to_replica) = (vec![], vec![], vec![]);
    for _ in 0..2 {
        let proxy = Proxy::start(redis.port()).await;
        let replica = Replica::start(&format!("redis://127.0.0.1:{}", proxy.port)).await;
        to_replica.push(Proxy::start(replica.port).await);
        replicas.push(replica);
        to_redis.push(proxy);
    }
    let direct = mesh::transport::connect(&replicas[0].endpoint());
    for id in PRACTICES {
        synced(direct.clone(), id).await;
    }
    let subjects: Arc<Vec<Subject>> = Arc::new(
        PRACTICES
            .iter()
            .map(|id| Subject { id, history: History::new(), known: Mutex::default(), answered: AtomicUsize::new(0) })
            .collect(),
    );
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let channels = to_replica.iter().map(|proxy| mesh::transport::connect(&endpoint(proxy.port))).collect();
            let random = StdRng::seed_from_u64(seed.wrapping_add(client as u64));
            tokio::spawn(work(client, channels, subjects.clone(), random, stop.clone()))
        })
        .collect();

    let start = Instant::now();
    let target = CALLS * long();
    let mut kills = 0;
    while subjects.iter().any(|subject| subject.answered.load(Ordering::Relaxed) < target) {
        assert!(
            start.elapsed() < Duration::from_secs(120) * u32::try_from(long()).unwrap(),
            "the calls do not get through"
        );
        tokio::time::sleep(Duration::from_millis(random.random_range(20..250))).await;
        match random.random_range(0..10) {
            0..4 => to_replica.choose(&mut random).unwrap().cut(),
            4..7 => to_redis.choose(&mut random).unwrap().cut(),
            7 => {
                to_redis.choose(&mut random).unwrap().cut_for(Duration::from_millis(random.random_range(1..800))).await
            }
            8 => {
                to_replica
                    .choose(&mut random)
                    .unwrap()
                    .cut_for(Duration::from_millis(random.random_range(1..200)))
                    .await
            }
            _ => {
                redis.restart().await;
                kills += 1;
            }
        }
    }
    if kills == 0 {
        redis.restart().await;
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    quiet(&replicas, &subjects).await;

    let subjects = Arc::into_inner(subjects).expect("the clients have ended");
    for subject in subjects {
        let ops = subject.history.into_ops();
        let failed = ops.iter().filter(|op| op.answer.is_none()).count();
        eprintln!("{}: {} calls, {failed} of them failed; Redis was killed {kills} times", subject.id, ops.len());
        let state = State {
            name: subject.id.to_owned(),
            cursor: String::new(),
            epoch: None,
            greatest: 0,
            lease: None,
            writes: BTreeMap::new(),
        };
        if let Err(fault) = linear::check::<OnePractice>(state, &ops) {
            panic!("practice {} (CHAIRSYNC_SEED={seed}): {fault}", subject.id);
        }
    }
}

/// A practice whose initial sync is done, so that its stream can be claimed.
async fn synced(channel: Channel, id: &str) {
    let source = PmsSource { kind: Some(Kind::Sample(SampleSource::default())) };
    let practice = Practice {
        display_name: id.to_owned(),
        time_zone: "UTC".to_owned(),
        source: Some(source),
        ..Practice::default()
    };
    let request = CreatePracticeRequest { practice_id: id.to_owned(), practice: Some(practice) };
    PracticeServiceClient::new(channel.clone()).create_practice(request).await.unwrap();
    let mut client = StateServiceClient::new(channel);
    let request = ClaimRunsRequest { worker: "first".to_owned(), capacity: 1, ..Default::default() };
    let claimed = client.claim_runs(request).await.unwrap().into_inner().runs.remove(0);
    let lease = claimed.lease.unwrap();
    let (run, epoch) = (lease.resource, lease.epoch);
    let names: Vec<String> = claimed.checkpoints.into_iter().map(|checkpoint| checkpoint.dataset).collect();
    let checkpoint = |name: &String| DatasetCheckpoint {
        dataset: name.clone(),
        chunks: 1,
        finished: true,
        ..DatasetCheckpoint::default()
    };
    let checkpoints = names.iter().map(checkpoint).collect();
    let request = SaveCheckpointRequest { run: run.clone(), epoch, checkpoints, start_position: "p".to_owned() };
    client.save_checkpoint(request).await.unwrap();
    let datasets =
        names.iter().map(|name| DatasetResult { dataset: name.clone(), version: 1, ..Default::default() }).collect();
    client.accept_datasets(AcceptDatasetsRequest { run: run.clone(), epoch, datasets }).await.unwrap();
    client.finish_run(FinishRunRequest { run, epoch }).await.unwrap();
}

/// One client's calls, now to this replica, now to that one.
async fn work(
    client: usize,
    channels: Vec<Channel>,
    subjects: Arc<Vec<Subject>>,
    mut random: StdRng,
    stop: Arc<AtomicBool>,
) {
    let mut count = 0_usize;
    while !stop.load(Ordering::Relaxed) {
        count += 1;
        let subject = subjects.choose(&mut random).unwrap();
        let channel = channels.choose(&mut random).unwrap().clone();
        let tag = format!("{client}-{count}");
        let choice = random.random_range(0..20);
        let held = subject.known.lock().epochs.choose(&mut random).cloned();
        match (choice, held) {
            (0..2, _) => read_name(subject, channel).await,
            (2..7, _) => rename(client, subject, channel, tag).await,
            (7..10, _) => claim(client, &subjects, channel, &tag).await,
            (10..13, _) => {
                let known = subject.known.lock().writes.choose(&mut random).cloned();
                let write = known.filter(|_| random.random_bool(0.7)).unwrap_or((format!("request-{tag}"), 1));
                let body = if random.random_bool(0.1) { 2 } else { write.1 };
                enqueue(client, subject, channel, write.0, body).await;
            }
            (13..15, Some((epoch, _))) => {
                let request =
                    HeartbeatRequest { resource: stream(subject), epoch, lease_duration: LEASE.try_into().ok() };
                let answer = async { StateServiceClient::new(channel).heartbeat(within(request)).await };
                call(client, subject, Call::Heartbeat { epoch }, answer, |_| Answer::Done).await;
            }
            (15..19, Some((epoch, expected))) => move_cursor(client, subject, channel, epoch, expected, tag).await,
            (19, Some((epoch, _))) => {
                let request = ReleaseLeaseRequest { resource: stream(subject), epoch };
                let answer = async { StateServiceClient::new(channel).release_lease(within(request)).await };
                call(client, subject, Call::Release { epoch }, answer, |_| Answer::Done).await;
            }
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(0..20))).await;
    }
}

fn stream(subject: &Subject) -> String {
    format!("practices/{}/stream", subject.id)
}

fn within<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(DEADLINE);
    request
}

/// Makes a call and writes it down; none when it failed.
async fn call<T>(
    client: usize,
    subject: &Subject,
    call: Call,
    made: impl Future<Output = Result<tonic::Response<T>, Status>>,
    answer: impl FnOnce(T) -> Answer,
) -> Option<Answer> {
    let called = subject.history.now();
    let answer = match made.await {
        Ok(response) => Some(answer(response.into_inner())),
        Err(status) => reason(&status).map(Answer::Refused),
    };
    subject.history.add(client, call, answer.clone(), called);
    if answer.is_some() {
        subject.answered.fetch_add(1, Ordering::Relaxed);
    }
    answer
}

/// Reads come from a replica's copy, which may be behind; they only tell clients what to try next.
async fn read_name(subject: &Subject, channel: Channel) {
    let request = GetPracticeRequest { name: format!("practices/{}", subject.id) };
    let read = PracticeServiceClient::new(channel).get_practice(within(request)).await;
    if let Some(practice) = read.ok().and_then(|response| response.into_inner().practice) {
        subject.known.lock().named = Some((practice.display_name, practice.etag));
    }
}

async fn rename(client: usize, subject: &Subject, channel: Channel, name: String) {
    let known = subject.known.lock().named.clone();
    let Some((expected, etag)) = known else { return read_name(subject, channel).await };
    let request = UpdatePracticeRequest {
        name: format!("practices/{}", subject.id),
        practice: Some(Practice { display_name: name.clone(), ..Practice::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["display_name".to_owned()] }),
        etag,
    };
    let made = async { PracticeServiceClient::new(channel).update_practice(within(request)).await };
    let told = |response: chairsync_proto::practice::UpdatePracticeResponse| {
        let practice = response.practice.unwrap();
        subject.known.lock().named = Some((practice.display_name.clone(), practice.etag));
        Answer::Named(practice.display_name)
    };
    call(client, subject, Call::Rename { expected, name }, made, told).await;
}

/// A claim is of any practice; each that it brings is a call to that one. Of the others it says nothing, since what is
/// free is seen in a copy that may be behind.
async fn claim(client: usize, subjects: &[Subject], channel: Channel, tag: &str) {
    let called: Vec<Duration> = subjects.iter().map(|subject| subject.history.now()).collect();
    let request = ClaimStreamsRequest {
        worker: format!("worker-{tag}"),
        capacity: 1,
        lease_duration: LEASE.try_into().ok(),
        ..Default::default()
    };
    match StateServiceClient::new(channel).claim_streams(within(request)).await {
        Ok(response) => {
            for claimed in response.into_inner().streams {
                let lease = claimed.lease.unwrap();
                let place = subjects.iter().position(|subject| lease.resource == stream(subject)).unwrap();
                let subject = &subjects[place];
                subject.known.lock().epochs.push((lease.epoch, claimed.cursor.clone()));
                let answer = Answer::Claimed { epoch: lease.epoch, cursor: claimed.cursor };
                subject.history.add(client, Call::Claim, Some(answer), called[place]);
                subject.answered.fetch_add(1, Ordering::Relaxed);
            }
        }
        Err(_) => {
            for (subject, called) in subjects.iter().zip(called) {
                subject.history.add(client, Call::Claim, None, called);
            }
        }
    }
}

async fn move_cursor(client: usize, subject: &Subject, channel: Channel, epoch: u64, expected: String, cursor: String) {
    let request = SaveCursorRequest {
        stream: stream(subject),
        epoch,
        expected: expected.clone(),
        cursor: cursor.clone(),
        ..Default::default()
    };
    let made = async { StateServiceClient::new(channel).save_cursor(within(request)).await };
    let moved = Call::Move { epoch, expected, cursor: cursor.clone() };
    let answer = call(client, subject, moved, made, |_| Answer::Done).await;
    let mut known = subject.known.lock();
    match answer {
        Some(Answer::Done) | None => {
            known.epochs.iter_mut().filter(|e| e.0 == epoch).for_each(|e| e.1.clone_from(&cursor))
        }
        Some(Answer::Refused(reason)) if reason == "LEASE_LOST" => known.epochs.retain(|held| held.0 != epoch),
        Some(_) => {}
    }
}

async fn enqueue(client: usize, subject: &Subject, channel: Channel, request_id: String, body: u8) {
    let request = EnqueueWriteRequest {
        practice: format!("practices/{}", subject.id),
        request_id: request_id.clone(),
        kind: WriteKind::Commlog.into(),
        patient: "7".to_owned(),
        body: vec![body].into(),
        actor: "test".to_owned(),
    };
    let made = async { StateServiceClient::new(channel).enqueue_write(within(request)).await };
    let asked = Call::Enqueue { request_id: request_id.clone(), body };
    call(client, subject, asked, made, |response| Answer::Write { name: response.write.unwrap().name }).await;
    let mut known = subject.known.lock();
    if !known.writes.iter().any(|(known, _)| *known == request_id) {
        known.writes.push((request_id, body));
    }
}

/// When all is quiet both replicas know the same, which is a last call to each practice.
async fn quiet(replicas: &[Replica], subjects: &[Subject]) {
    let channels: Vec<Channel> = replicas.iter().map(|r| mesh::transport::connect(&r.endpoint())).collect();
    for subject in subjects {
        let name = async |channel: &Channel| {
            let request = GetPracticeRequest { name: format!("practices/{}", subject.id) };
            let read = PracticeServiceClient::new(channel.clone()).get_practice(within(request)).await;
            read.ok().and_then(|response| response.into_inner().practice).map(|practice| practice.display_name)
        };
        let mut last = None;
        eventually("the replicas' agreement", async || {
            let called = subject.history.now();
            let (one, two) = (name(&channels[0]).await, name(&channels[1]).await);
            last = one.clone().map(|name| (called, name));
            one.is_some() && one == two
        })
        .await;
        let (called, name) = last.unwrap();
        subject.history.add(CLIENTS, Call::Name, Some(Answer::Named(name)), called);
    }
}
