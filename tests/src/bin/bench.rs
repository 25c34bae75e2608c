//! Benchmarks: ours beside a yardstick, in turns, in one run. `tests/bench` builds and starts this.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a benchmark that cannot measure ends with what stopped it

use chairsync_tests::bench;

#[tokio::main]
async fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("big") => bench::big::run().await,
        Some("boards") => bench::boards::run().await,
        Some("finder") => bench::finder::run().await,
        Some("initial-sync") => bench::initial_sync::run().await,
        Some("nightly") => bench::nightly::run().await,
        Some("reports") => bench::reports::run().await,
        other => {
            eprintln!("no benchmark {other:?} in this program; `tests/bench` lists them");
            std::process::exit(2);
        }
    }
}
