//! A night of a whole fleet, compressed into minutes, over the real service: practices in one Redis, two replicas of
//! sync-state, workers that claim due runs over gRPC, report them and finish them.
//!
//! The night is compressed by the practices' own windows: each is minutes long and opens a few minutes after the start,
//! in the practice's own zone. Nothing is told another time than the machine's. Then the service is started again with
//! all of the practices, and a replica and a worker are killed with -9 while work goes on.

mod night;
mod takeover;
mod worker;

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use test_servers::Redis;

pub use worker::worker;

use crate::{
    figures::{Goal, figure, median},
    fleet_of::{Fleet, Plan, settings},
    replica::Replica,
};

/// Zones of the fleet. A practice is in the first from its place on where it is day enough for a window.
const ZONES: [&str; 8] = [
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "Europe/Berlin",
    "Australia/Sydney",
    "Asia/Tokyo",
    "UTC",
];
/// From the start to the opening of the windows: the fleet is made in that time.
const LEAD: SignedDuration = SignedDuration::from_mins(3);
/// How long leases last in the benchmark.
const LEASE: Duration = Duration::from_secs(3);

/// When the windows open, and how long they are.
#[derive(Debug, Clone, Copy)]
struct Windows {
    opens: Timestamp,
    minutes: u16,
}

impl Windows {
    fn ahead(minutes: u16) -> Self {
        let opens = (Timestamp::now() + LEAD).as_second().div_euclid(60) * 60;
        Self { opens: Timestamp::from_second(opens).expect("a moment of today"), minutes }
    }

    fn closes(self) -> Timestamp {
        self.opens + SignedDuration::from_mins(self.minutes.into())
    }

    /// A practice whose window this is, read whole a day before.
    fn practice(self, number: usize) -> Plan {
        let mut zones = ZONES.iter().copied().cycle().skip(number % ZONES.len()).take(ZONES.len());
        let window = |zone: &'static str| {
            let local = TimeZone::get(zone).expect("a zone").to_datetime(self.opens);
            let minute = u16::try_from(i32::from(local.hour()) * 60 + i32::from(local.minute())).expect("of a day");
            (120..1440 - self.minutes).contains(&minute).then_some((zone, minute))
        };
        let (zone, minute) = zones.find_map(window).expect("it is day somewhere");
        Plan {
            id: format!("practice-{number:06}"),
            settings: settings(number, zone, (minute, minute + self.minutes)),
            synced_at: self.opens - SignedDuration::from_hours(24),
        }
    }
}

/// Runs it. Prints its figures.
///
/// # Panics
/// When something cannot be started.
pub async fn run() {
    let number = |name: &str, default| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    let practices: usize = number("CHAIRSYNC_BENCH_PRACTICES", 100_000);
    let minutes = u16::try_from(number("CHAIRSYNC_BENCH_MINUTES", 4)).expect("some minutes");
    let redis = Redis::start().await;
    let empty = used_memory(&redis).await;
    let (windows, start) = (Windows::ahead(minutes), Instant::now());
    let fleet = Fleet::seed(&redis, practices, |number| windows.practice(number)).await;
    let made = bytes(used_memory(&redis).await, empty, practices);
    eprintln!("{practices} practices made in {:.1?}, {made:.0} bytes each", start.elapsed());

    let mut restarts = vec![restart(&redis).await];
    let mut replicas = [Replica::spawn(&redis), Replica::spawn(&redis)];
    for replica in &replicas {
        replica.serving().await;
    }
    assert!(Timestamp::now() < windows.opens, "the fleet was not made before its windows opened: fewer practices");
    let night = night::run(&replicas, &fleet, windows).await;
    let after = bytes(used_memory(&redis).await, empty, practices);
    eprintln!("after the night {after:.0} bytes each");

    let mut takeovers = Vec::new();
    for round in 0..2 {
        takeovers.push(takeover::of_a_worker(&replicas, &fleet, round).await);
        takeovers.push(takeover::of_a_replica(&mut replicas, &redis, &fleet, round).await);
    }
    eprintln!("taken over after {takeovers:.2?} s: a worker, a replica, a worker, a replica");
    drop(replicas);
    for _ in 0..3 {
        restarts.push(restart(&redis).await);
    }
    eprintln!("started again in {restarts:.2?} s: before the night, and after it");

    figure("fleet", "lateness_p99_s", "s", &[night.lateness_p99], &[], Goal::Below(2.0));
    figure("fleet", "doubles", "runs", &[night.doubles as f64], &[], Goal::AtMost(0.0));
    figure("fleet", "missed", "runs", &[night.missed as f64], &[], Goal::AtMost(0.0));
    figure("fleet", "bytes_per_practice", "bytes", &[made.max(after)], &[], Goal::Below(2048.0));
    figure("fleet", "restart_s", "s", &[median(&restarts)], &[], Goal::Below(5.0));
    figure("fleet", "takeover_s", "s", &[takeovers.iter().copied().fold(0.0, f64::max)], &[], Goal::Below(5.0));
}

/// The seconds from a replica's start until it serves.
async fn restart(redis: &Redis) -> f64 {
    let start = Instant::now();
    let replica = Replica::start(redis).await;
    let taken = start.elapsed().as_secs_f64();
    eprintln!("a replica holds {:.0} MB", resident_mb(replica.pid()));
    taken
}

fn resident_mb(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse().expect("a number");
    kilobytes / 1024.0
}

fn bytes(used: u64, empty: u64, practices: usize) -> f64 {
    used.saturating_sub(empty) as f64 / practices as f64
}

async fn used_memory(redis: &Redis) -> u64 {
    let client = redis::Client::open(redis.url()).expect("an address");
    let mut connection = client.get_multiplexed_async_connection().await.expect("Redis is there");
    let info: String = redis::cmd("INFO").arg("memory").query_async(&mut connection).await.expect("its memory");
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).expect("used_memory");
    used.trim().parse().expect("a number")
}
