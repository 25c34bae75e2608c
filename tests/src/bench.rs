//! What benchmarks share: a figure as a JSON line.

pub mod initial_sync;

use serde_json::json;

/// Every benchmark and what it measures.
pub const BENCHES: [(&str, &str); 1] = [(
    "initial-sync",
    "3 million procedures from MariaDB into a Delta table, beside `mariadb --quick` printing the same columns: \
     rows_per_s, connector_rss_mb, analytics_rss_mb (CHAIRSYNC_BENCH_ROWS sets the rows)",
)];

/// What a figure must be.
#[derive(Debug, Clone, Copy)]
pub enum Goal {
    /// Ours ÷ yardstick at least so much.
    RatioAtLeast(f64),
    /// Ours less than so much.
    Below(f64),
}

/// Prints a figure: medians, and the raw values.
///
/// # Panics
/// When there are no values.
pub fn figure(bench: &str, figure: &str, unit: &str, ours: &[f64], yardstick: &[f64], goal: Goal) {
    let (mine, other) = (median(ours), (!yardstick.is_empty()).then(|| median(yardstick)));
    let ratio = other.map(|other| mine / other);
    let (wanted, holds) = match goal {
        Goal::RatioAtLeast(least) => (format!("ratio >= {least}"), ratio.is_some_and(|ratio| ratio >= least)),
        Goal::Below(most) => (format!("< {most} {unit}"), mine < most),
    };
    let line = json!({
        "bench": bench, "figure": figure, "unit": unit, "ours": mine, "yardstick": other, "ratio": ratio,
        "goal": wanted, "holds": holds, "runs": {"ours": ours, "yardstick": yardstick},
    });
    println!("{line}");
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    assert!(!sorted.is_empty(), "nothing was measured");
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}
