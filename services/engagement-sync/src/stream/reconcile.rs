//! Finds what no change shows: keys that are gone from the PMS, and keys that never came. Counts and checksums of key
//! ranges first; the keys themselves only of ranges that differ.

use std::{collections::BTreeSet, time::Duration};

use chairsync_proto::pms::{KeyRange, RangeDigest, Selector};
use mesh::datasets::Dataset;
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

/// Whether our keys have a range's count, checksum and sum.
fn agrees(ours: &BTreeSet<i64>, theirs: &RangeDigest) -> bool {
    let (mut count, mut crc, mut sum) = (0, 0, 0_i64);
    for key in within(ours, &range(theirs)) {
        count += 1;
        crc ^= crc32fast::hash(key.to_string().as_bytes());
        sum = sum.wrapping_add(key);
    }
    (count, crc, sum) == (theirs.count, theirs.key_crc, theirs.key_sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_agrees_only_with_the_same_keys() {
        let keys: BTreeSet<i64> = [3, 5, 9_000_000_000].into();
        let crc = crc32fast::hash(b"3") ^ crc32fast::hash(b"5");
        let theirs = |count, key_sum| RangeDigest {
            range: Some(KeyRange { first: None, last: Some(100) }),
            count,
            key_crc: crc,
            key_sum,
            ..RangeDigest::default()
        };
        assert!(agrees(&keys, &theirs(2, 8)));
        assert!(!agrees(&keys, &theirs(1, 8)));
        assert!(!agrees(&keys, &theirs(2, 9)));
    }
}
