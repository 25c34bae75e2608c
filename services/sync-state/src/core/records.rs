//! Records: what grows, each under a key of its own beside the practice's state, written by the same commit.
//!
//! | Key | Holds |
//! | --- | --- |
//! | `run/{sequence:020}` | a run that has ended |
//! | `write/{sequence:020}` | a write to the PMS |
//! | `body/{sequence:020}` | what it writes, until it is verified or dropped |
//! | `request/{request_id}` | the write that a key of the caller's stands for |
//! | `patient/{patient}/{place:020}` | the patient's writes that wait or are under way, in order |
//! | `ready/{due_ms:015}/{sequence:020}` | writes at the head of their patient's order that may be sent from then on |
//! | `held/{sequence:020}` | writes that wait for automatic write-back |
//! | `parked/{sequence:020}` | dead letters |
//! | `audit/{sequence:020}` | what was done to writes |
//! | `start/{request_id}` | the run that a key of the caller's stands for |
//! | `saved/{kind}/{id}` | a thing that people saved here |
//! | `creation/{kind}/{request_id}` | the saved thing that a key of the caller's stands for |
//! | `expire/{due_ms:015}/{key}` | records that can go from then on |
//!
//! Keys order bytewise, so that a range of them is a range of numbers or moments.

use std::{collections::BTreeMap, fmt, ops::Bound};

use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};

use super::saved::SavedKind;

/// The key of a record within its practice.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey(Box<str>);

impl fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn ms(at: Timestamp) -> i64 {
    at.as_millisecond().max(0)
}

impl RecordKey {
    /// A key as stored.
    pub fn stored(key: &str) -> Self {
        Self(key.into())
    }

    /// The key as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// An ended run.
    pub fn run(sequence: u64) -> Self {
        Self(format!("run/{sequence:020}").into())
    }

    /// A write.
    pub fn write(sequence: u64) -> Self {
        Self(format!("write/{sequence:020}").into())
    }

    /// What a write writes.
    pub fn body(sequence: u64) -> Self {
        Self(format!("body/{sequence:020}").into())
    }

    /// A caller's key of a write.
    pub fn request(request_id: &str) -> Self {
        Self(format!("request/{request_id}").into())
    }

    /// A caller's key of a run.
    pub fn start(request_id: &str) -> Self {
        Self(format!("start/{request_id}").into())
    }

    /// A write in its patient's order.
    pub fn patient(patient: &str, place: u64) -> Self {
        Self(format!("patient/{patient}/{place:020}").into())
    }

    /// A write that may be sent from `due` on.
    pub fn ready(due: Timestamp, sequence: u64) -> Self {
        Self(format!("ready/{:015}/{sequence:020}", ms(due)).into())
    }

    /// A held write.
    pub fn held(sequence: u64) -> Self {
        Self(format!("held/{sequence:020}").into())
    }

    /// A dead letter.
    pub fn parked(sequence: u64) -> Self {
        Self(format!("parked/{sequence:020}").into())
    }

    /// A line of the audit.
    pub fn audit(sequence: u64) -> Self {
        Self(format!("audit/{sequence:020}").into())
    }

    /// A saved thing.
    pub fn saved(kind: SavedKind, id: &str) -> Self {
        Self(format!("saved/{}/{id}", kind.name()).into())
    }

    /// A caller's key of a saved thing's creation.
    pub fn creation(kind: SavedKind, request_id: &str) -> Self {
        Self(format!("creation/{}/{request_id}", kind.name()).into())
    }

    /// That a record can go at `due`.
    pub fn expire(due: Timestamp, key: &Self) -> Self {
        Self(format!("expire/{:015}/{}", ms(due), key.0).into())
    }

    /// The part before the first slash.
    pub fn kind(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }

    /// The number at its end.
    pub fn sequence(&self) -> Option<u64> {
        self.0.rsplit('/').next()?.parse().ok()
    }

    /// The moment in it, of those that begin with one.
    pub fn due(&self) -> Option<Timestamp> {
        Timestamp::from_millisecond(self.0.split('/').nth(1)?.parse().ok()?).ok()
    }

    /// The record that an `expire` key is about.
    pub fn expiring(&self) -> Option<Self> {
        self.0.strip_prefix("expire/")?.split_once('/').map(|(_, key)| Self(key.into()))
    }
}

/// A change of one record.
#[derive(Clone, PartialEq, Eq)]
pub enum RecordChange {
    /// It is there from now on, in place of what was.
    Put(RecordKey, Vec<u8>),
    /// It is not there any more; it need not have been.
    Remove(RecordKey),
}

impl RecordChange {
    /// The record that it changes.
    pub fn key(&self) -> &RecordKey {
        match self {
            Self::Put(key, _) | Self::Remove(key) => key,
        }
    }
}

/// Prints keys only: values may hold patient data.
impl fmt::Debug for RecordChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put(key, value) => write!(f, "Put({key:?}, {} bytes)", value.len()),
            Self::Remove(key) => write!(f, "Remove({key:?})"),
        }
    }
}

/// A range of records: keys from `from` on and before `until`, at most `limit` of them, from its end if `reverse`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scan {
    /// The first key.
    pub from: RecordKey,
    /// The first key that is not in it.
    pub until: RecordKey,
    /// The most to read.
    pub limit: usize,
    /// From the last one back.
    pub reverse: bool,
}

impl Scan {
    /// The first `limit` records whose key begins with `prefix`, which ends in a slash.
    pub fn prefix(prefix: &str, limit: usize) -> Self {
        // '0' is the character after '/'.
        let end = prefix.strip_suffix('/').unwrap_or(prefix);
        Self { from: RecordKey(prefix.into()), until: RecordKey(format!("{end}0").into()), limit, reverse: false }
    }

    /// The first `limit` records of a kind that is ordered by moments, up to and with `now`.
    pub fn due(kind: &str, now: Timestamp, limit: usize) -> Self {
        let until = RecordKey(format!("{kind}/{:015}", ms(now) + 1).into());
        Self { from: RecordKey(format!("{kind}/").into()), until, limit, reverse: false }
    }

    /// At most `limit` saved things of a kind, those after the id `after` where one is given.
    pub fn saved(kind: SavedKind, after: Option<&str>, limit: usize) -> Self {
        let all = Self::prefix(&format!("saved/{}/", kind.name()), limit);
        match after {
            // NUL comes before all that an id may have.
            Some(after) => Self { from: RecordKey(format!("saved/{}/{after}\0", kind.name()).into()), ..all },
            None => all,
        }
    }

    /// From the last one back.
    pub fn backwards(self) -> Self {
        Self { reverse: true, ..self }
    }
}

/// Records that a command needs to see before it can be decided.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reads {
    /// Single ones.
    pub keys: Vec<RecordKey>,
    /// Ranges.
    pub scans: Vec<Scan>,
}

/// Records of a practice that were read after its state was. What was not read is not known.
#[derive(Clone, Default)]
pub struct Records {
    values: BTreeMap<RecordKey, Option<Vec<u8>>>,
    scans: BTreeMap<Scan, Range>,
}

/// What a scan found, and how far that is all there is.
#[derive(Debug, Clone)]
struct Range {
    keys: Vec<RecordKey>,
    whole: bool,
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").field("keys", &self.values.keys()).field("scans", &self.scans.keys()).finish()
    }
}

impl Records {
    /// Adds a record as read; none: it is not there.
    pub fn add(&mut self, key: RecordKey, value: Option<Vec<u8>>) {
        self.values.insert(key, value);
    }

    /// Adds what a scan read, in the order in which it was read.
    pub fn add_scan(&mut self, scan: Scan, found: Vec<(RecordKey, Vec<u8>)>) {
        let whole = found.len() < scan.limit;
        let keys = found.iter().map(|(key, _)| key.clone()).collect();
        for (key, value) in found {
            self.values.insert(key, Some(value));
        }
        self.scans.insert(scan, Range { keys, whole });
    }

    /// Takes changes in, so that the next command sees them before they are saved.
    pub fn apply(&mut self, changes: &[RecordChange]) {
        for change in changes {
            let (key, value) = match change {
                RecordChange::Put(key, value) => (key, Some(value.clone())),
                RecordChange::Remove(key) => (key, None),
            };
            for (scan, range) in &mut self.scans {
                range.change(scan, key, value.is_some());
            }
            self.values.insert(key.clone(), value);
        }
    }

    /// A record, if it was read.
    pub(super) fn get(&self, key: &RecordKey) -> Option<Option<&[u8]>> {
        self.values.get(key).map(|value| value.as_deref())
    }

    /// What a scan found, if it was made.
    pub(super) fn scanned(&self, scan: &Scan) -> Option<impl Iterator<Item = (&RecordKey, &[u8])>> {
        let range = self.scans.get(scan)?;
        let value = |key| self.values.get(key).and_then(|value| value.as_deref()).unwrap_or_default();
        Some(range.keys.iter().take(scan.limit).map(move |key| (key, value(key))))
    }
}

impl Range {
    fn change(&mut self, scan: &Scan, key: &RecordKey, there: bool) {
        if *key < scan.from || *key >= scan.until {
            return;
        }
        let order = |other: &RecordKey| match scan.reverse {
            true => key.cmp(other),
            false => other.cmp(key),
        };
        match (self.keys.binary_search_by(order), there) {
            (Ok(place), false) => drop(self.keys.remove(place)),
            // Past the end of what was read there may be others before it.
            (Err(place), true) if self.whole || place < self.keys.len() => self.keys.insert(place, key.clone()),
            _ => {}
        }
    }
}

/// Why a stored record cannot be used; names no contents.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the record {0:?} is damaged or was written by another version")]
pub struct Damaged(pub RecordKey);

/// Writes a record's value.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    // Writing to memory does not fail, and no type of ours refuses to be written.
    rmp_serde::to_vec(value).unwrap_or_default()
}

/// Reads a record's value.
///
/// # Errors
/// [`Damaged`], with the key.
pub fn decode<T: DeserializeOwned>(key: &RecordKey, value: &[u8]) -> Result<T, Damaged> {
    rmp_serde::from_slice(value).map_err(|_| Damaged(key.clone()))
}

/// A practice's records in memory: what a store holds, for tests and for imports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept(pub BTreeMap<RecordKey, Vec<u8>>);

impl Kept {
    /// Saves changes.
    pub fn save(&mut self, changes: &[RecordChange]) {
        for change in changes {
            match change {
                RecordChange::Put(key, value) => drop(self.0.insert(key.clone(), value.clone())),
                RecordChange::Remove(key) => drop(self.0.remove(key)),
            }
        }
    }

    /// Reads what a command asks for.
    pub fn read(&self, reads: &Reads, into: &mut Records) {
        for key in &reads.keys {
            into.add(key.clone(), self.0.get(key).cloned());
        }
        for scan in &reads.scans {
            into.add_scan(scan.clone(), self.scan(scan));
        }
    }

    /// A range of it.
    pub fn scan(&self, scan: &Scan) -> Vec<(RecordKey, Vec<u8>)> {
        if scan.from >= scan.until {
            return Vec::new();
        }
        let range = self.0.range((Bound::Included(&scan.from), Bound::Excluded(&scan.until)));
        let copy = |(key, value): (&RecordKey, &Vec<u8>)| (key.clone(), value.clone());
        match scan.reverse {
            true => range.rev().take(scan.limit).map(copy).collect(),
            false => range.take(scan.limit).map(copy).collect(),
        }
    }
}
