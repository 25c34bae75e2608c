//! How many state transitions sync-state makes a second over gRPC, beside a bare script in the same Redis version that
//! saves states of the same size; and how long one takes at half of that load.
//!
//! A transition is a worker's report on a leased change stream, in turns a new cursor (compared with the stored one) and
//! a heartbeat: checked in full, applied by the core, committed to Redis, acknowledged. Every one changes the practice's
//! state, which is asserted at the end by the practices' own revision counters.
//!
//! All of it shares the machine: what callers, sync-state and Redis each spend of it is told, and how many calls a second
//! the same callers get answered that ask for nothing (`grpc.health.v1`), which is what gRPC alone costs here.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chairsync_proto::state::{
    ClaimStreamsRequest, ClaimedStream, GetPracticeStateRequest, HeartbeatRequest, SaveCursorRequest,
    state_service_client::StateServiceClient,
};
use test_servers::Redis;
use tokio::sync::Mutex;
use tonic::transport::Channel;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{
    bare_script,
    callers::{Caller, WARM_UP, closed_loop, open_loop},
    figures::{Goal, figure, median, quantile},
    fleet_of::{self, Fleet},
    replica::Replica,
};

const ROUNDS: usize = 3;
const CLIENTS: usize = 50;
/// HTTP/2 connections that the clients share; each replica of a worker holds one.
const CONNECTIONS: usize = 4;
const PRACTICES: usize = 1000;
/// Those who call at a given rate: enough that one who waits for an answer does not hold up the others.
const PACED: usize = 4 * CLIENTS;
const LEASE: Duration = Duration::from_secs(300);

/// A change stream as its worker holds it.
struct Stream {
    practice: String,
    resource: String,
    epoch: u64,
    cursor: String,
    reports: u64,
}

/// Runs it. Prints its figures.
///
/// # Panics
/// When something cannot be started.
pub async fn run() {
    let measure =
        Duration::from_secs(std::env::var("CHAIRSYNC_BENCH_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(5));
    let mut latencies = Latencies::default();
    let mut nothing = vec![];
    for (name, fsync) in [("everysec", "everysec"), ("always", "always")] {
        let (ours, yardstick) = rates(fsync, measure, &mut latencies, &mut nothing).await;
        figure("transitions", name, "transitions/s", &ours, &yardstick, Goal::RatioAtLeast(0.6));
    }
    figure("transitions", "empty_calls", "calls/s", &nothing, &[], Goal::Told);
    figure("transitions", "p99_ms", "ms", &latencies.ours, &latencies.yardstick, Goal::Below(5.0));
}

/// The milliseconds below which 99 of 100 calls stay at half load.
#[derive(Debug, Default)]
struct Latencies {
    ours: Vec<f64>,
    /// Those of the bare script at the same rate: what the machine, its disk and Redis give to anybody.
    yardstick: Vec<f64>,
}

fn p99(whose: &str, load: f64, mut taken: Vec<f64>) -> f64 {
    let (median, p99) = (quantile(&mut taken, 0.5), quantile(&mut taken, 0.99));
    let longest = taken[taken.len() - 1];
    eprintln!("{whose} at {load:.0}/s: median {median:.2} ms, p99 {p99:.2} ms, longest {longest:.2} ms");
    p99
}

async fn rates(
    fsync: &str,
    measure: Duration,
    latencies: &mut Latencies,
    nothing: &mut Vec<f64>,
) -> (Vec<f64>, Vec<f64>) {
    let redis = Redis::start_with(None, &["--appendfsync", fsync]).await;
    let fleet = Fleet::seed(&redis, PRACTICES, fleet_of::idle).await;
    let bytes = fleet.stored_bytes(&redis).await;
    eprintln!("AOF {fsync}: {PRACTICES} practices, {bytes} bytes each");
    let other = Redis::start_with(None, &["--appendfsync", fsync]).await;
    let replica = Replica::start(&redis).await;
    let streams = claim(&replica).await;
    let (mut ours, mut yardstick) = (vec![], vec![]);
    for round in 1..=ROUNDS {
        yardstick.push(bare_script::rate(other.port(), CLIENTS, PRACTICES, bytes, WARM_UP, measure));
        let processes = [("callers", std::process::id()), ("sync-state", replica.pid()), ("Redis", redis.pid())];
        let before = processes.map(|(_, pid)| processor_seconds(pid));
        let begun = Instant::now();
        let rate = closed_loop(reporters(&replica, &streams, CLIENTS), measure).await;
        let spent = begun.elapsed().as_secs_f64();
        let shares = processes.iter().zip(before).map(|((name, pid), before)| {
            let cores = (processor_seconds(*pid) - before) / spent;
            format!("{name} {cores:.2} cores, {:.0} µs each", cores / rate * 1e6)
        });
        eprintln!("of the machine: {}", shares.collect::<Vec<_>>().join("; "));
        ours.push(rate);
        if fsync == "everysec" {
            nothing.push(closed_loop(idlers(&replica), measure).await);
        }
        eprintln!("round {round} of {ROUNDS}: {:.0}/s beside {:.0}/s", ours[round - 1], yardstick[round - 1]);
    }
    if fsync == "everysec" {
        let load = median(&ours) / 2.0;
        for _ in 0..ROUNDS {
            let reporters = reporters(&replica, &streams, PACED);
            latencies.ours.push(p99("ours", load, open_loop(reporters, load, measure).await));
            let savers = bare_script::savers(other.port(), PACED, PRACTICES, bytes).await;
            latencies.yardstick.push(p99("bare script", load, open_loop(savers, load, measure).await));
        }
    }
    check(&replica, &streams).await;
    (ours, yardstick)
}

async fn claim(replica: &Replica) -> Vec<Arc<Mutex<Stream>>> {
    let mut client = StateServiceClient::new(replica.channel());
    let mut streams = Vec::new();
    while streams.len() < PRACTICES {
        let request = ClaimStreamsRequest {
            worker: "bench".to_owned(),
            capacity: 1000,
            lease_duration: LEASE.try_into().ok(),
            ..Default::default()
        };
        let claimed = client.claim_streams(request).await.expect("streams to follow").into_inner().streams;
        assert!(!claimed.is_empty(), "{} streams and no more", streams.len());
        streams.extend(claimed.into_iter().map(|stream| Arc::new(Mutex::new(held(stream)))));
    }
    streams
}

fn held(stream: ClaimedStream) -> Stream {
    let lease = stream.lease.expect("a lease");
    let practice = stream.practice.expect("a practice").name;
    Stream { practice, resource: lease.resource, epoch: lease.epoch, cursor: stream.cursor, reports: 0 }
}

/// One report on a stream.
async fn report(client: &mut StateServiceClient<Channel>, stream: &mut Stream) {
    stream.reports += 1;
    if stream.reports.is_multiple_of(2) {
        let request = HeartbeatRequest {
            resource: stream.resource.clone(),
            epoch: stream.epoch,
            lease_duration: LEASE.try_into().ok(),
        };
        client.heartbeat(request).await.expect("the lease is held");
    } else {
        let cursor = format!("binlog.000001:{:012}", stream.reports);
        let request = SaveCursorRequest {
            stream: stream.resource.clone(),
            epoch: stream.epoch,
            expected: std::mem::replace(&mut stream.cursor, cursor.clone()),
            cursor,
            synced_through: Some(std::time::SystemTime::now().into()),
            mode: "polling".to_owned(),
        };
        client.save_cursor(request).await.expect("the cursor moves");
    }
}

/// The processor time that a process has used, in seconds.
fn processor_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The command, in parentheses, may hold anything; user and system time are the 12th and 13th number after it.
    let ticks = |n: usize| stat.rsplit(')').next()?.split_whitespace().nth(n)?.parse::<f64>().ok();
    const TICKS_PER_SECOND: f64 = 100.0;
    (ticks(11).unwrap_or_default() + ticks(12).unwrap_or_default()) / TICKS_PER_SECOND
}

/// Reports on its streams, one after another.
struct Reporter {
    client: StateServiceClient<Channel>,
    streams: Vec<Arc<Mutex<Stream>>>,
    next: usize,
}

impl Caller for Reporter {
    async fn call(&mut self) {
        let stream = &self.streams[self.next];
        self.next = (self.next + 1) % self.streams.len();
        report(&mut self.client, &mut *stream.lock().await).await;
    }
}

/// Asks for nothing.
struct Idler {
    client: HealthClient<Channel>,
}

impl Caller for Idler {
    async fn call(&mut self) {
        self.client.check(HealthCheckRequest::default()).await.expect("it serves");
    }
}

/// Reporters that share `streams` among them.
fn reporters(replica: &Replica, streams: &[Arc<Mutex<Stream>>], number: usize) -> Vec<Reporter> {
    let channels = channels(replica);
    let reporter = |place: usize| Reporter {
        client: StateServiceClient::new(channels[place % CONNECTIONS].clone()),
        streams: streams.iter().skip(place).step_by(number).cloned().collect(),
        next: 0,
    };
    (0..number).map(reporter).collect()
}

fn idlers(replica: &Replica) -> Vec<Idler> {
    let channels = channels(replica);
    (0..CLIENTS).map(|place| Idler { client: HealthClient::new(channels[place % CONNECTIONS].clone()) }).collect()
}

fn channels(replica: &Replica) -> Vec<Channel> {
    (0..CONNECTIONS).map(|_| replica.channel()).collect()
}

/// Each report was a change of state of its own.
async fn check(replica: &Replica, streams: &[Arc<Mutex<Stream>>]) {
    let mut client = StateServiceClient::new(replica.channel());
    for stream in streams {
        let stream = stream.lock().await;
        let request = GetPracticeStateRequest { practice: stream.practice.clone() };
        let state = client.get_practice_state(request).await.expect("the practice").into_inner().state;
        let revision = state.expect("its state").revision;
        assert!(revision > stream.reports, "{}: {} reports, revision {revision}", stream.practice, stream.reports);
    }
}
