//! An initial sync of 3 million procedures: its rate beside the database's own client, and the memory that it takes.

use std::{
    fs::File,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use chairsync_proto::sync::{RunState, WatchRunRequest, sync_service_client::SyncServiceClient};
use mesh::datasets;
use mysql_async::prelude::Queryable;
use state_bench::figures::{Goal, figure};
use test_servers::MariaDb;

use super::memory::peak_mb;
use crate::{practice, processes::Processes};

const ROUNDS: usize = 3;

/// Runs it. Prints its figures.
///
/// # Panics
/// When something cannot be started or read.
pub async fn run() {
    let (pms, _, mut conn) = super::procedures().await;
    let loaded: u64 = conn.query_first("SELECT COUNT(*) FROM procedurelog").await.expect("a count").expect("a row");

    let (mut ours, mut yardstick, mut connector, mut analytics) = (vec![], vec![], vec![], vec![]);
    for round in 0..ROUNDS {
        eprintln!("round {} of {ROUNDS}", round + 1);
        yardstick.push(loaded as f64 / client_seconds(&pms).as_secs_f64());
        let synced = synced(&pms, round).await;
        ours.push(loaded as f64 / synced.procedures.as_secs_f64());
        connector.push(synced.connector_mb);
        analytics.push(synced.analytics_mb);
    }
    figure("initial-sync", "rows_per_s", "rows/s", &ours, &yardstick, Goal::RatioAtLeast(0.7));
    figure("initial-sync", "connector_rss_mb", "MB", &connector, &[], Goal::Below(300.0));
    figure("initial-sync", "analytics_rss_mb", "MB", &analytics, &[], Goal::Below(300.0));
}

/// How long the database's own client takes to print the same columns to a file.
fn client_seconds(pms: &MariaDb) -> Duration {
    let dataset = datasets::get("procedure").expect("a dataset");
    let columns: Vec<String> = dataset.columns.iter().map(|c| c.name.replace('_', "")).collect();
    let query = format!("SELECT {} FROM procedurelog ORDER BY ProcNum", columns.join(","));
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let out = File::create(folder.path().join("rows")).expect("a file");
    let start = Instant::now();
    let status = Command::new("mariadb")
        .args(["--no-defaults", "--quick", "--batch", "--skip-column-names", "--host=127.0.0.1", "--user=reader"])
        .arg(format!("--port={}", pms.port()))
        .arg(format!("--password={}", MariaDb::READER_PASSWORD))
        .args(["--execute", &query, "bench"])
        .stdin(Stdio::null())
        .stdout(out)
        .status()
        .expect("mariadb is installed");
    assert!(status.success(), "the client prints the rows");
    start.elapsed()
}

struct Synced {
    /// From the first look at the run with procedures being read to their last row kept.
    procedures: Duration,
    connector_mb: f64,
    analytics_mb: f64,
}

/// A whole initial sync by the five processes; the other tables are empty.
async fn synced(pms: &MariaDb, round: usize) -> Synced {
    let mesh = Processes::start_with(&practice::credentials(), "warn", &[]).await;
    let id = format!("round-{round}");
    let start = Instant::now();
    let run = practice::register(mesh.gateway(), &id, practice::on(pms, "bench", "America/Chicago")).await;
    let mut stream = SyncServiceClient::new(mesh.gateway())
        .watch_run(WatchRunRequest { name: run.clone() })
        .await
        .expect("a watch")
        .into_inner();
    // From the registration on: what a practice waits for, the client's share of small tables included.
    let mut procedures = None;
    while let Some(message) = stream.message().await.expect("the watch goes on") {
        let run = message.run.expect("a run");
        let done = run.datasets.iter().any(|d| d.dataset == "procedure" && d.finished);
        if done && procedures.is_none() {
            procedures = Some(start.elapsed());
        }
        if run.state() == RunState::Failed {
            panic!("the run failed: {:?}", run.error);
        }
    }
    Synced {
        procedures: procedures.expect("the procedures were read"),
        connector_mb: peak_mb(mesh.pid("pms-connector")),
        analytics_mb: peak_mb(mesh.pid("analytics-sync")),
    }
}
