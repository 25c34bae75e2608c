//! Keeps a stream of news readable where nothing is redrawn in place: some now, the rest held back.

use std::time::{Duration, Instant};

/// Between two lines of progress where each stays on the screen or in a file.
pub const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// Lets one through in each span of time. What is held back is replaced by what is newer, so that the last is never lost.
#[derive(Debug)]
pub struct Pace<T> {
    every: Duration,
    next: Option<Instant>,
    held: Option<T>,
}

impl<T> Pace<T> {
    /// One in `every`; the first at once.
    pub fn new(every: Duration) -> Self {
        Self { every, next: None, held: None }
    }

    /// Gives the news back when it is time for some, else holds it.
    pub fn offer(&mut self, now: Instant, news: T) -> Option<T> {
        if self.next.is_some_and(|next| now < next) {
            self.held = Some(news);
            return None;
        }
        self.held = None;
        self.next = now.checked_add(self.every);
        Some(news)
    }

    /// What is held back, at the end.
    pub fn rest(&mut self) -> Option<T> {
        self.held.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_each_span_and_always_the_last() {
        let (begun, mut pace) = (Instant::now(), Pace::new(Duration::from_secs(2)));
        let said: Vec<u64> =
            (0..=45).filter_map(|tenth| pace.offer(begun + Duration::from_millis(100 * tenth), tenth)).collect();
        assert_eq!(said, [0, 20, 40]);
        assert_eq!((pace.rest(), pace.rest()), (Some(45), None));
    }

    #[test]
    fn what_was_said_is_not_said_again() {
        let (begun, mut pace) = (Instant::now(), Pace::new(Duration::from_secs(2)));
        assert_eq!(pace.offer(begun, 1), Some(1));
        assert_eq!(pace.offer(begun + Duration::from_secs(1), 2), None);
        assert_eq!(pace.offer(begun + Duration::from_secs(2), 3), Some(3));
        assert_eq!(pace.rest(), None);
    }
}
