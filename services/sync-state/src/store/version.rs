//! Versions of practices.
//!
//! A version is a moment and a random number: the millisecond of the save, or one more than the version before it where
//! that is later, and 22 random bits below. So a version is never given twice. A Redis that lost its last writes, or a
//! practice that was deleted and made again, goes on with versions that nobody holds from before: who remembers a lost one
//! is refused, and what is saved later is also greater.

use jiff::Timestamp;
use rand::Rng as _;

/// One version of a practice, for compare-and-save. 0: it does not exist.
pub type Version = u64;

const RANDOM_BITS: u32 = 22;

/// The version after `version`.
pub(super) fn next(version: Version) -> Version {
    after(version, Timestamp::now())
}

fn after(version: Version, now: Timestamp) -> Version {
    let now = u64::try_from(now.as_millisecond()).unwrap_or(0);
    let moment = now.max((version >> RANDOM_BITS) + 1);
    // The moment fits for as long as it is before the year 2109; later ones would only lose their highest bits.
    (moment << RANDOM_BITS) | rand::rng().random_range(0..1 << RANDOM_BITS)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn versions_grow_and_are_never_given_twice() {
        let now = Timestamp::from_millisecond(1_800_000_000_000).unwrap();
        let first = after(0, now);
        assert!(after(first, now) > first, "at the same time");
        let earlier = now - jiff::SignedDuration::from_hours(1);
        assert!(after(first, earlier) > first, "on a clock that is behind");
        assert!(after(0, now) != after(0, now) || after(0, now) != first, "made twice at the same time");
        let later = now + jiff::SignedDuration::from_secs(1);
        let lost: Vec<Version> = std::iter::successors(Some(first), |v| Some(after(*v, now))).take(100).collect();
        let goes_on = after(first, later);
        assert!(
            lost.iter().all(|lost| goes_on > *lost),
            "what is saved after a lost tail is greater than what was lost"
        );
    }
}
