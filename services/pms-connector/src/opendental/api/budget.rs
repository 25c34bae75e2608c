//! How many requests a practice's API gets.

use std::time::Duration;

use tokio::{
    sync::{Mutex, MutexGuard},
    time::Instant,
};

/// Moments that are no closer than `spacing` to one another.
#[derive(Debug)]
struct Spacing {
    spacing: Duration,
    next: Option<Instant>,
}

impl Spacing {
    /// The next moment from now on; it is taken then.
    fn take(&mut self, now: Instant) -> Instant {
        let at = self.next.map_or(now, |next| next.max(now));
        self.next = Some(at + self.spacing);
        at
    }
}

/// Turns that begin no sooner than some time after one another.
#[derive(Debug)]
pub(super) struct Budget {
    /// Whether the next turn waits for the end of this one.
    alone: bool,
    moments: Mutex<Spacing>,
}

/// A turn; it ends when dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    _alone: Option<MutexGuard<'a, Spacing>>,
}

impl Budget {
    /// So many a second, several under way.
    pub(super) fn per_second(requests: u32) -> Self {
        Self::new(Duration::from_secs(1) / requests.max(1), false)
    }

    /// One under way, the next not before `spacing` has passed since this one began: its own time counts.
    pub(super) fn one_at_a_time(spacing: Duration) -> Self {
        Self::new(spacing, true)
    }

    fn new(spacing: Duration, alone: bool) -> Self {
        Self { alone, moments: Mutex::new(Spacing { spacing, next: None }) }
    }

    /// Waits for a turn.
    pub(super) async fn turn(&self) -> Turn<'_> {
        let mut moments = self.moments.lock().await;
        let at = moments.take(Instant::now());
        tokio::time::sleep_until(at).await;
        Turn { _alone: self.alone.then_some(moments) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn moments_are_never_closer_than_they_may_be(
            spacing in 1u64..2_000, waits in prop::collection::vec(0u64..3_000, 2..100)
        ) {
            let spacing = Duration::from_millis(spacing);
            let mut moments = Spacing { spacing, next: None };
            let (mut now, mut last) = (Instant::now(), None::<Instant>);
            for wait in waits {
                now += Duration::from_millis(wait);
                let at = moments.take(now);
                prop_assert!(at >= now && last.is_none_or(|last| at >= last + spacing));
                prop_assert!(at == now || last.is_some_and(|last| at == last + spacing), "no later than it must be");
                last = Some(at);
            }
        }
    }

    #[tokio::test]
    async fn the_cloud_gets_one_request_at_a_time() {
        let budget = Arc::new(Budget::one_at_a_time(Duration::from_micros(10)));
        let under_way = Arc::new(AtomicU32::new(0));
        let calls = (0..20).map(|_| {
            let (budget, under_way) = (Arc::clone(&budget), Arc::clone(&under_way));
            tokio::spawn(async move {
                let turn = budget.turn().await;
                assert_eq!(under_way.fetch_add(1, Ordering::SeqCst), 0);
                tokio::task::yield_now().await;
                under_way.fetch_sub(1, Ordering::SeqCst);
                drop(turn);
            })
        });
        for call in calls.collect::<Vec<_>>() {
            call.await.expect("it does not panic");
        }
    }
}
