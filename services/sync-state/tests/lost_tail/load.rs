//! What goes on while Redis dies: workers that follow changes, carry out runs and send writes, and callers that ask for
//! them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use chairsync_proto::{
    state::{
        AcceptDatasetsRequest, ClaimRunsRequest, ClaimStreamsRequest, ClaimWritesRequest, ClaimedRun, ClaimedStream,
        ClaimedWrite, DatasetCheckpoint, DatasetResult, EnqueueWriteRequest, FinishRunRequest, ReportWriteRequest,
        SaveCheckpointRequest, SaveCursorRequest, WriteSending, WriteSent, WriteVerified, report_write_request::Report,
        state_service_client::StateServiceClient,
    },
    sync::{StartSyncRequest, WriteKind, WriteState, sync_service_client::SyncServiceClient},
};
use jiff::Timestamp;
use mesh::transport::Channel;
use parking_lot::Mutex;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use tonic::{Request, Status};

use super::sinks::{Fenced, Sinks};
use crate::harness::reason;

pub const PRACTICES: [&str; 4] = ["one", "two", "three", "four"];
const PATIENTS: u32 = 3;
const LEASE: Duration = Duration::from_secs(1);
const DEADLINE: Duration = Duration::from_secs(3);

/// A write that was acknowledged.
#[derive(Debug, Clone)]
pub struct Acknowledged {
    /// `practices/{practice}/writes/{write}`.
    pub name: String,
    pub key: String,
    pub at: Instant,
    /// How often Redis had died before it was asked for.
    pub deaths: usize,
}

/// What of Redis's file must stay. One lock over it: an acknowledgement comes before a death or after it.
#[derive(Default)]
struct Tail {
    deaths: usize,
    durable: u64,
    size: Option<Box<dyn Fn() -> u64 + Send>>,
}

/// All that the load knows and leaves behind.
#[derive(Default)]
pub struct World {
    pub sinks: [Sinks; PRACTICES.len()],
    pub acknowledged: Mutex<Vec<Acknowledged>>,
    tail: Mutex<Tail>,
    /// Nobody asks for more; what was asked for is still done.
    pub asked_enough: AtomicBool,
    pub stop: AtomicBool,
    pub reports: AtomicU32,
    pub runs: AtomicU32,
}

impl World {
    fn going(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    /// From now on what was acknowledged is in the first `size()` bytes of Redis's file.
    pub fn keep_all_durable(&self, size: impl Fn() -> u64 + Send + 'static) {
        let mut tail = self.tail.lock();
        tail.durable = size();
        tail.size = Some(Box::new(size));
    }

    /// How often Redis has died, to be read before something durable is asked for.
    fn deaths(&self) -> usize {
        self.tail.lock().deaths
    }

    /// Something durable was acknowledged that was asked for after so many deaths. False: Redis has died meanwhile, and
    /// its file is cut already, maybe before this; it counts as not acknowledged.
    fn acknowledged(&self, deaths: usize) -> bool {
        let mut tail = self.tail.lock();
        let Some(size) = &tail.size else { return true };
        if tail.deaths != deaths {
            return false;
        }
        tail.durable = tail.durable.max(size());
        true
    }

    /// Redis is dead: `lose` is told how many bytes of its file must stay, and says how many do.
    pub fn died(&self, lose: impl FnOnce(u64) -> u64) {
        let mut tail = self.tail.lock();
        tail.deaths += 1;
        tail.durable = lose(tail.durable);
    }

    fn asking(&self) -> bool {
        self.going() && !self.asked_enough.load(Ordering::Relaxed)
    }
}

/// Starts it; each task ends when the world is to stop.
pub fn start(world: &Arc<World>, channels: &[Channel], seed: u64) -> Vec<tokio::task::JoinHandle<()>> {
    let mut tasks = Vec::new();
    let random = |n: u64| StdRng::seed_from_u64(seed.wrapping_mul(31).wrapping_add(n));
    for n in 0..2 {
        let channels = channels.to_vec();
        tasks.push(tokio::spawn(follow(world.clone(), channels.clone(), random(n))));
        tasks.push(tokio::spawn(carry_out_runs(world.clone(), channels.clone(), random(10 + n))));
        tasks.push(tokio::spawn(send_writes(world.clone(), channels.clone(), random(20 + n))));
    }
    for practice in 0..PRACTICES.len() {
        // One caller a practice: the numbers of its writes are the order in which they were acknowledged.
        let random = random(30 + practice as u64);
        tasks.push(tokio::spawn(owe_writes(world.clone(), channels.to_vec(), random, practice)));
    }
    tasks.push(tokio::spawn(ask_for_runs(world.clone(), channels.to_vec(), random(40))));
    tasks
}

pub fn within<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(DEADLINE);
    request
}

fn practice_of(resource: &str) -> usize {
    let id = resource.split('/').nth(1).unwrap();
    PRACTICES.iter().position(|practice| *practice == id).unwrap()
}

fn name_of(worker: &str, random: &mut StdRng) -> String {
    format!("{worker}-{:x}", random.random::<u64>())
}

async fn pause(random: &mut StdRng) {
    tokio::time::sleep(Duration::from_millis(random.random_range(1..15))).await;
}

/// Follows changes: the source has one more each millisecond or so.
async fn follow(world: Arc<World>, channels: Vec<Channel>, mut random: StdRng) {
    while world.going() {
        let channel = channels.choose(&mut random).unwrap().clone();
        let worker = name_of("follower", &mut random);
        let request = ClaimStreamsRequest {
            worker: worker.clone(),
            capacity: 1,
            lease_duration: LEASE.try_into().ok(),
            ..Default::default()
        };
        let claimed = StateServiceClient::new(channel.clone()).claim_streams(within(request)).await;
        for stream in claimed.map(|answer| answer.into_inner().streams).unwrap_or_default() {
            follow_one(&world, &channel, stream, &worker, &mut random).await;
        }
        pause(&mut random).await;
    }
}

async fn follow_one(world: &World, channel: &Channel, stream: ClaimedStream, worker: &str, random: &mut StdRng) {
    let lease = stream.lease.unwrap();
    let sinks = &world.sinks[practice_of(&lease.resource)];
    let mut stored = stream.cursor;
    sinks.follow(worker, lease.epoch, stored.parse().unwrap_or(0));
    // The sink is ahead of what is stored where a report was lost: it wins.
    let mut at = sinks.cursor();
    for _ in 0..random.random_range(1..200) {
        let to = at + random.random_range(1..5);
        match sinks.change(lease.epoch, at, to) {
            Ok(()) => at = to,
            Err(Fenced::Epoch) => return,
            Err(Fenced::At(place)) => {
                at = place;
                continue;
            }
        }
        let request = SaveCursorRequest {
            stream: lease.resource.clone(),
            epoch: lease.epoch,
            expected: stored.clone(),
            cursor: at.to_string(),
            ..Default::default()
        };
        match StateServiceClient::new(channel.clone()).save_cursor(within(request)).await {
            Ok(_) => stored = at.to_string(),
            // Whatever it is, the next holder of the lease is told where to go on.
            Err(_) => return,
        }
        world.reports.fetch_add(1, Ordering::Relaxed);
        pause(random).await;
    }
}

async fn ask_for_runs(world: Arc<World>, channels: Vec<Channel>, mut random: StdRng) {
    while world.asking() {
        let channel = channels.choose(&mut random).unwrap().clone();
        let practice = format!("practices/{}", PRACTICES.choose(&mut random).unwrap());
        let request = StartSyncRequest { practice, ..Default::default() };
        let _ = SyncServiceClient::new(channel).start_sync(within(request)).await; // lost with Redis: nobody was promised
        pause(&mut random).await;
    }
}

async fn carry_out_runs(world: Arc<World>, channels: Vec<Channel>, mut random: StdRng) {
    while world.going() {
        let channel = channels.choose(&mut random).unwrap().clone();
        let worker = name_of("runner", &mut random);
        let request = ClaimRunsRequest {
            worker: worker.clone(),
            capacity: 2,
            lease_duration: LEASE.try_into().ok(),
            ..Default::default()
        };
        let claimed = StateServiceClient::new(channel.clone()).claim_runs(within(request)).await;
        for run in claimed.map(|answer| answer.into_inner().runs).unwrap_or_default() {
            if carry_out(&world, channel.clone(), run, &worker).await.is_ok() {
                world.runs.fetch_add(1, Ordering::Relaxed);
            }
        }
        pause(&mut random).await;
    }
}

async fn carry_out(world: &World, channel: Channel, claimed: ClaimedRun, worker: &str) -> Result<(), Status> {
    let mut client = StateServiceClient::new(channel);
    let lease = claimed.lease.unwrap();
    let (run, epoch) = (lease.resource, lease.epoch);
    let created = claimed.run.unwrap().create_time.unwrap();
    let asked_at = Timestamp::new(created.seconds, created.nanos).unwrap();
    let names: Vec<String> = claimed.checkpoints.into_iter().map(|checkpoint| checkpoint.dataset).collect();
    if !world.sinks[practice_of(&run)].write_table(worker, epoch, claimed.sequence, asked_at) {
        return Err(Status::aborted("the table fences this worker off"));
    }
    let checkpoint = |name: &String| DatasetCheckpoint {
        dataset: name.clone(),
        chunks: 1,
        finished: true,
        ..DatasetCheckpoint::default()
    };
    let checkpoints = names.iter().map(checkpoint).collect();
    let request = SaveCheckpointRequest { run: run.clone(), epoch, checkpoints, start_position: "p".to_owned() };
    client.save_checkpoint(within(request)).await?;
    let result = |name: &String| DatasetResult { dataset: name.clone(), version: 1, ..Default::default() };
    let request = AcceptDatasetsRequest { run: run.clone(), epoch, datasets: names.iter().map(result).collect() };
    client.accept_datasets(within(request)).await?;
    client.finish_run(within(FinishRunRequest { run, epoch })).await?;
    Ok(())
}

/// Owes writes, one after the other: each is tried with the same key until it is acknowledged.
async fn owe_writes(world: Arc<World>, channels: Vec<Channel>, mut random: StdRng, practice: usize) {
    for number in 0_u32.. {
        let request = EnqueueWriteRequest {
            practice: format!("practices/{}", PRACTICES[practice]),
            request_id: format!("write-{number}"),
            kind: WriteKind::Commlog.into(),
            patient: (number % PATIENTS).to_string(),
            body: number.to_be_bytes().to_vec().into(),
            actor: "test".to_owned(),
        };
        let (name, deaths) = loop {
            if !world.asking() {
                return;
            }
            let deaths = world.deaths();
            let channel = channels.choose(&mut random).unwrap().clone();
            match StateServiceClient::new(channel).enqueue_write(within(request.clone())).await {
                Ok(answer) if world.acknowledged(deaths) => break (answer.into_inner().write.unwrap().name, deaths),
                Ok(_) => {}
                Err(status) => assert_eq!(reason(&status), None, "a write is owed: {status}"),
            }
            pause(&mut random).await;
        };
        let at = Instant::now();
        world.acknowledged.lock().push(Acknowledged { name, key: request.request_id, at, deaths });
        pause(&mut random).await;
    }
}

async fn send_writes(world: Arc<World>, channels: Vec<Channel>, mut random: StdRng) {
    while world.going() {
        let channel = channels.choose(&mut random).unwrap().clone();
        let request = ClaimWritesRequest {
            worker: name_of("sender", &mut random),
            capacity: 4,
            lease_duration: LEASE.try_into().ok(),
            ..Default::default()
        };
        let asked = Instant::now();
        let claimed = StateServiceClient::new(channel.clone()).claim_writes(within(request)).await;
        for write in claimed.map(|answer| answer.into_inner().writes).unwrap_or_default() {
            let _ = send(&world, channel.clone(), write, asked).await; // another sender goes on where this one stopped
        }
        pause(&mut random).await;
    }
}

async fn send(world: &World, channel: Channel, claimed: ClaimedWrite, asked: Instant) -> Result<(), Status> {
    let mut client = StateServiceClient::new(channel);
    let lease = claimed.lease.unwrap();
    let write = claimed.write.unwrap();
    let sinks = &world.sinks[practice_of(&lease.resource)];
    let mut report = async |report| {
        let request = ReportWriteRequest { write: lease.resource.clone(), epoch: lease.epoch, report: Some(report) };
        client.report_write(within(request)).await
    };
    // What the PMS has taken is only looked for.
    if write.state() != WriteState::Sent {
        let deaths = world.deaths();
        report(Report::Sending(WriteSending {})).await?;
        if !world.acknowledged(deaths) {
            return Err(Status::aborted("Redis died meanwhile: not acknowledged"));
        }
        if asked.elapsed() > LEASE.mul_f64(0.8) {
            return Err(Status::aborted("too late: the lease may be another's by the time that the PMS is called"));
        }
        if !(claimed.read_back && sinks.read_back(&write.request_id)) {
            let Ok(body) = claimed.body[..].try_into() else {
                panic!("{} bytes are left of {write:?}, read back: {}", claimed.body.len(), claimed.read_back);
            };
            let number = u32::from_be_bytes(body);
            sinks.write_pms(&write.request_id, &write.patient, number);
        }
        report(Report::Sent(WriteSent { pms_key: write.request_id.clone() })).await?;
    }
    assert!(sinks.read_back(&write.request_id), "{} is said to be sent, and the PMS has not got it", write.name);
    report(Report::Verified(WriteVerified { pms_key: write.request_id })).await?;
    Ok(())
}
