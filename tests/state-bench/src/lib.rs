//! Benchmarks of sync-state: ours beside a yardstick, in turns, in one run; and what every benchmark shares.
//!
//! They are a package of their own so that they build without the crates that analyse data.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a benchmark that cannot measure ends with what stopped it

pub mod bare_script;
pub mod callers;
pub mod figures;
pub mod fleet;
pub mod fleet_of;
pub mod replica;
pub mod transitions;

/// Every benchmark, the package whose program runs it, and what it measures.
pub const BENCHES: [(&str, &str, &str); 8] = [
    (
        "big",
        "chairsync-tests",
        "a practice of 200 operatories and 20 years on MariaDB, read by the five processes: rss_mb and seconds of the initial \
         sync, each board, rows of ten years, reports, the finder and a night (CHAIRSYNC_BENCH_PATIENTS and \
         CHAIRSYNC_BENCH_YEARS set its size)",
    ),
    (
        "boards",
        "chairsync-tests",
        "a practice of 20,000 patients and 5 years: warm_p99_ms of boards through the gateway at 200 requests/s, cold_vs_sql \
         of a board with nothing in memory beside the same figures by SQL on MariaDB (size as for big)",
    ),
    (
        "finder",
        "chairsync-tests",
        "Patient Finder over 100,000 patients through the gateway, eight questions in turns: p99_ms, first_table_s (size as \
         for big)",
    ),
    (
        "initial-sync",
        "chairsync-tests",
        "3 million procedures from MariaDB into a Delta table, beside `mariadb --quick` printing the same columns: \
         rows_per_s, connector_rss_mb, analytics_rss_mb (CHAIRSYNC_BENCH_ROWS sets the rows)",
    ),
    (
        "nightly",
        "chairsync-tests",
        "3 million procedures on MariaDB, 1 % of them changed, brought up to date beside a full read: share_of_full, and \
         front_desk_latency of clerks at the same server (CHAIRSYNC_BENCH_ROWS sets the rows)",
    ),
    (
        "reports",
        "chairsync-tests",
        "a day sheet of a million rows through the gateway in each format, beside DataFusion's own answer over the same \
         files: rows_per_s, and rss_mb beside a tenth of the rows (size as for big)",
    ),
    (
        "transitions",
        "state-bench",
        "state transitions over gRPC beside a bare script in Redis by EVALSHA, 50 clients each: everysec, always (by \
         appendfsync), p99_ms at half of that load (CHAIRSYNC_BENCH_SECONDS sets the length of a measurement)",
    ),
    (
        "fleet",
        "state-bench",
        "a night of 100,000 practices in one Redis, compressed into minutes: lateness_p99_s, doubles, missed, \
         bytes_per_practice, restart_s, takeover_s (CHAIRSYNC_BENCH_PRACTICES and CHAIRSYNC_BENCH_MINUTES set its size)",
    ),
];
