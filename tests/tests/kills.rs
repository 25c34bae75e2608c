//! Promise: a kill -9 of any process at any moment of the initial sync resumes where the last checkpoint was and ends
//! with the same tables, row for row, as a run without kills.
//! Method: ten kills at random moments (by the progress that the run reports), each of a random process, Redis and
//! MariaDB among them; then every Delta table is compared with the database itself by its rows, and the chunks that
//! were read twice are counted.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use chairsync_proto::sync::{RunState, WatchRunRequest, sync_service_client::SyncServiceClient};
use chairsync_tests::{
    practice,
    processes::{Processes, SERVICES},
    tables,
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use test_servers::MariaDb;

const KILLS: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn ten_kills_lose_nothing_and_double_nothing() {
    let seed: u64 = std::env::var("CHAIRSYNC_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(rand::random);
    println!("CHAIRSYNC_SEED={seed} repeats this run");
    let mut random = StdRng::seed_from_u64(seed);

    let mut pms = MariaDb::start().await;
    practice::load(&pms, "killed", 23, 1500).await;
    // Small chunks, so that there are many moments between them.
    let chunk = [("CHAIRSYNC_CHUNK_ROWS", "500"), ("CHAIRSYNC_LEASE_SECONDS", "3")];
    let mut mesh = Processes::start_with(&practice::credentials(), "info", &chunk).await;
    let run = practice::register(mesh.gateway(), "killed", practice::on(&pms, "killed", "America/New_York")).await;

    for kill in 0..KILLS {
        let at = (kill as f64 + random.random_range(0.1..0.9)) / (KILLS as f64 + 1.0);
        if !reaches(&mesh, &run, at).await {
            break;
        }
        let victims = [&SERVICES[..], &["redis", "mariadb"]].concat();
        let victim = *victims.choose(&mut random).unwrap();
        println!("kill {kill}: {victim} at {:.0} %", at * 100.0);
        match victim {
            "redis" => mesh.redis().restart().await,
            "mariadb" => pms.restart().await,
            service => {
                mesh.kill(service);
                mesh.spawn(service);
            }
        }
    }
    let done = practice::finished(mesh.gateway(), &run, Duration::from_secs(600)).await;
    assert_eq!(done.state(), RunState::Succeeded, "seed {seed}: {:?}", done.error);
    tables::equal_database(&mesh.tables(), "killed", &pms, "killed").await;
}

/// Waits until the run has done the share `at`; false when it has ended.
async fn reaches(mesh: &Processes, run: &str, at: f64) -> bool {
    let follow = async {
        loop {
            let mut client = SyncServiceClient::new(mesh.gateway());
            if let Ok(stream) = client.watch_run(WatchRunRequest { name: run.to_owned() }).await {
                let mut stream = stream.into_inner();
                while let Ok(Some(message)) = stream.message().await {
                    let run = message.run.unwrap_or_default();
                    if matches!(run.state(), RunState::Succeeded | RunState::Failed | RunState::Cancelled) {
                        return false;
                    }
                    if run.progress.is_some_and(|p| p.share_done >= at) {
                        return true;
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(300), follow).await.expect("the run goes on")
}
