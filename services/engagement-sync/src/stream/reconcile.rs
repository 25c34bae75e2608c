//! Finds what no change shows: keys that are gone from the PMS, and keys that never came. Counts and checksums of key
//! ranges first; the keys themselves only of ranges that differ.

use std::{collections::BTreeSet, time::Duration};

use chairsync_proto::pms::{KeyRange, RangeDigest, Selector};
use mesh::{datasets::Dataset, key_sums::KeySums};
use tracing::info;

use super::session::{Ended, Session};
use crate::{live_datasets, live_view::HeadPatch};

/// Ranges whose keys are listed in one call.
const RANGES_AT_ONCE: usize = 8;
/// Values of one selector, as the API allows.
const VALUES_MAX: usize = 10_000;
const FETCH_LIMIT: Duration = Duration::from_secs(60);

/// Reconciles every dataset that has a numeric key; the few without are sent whole by the stream.
pub async fn run(session: &mut Session) -> Result<(), Ended> {
    for dataset in live_datasets::all().iter().filter(|dataset| dataset.has_numeric_key()) {
        reconcile(session, dataset).await?;
    }
    Ok(())
}

async fn reconcile(session: &mut Session, dataset: &'static Dataset) -> Result<(), Ended> {
    let ours: BTreeSet<i64> = {
        let keys = session.worker.view.keys(session.id(), dataset).await?;
        keys.iter().filter_map(|key| key.parse().ok()).collect()
    };
    let digests = session.worker.pms.digest(&session.practice, dataset.name, Vec::new()).await?;
    let differing: Vec<KeyRange> = digests.iter().filter(|theirs| !agrees(&ours, theirs)).map(range).collect();
    let (mut gone, mut missing) = (Vec::new(), Vec::new());
    for ranges in differing.chunks(RANGES_AT_ONCE) {
        for theirs in session.worker.pms.digest(&session.practice, dataset.name, ranges.to_vec()).await? {
            let keys: BTreeSet<i64> = theirs.keys.iter().copied().collect();
            let own: BTreeSet<i64> = within(&ours, &range(&theirs)).collect();
            gone.extend(own.difference(&keys).copied());
            missing.extend(keys.difference(&own).copied());
        }
    }
    if gone.is_empty() && missing.is_empty() {
        return Ok(());
    }
    info!(practice = session.id(), dataset = dataset.name, gone = gone.len(), missing = missing.len(), "reconciled");
    let mut rows = Vec::new();
    for values in missing.chunks(VALUES_MAX) {
        let column = dataset.key.to_owned();
        let selector = Selector { dataset: dataset.name.to_owned(), column, values: values.to_vec() };
        rows.extend(session.worker.pms.fetch(&session.practice, vec![selector], FETCH_LIMIT).await?.rows);
    }
    let gone = gone.into_iter().map(|key| (dataset, key.to_string())).collect();
    session.write_rows(rows, gone, true, HeadPatch::default()).await
}

fn range(digest: &RangeDigest) -> KeyRange {
    digest.range.unwrap_or_default()
}

fn within<'a>(keys: &'a BTreeSet<i64>, range: &KeyRange) -> impl Iterator<Item = i64> + use<'a> {
    let (first, last) = (range.first.unwrap_or(i64::MIN), range.last.unwrap_or(i64::MAX));
    let inside = (first <= last).then(|| keys.range(first..=last));
    inside.into_iter().flatten().copied()
}

/// Whether our keys have a range's count and checksums.
fn agrees(ours: &BTreeSet<i64>, theirs: &RangeDigest) -> bool {
    within(ours, &range(theirs)).collect::<KeySums>() == KeySums::from(theirs)
}

#[cfg(test)]
mod tests {
    use mesh::key_sums;

    use super::*;

    #[test]
    fn a_range_agrees_only_with_the_same_keys() {
        let keys: BTreeSet<i64> = [3, 5, 9_000_000_000].into();
        let theirs = |count, key_hash, key_sum| RangeDigest {
            range: Some(KeyRange { first: None, last: Some(100) }),
            count,
            key_hash,
            key_sum,
            ..RangeDigest::default()
        };
        let hash = key_sums::hash(3) ^ key_sums::hash(5);
        assert!(agrees(&keys, &theirs(2, hash, 8)));
        assert!(!agrees(&keys, &theirs(1, hash, 8)));
        assert!(!agrees(&keys, &theirs(2, hash ^ 1, 8)));
        assert!(!agrees(&keys, &theirs(2, hash, 9)));
        let others = key_sums::hash(5) ^ key_sums::hash(13);
        assert!(!agrees(&[3, 15].into(), &theirs(2, others, 18)), "a CRC and a sum confuse {{3, 15}} and {{5, 13}}");
    }
}
