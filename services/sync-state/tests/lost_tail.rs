//! Redis dies and forgets its last writes: killed with -9 and its append-only file cut, or replaced by a replica that did
//! not get them. Afterwards no effect of a run or a write is doubled in the sinks, no cursor has skipped anything, a
//! worker with a forgotten lease is fenced off, and nothing that the outbox acknowledged is gone with the durable
//! setting. What the weaker setting loses is counted and printed; `docs/sync-state.md` says what it can be.
//!
//! A seed is printed; CHAIRSYNC_SEED repeats the choices, CHAIRSYNC_TEST_LONG multiplies the rounds.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;
#[path = "lost_tail/load.rs"]
mod load;
#[path = "lost_tail/sinks.rs"]
mod sinks;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use chairsync_proto::{
    practice::{
        CreatePracticeRequest, PmsSource, Practice, SampleSource, pms_source::Kind,
        practice_service_client::PracticeServiceClient,
    },
    sync::{GetWriteRequest, WriteState, outbox_service_client::OutboxServiceClient},
};
use harness::{Replica, endpoint, eventually, long, proxy::Proxy, seed};
use load::{PRACTICES, World, within};
use mesh::transport::Channel;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use test_servers::Redis;

const ROUNDS: usize = 2;
/// With `no`, Redis does not start with a file that is cut in the middle of something.
const REFUSE: &str = "--aof-load-truncated";

/// Two replicas of sync-state on a Redis that can be replaced, with work going on.
struct Scene {
    to_redis: Vec<Proxy>,
    channels: Vec<Channel>,
    _replicas: Vec<Replica>,
    world: Arc<World>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Scene {
    async fn start(redis: &Redis, seed: u64) -> Self {
        let (mut to_redis, mut replicas) = (vec![], vec![]);
        for _ in 0..2 {
            let proxy = Proxy::start(redis.port()).await;
            replicas.push(Replica::start(&format!("redis://127.0.0.1:{}", proxy.port)).await);
            to_redis.push(proxy);
        }
        let channels: Vec<Channel> =
            replicas.iter().map(|replica| mesh::transport::connect(&endpoint(replica.port))).collect();
        for id in PRACTICES {
            let source = PmsSource { kind: Some(Kind::Sample(SampleSource::default())) };
            let practice = Practice { time_zone: "UTC".to_owned(), source: Some(source), ..Practice::default() };
            let request = CreatePracticeRequest { practice_id: id.to_owned(), practice: Some(practice) };
            PracticeServiceClient::new(channels[0].clone()).create_practice(request).await.unwrap();
        }
        let world = Arc::new(World::default());
        let tasks = load::start(&world, &channels, seed);
        Self { to_redis, channels, _replicas: replicas, world, tasks }
    }

    /// Waits until everybody has got on with their work.
    async fn works(&self) {
        let count = || {
            let world = &self.world;
            let (reports, runs) = (world.reports.load(Ordering::Relaxed), world.runs.load(Ordering::Relaxed));
            (reports as usize, runs as usize, world.acknowledged.lock().len())
        };
        let before = count();
        eventually("progress of all the work", async || {
            self.well();
            let now = count();
            now.0 > before.0 + 40 && now.1 > before.1 + 4 && now.2 > before.2 + 40
        })
        .await;
    }

    /// A task that found a promise broken has ended; its words are the test's.
    fn well(&self) {
        let asked_enough = self.world.asked_enough.load(Ordering::Relaxed);
        let goes_on = asked_enough || self.tasks.iter().all(|task| !task.is_finished());
        assert!(goes_on, "a worker saw something that must not be, see above");
    }

    /// Stops asking for more, lets what is owed be done, and gives back the keys of acknowledged writes that are gone,
    /// with how long before the kill each was acknowledged.
    async fn settle(self, deaths: &[Death]) -> Settled {
        self.well();
        self.world.asked_enough.store(true, Ordering::Relaxed);
        let acknowledged = self.world.acknowledged.lock().clone();
        let mut lost = Vec::new();
        for write in &acknowledged {
            let (mut found, start) = (None, Instant::now());
            while !matches!(found, Some(None | Some(WriteState::Verified))) {
                assert!(start.elapsed() < Duration::from_secs(60), "{} {} stays {found:?}", write.name, write.key);
                found = self.state_of(&write.name, &write.key).await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            if found == Some(None) {
                // One that was asked for after the last death would be lost without any.
                let death = deaths.get(write.deaths).expect("what is asked for after the last death stays");
                lost.push(Lost {
                    before: death.killed.saturating_duration_since(write.at),
                    in_the_tail: write.at >= death.tail,
                });
            }
        }
        self.well();
        self.world.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.expect("the work ends well");
        }
        for sinks in &self.world.sinks {
            assert!(sinks.cursor() > 0);
        }
        let doubled = self.world.sinks.iter().flat_map(|sinks| sinks.doubled()).collect();
        let in_order = self.world.sinks.iter().all(|sinks| sinks.in_order());
        Settled { acknowledged: acknowledged.len(), lost, doubled, in_order }
    }

    /// Where a write stands: none where nobody answers, none inside where it does not exist, or is another by now.
    async fn state_of(&self, name: &str, key: &str) -> Option<Option<WriteState>> {
        let request = GetWriteRequest { name: name.to_owned() };
        match OutboxServiceClient::new(self.channels[0].clone()).get_write(within(request)).await {
            Ok(answer) => {
                Some(answer.into_inner().write.filter(|write| write.request_id == key).map(|write| write.state()))
            }
            Err(status) if harness::reason(&status).is_some() => Some(None),
            Err(_) => None,
        }
    }
}

/// Redis was killed, and what it had answered before `tail` stays.
struct Death {
    tail: Instant,
    killed: Instant,
}

/// An acknowledged write that is gone.
struct Lost {
    /// How long before the kill it was acknowledged.
    before: Duration,
    in_the_tail: bool,
}

struct Settled {
    acknowledged: usize,
    lost: Vec<Lost>,
    doubled: Vec<String>,
    in_order: bool,
}

impl Settled {
    fn keeps_every_promise(&self) {
        assert!(self.lost.is_empty(), "{} of {} acknowledged writes are gone", self.lost.len(), self.acknowledged);
        assert!(self.doubled.is_empty(), "the PMS got writes twice: {:?}", self.doubled);
        assert!(self.in_order, "a patient's writes were sent in another order");
    }

    fn tell(&self, what: &str) {
        let longest = self.lost.iter().map(|lost| lost.before).max().unwrap_or_default();
        eprintln!(
            "{what}: {} of {} acknowledged writes gone, the oldest acknowledged {longest:?} before the kill; {} sent twice",
            self.lost.len(),
            self.acknowledged,
            self.doubled.len()
        );
    }
}

/// The file that Redis appends to.
fn append_file(redis: &Redis) -> PathBuf {
    let folder = redis.folder().join("appendonlydir");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.to_string_lossy().ends_with(".incr.aof")).max().expect("an append-only file")
}

fn size(file: &Path) -> u64 {
    std::fs::metadata(file).unwrap().len()
}

/// Cuts the file and mends it as `docs/sync-state.md` asks an operator to: what is left of a save that was cut goes, too.
/// The size of what stays comes back.
fn cut(redis: &Redis, file: &Path, to: u64) -> u64 {
    std::fs::File::options().write(true).open(file).unwrap().set_len(to).unwrap();
    let manifest = redis.folder().join("appendonlydir/appendonly.aof.manifest");
    let mut check = Command::new("redis-check-aof");
    check.arg("--fix").arg(manifest).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut check = check.spawn().unwrap();
    // It asks only where there is something to mend, and may have ended.
    let _ = check.stdin.take().unwrap().write_all(b"y\n");
    assert!(check.wait().unwrap().success(), "the cut file cannot be mended");
    size(file)
}

/// `appendfsync always`: whatever was written after the last acknowledgement of the outbox may be lost, nothing before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_file_takes_nothing_that_was_acknowledged_durably() {
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let mut redis = Redis::start_with(None, &["--appendfsync", "always", REFUSE, "no"]).await;
    let file = append_file(&redis);
    let scene = Scene::start(&redis, seed).await;
    scene.world.keep_all_durable({
        let file = file.clone();
        move || size(&file)
    });
    let mut deaths = Vec::new();
    for _ in 0..ROUNDS * long() {
        scene.works().await;
        tokio::time::sleep(Duration::from_millis(random.random_range(0..200))).await;
        redis.kill();
        deaths.push(Death { tail: Instant::now(), killed: Instant::now() });
        scene.world.died(|durable| {
            let (from, to) = (durable.min(size(&file)), size(&file));
            let place = random.random_range(from..=to);
            eprintln!("cut {} of {} bytes after the last durable one", to - place, to - from);
            cut(&redis, &file, place)
        });
        redis.restart().await;
    }
    scene.works().await;
    let settled = scene.settle(&deaths).await;
    settled.tell("appendfsync always, file cut");
    settled.keeps_every_promise();
}

/// `appendfsync everysec`: a power cut takes up to two seconds of writes, acknowledged ones, too. No cursor skips, leases
/// fence; what the outbox loses is counted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_weaker_setting_loses_the_tail_and_skips_nothing() {
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let mut redis = Redis::start_with(None, &["--appendfsync", "everysec", REFUSE, "no"]).await;
    let file = append_file(&redis);
    let scene = Scene::start(&redis, seed).await;
    let mut deaths = Vec::new();
    for _ in 0..ROUNDS * long() {
        scene.works().await;
        let tail = Instant::now();
        let before = size(&file);
        tokio::time::sleep(Duration::from_millis(random.random_range(200..2000))).await;
        redis.kill();
        deaths.push(Death { tail, killed: Instant::now() });
        scene.world.died(|_| {
            let to = size(&file);
            let place = random.random_range(before.min(to)..=to);
            eprintln!("cut {} of {} bytes that were written in {:?}", to - place, to - before, tail.elapsed());
            cut(&redis, &file, place)
        });
        redis.restart().await;
    }
    scene.works().await;
    let settled = scene.settle(&deaths).await;
    settled.tell("appendfsync everysec, file cut");
    assert!(settled.lost.iter().all(|lost| lost.in_the_tail), "a write is gone that was not in what was cut off");
}

/// A replica takes over that did not get the last writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_replica_without_the_last_writes_skips_nothing() {
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let mut master = Redis::start_with(None, &[]).await;
    let scene = Scene::start(&master, seed).await;
    let mut deaths = Vec::new();
    for _ in 0..ROUNDS * long() {
        let port = master.port().to_string();
        let replica = Redis::start_with(None, &["--replicaof", &format!("127.0.0.1 {port}")]).await;
        eventually("the replica's link", async || {
            tell(&replica, &["INFO", "replication"]).await.contains("master_link_status:up")
        })
        .await;
        scene.works().await;
        let tail = Instant::now();
        // From here on the replica gets nothing more.
        tell(&replica, &["REPLICAOF", "NO", "ONE"]).await;
        let unseen = Duration::from_millis(random.random_range(0..500));
        tokio::time::sleep(unseen).await;
        eprintln!("a replica takes over without the last {unseen:?}");
        master.kill();
        deaths.push(Death { tail, killed: Instant::now() });
        scene.world.died(|_| 0);
        master = replica;
        scene.to_redis.iter().for_each(|proxy| proxy.lead_to(master.port()));
    }
    scene.works().await;
    let settled = scene.settle(&deaths).await;
    settled.tell("a replica promoted");
}

async fn tell(redis: &Redis, command: &[&str]) -> String {
    let client = redis::Client::open(redis.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    redis::cmd(command[0]).arg(&command[1..]).query_async(&mut connection).await.unwrap()
}
