//! Seeded chance: the same seed, purpose and number give the same throws, whatever else is generated.

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A stream of throws.
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    /// Throws for one purpose and one subject, e.g. one family.
    pub(crate) fn new(seed: u64, purpose: &str, subject: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ (u64::from(crc32fast::hash(purpose.as_bytes())) << 32));
        rng.set_stream(subject);
        Self(rng)
    }

    /// A whole number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = u64::try_from(high - low).unwrap_or(0) + 1;
        low + i64::try_from((u64::from(self.0.next_u32()) * span) >> 32).unwrap_or(0)
    }

    /// As [`Dice::between`], for days and minutes.
    pub(crate) fn days(&mut self, low: i32, high: i32) -> i32 {
        i32::try_from(self.between(i64::from(low), i64::from(high))).unwrap_or(low)
    }

    /// True `per_mille` times in a thousand.
    pub(crate) fn chance(&mut self, per_mille: u32) -> bool {
        (u64::from(self.0.next_u32()) * 1000) >> 32 < u64::from(per_mille)
    }

    /// One of several.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.index(from.len())]
    }

    /// A position below `len`, which is above 0.
    pub(crate) fn index(&mut self, len: usize) -> usize {
        usize::try_from((u64::from(self.0.next_u32()) * (len as u64)) >> 32).unwrap_or(0)
    }

    /// A number of 32 random bits.
    pub(crate) fn bits(&mut self) -> u32 {
        self.0.next_u32()
    }
}
