//! Every key that sync-state has in Redis. Nothing else reads or writes them.
//!
//! | Key | Type | Holds |
//! | --- | --- | --- |
//! | `cs:v2:{shard}:practices` | hash | practice id → version and state |
//! | `cs:v2:{shard}:due` | sorted set | practice ids by the millisecond at which they next need attention |
//! | `cs:v2:{shard}:events` | stream | of each save: `i` the practice, `v` its new version, `o` who saved; the last 4,000 or so |
//! | `cs:v2:{shard}:records:{id}` | hash | record key → record, of one practice; absent while it has none |
//! | `cs:v2:{shard}:order:{id}` | sorted set | the same record keys, in order |
//! | `cs:v2:{shard}:probe` | string | nothing, for a minute: written to see whether `WAITAOF` waits |
//! | `cs:{00}:layout` | string | `2`; a newer number is refused, keys of an older layout are moved at start |
//!
//! `{shard}` is `{00}` to `{15}`. The braces are a hash tag: all keys of a shard are in one slot, so that one script may
//! touch them in a cluster. A practice is in the shard that its id's CRC-32 modulo 16 says.

/// Shards. A practice stays in its shard for as long as the number does not change.
pub const SHARDS: u32 = 16;

/// The layout that this version writes.
pub const LAYOUT: u64 = 2;

/// Where the layout's number is.
pub const LAYOUT_KEY: &str = "cs:{00}:layout";

/// Events that a shard keeps, about.
pub const EVENTS_KEPT: usize = 4000;

/// The hash tag of a shard, without braces.
pub fn tag(shard: u32) -> String {
    format!("{shard:02}")
}

/// The keys of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keys {
    shard: u32,
}

impl Keys {
    /// Those of the shard that a practice is in.
    pub fn of(id: &str) -> Self {
        Self { shard: crc(id) % SHARDS }
    }

    /// Those of a shard.
    pub(super) fn of_shard(shard: u32) -> Self {
        Self { shard }
    }

    /// Those of every shard.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..SHARDS).map(|shard| Self { shard })
    }

    /// The shard's number.
    pub fn shard(self) -> u32 {
        self.shard
    }

    /// The practices.
    pub fn practices(self) -> String {
        self.key("practices")
    }

    /// What is due.
    pub fn due(self) -> String {
        self.key("due")
    }

    /// What happened.
    pub fn events(self) -> String {
        self.key("events")
    }

    /// What is written to see whether a wait for the disk waits.
    pub(super) fn probe(self) -> String {
        self.key("probe")
    }

    /// A practice's records.
    pub fn records(self, id: &str) -> String {
        format!("{}:{id}", self.key("records"))
    }

    /// Their order.
    pub fn order(self, id: &str) -> String {
        format!("{}:{id}", self.key("order"))
    }

    fn key(self, name: &str) -> String {
        format!("cs:v{LAYOUT}:{{{}}}:{name}", tag(self.shard))
    }
}

/// The keys that layout 1 had, before the first release. They are read once, and removed.
pub(super) mod v1 {
    use super::{Keys, tag};

    /// A hash: `version`, `state` in JSON.
    pub fn practice(keys: Keys, id: &str) -> String {
        format!("cs:v1:{{{}}}:practice:{id}", tag(keys.shard))
    }

    /// A sorted set of what is due.
    pub fn due(keys: Keys) -> String {
        format!("cs:v1:{{{}}}:due", tag(keys.shard))
    }

    /// A set of practice ids.
    pub fn ids(keys: Keys) -> String {
        format!("cs:v1:{{{}}}:all", tag(keys.shard))
    }

    /// A stream of what happened.
    pub fn events(keys: Keys) -> String {
        format!("cs:v1:{{{}}}:events", tag(keys.shard))
    }
}

/// CRC-32 (IEEE), bit by bit: stable for ever, and an id is short.
fn crc(text: &str) -> u32 {
    !text.bytes().fold(!0, |crc: u32, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_stable() {
        assert_eq!(crc("123456789"), 0xcbf4_3926);
        let keys = Keys::of("123456789");
        assert_eq!(keys.practices(), "cs:v2:{06}:practices");
        assert_eq!(keys.records("123456789"), "cs:v2:{06}:records:123456789");
        assert_eq!(v1::practice(keys, "123456789"), "cs:v1:{06}:practice:123456789");
    }
}
