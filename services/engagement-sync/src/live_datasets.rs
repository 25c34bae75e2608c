//! Which datasets the live view follows, and which only the patient card reads.
//!
//! Followed: those of every engagement feature but the heavy ones below, and the practice's small lists, whose names the
//! card shows. Heavy: ledgers and charts, which no real-time feature needs; a card's own rows of them are kept instead.

use std::sync::LazyLock;

use chairsync_proto::{catalog, feature::Module};
use mesh::datasets::{self, Dataset};

/// Read at each opening of a card and kept for its patient only.
pub const CARD_ONLY: [&str; 5] = ["procedure", "claim_line", "adjustment", "payment_plan", "payment_plan_charge"];

/// The small lists that give the card its names.
const LISTS: [&str; 5] = ["provider", "operatory", "clinic", "definition", "preference"];

/// The datasets that the live view follows, in the order in which an initial run reads them.
pub fn all() -> &'static [&'static Dataset] {
    static ALL: LazyLock<Vec<&'static Dataset>> = LazyLock::new(|| {
        let needed = |name: &str| {
            let feature_uses = |row: &catalog::FeatureRow| row.module() == Module::Engagement && row.uses(name);
            LISTS.contains(&name) || catalog::features().iter().any(feature_uses)
        };
        datasets::all().filter(|d| needed(d.name) && !CARD_ONLY.contains(&d.name)).collect()
    });
    &ALL
}

/// A dataset that the live view follows, by name.
pub fn get(name: &str) -> Option<&'static Dataset> {
    all().iter().find(|d| d.name == name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chairsync_proto::feature::KeptFresh;

    #[test]
    fn every_real_time_feature_is_followed_whole() {
        for row in catalog::features().iter().filter(|row| row.kept_fresh() == KeptFresh::RealTime) {
            for dataset in &row.policy.datasets {
                assert!(get(dataset).is_some(), "{}: {dataset}", row.policy.title);
            }
        }
        assert!(CARD_ONLY.iter().all(|name| get(name).is_none() && datasets::get(name).is_some()));
    }
}
