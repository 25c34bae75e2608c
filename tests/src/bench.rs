//! Benchmarks of the whole mesh. Those of sync-state, and what all benchmarks share, are in the package `state-bench`.

pub mod big;
pub mod boards;
pub mod finder;
pub mod initial_sync;
mod memory;
pub mod nightly;
pub mod reports;
mod whole;

use mysql_async::{Conn, prelude::Queryable as _};
use pms_connector::sample::{Config, load::Options};
use test_servers::MariaDb;

/// A practice of 3 million procedures, or as many as `CHAIRSYNC_BENCH_ROWS` says, in the database "bench" of a server of its
/// own, with a connection to it.
async fn procedures() -> (MariaDb, u64, Conn) {
    let rows: u64 = std::env::var("CHAIRSYNC_BENCH_ROWS").ok().and_then(|r| r.parse().ok()).unwrap_or(3_000_000);
    let pms = MariaDb::start_with(&["--innodb-buffer-pool-size=2G"]).await;
    pms.create_database("bench").await;
    eprintln!("loading {rows} procedures");
    let as_of = jiff::civil::date(2026, 6, 1);
    let config = Config { seed: 1, patients: 20_000, as_of, years: 5 };
    let options = Options { procedures: Some(rows), few_indexes: true, ..Options::default() };
    let url = pms.root_url("bench");
    pms_connector::sample::load(&url, None, &config, &options, |_| {}).await.expect("the rows are loaded");
    let mut conn = pms.root("bench").await;
    conn.query_drop("ANALYZE TABLE procedurelog").await.expect("the table is analyzed");
    (pms, rows, conn)
}
