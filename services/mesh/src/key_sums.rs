//! Count and checksums of a set of keys, as `RangeDigest` carries them: cheap for a database server to compute over a
//! range, and computed here alike.

use chairsync_proto::pms::RangeDigest;

/// What two sets of keys are compared by. Sets that differ have the same sums by a rare chance only,
/// not by how their keys relate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeySums {
    /// The keys.
    pub count: i64,
    /// The exclusive or of [`hash`] of each key.
    pub hash: u64,
    /// The wrapping sum of the keys.
    pub sum: i64,
}

impl KeySums {
    /// Adds one key.
    pub fn add(&mut self, key: i64) {
        *self = self.with(Self { count: 1, hash: hash(key), sum: key });
    }

    /// The sums of this set and of another that has no key in common with it.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self { count: self.count + other.count, hash: self.hash ^ other.hash, sum: self.sum.wrapping_add(other.sum) }
    }
}

/// The sums of keys, none twice.
impl FromIterator<i64> for KeySums {
    fn from_iter<I: IntoIterator<Item = i64>>(keys: I) -> Self {
        let mut sums = Self::default();
        keys.into_iter().for_each(|key| sums.add(key));
        sums
    }
}

impl From<&RangeDigest> for KeySums {
    fn from(digest: &RangeDigest) -> Self {
        Self { count: digest.count, hash: digest.key_hash, sum: digest.key_sum }
    }
}

/// A key's hash: with `crc` the CRC-32 (IEEE) of its decimal text, `crc` times the exclusive or of `crc` and the key's
/// lowest 32 bits. The CRC alone is linear: the exclusive or over {3, 15} is that over {5, 13}. The product is not, and
/// every SQL server computes it at nearly the CRC's cost, where a cryptographic hash takes several times as long.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // the lowest 32 bits are what is asked for
pub fn hash(key: i64) -> u64 {
    let crc = crc32fast::hash(key.to_string().as_bytes());
    u64::from(crc) * u64::from(crc ^ key as u32)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_hash_is_what_a_server_says() {
        // MariaDB's BIT_XOR over these three keys.
        let sums: KeySums = [i64::MIN, -1, i64::MAX].into_iter().collect();
        assert_eq!(sums.hash, 7_213_164_149_925_768_725);
        assert_eq!((sums.count, sums.sum), (3, -2));
    }

    #[test]
    fn keys_that_a_crc_and_a_sum_confuse_have_other_sums() {
        let of = |keys: [i64; 2]| keys.into_iter().collect::<KeySums>();
        assert_ne!(of([3, 15]), of([5, 13]));
    }

    #[test]
    fn no_two_pairs_of_near_keys_have_the_same_sums() {
        for first in [-150, 1, 1_000_000, 4_294_967_200, 9_000_000_000_000_000_000] {
            let mut seen = HashSet::new();
            for one in first..first + 300 {
                for other in one + 1..first + 300 {
                    let sums = KeySums::from_iter([one, other]);
                    assert!(seen.insert((sums.hash, sums.sum)), "{one} and {other} from {first}");
                }
            }
        }
    }
}
