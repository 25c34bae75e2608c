//! Leaves an API alone that fails again and again.

use std::time::{Duration, Instant};

/// Failures in a row after which it is left alone.
const FAILURES: u32 = 5;
/// The first pause; each one after it is twice as long.
const PAUSE: Duration = Duration::from_secs(2);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Whether a call may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may.
    Go,
    /// Not before this has passed.
    Paused(Duration),
}

/// Counts failures in a row. After a pause one call is let through to try; it decides.
#[derive(Debug)]
pub(super) struct Breaker {
    failures: u32,
    pauses: u32,
    until: Option<Instant>,
    /// A call is trying whether it is well again; another one may try once this has passed.
    trying: Option<Instant>,
}

impl Breaker {
    pub(super) fn new() -> Self {
        Self { failures: 0, pauses: 0, until: None, trying: None }
    }

    /// Whether a call may be made now.
    pub(super) fn ask(&mut self, now: Instant) -> Verdict {
        let Some(until) = self.until else { return Verdict::Go };
        let wait = until.max(self.trying.unwrap_or(until)).saturating_duration_since(now);
        if !wait.is_zero() {
            return Verdict::Paused(wait);
        }
        self.trying = Some(now + PAUSE);
        Verdict::Go
    }

    /// How a call went.
    pub(super) fn note(&mut self, well: bool, now: Instant) {
        if well {
            *self = Self::new();
            return;
        }
        self.failures += 1;
        let tried = self.trying.take().is_some();
        if self.failures >= FAILURES && (self.until.is_none_or(|until| until <= now) || tried) {
            let pause = PAUSE.saturating_mul(1 << self.pauses.min(10)).min(PAUSE_MAX);
            self.pauses += 1;
            self.until = Some(now + pause);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_pauses_tries_once_and_is_well_again() {
        let (mut breaker, start) = (Breaker::new(), Instant::now());
        for _ in 0..FAILURES {
            assert_eq!(breaker.ask(start), Verdict::Go);
            breaker.note(false, start);
        }
        assert_eq!(breaker.ask(start), Verdict::Paused(PAUSE));
        let later = start + PAUSE;
        assert_eq!(breaker.ask(later), Verdict::Go, "one may try");
        assert_eq!(breaker.ask(later), Verdict::Paused(PAUSE), "and nobody else meanwhile");
        breaker.note(false, later);
        assert_eq!(breaker.ask(later), Verdict::Paused(2 * PAUSE));
        let well = later + 2 * PAUSE;
        assert_eq!(breaker.ask(well), Verdict::Go);
        breaker.note(true, well);
        assert_eq!(breaker.ask(well), Verdict::Go);
    }

    proptest! {
        #[test]
        fn it_never_shuts_for_good_and_a_success_always_opens(
            steps in prop::collection::vec((any::<bool>(), 0u64..90_000), 1..200)
        ) {
            let (mut breaker, mut now) = (Breaker::new(), Instant::now());
            for (well, wait) in steps {
                now += Duration::from_millis(wait);
                match breaker.ask(now) {
                    Verdict::Paused(wait) => prop_assert!(wait <= PAUSE_MAX && !wait.is_zero()),
                    Verdict::Go => {
                        breaker.note(well, now);
                        prop_assert!(!well || breaker.ask(now) == Verdict::Go);
                    }
                }
            }
        }
    }
}
