//! One request a second for a customer key, the request's own time included.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

const SPACING: Duration = Duration::from_secs(1);

/// When the next request is taken.
#[derive(Debug, Default)]
pub(crate) struct Throttle(Mutex<Option<Instant>>);

impl Throttle {
    /// Takes a request, or says how long to wait.
    pub(crate) fn take(&self) -> Result<(), Duration> {
        let (mut next, now) = (self.0.lock(), Instant::now());
        if let Some(at) = *next
            && at > now
        {
            return Err(at - now);
        }
        *next = Some(now + SPACING);
        Ok(())
    }

    /// A request has ended: its own time counts.
    pub(crate) fn ended(&self) {
        let mut next = self.0.lock();
        *next = (*next).max(Some(Instant::now()));
    }
}
