//! Saved things: small documents that people make here and the PMS does not have, each under an id within its kind.
//!
//! What is in one is its maker's to know; here it is bytes. A thing's version is its etag. Versions are given to all
//! things of a practice from one counter that never goes back, so that no etag ever stands for two contents.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    act::Act,
    apply::Stop,
    command::Outcome,
    digest,
    outbox::is_key,
    records::RecordKey,
    refusal::Refusal,
    schedule,
    shared::Text,
    stored::{self, stored_enum},
};

/// The bytes of one thing.
pub const BODY_MAX: usize = 64 << 10;
/// The bytes of all things of a practice together.
pub const BYTES_MAX: u64 = 16 << 20;
/// How long the caller's key of a creation is remembered.
pub const KEPT: SignedDuration = SignedDuration::from_hours(31 * 24);

stored_enum! {
    /// What a saved thing is.
    SavedKind {
        /// A scorecard.
        Scorecard = 1 "scorecard",
        /// A provider's goal, or the practice's own.
        Goal = 2 "goal",
        /// A provider's hours.
        Hours = 3 "hours",
    }
}

impl SavedKind {
    /// The most things of the kind that a practice may have.
    pub fn most(self) -> u32 {
        match self {
            Self::Scorecard => 1_000,
            Self::Goal | Self::Hours => 10_000,
        }
    }
}

/// A saved thing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedThing {
    /// Its id within its kind.
    pub id: Text,
    /// Greater with each change of any thing of the practice.
    pub version: u64,
    /// When it was made.
    #[serde(with = "stored::moment")]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[serde(with = "stored::moment")]
    pub updated_at: Timestamp,
    /// What is in it.
    #[serde(with = "stored::bytes")]
    pub body: Vec<u8>,
}

/// Says how long the contents are, not what they are.
impl std::fmt::Debug for SavedThing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} version {}, {} bytes", self.id, self.version, self.body.len())
    }
}

/// What is counted of a practice's saved things.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedCounts {
    /// The last version that was given.
    pub version: u64,
    /// Bytes of all of them.
    pub bytes: u64,
    /// How many there are of each kind that there is one of.
    pub kinds: Vec<(SavedKind, u32)>,
}

impl SavedCounts {
    /// How many there are of a kind.
    pub fn of(&self, kind: SavedKind) -> u32 {
        self.kinds.iter().find(|(known, _)| *known == kind).map_or(0, |(_, count)| *count)
    }

    fn set(&mut self, kind: SavedKind, count: u32) {
        self.kinds.retain(|(known, _)| *known != kind);
        if count > 0 {
            self.kinds.push((kind, count));
            self.kinds.sort_unstable();
        }
    }
}

/// What a caller's key of a creation stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreationKey {
    /// The thing's id.
    pub id: Text,
    /// The version that it had then.
    pub version: u64,
    /// Of what was asked for.
    pub digest: [u8; 16],
}

/// What is asked of a thing's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// What it is.
    pub kind: SavedKind,
    /// Its id within its kind.
    pub id: Text,
    /// The version as read; 0: nothing must be there; none: whatever is there.
    pub expected: Option<u64>,
    /// The caller's key of a creation; empty: none.
    pub request_id: Text,
    /// By what a repeat of the creation is told from another; empty: by the contents.
    pub asked: Vec<u8>,
}

pub(super) fn put(act: &mut Act<'_>, put: &Put, body: &[u8]) -> Result<Outcome, Stop> {
    act.durable = true;
    check(put, body)?;
    let key = RecordKey::saved(put.kind, &put.id);
    let creation = (!put.request_id.is_empty()).then(|| RecordKey::creation(put.kind, &put.request_id));
    act.need(creation.iter().cloned().chain([key.clone()]))?;
    let asked = if put.asked.is_empty() { body } else { &put.asked };
    let digest = digest::of_parts(&[put.kind.name().as_bytes(), asked]);
    if let Some(creation) = &creation
        && let Some(known) = act.get::<CreationKey>(creation)?
    {
        if known.digest != digest {
            return Err(Refusal::RequestIdReused.into());
        }
        let first = act.get::<SavedThing>(&RecordKey::saved(put.kind, &known.id))?;
        return Ok(Outcome::FoundSaved(Box::new(first.ok_or(Refusal::SavedNotFound)?)));
    }
    let old: Option<SavedThing> = act.get(&key)?;
    let found = old.as_ref().map_or(0, |old| old.version);
    if put.expected.is_some_and(|expected| expected != found) {
        return Err(Refusal::SavedChanged.into());
    }
    if let Some(same) = old.as_ref().filter(|old| old.body == body) {
        return Ok(Outcome::FoundSaved(Box::new(same.clone())));
    }
    make_room(act, put.kind, old.as_ref().map(|old| old.body.len()), body.len())?;
    let thing = SavedThing {
        id: put.id.clone(),
        version: next_version(act),
        created_at: old.map_or(act.now, |old| old.created_at),
        updated_at: act.now,
        body: body.to_vec(),
    };
    act.put(key, &thing);
    if let Some(creation) = creation {
        act.put(creation.clone(), &CreationKey { id: put.id.clone(), version: thing.version, digest });
        schedule::expire(act, &creation, KEPT);
    }
    Ok(Outcome::Saved(Box::new(thing)))
}

fn check(put: &Put, body: &[u8]) -> Result<(), Refusal> {
    let fault = "must be 1 to 64 of a-z, A-Z, 0-9, hyphen and underscore";
    if !is_key(&put.id) {
        return Err(Refusal::Invalid { field: "id", fault });
    }
    if !put.request_id.is_empty() {
        if !is_key(&put.request_id) {
            return Err(Refusal::Invalid { field: "request_id", fault });
        }
        if put.expected != Some(0) {
            return Err(Refusal::Invalid { field: "request_id", fault: "is for a creation: the etag must be 0" });
        }
    }
    if body.len() > BODY_MAX || put.asked.len() > BODY_MAX {
        return Err(Refusal::Invalid { field: "body", fault: "must be at most 65,536 bytes" });
    }
    Ok(())
}

/// Counts a thing of `new` bytes in place of one of `old` bytes, or of none, if there is room for it.
fn make_room(act: &mut Act<'_>, kind: SavedKind, old: Option<usize>, new: usize) -> Result<(), Refusal> {
    let saved = &mut act.state.saved;
    let bytes = saved.bytes - old.unwrap_or_default() as u64 + new as u64;
    let count = saved.of(kind) + u32::from(old.is_none());
    if count > kind.most() || bytes > BYTES_MAX {
        return Err(Refusal::SavedFull);
    }
    saved.bytes = bytes;
    saved.set(kind, count);
    Ok(())
}

/// A version that nothing has or had, also when a practice of this id was there before.
fn next_version(act: &mut Act<'_>) -> u64 {
    let at_least = u64::try_from(act.now.as_millisecond()).unwrap_or_default();
    act.state.saved.version = at_least.max(act.state.saved.version + 1);
    act.state.saved.version
}

/// Takes a thing away; none there is fine unless a version is expected of it.
pub(super) fn delete(act: &mut Act<'_>, kind: SavedKind, id: &Text, expected: Option<u64>) -> Result<Outcome, Stop> {
    act.durable = true;
    if !is_key(id) {
        let fault = "must be 1 to 64 of a-z, A-Z, 0-9, hyphen and underscore";
        return Err(Refusal::Invalid { field: "id", fault }.into());
    }
    let key = RecordKey::saved(kind, id);
    // Gone is what was wanted, whichever version it was that went.
    let Some(old) = act.get::<SavedThing>(&key)? else { return Ok(Outcome::Nothing) };
    if expected.is_some_and(|expected| expected != old.version) {
        return Err(Refusal::SavedChanged.into());
    }
    act.remove(key);
    next_version(act);
    let saved = &mut act.state.saved;
    saved.bytes -= old.body.len() as u64;
    let count = saved.of(kind) - 1;
    saved.set(kind, count);
    Ok(Outcome::Done)
}
