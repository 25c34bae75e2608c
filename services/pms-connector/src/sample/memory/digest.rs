//! Counts and checksums of a sample practice by key range.

use std::ops::Bound::{Included, Unbounded};

use chairsync_proto::pms::{DigestRequest, DigestResponse, KeyRange, RangeDigest};
use mesh::{Refusal, key_sums::KeySums};
use sha2::{Digest as _, Sha256};

use super::{SamplePractice, source};
use crate::sample::{
    store::{Key, Rows, Source},
    value::{Row, Value},
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
        Ok(DigestResponse { ranges: ranges.into_iter().map(digest).collect() })
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

fn digest(source: &Source, rows: &Rows, range: KeyRange, list_keys: bool, contents: bool) -> RangeDigest {
    let mut digest = RangeDigest { range: Some(range), ..RangeDigest::default() };
    if let (Some(first), Some(last)) = (range.first, range.last)
        && first > last
    {
        return digest;
    }
    let first = range.first.map_or(Unbounded, |key| Included(Key::Number(key)));
    let last = range.last.map_or(Unbounded, |key| Included(Key::Number(key)));
    let mut sums = KeySums::default();
    for (key, row) in rows.range((first, last)) {
        let Some(number) = key.number() else { continue };
        sums.add(number);
        if contents {
            digest.content_hash ^= content(source, row);
        }
        if list_keys {
            digest.keys.push(number);
        }
    }
    RangeDigest { count: sums.count, key_hash: sums.hash, key_sum: sums.sum, ..digest }
}

/// 64 bits of a hash of a row's canonical columns.
fn content(source: &Source, row: &Row) -> u64 {
    let mut hash = Sha256::new();
    for &place in &source.columns {
        match &row[place] {
            Value::Null => hash.update([0]),
            Value::Int(i) => hash.update(i.to_le_bytes()),
            Value::Double(d) => hash.update(d.to_le_bytes()),
            Value::Date(d) => hash.update(d.0.to_le_bytes()),
            Value::DateTime(m) => hash.update(m.0.to_le_bytes()),
            Value::Stamp(s) => hash.update(s.0.to_le_bytes()),
            Value::Time(t) => hash.update(t.0.to_le_bytes()),
            Value::Text(text) => {
                hash.update((text.len() as u64).to_le_bytes());
                hash.update(text.as_bytes());
            }
        }
    }
    let digest = hash.finalize();
    u64::from_le_bytes([digest[0], digest[1], digest[2], digest[3], digest[4], digest[5], digest[6], digest[7]])
}
