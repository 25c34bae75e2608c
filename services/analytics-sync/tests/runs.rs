//! Promise: whatever moment a worker dies at, the next one goes on, reads at most one chunk of each dataset again, and
//! the tables end as if nobody had died. Method: scripted neighbours, the real worker, killed at the n-th step.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::{path::Path, time::Duration};

use analytics_sync::{Config, books::Books, tables::read::files_at};
use chairsync_proto::{
    analytics::{GetMorningHuddleRequest, analytics_service_client::AnalyticsServiceClient},
    google_type,
    state::FailRunRequest,
    sync::Completeness,
};
use mesh::{
    ErrorReason, datasets,
    error::reason_of,
    transport::{Endpoint, connect, in_process},
};
use proptest::prelude::*;
use support::{PRACTICE, World};
use tokio_util::sync::CancellationToken;
use tonic::Code;

const DEADLINE: Duration = Duration::from_secs(60);

struct Service {
    endpoint: Endpoint,
    task: tokio::task::JoinHandle<anyhow::Result<()>>,
    stop: CancellationToken,
}

fn start(world: &std::sync::Arc<World>, store: &Path, servers: &CancellationToken) -> Service {
    let (sync_state, pms_connector) = world.serve(servers);
    start_with(sync_state, pms_connector, store)
}

fn start_with(sync_state: Endpoint, pms_connector: Endpoint, store: &Path) -> Service {
    let (endpoint, listener) = in_process("analytics-sync");
    let config = Config {
        store: store.to_string_lossy().into_owned(),
        sync_state,
        pms_connector,
        worker: None,
        capacity: 1,
        lease_seconds: 30,
        object_store: Default::default(),
    };
    let stop = CancellationToken::new();
    let task = tokio::spawn(analytics_sync::run(config, listener, stop.clone()));
    Service { endpoint, task, stop }
}

async fn until(world: &World, mut done: impl FnMut(u64) -> bool) {
    let mut steps = world.steps.subscribe();
    tokio::time::timeout(DEADLINE, steps.wait_for(|n| done(*n))).await.expect("in time").unwrap();
}

async fn count(store: &Path, world: &World, dataset: &str) -> (i64, i64, i64) {
    let version = world.accepted(dataset).unwrap().version.unwrap();
    let known = datasets::get(dataset).unwrap();
    let files = files_at(&store.join("north").join(dataset), version).await.unwrap();
    let tables = analytics_sync::huddle::datasets().into_iter().filter_map(datasets::get);
    let books =
        Books::open(tables.map(|d| (d, if d.name == dataset { files.clone() } else { Vec::new() }))).await.unwrap();
    let sql = format!(
        "SELECT COUNT(*) AS n, COUNT(DISTINCT {0}) AS d, COALESCE(SUM({0}), 0) AS s FROM \"{dataset}\"",
        known.key
    );
    let answer = books.ask(&sql, &[]).await.unwrap();
    (answer.number(0, "n").unwrap(), answer.number(0, "d").unwrap(), answer.number(0, "s").unwrap())
}

/// The rows of each dataset that the run has made durable.
fn durable(store: &Path, world: &World) -> Vec<(&'static str, i64)> {
    let rows = |dataset: &str| {
        let chain = analytics_sync::tables::chunks::chain(store.join("north").join(dataset), world.run()).unwrap();
        chain.iter().map(|chunk| chunk.rows).sum()
    };
    DATASETS.iter().map(|(dataset, _)| (*dataset, rows(dataset))).collect()
}

const DATASETS: [(&str, i64); 4] = [("patient", 23), ("procedure", 57), ("payment", 0), ("adjustment", 8)];

async fn killed_at(kills: Vec<u64>) {
    let dir = tempfile::tempdir().unwrap();
    let servers = CancellationToken::new();
    let world = World::new(&DATASETS, 8);
    for kill in kills {
        let service = start(&world, dir.path(), &servers);
        let aim = *world.steps.borrow() + kill;
        until(&world, |steps| steps >= aim || world.finished()).await;
        service.task.abort();
        let _ = service.task.await;
        if world.finished() {
            break;
        }
        let durable = durable(dir.path(), &world);
        world.expire_lease();
        let next = start(&world, dir.path(), &servers);
        let aim = *world.steps.borrow() + 1;
        until(&world, |steps| steps >= aim || world.finished()).await;
        for (dataset, rows) in durable {
            // What was durable at the kill is not read again: at most the chunk in hand is lost.
            assert!(world.resumed_at(dataset).is_none_or(|at| at >= rows), "{dataset}");
        }
        next.task.abort();
        let _ = next.task.await;
        world.expire_lease();
    }
    let service = start(&world, dir.path(), &servers);
    until(&world, |_| world.finished()).await;
    for (dataset, rows) in DATASETS {
        assert_eq!(count(dir.path(), &world, dataset).await, (rows, rows, (0..rows).sum()), "{dataset}");
        assert_eq!(world.accepted(dataset).unwrap().rows, rows);
    }
    service.stop.cancel();
    service.task.await.unwrap().unwrap();
    servers.cancel();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..Default::default() })]
    #[test]
    fn a_killed_run_is_resumed(kills in prop::collection::vec(1..12_u64, 1..4)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(killed_at(kills));
    }
}

#[tokio::test]
async fn a_second_run_replaces_the_first_and_cleans_up() {
    let dir = tempfile::tempdir().unwrap();
    let servers = CancellationToken::new();
    let world = World::new(&[("adjustment", 20)], 8);
    let service = start(&world, dir.path(), &servers);
    for (sequence, rows) in [(1, 20), (2, 5), (3, 9)] {
        if sequence > 1 {
            world.resize("adjustment", rows);
            world.new_run(sequence);
        }
        until(&world, |_| world.finished()).await;
        assert_eq!(count(dir.path(), &world, "adjustment").await.0, rows);
    }
    service.stop.cancel();
    service.task.await.unwrap().unwrap();
    servers.cancel();
}

/// The failure that a connector's refusal of a snapshot becomes.
async fn refused_with(reason: ErrorReason) -> FailRunRequest {
    let dir = tempfile::tempdir().unwrap();
    let servers = CancellationToken::new();
    let world = World::new(&[("adjustment", 20)], 8);
    world.refuse_snapshots(reason);
    let service = start(&world, dir.path(), &servers);
    until(&world, |_| world.failure().is_some()).await;
    service.stop.cancel();
    service.task.await.unwrap().unwrap();
    servers.cancel();
    world.failure().unwrap()
}

#[tokio::test]
async fn a_source_that_cannot_be_read_fails_the_run_with_its_reason() {
    let failure = refused_with(ErrorReason::PmsNotRecognized).await;
    assert_eq!((failure.reason(), failure.permanent), (ErrorReason::PmsNotRecognized, true));
}

#[tokio::test]
async fn a_source_that_became_another_one_is_worth_another_try() {
    let failure = refused_with(ErrorReason::SourceChanged).await;
    assert_eq!((failure.reason(), failure.permanent), (ErrorReason::SourceChanged, false));
}

#[tokio::test]
async fn the_huddle_is_partial_until_all_is_there_and_refusals_are_typed() {
    let dir = tempfile::tempdir().unwrap();
    let servers = CancellationToken::new();
    let rows: Vec<(&str, i64)> = analytics_sync::huddle::datasets().into_iter().map(|name| (name, 0)).collect();
    let world = World::new(&rows, 8);
    world.cancel();
    let service = start(&world, dir.path(), &servers);
    let mut client = AnalyticsServiceClient::new(connect(&service.endpoint));
    let ask = |practice: &str, date| GetMorningHuddleRequest { practice: practice.into(), date };
    let partial = client.get_morning_huddle(ask(PRACTICE, None)).await.unwrap().into_inner();
    assert_eq!(partial.freshness.unwrap().completeness, Completeness::Partial as i32);
    assert!(partial.today.is_none() && partial.absent_sections.len() == 4);

    for (practice, date, code, reason) in [
        ("north", None, Code::InvalidArgument, ErrorReason::InvalidField),
        ("practices/south", None, Code::NotFound, ErrorReason::PracticeNotFound),
        (
            PRACTICE,
            Some(google_type::Date { year: 2026, month: 2, day: 30 }),
            Code::InvalidArgument,
            ErrorReason::InvalidField,
        ),
    ] {
        let status = client.get_morning_huddle(ask(practice, date)).await.unwrap_err();
        assert_eq!((status.code(), reason_of(&status)), (code, Some(reason)), "{practice}");
    }
    service.stop.cancel();
    service.task.await.unwrap().unwrap();

    let whole = World::new(&rows, 8);
    let service = start(&whole, dir.path(), &servers);
    until(&whole, |_| whole.finished()).await;
    let mut client = AnalyticsServiceClient::new(connect(&service.endpoint));
    let answer = tokio::time::timeout(DEADLINE, client.get_morning_huddle(ask(PRACTICE, None))).await.unwrap();
    let answer = answer.unwrap().into_inner();
    assert!(answer.today.is_some() && answer.month_to_date.is_some());
    assert_eq!(answer.date, Some(google_type::Date { year: 2026, month: 3, day: 30 }));
    let later = Some(google_type::Date { year: 2026, month: 3, day: 31 });
    let status = client.get_morning_huddle(ask(PRACTICE, later)).await.unwrap_err();
    assert_eq!(reason_of(&status), Some(ErrorReason::InvalidField));
    service.stop.cancel();
    service.task.await.unwrap().unwrap();
    servers.cancel();
}

/// Alone in its process, by hand: `cargo test -p analytics-sync --test runs -- --ignored --nocapture`. The scripted
/// connector's memory is in the figure.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "reads three million rows; prints figures"]
async fn three_million_procedures_in_bounded_memory() {
    let dir = tempfile::tempdir().unwrap();
    let servers = CancellationToken::new();
    let mut rows: Vec<(&str, i64)> = analytics_sync::huddle::datasets().into_iter().map(|name| (name, 100)).collect();
    rows.retain(|(name, _)| !matches!(*name, "procedure" | "preference" | "patient"));
    rows.extend([("procedure", 3_000_000), ("patient", 60_000), ("preference", 0)]);
    let world = World::new(&rows, 50_000);
    let began = std::time::Instant::now();
    let service = start(&world, dir.path(), &servers);
    let mut steps = world.steps.subscribe();
    steps.wait_for(|_| world.finished()).await.unwrap();
    let read = began.elapsed();
    let peak = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    };
    let after_read = peak();
    println!("read: {:.1} s, {:.0} rows/s, peak {after_read} MB", read.as_secs_f64(), 3e6 / read.as_secs_f64());
    let mut client = AnalyticsServiceClient::new(connect(&service.endpoint));
    let began = std::time::Instant::now();
    let mut request = tonic::Request::new(GetMorningHuddleRequest { practice: PRACTICE.into(), date: None });
    request.set_timeout(Duration::from_secs(600));
    client.get_morning_huddle(request).await.unwrap();
    println!("huddle: {:.1} s, peak {} MB", began.elapsed().as_secs_f64(), peak());
    assert!(after_read < 400, "{after_read} MB, the connector and the test included");
    service.stop.cancel();
    service.task.await.unwrap().unwrap();
    servers.cancel();
}
