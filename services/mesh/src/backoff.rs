//! Waits between tries: exponential, with full jitter, and only so many.

use std::time::Duration;

use rand::Rng as _;

/// Successive waits. An iterator of at most `tries` random durations, the n-th between zero and `first × 2ⁿ`, capped.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    tries: Option<u32>,
    made: u32,
}

impl Backoff {
    /// Waits that end after `tries`.
    pub fn new(first: Duration, longest: Duration, tries: u32) -> Self {
        Self { first, longest, tries: Some(tries), made: 0 }
    }

    /// Waits that never end, for loops that must go on for as long as the process does.
    pub fn forever(first: Duration, longest: Duration) -> Self {
        Self { first, longest, tries: None, made: 0 }
    }

    /// Starts over, after a success.
    pub fn reset(&mut self) {
        self.made = 0;
    }

    /// The longest that the next wait can be.
    pub fn ceiling(&self) -> Duration {
        self.first.saturating_mul(1 << self.made.min(30)).min(self.longest)
    }
}

impl Iterator for Backoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        if self.tries.is_some_and(|tries| self.made >= tries) {
            return None;
        }
        let wait = rand::rng().random_range(Duration::ZERO..=self.ceiling());
        self.made = self.made.saturating_add(1);
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_bounded_and_end() {
        let second = Duration::from_secs(1);
        let mut backoff = Backoff::new(second, 5 * second, 6);
        for longest in [1, 2, 4, 5, 5, 5] {
            assert_eq!(backoff.ceiling(), longest * second);
            assert!(backoff.next().is_some_and(|wait| wait <= longest * second));
        }
        assert_eq!(backoff.next(), None);
        backoff.reset();
        assert!(backoff.next().is_some());
        assert_eq!(Backoff::forever(second, second).take(1000).count(), 1000);
    }
}
