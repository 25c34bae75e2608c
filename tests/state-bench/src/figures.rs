//! A figure as a JSON line.

use serde_json::json;

/// What a figure must be.
#[derive(Debug, Clone, Copy)]
pub enum Goal {
    /// Ours ÷ yardstick at least so much.
    RatioAtLeast(f64),
    /// Ours ÷ yardstick at most so much.
    RatioAtMost(f64),
    /// Ours less than so much.
    Below(f64),
    /// Ours no more than so much.
    AtMost(f64),
    /// None: told beside the others.
    Told,
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
        Goal::RatioAtMost(most) => (format!("ratio <= {most}"), ratio.is_some_and(|ratio| ratio <= most)),
        Goal::Below(most) => (format!("< {most} {unit}"), mine < most),
        Goal::AtMost(most) => (format!("<= {most} {unit}"), mine <= most),
        Goal::Told => (String::new(), true),
    };
    let line = json!({
        "bench": bench, "figure": figure, "unit": unit, "ours": mine, "yardstick": other, "ratio": ratio,
        "goal": wanted, "holds": holds, "runs": {"ours": ours, "yardstick": yardstick},
    });
    println!("{line}");
}

/// The value in the middle.
///
/// # Panics
/// When there are no values.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    assert!(!sorted.is_empty(), "nothing was measured");
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

/// The value below which `share` of them lie; sorts them.
///
/// # Panics
/// When there are no values.
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    assert!(!values.is_empty(), "nothing was measured");
    let place = (values.len() as f64 * share).ceil() as usize; // below 2^53
    values[place.clamp(1, values.len()) - 1]
}
