//! After any history of changes and any moments at which the worker dies or is robbed of its lease, the live view holds
//! what the source holds, and whoever read its log by number saw each state once, in order.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chairsync_proto::state::state_service_client::StateServiceClient;
use engagement_sync::{
    live_view::{Limits, LiveView, embedded::EmbeddedView, redis::RedisView},
    pms::Pms,
    stream::Worker,
};
use mesh::transport::connect;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use support::{Mesh, all_rows, appointment, patient, row};
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(30);

fn worker(mesh: &Mesh, view: &Arc<dyn LiveView>, name: String) -> Worker {
    Worker {
        state: StateServiceClient::new(connect(&mesh.sync_state)),
        pms: Pms::new(connect(&mesh.pms_connector)),
        view: view.clone(),
        name,
        capacity: 4,
        lease: Duration::from_secs(30),
    }
}

/// Waits until the view holds what the source holds and its cursor is saved.
async fn converged(mesh: &Mesh, view: &dyn LiveView, what: &str) {
    let equal = async {
        loop {
            let head = view.head("a").await.unwrap();
            if head.filled && head.cursor == mesh.state.cursor() && all_rows(view).await == mesh.source.tables() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    if tokio::time::timeout(DEADLINE, equal).await.is_err() {
        let (head, held, source) = (view.head("a").await.unwrap(), all_rows(view).await, mesh.source.tables());
        let mut differing = Vec::new();
        for dataset in held.keys().chain(source.keys()) {
            let (ours, theirs) = (held.get(dataset), source.get(dataset));
            let keys = ours.into_iter().chain(theirs).flat_map(BTreeMap::keys);
            let differs = |key: &&i64| ours.and_then(|rows| rows.get(key)) != theirs.and_then(|rows| rows.get(key));
            differing.extend(keys.filter(differs).map(|key| format!("{dataset}/{key}")));
        }
        panic!("{what}: not what the source holds: {differing:?}; {head:?}; saved {}", mesh.state.cursor());
    }
}

fn change(mesh: &Mesh, random: &mut StdRng) {
    let (key, note) = (random.random_range(1..60), random.random_range(0..1_000_000).to_string());
    match random.random_range(0..10) {
        0 | 1 => mesh.source.delete("appointment", key),
        2 => mesh.source.delete("patient", key),
        3 => mesh.source.put(patient(key, random.random_range(1..9), &note)),
        4 => mesh.source.put(row("definition").with("def_num", key).with("item_name", note.as_str())),
        _ => mesh.source.put(appointment(key, random.random_range(1..9), &note)),
    }
}

async fn history(seed: u64, view: Arc<dyn LiveView>) {
    let what = format!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mesh = Mesh::start();
    (0..80).for_each(|_| change(&mesh, &mut random));
    for life in 0..random.random_range(2..6) {
        let stop = CancellationToken::new();
        let mut lives = vec![tokio::spawn(worker(&mesh, &view, format!("worker-{life}")).run(stop.clone()))];
        // A second worker robs the first, which does not know it yet: the fence must hold.
        if random.random_bool(0.3) {
            lives.push(tokio::spawn(worker(&mesh, &view, format!("robber-{life}")).run(stop.clone())));
        }
        for _ in 0..random.random_range(0..60) {
            change(&mesh, &mut random);
            if random.random_bool(0.5) {
                tokio::time::sleep(Duration::from_micros(random.random_range(0..1_500))).await;
            }
        }
        lives.iter().for_each(tokio::task::JoinHandle::abort);
        if random.random_bool(0.3) {
            mesh.source.delete_silently("appointment", random.random_range(1..60));
        }
        if random.random_bool(0.2) {
            mesh.source.put_silently(appointment(random.random_range(100..200), 3, "late"));
        }
        if random.random_bool(0.1) {
            mesh.source.replace((1..30).map(|key| appointment(key, 2, "restored")).collect());
        }
    }
    let stop = CancellationToken::new();
    let last = tokio::spawn(worker(&mesh, &view, "last".into()).run(stop.clone()));
    converged(&mesh, &*view, &what).await;
    (0..20).for_each(|_| change(&mesh, &mut random));
    converged(&mesh, &*view, &what).await;
    check_log(&*view, &what).await;
    stop.cancel();
    last.await.unwrap();
}

/// The log's numbers have no gap; a row never follows itself unchanged; the last entry of a row is what the view holds.
async fn check_log(view: &dyn LiveView, what: &str) {
    let head = view.head("a").await.unwrap();
    let log = view.log("a", head.floor, 1_000_000).await.unwrap();
    let numbers: Vec<u64> = log.iter().map(|entry| entry.sequence).collect();
    assert_eq!(numbers, (head.floor + 1..=head.sequence).collect::<Vec<_>>(), "{what}");
    let mut last = BTreeMap::new();
    for entry in &log {
        let before = last.insert((entry.dataset.name, entry.key.clone()), entry.row.clone());
        assert!(before.is_none_or(|before| before != entry.row), "{what}: change {} changes nothing", entry.sequence);
    }
    let tables = all_rows(view).await;
    for ((dataset, key), row) in last {
        let held = tables.get(dataset).and_then(|rows| rows.get(&key.parse().unwrap()));
        assert!(held == row.as_ref(), "{what}: the log's last word on a row is not what the view holds");
    }
}

fn seeds(default: u64) -> std::ops::Range<u64> {
    0..std::env::var("CHAIRSYNC_TEST_HISTORIES").ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

#[tokio::test]
async fn the_file_converges_through_every_death() {
    for seed in seeds(25) {
        let folder = tempfile::tempdir().unwrap();
        let view = EmbeddedView::open(&folder.path().join("view.redb"), Limits::default()).unwrap();
        history(seed, Arc::new(view)).await;
    }
}

#[tokio::test]
async fn redis_converges_through_every_death() {
    let server = test_servers::Redis::start().await;
    for seed in seeds(25) {
        let view = RedisView::connect(&server.url(), None, Limits::default()).await.unwrap();
        history(1_000 + seed, Arc::new(view)).await;
        let view = RedisView::connect(&server.url(), None, Limits::default()).await.unwrap();
        view.forget("a").await.unwrap();
    }
}

#[tokio::test]
async fn a_fill_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let view: Arc<dyn LiveView> =
        Arc::new(EmbeddedView::open(&folder.path().join("view.redb"), Limits::default()).unwrap());
    let mesh = Mesh::start();
    (1..=700).for_each(|key| mesh.source.put_silently(appointment(key, key, "x")));
    let mut resumed = false;
    for life in 0..200 {
        let task = tokio::spawn(worker(&mesh, &view, format!("worker-{life}")).run(CancellationToken::new()));
        let before = view.keys("a", mesh::datasets::get("appointment").unwrap()).await.unwrap().len();
        let more = async {
            loop {
                let head = view.head("a").await.unwrap();
                let now = view.keys("a", mesh::datasets::get("appointment").unwrap()).await.unwrap().len();
                if head.filled || now > before + 50 {
                    return head.filled;
                }
                tokio::task::yield_now().await;
            }
        };
        let filled = tokio::time::timeout(DEADLINE, more).await.unwrap();
        task.abort();
        let _ = task.await;
        resumed |= !filled;
        if filled {
            break;
        }
    }
    assert!(resumed, "the fill was never stopped on its way");
    let stop = CancellationToken::new();
    let last = tokio::spawn(worker(&mesh, &view, "last".into()).run(stop.clone()));
    converged(&mesh, &*view, "fill").await;
    stop.cancel();
    last.await.unwrap();
}
