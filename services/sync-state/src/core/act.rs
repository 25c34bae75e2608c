//! A command while it is applied: the state as it changes, and the records read and written.

use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    apply::Stop,
    records::{self, Reads, RecordChange, RecordKey, Records, Scan},
    state::PracticeState,
};

pub(super) struct Act<'a> {
    pub state: PracticeState,
    pub now: Timestamp,
    /// It must be on disk before it is acknowledged.
    pub durable: bool,
    pub changes: Vec<RecordChange>,
    records: &'a Records,
}

impl<'a> Act<'a> {
    pub fn new(state: PracticeState, records: &'a Records, now: Timestamp) -> Self {
        Self { state, now, durable: false, changes: Vec::new(), records }
    }

    /// Stops the command unless all of these were read.
    pub fn need(&self, keys: impl IntoIterator<Item = RecordKey>) -> Result<(), Stop> {
        let unread = |key: &RecordKey| self.changed(key).is_none() && self.records.get(key).is_none();
        let keys: Vec<_> = keys.into_iter().filter(unread).collect();
        if keys.is_empty() { Ok(()) } else { Err(Stop::Read(Reads { keys, scans: Vec::new() })) }
    }

    /// Stops the command unless all of these were read.
    pub fn need_scans(&self, scans: impl IntoIterator<Item = Scan>) -> Result<(), Stop> {
        let scans: Vec<_> = scans.into_iter().filter(|scan| self.records.scanned(scan).is_none()).collect();
        if scans.is_empty() { Ok(()) } else { Err(Stop::Read(Reads { keys: Vec::new(), scans })) }
    }

    fn changed(&self, key: &RecordKey) -> Option<Option<&[u8]>> {
        self.changes.iter().rev().find(|change| change.key() == key).map(|change| match change {
            RecordChange::Put(_, value) => Some(value.as_slice()),
            RecordChange::Remove(_) => None,
        })
    }

    /// A record's bytes, as this command has left it.
    pub fn bytes(&self, key: &RecordKey) -> Result<Option<&[u8]>, Stop> {
        match self.changed(key).or_else(|| self.records.get(key)) {
            Some(value) => Ok(value),
            None => Err(Stop::Read(Reads { keys: vec![key.clone()], scans: Vec::new() })),
        }
    }

    /// A record, as this command has left it.
    pub fn get<T: DeserializeOwned>(&self, key: &RecordKey) -> Result<Option<T>, Stop> {
        let value = self.bytes(key)?;
        Ok(value.map(|value| records::decode(key, value)).transpose().map_err(super::refusal::Refusal::from)?)
    }

    /// A range of records as it was before this command.
    pub fn scan(&self, scan: &Scan) -> Result<impl Iterator<Item = (&RecordKey, &[u8])>, Stop> {
        self.records.scanned(scan).ok_or_else(|| Stop::Read(Reads { keys: Vec::new(), scans: vec![scan.clone()] }))
    }

    pub fn put<T: Serialize>(&mut self, key: RecordKey, value: &T) {
        self.put_bytes(key, records::encode(value));
    }

    pub fn put_bytes(&mut self, key: RecordKey, value: Vec<u8>) {
        self.drop_change(&key);
        self.changes.push(RecordChange::Put(key, value));
    }

    pub fn remove(&mut self, key: RecordKey) {
        self.drop_change(&key);
        self.changes.push(RecordChange::Remove(key));
    }

    /// A record changes once in a commit, however often the command did.
    fn drop_change(&mut self, key: &RecordKey) {
        self.changes.retain(|change| change.key() != key);
    }
}
