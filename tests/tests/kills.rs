//! Promise: a kill -9 of any process at any moment of the initial sync resumes where the last checkpoint was and ends
//! with the same tables, row for row, as a run without kills.
//! Method: ten kills at random moments (by the chunks that have been read), each process, Redis and MariaDB among them;
//! then every Delta table is compared with the database itself by its rows. A recorder between analytics-sync and
//! the connector counts what each attempt reads: of the chunks that were durable when it began, at most one of each
//! dataset again.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use chairsync_proto::sync::{Run, RunState};
use chairsync_tests::{
    practice,
    processes::{Processes, SERVICES},
    recorder::{Attempt, Recorder},
    tables,
};
use rand::{
    Rng, SeedableRng,
    rngs::StdRng,
    seq::{IndexedRandom, SliceRandom},
};
use test_servers::{MariaDb, free_port};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const KILLS: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn ten_kills_lose_nothing_and_double_nothing() {
    let seed: u64 = std::env::var("CHAIRSYNC_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(rand::random);
    println!("CHAIRSYNC_SEED={seed} repeats this run");
    let mut random = StdRng::seed_from_u64(seed);

    let mut pms = MariaDb::start().await;
    practice::load(&pms, "killed", 23, 1500).await;
    // Small chunks, so that there are many moments between them.
    let (recorder, port, shutdown) = (Recorder::default(), free_port(), CancellationToken::new());
    recorder.serve(port, shutdown.clone()).await;
    let between = format!("http://127.0.0.1:{port}");
    let settings = [
        ("CHAIRSYNC_CHUNK_ROWS", "500"),
        ("CHAIRSYNC_LEASE_SECONDS", "3"),
        ("analytics-sync/CHAIRSYNC_PMS_CONNECTOR", &between),
    ];
    let mut mesh = Processes::start_with(&practice::credentials(), "info", &settings).await;
    let connector = mesh::transport::connect(&mesh.url("pms-connector").parse().expect("an endpoint"));
    recorder.stand_before(connector, mesh.tables().join("killed"));
    let run = practice::register(mesh.gateway(), "killed", practice::on(&pms, "killed", "America/New_York")).await;

    // Each process at least once.
    let all = [&SERVICES[..], &["redis", "mariadb"]].concat();
    let mut victims = all.clone();
    victims.extend(std::iter::repeat_with(|| *all.choose(&mut random).expect("victims")).take(KILLS - all.len()));
    victims.shuffle(&mut random);
    let over = tokio::spawn({
        let (gateway, run) = (mesh.gateway(), run.clone());
        async move { practice::finished(gateway, &run, Duration::from_secs(600)).await }
    });
    let (mut tries, mut kills) = (1, 0);
    for victim in victims {
        let chunks = recorder.counts().1 + random.random_range(3..25);
        if !reaches(&recorder, tries, chunks, &over).await {
            break;
        }
        println!("kill {kills}: {victim} in attempt {tries} at {chunks} chunks");
        kills += 1;
        match victim {
            "redis" => mesh.redis().restart().await,
            "mariadb" => pms.restart().await,
            service => {
                mesh.kill(service);
                mesh.spawn(service);
            }
        }
        if ["analytics-sync", "pms-connector", "mariadb"].contains(&victim) {
            tries = recorder.counts().0 + 1;
        }
    }
    let done = over.await.expect("the run is followed");
    assert_eq!(done.state(), RunState::Succeeded, "seed {seed}: {:?}", done.error);
    tables::equal_database(&mesh.tables(), "killed", &pms, "killed").await;
    assert_eq!(kills, KILLS, "seed {seed}: the run ended before all kills");
    little_is_read_again(seed, &recorder.attempts());
    shutdown.cancel();
}

/// Asserts that each attempt went on at the last durable chunk of each dataset, or at the one before it.
fn little_is_read_again(seed: u64, attempts: &[Attempt]) {
    let tries = 1 + attempts.iter().map(|a| a.number).max().expect("attempts");
    let resumed: Vec<_> = attempts.iter().filter(|a| !a.durable.is_empty()).collect();
    let again: usize = resumed.iter().filter_map(|a| a.read_again()).sum();
    let chunks: usize = attempts.iter().map(|a| a.chunks).sum();
    println!(
        "{tries} attempts, {chunks} chunks, {} datasets resumed, {again} durable chunks read again",
        resumed.len()
    );
    for attempt in attempts {
        let Attempt { number, dataset, durable, asked, first_key, .. } = attempt;
        let place = format!("seed {seed}, attempt {number}, {dataset}, {} durable chunks", durable.len());
        let again = attempt.read_again().unwrap_or_else(|| panic!("{place}: {asked:?} is none of them"));
        assert!(again <= 1, "{place}: {again} of them are read again");
        // The connector gives what was asked for, and nothing from before it.
        if let (Some(first), Some(kept)) = (first_key, attempt.kept_key()) {
            assert!(*first > kept, "{place}: key {first} again, {kept} was kept");
        }
    }
    assert!(!resumed.is_empty(), "seed {seed}: no attempt found anything durable");
}

/// Waits until so many attempts have begun and so many chunks were given; false when the run has ended before.
async fn reaches(recorder: &Recorder, tries: usize, chunks: usize, over: &JoinHandle<Run>) -> bool {
    let follow = async {
        loop {
            let (begun, given) = recorder.counts();
            if begun >= tries && given >= chunks {
                return true;
            }
            if over.is_finished() {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(300), follow).await.expect("the run goes on")
}
