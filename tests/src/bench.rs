//! Benchmarks of the whole mesh. Those of sync-state, and what all benchmarks share, are in the package `state-bench`.

pub mod finder;
pub mod initial_sync;
pub mod nightly;
