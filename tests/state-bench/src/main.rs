//! Benchmarks of sync-state. `tests/bench` builds and starts this.

use state_bench::{BENCHES, fleet, transitions};

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => BENCHES.iter().for_each(|(name, _, about)| println!("{name}: {about}")),
        ["transitions"] => transitions::run().await,
        ["fleet"] => fleet::run().await,
        ["fleet-worker", name, urls @ ..] => fleet::worker(name, urls).await,
        other => {
            eprintln!("no benchmark {other:?} in this program; without a name they are listed");
            std::process::exit(2);
        }
    }
}
