//! `chairsync features`: the catalog, as it stands in the protos.

use chairsync_proto::catalog::{self, FeatureRow};
use serde_json::json;

use crate::render::{statuses::schedule, table::table, time, word};

/// How to show the catalog.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// Prints the catalog; needs no gateway.
///
/// # Errors
/// None.
pub fn run(args: &Args) -> anyhow::Result<()> {
    if args.json {
        let row = |row: &FeatureRow| {
            let [title, module, kept_fresh] = schedule(row.feature);
            let feature = row.feature.as_str_name();
            json!({"feature": feature, "title": title, "module": module, "kept_fresh": kept_fresh,
                   "also_synced_by": also(row), "needs": needs(row), "datasets": row.policy.datasets})
        };
        super::print(catalog::features().iter().map(|r| row(r).to_string()));
    } else {
        super::print(lines());
    }
    Ok(())
}

fn lines() -> Vec<String> {
    let row = |row: &FeatureRow| {
        let [title, module, kept_fresh] = schedule(row.feature);
        let or_none = |words: Vec<String>| if words.is_empty() { time::NONE.to_owned() } else { words.join(", ") };
        [title, module, kept_fresh, or_none(also(row)), or_none(needs(row))]
    };
    let rows: Vec<[String; 5]> = catalog::features().iter().map(row).collect();
    table(["FEATURE", "MODULE", "KEPT FRESH", "ALSO SYNCED BY", "NEEDS"], &rows)
}

fn also(row: &FeatureRow) -> Vec<String> {
    row.policy.also_synced_by().map(|a| word(a.as_str_name(), "ALSO_SYNCED_BY_")).collect()
}

fn needs(row: &FeatureRow) -> Vec<String> {
    row.policy.needs().map(|n| word(n.as_str_name(), "NEED_")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalog_has_its_14_rows() {
        let lines = lines();
        assert_eq!(lines.len(), 15);
        let finder = "Patient Finder                   analytics   nightly     sync patient, bulk sync  -";
        assert_eq!(lines[8], finder);
    }
}
