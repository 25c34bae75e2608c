//! `docs/metrics.md`, written from the list.

use std::fmt::Write as _;

use chairsync_proto::analytics::{Focus, MetricUnit, Polarity};

use super::{Metric, all, metric::Parts};

/// The page.
pub fn page() -> String {
    let mut page = String::from(
        "# Metrics\n\nWritten from `services/analytics-sync/src/metrics/list.rs` by its own test; do not edit. `ListMetrics` \
         answers with the same list. The rules that hold everywhere (what a visit, a done procedure, an appointment is) are those of \
         the comments on `services/analytics-sync/src/books/views.sql`; each family of rows has its SQL file in \
         `services/analytics-sync/src/metrics/sql`.\n",
    );
    let mut group = "";
    for metric in all() {
        if metric.group != group {
            group = metric.group;
            line(&mut page, format_args!("\n## {group}"));
        }
        describe(&mut page, metric);
    }
    page
}

fn describe(page: &mut String, metric: &Metric) {
    line(page, format_args!("\n### `{}`: {}\n", metric.id, metric.display_name));
    line(page, format_args!("{}\n", metric.definition));
    line(page, format_args!("- Formula: {}", metric.formula));
    line(page, format_args!("- Dated by: {}", metric.dated_by));
    line(page, format_args!("- Unit: {}; {}", unit(metric.unit), polarity(metric.polarity)));
    let splits: Vec<&str> = metric.splits.iter().map(|focus| split(*focus)).collect();
    let splits = if splits.is_empty() { "nothing".to_owned() } else { splits.join(", ") };
    line(page, format_args!("- Split by: {splits}"));
    match metric.parts {
        Parts::Whole => {}
        Parts::Fixed(parts) => {
            let parts: Vec<String> = parts.iter().map(|part| format!("`{}`", part.id)).collect();
            line(page, format_args!("- Parts: {}", parts.join(", ")));
        }
        Parts::Kinds => line(page, format_args!("- Parts: by type, as the practice's list numbers them")),
    }
    let read: Vec<&str> = metric.datasets().into_iter().collect();
    line(page, format_args!("- Reads: {}", read.join(", ")));
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = writeln!(page, "{text}"); // writing to a string does not fail
}

fn unit(unit: MetricUnit) -> &'static str {
    match unit {
        MetricUnit::Unspecified => "none",
        MetricUnit::Money => "money",
        MetricUnit::Count => "count",
        MetricUnit::MoneyRatio => "ratio of amounts, in percent",
        MetricUnit::CountRatio => "ratio of counts, in percent",
        MetricUnit::MoneyRate => "money for each",
        MetricUnit::Days => "days",
        MetricUnit::Hours => "hours",
        MetricUnit::Minutes => "minutes",
    }
}

fn polarity(polarity: Polarity) -> &'static str {
    match polarity {
        Polarity::Unspecified => "neither way is better",
        Polarity::HigherIsBetter => "more is better",
        Polarity::LowerIsBetter => "less is better",
    }
}

fn split(focus: Focus) -> &'static str {
    match focus {
        Focus::Unspecified => "practice",
        Focus::Provider => "provider",
        Focus::Location => "location",
        Focus::ProcedureCode => "procedure code",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn path() -> std::path::PathBuf {
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md")
    }

    #[test]
    fn the_page_is_of_the_list() {
        let written = std::fs::read_to_string(path()).unwrap_or_default();
        let way_out = "write it again: cargo test -p analytics-sync --lib write_the_page -- --ignored";
        assert!(written == page(), "docs/metrics.md is not of the list as it is; {way_out}");
    }

    #[test]
    #[ignore = "writes docs/metrics.md"]
    fn write_the_page() {
        std::fs::write(path(), page()).unwrap();
    }
}
