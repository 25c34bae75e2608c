//! Counts and checksums of a sample practice by key range.

use std::ops::Bound::{Included, Unbounded};

use chairsync_proto::pms::{DigestRequest, DigestResponse, KeyRange, RangeDigest};
use mesh::{Refusal, key_sums::KeySums, row_hash};

use super::{CHUNK_ROWS, SamplePractice, source, unencodable};
use crate::sample::{
    canonical,
    store::{Key, Rows, Source},
    value::Row,
};

/// The size of ranges when none is given.
const ROWS_PER_RANGE: i64 = 10_000;

impl SamplePractice {
    /// Digests a dataset's ranges, or cuts it into ranges.
    ///
    /// # Errors
    /// `INVALID_FIELD` for a dataset that does not exist or is keyed by name, or a size out of range.
    pub fn digest(&self, request: &DigestRequest) -> Result<DigestResponse, Refusal> {
        let source = source("dataset", &request.dataset)?;
        if !source.dataset.has_numeric_key() {
            return Err(Refusal::invalid("dataset", "is keyed by name; read it whole with `Snapshot`"));
        }
        let size = if request.rows_per_range == 0 { ROWS_PER_RANGE } else { request.rows_per_range };
        let size = usize::try_from(size).ok().filter(|s| (1..=1_000_000).contains(s));
        let size = size.ok_or_else(|| Refusal::invalid("rows_per_range", "must be from 1 to 1,000,000"))?;
        let store = self.store.read();
        let rows = store.rows(source.table);
        let ranges = if request.ranges.is_empty() { cut(rows, size) } else { request.ranges.clone() };
        let digest = |range: KeyRange| digest(&source, rows, range, request.list_keys, request.contents);
        Ok(DigestResponse { ranges: ranges.into_iter().map(digest).collect::<Result<_, _>>()? })
    }
}

/// Ranges of about `size` rows that together cover every key.
fn cut(rows: &Rows, size: usize) -> Vec<KeyRange> {
    let starts: Vec<i64> = rows.keys().filter_map(Key::number).step_by(size).skip(1).collect();
    let mut ranges = Vec::new();
    let mut first = None;
    for start in starts {
        ranges.push(KeyRange { first, last: Some(start - 1) });
        first = Some(start);
    }
    ranges.push(KeyRange { first, last: None });
    ranges
}

fn digest(
    source: &Source,
    rows: &Rows,
    range: KeyRange,
    list_keys: bool,
    contents: bool,
) -> Result<RangeDigest, Refusal> {
    let mut digest = RangeDigest { range: Some(range), ..RangeDigest::default() };
    if let (Some(first), Some(last)) = (range.first, range.last)
        && first > last
    {
        return Ok(digest);
    }
    let first = range.first.map_or(Unbounded, |key| Included(Key::Number(key)));
    let last = range.last.map_or(Unbounded, |key| Included(Key::Number(key)));
    let mut sums = KeySums::default();
    let mut held: Vec<&Row> = Vec::new();
    for (key, row) in rows.range((first, last)) {
        let Some(number) = key.number() else { continue };
        sums.add(number);
        if contents {
            held.push(row);
            if held.len() == CHUNK_ROWS {
                digest.content_hash ^= content(source, &held)?;
                held.clear();
            }
        }
        if list_keys {
            digest.keys.push(number);
        }
    }
    digest.content_hash ^= content(source, &held)?;
    Ok(RangeDigest { count: sums.count, key_hash: sums.hash, key_sum: sums.sum, ..digest })
}

/// The exclusive or of the hashes of rows.
fn content(source: &Source, rows: &[&Row]) -> Result<u64, Refusal> {
    let batch = canonical::batch(source, rows).map_err(|e| unencodable(&e))?;
    let hashes = row_hash::hashes(source.dataset, &batch).map_err(|e| unencodable(&e))?;
    Ok(hashes.into_iter().fold(0, |all, hash| all ^ hash))
}
