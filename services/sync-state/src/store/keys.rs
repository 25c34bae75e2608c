//! Every key that sync-state has in Redis. Nothing else reads or writes them.
//!
//! | Key | Type | Holds |
//! | --- | --- | --- |
//! | `cs:v1:{shard}:practice:{id}` | hash | `version`, `state` (JSON, about 2 KB) |
//! | `cs:v1:{shard}:records:{id}` | hash | the practice's records, by their keys; see `core::records` |
//! | `cs:v1:{shard}:order:{id}` | sorted set | those keys, in bytewise order |
//! | `cs:v1:{shard}:due` | sorted set | practice ids by the millisecond at which they next need attention |
//! | `cs:v1:{shard}:all` | set | practice ids |
//! | `cs:v1:{shard}:events` | stream | `id` of each practice that was saved; the last 10,000 or so |
//!
//! The braces are a hash tag: all keys of a shard are in one slot, so that one script may touch them in a cluster.

/// Shards. A practice stays in its shard for as long as the number does not change.
pub const SHARDS: u32 = 16;

/// The keys of a shard.
#[derive(Debug, Clone)]
pub struct Keys {
    shard: u32,
}

impl Keys {
    /// Those of the shard that a practice is in.
    pub fn of(id: &str) -> Self {
        Self { shard: crc(id) % SHARDS }
    }

    /// Those of every shard.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..SHARDS).map(|shard| Self { shard })
    }

    /// The practice's own.
    pub fn practice(&self, id: &str) -> String {
        format!("cs:v1:{{{:02}}}:practice:{id}", self.shard)
    }

    /// The practice's records.
    pub fn records(&self, id: &str) -> String {
        format!("cs:v1:{{{:02}}}:records:{id}", self.shard)
    }

    /// The order of the practice's records.
    pub fn record_keys(&self, id: &str) -> String {
        format!("cs:v1:{{{:02}}}:order:{id}", self.shard)
    }

    /// What is due.
    pub fn due(&self) -> String {
        format!("cs:v1:{{{:02}}}:due", self.shard)
    }

    /// Who is there.
    pub fn ids(&self) -> String {
        format!("cs:v1:{{{:02}}}:all", self.shard)
    }

    /// What happened.
    pub fn events(&self) -> String {
        format!("cs:v1:{{{:02}}}:events", self.shard)
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
        assert_eq!(Keys::of("123456789").practice("123456789"), "cs:v1:{06}:practice:123456789");
    }
}
