//! What an answer leaves out while datasets are missing.

use std::collections::BTreeSet;

use chairsync_proto::analytics::{AbsenceReason, AbsentSection};

/// The sections that cannot be computed from the datasets that are there. `needs` names each section and its datasets.
pub fn missing(needs: &[(&str, &[&str])], present: &BTreeSet<String>) -> Vec<AbsentSection> {
    let lacking = |needed: &[&str]| -> Vec<String> {
        needed.iter().filter(|name| !present.contains(**name)).map(|name| (*name).to_owned()).collect()
    };
    let sections = needs.iter().map(|(section, needed)| (section, lacking(needed)));
    let absent = sections.filter(|(_, lacking)| !lacking.is_empty());
    absent.map(|(section, missing)| absence(section, AbsenceReason::PartialData, missing)).collect()
}

/// A section that is left out.
pub fn absence(section: &str, reason: AbsenceReason, missing: Vec<String>) -> AbsentSection {
    AbsentSection { section: section.to_owned(), reason: reason.into(), missing_datasets: missing }
}
