//! Promise: the Delta tables are ordinary ones: other engines read them and sum up what the PMS has.
//! Method: a generated practice on a real MariaDB, synced; the `deltalake` package, DuckDB and Polars on its tables.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{path::PathBuf, process::Stdio};

use chairsync_proto::analytics::GetMorningHuddleRequest;
use chairsync_tests::{analytics::AnalyticsMesh, practice};
use jiff::tz::TimeZone;
use mysql_async::prelude::Queryable;
use pms_connector::sample::Config;
use serde_json::{Value, json};
use test_servers::MariaDb;
use tokio::process::Command;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/lake/read_tables.py");

/// Where `tests/install` puts the engines.
fn engines() -> PathBuf {
    let tools = std::env::var_os("CHAIRSYNC_TOOLS")
        .map(PathBuf::from)
        .unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/chairsync/tools"));
    tools.join("lake")
}

#[tokio::test(flavor = "multi_thread")]
async fn other_engines_read_the_same_sums() {
    let engines = engines();
    if !engines.join("deltalake").is_dir() {
        println!("LEFT OUT: the deltalake, duckdb and polars packages are not installed here");
        return;
    }
    let pms = MariaDb::start_with(&["--innodb-flush-log-at-trx-commit=0"]).await;
    let as_of = jiff::Timestamp::now().to_zoned(TimeZone::UTC).date();
    practice::load_as_of(&pms, "lake", Config { seed: 11, patients: 300, as_of, years: 2 }).await;
    let mesh = AnalyticsMesh::start();
    mesh.sync("lake", practice::on(&pms, "lake", "America/Chicago")).await;
    let request = GetMorningHuddleRequest { practice: "practices/lake".to_owned(), date: None };
    mesh.ask(async |mut c| c.get_morning_huddle(request.clone()).await, |a| a.month_to_date.is_some()).await;

    let read = read_with(Command::new("python3").arg(SCRIPT).arg(mesh.tables().join("lake")), &engines).await;
    let mut conn = pms.root("lake").await;
    for (table, sql) in [
        ("procedure", "SELECT COUNT(*), CAST(SUM(CAST(ProcFee AS DECIMAL(18,4))) AS CHAR) FROM procedurelog"),
        ("payment_split", "SELECT COUNT(*), CAST(SUM(CAST(SplitAmt AS DECIMAL(18,4))) AS CHAR) FROM paysplit"),
    ] {
        let (rows, total): (i64, String) = conn.query_first(sql).await.unwrap().unwrap();
        assert!(rows > 100, "{table} is too small to show anything");
        for engine in ["deltalake", "duckdb", "polars"] {
            assert_eq!(read[format!("{engine}.{table}")], json!({"rows": rows, "total": total}), "{engine} {table}");
        }
    }
    mesh.end().await;
}

async fn read_with(command: &mut Command, engines: &std::path::Path) -> Value {
    let output = command.env("PYTHONPATH", engines).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(std::time::Duration::from_secs(120), output).await.expect("it ends").unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
