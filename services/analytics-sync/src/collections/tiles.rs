//! The board's figures as tiles with trends.

use std::collections::BTreeSet;

use chairsync_proto::analytics::{AbsenceReason, AbsentSection, Tile};

use super::Asked;
use crate::{
    absent::absence,
    metrics::{
        Facts, Metric,
        tile::{self, TileSpec},
    },
};

/// The tiles, in the board's order.
const TILES: [TileSpec; 10] = [
    TileSpec {
        id: "collections",
        display_name: "Collections",
        metric: "collections",
        figures: &["patient_collections", "insurance_collections", "unearned"],
    },
    TileSpec {
        id: "collection_pct",
        display_name: "Collection rate",
        metric: "collection_pct",
        figures: &["gross_collection_pct"],
    },
    TileSpec { id: "otc_rate", display_name: "Over the counter", metric: "otc_rate", figures: &[] },
    TileSpec {
        id: "accounts_receivable",
        display_name: "Accounts receivable",
        metric: "accounts_receivable",
        figures: &["est_insurance", "est_patient"],
    },
    TileSpec { id: "past_due", display_name: "Past due", metric: "past_due", figures: &["accounts_past_due"] },
    TileSpec { id: "credit_balances", display_name: "Credit balances", metric: "credit_balances", figures: &[] },
    TileSpec {
        id: "claims_aging",
        display_name: "Outstanding claims",
        metric: "claims_aging",
        figures: &["outstanding_claims", "unsent_claims"],
    },
    TileSpec { id: "ar_days", display_name: "Days in receivables", metric: "ar_days", figures: &[] },
    TileSpec { id: "adjustments", display_name: "Adjustments", metric: "adjustments", figures: &[] },
    TileSpec { id: "write_offs", display_name: "Write-offs", metric: "write_offs", figures: &[] },
];

/// The metrics that tiles show, without the figures beside them.
pub fn shown() -> impl Iterator<Item = &'static Metric> {
    TILES.iter().filter_map(|tile| crate::metrics::get(tile.metric))
}

/// The metrics of all tiles.
pub fn metrics() -> impl Iterator<Item = &'static Metric> {
    TILES.iter().flat_map(TileSpec::metrics)
}

/// The tiles that the datasets support and that can be narrowed as asked; the others are told in `absent` by their ids.
pub fn tiles(facts: &Facts, asked: &Asked, present: &BTreeSet<String>, absent: &mut Vec<AbsentSection>) -> Vec<Tile> {
    let mut tiles = Vec::with_capacity(TILES.len());
    for spec in &TILES {
        let needed: BTreeSet<&str> = spec.metrics().flat_map(Metric::datasets).collect();
        let lacking: Vec<String> =
            needed.into_iter().filter(|name| !present.contains(*name)).map(str::to_owned).collect();
        if !lacking.is_empty() {
            absent.push(absence(spec.id, AbsenceReason::PartialData, lacking));
        } else if !spec.metrics().all(|metric| asked.scope.covers(metric)) {
            absent.push(absence(spec.id, AbsenceReason::NotSplit, Vec::new()));
        } else {
            tiles.extend(tile::tile(facts, spec, asked.range, &asked.scope));
        }
    }
    tiles
}
