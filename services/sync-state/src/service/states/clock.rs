//! The clock: lets what is due by time happen, and wakes who waits for work. Any number of replicas may do this: the save
//! decides which of them it was.

use std::{sync::Arc, time::Duration};

use futures::StreamExt as _;
use jiff::{SignedDuration, Timestamp};

use super::States;
use crate::core::{apply::due_at, command::Command, shared::Text};

/// Practices that are looked at in one round, and how many at the same time.
const ROUND: usize = 1024;
const AT_ONCE: usize = 128;
/// The longest sleep: the wall clock may be set.
const SLEEP_MAX: Duration = Duration::from_secs(1);
/// When a practice is looked at again that could not be, or that says that it is due and has nothing to do.
const AGAIN: SignedDuration = SignedDuration::from_millis(500);
/// Over how many milliseconds the replicas spread what is due at the same time.
const APART_MS: u64 = 40;

/// Moves a moment by a little that differs between practices and processes.
pub(super) fn one_after_another(at: Timestamp, id: &Text, nonce: u64) -> Timestamp {
    let mixed = id.bytes().fold(nonce, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let apart = SignedDuration::from_millis((mixed >> 32) as i64 % APART_MS as i64); // a shifted u64 is not negative
    at.checked_add(apart).unwrap_or(at)
}

impl States {
    pub(super) async fn run_clock(self: Arc<Self>) {
        loop {
            let now = Timestamp::now();
            let due = self.due.take(now, ROUND);
            self.work.wake(now, |id| self.get(id));
            if due.is_empty() {
                let next = self.due.next().into_iter().chain(self.work.next()).min();
                let wait = next.and_then(|at| Duration::try_from(at.duration_since(now)).ok());
                tokio::select! {
                    () = tokio::time::sleep(wait.unwrap_or(SLEEP_MAX).min(SLEEP_MAX)) => {}
                    () = self.due.sooner.notified() => {}
                    () = self.work.sooner() => {}
                }
                continue;
            }
            futures::stream::iter(due).for_each_concurrent(AT_ONCE, |id| self.tick(id)).await;
        }
    }

    async fn tick(self: &Arc<Self>, id: Text) {
        let again = match self.execute(&id, &Command::Tick).await {
            Ok(done) => due_at(&done.state, Timestamp::now()),
            Err(refusal) => {
                tracing::debug!(%refusal, "a tick was refused");
                self.get(&id).map(|_| Timestamp::now())
            }
        };
        if let Some(at) = again {
            self.due.put_back(&id, at.max(Timestamp::now() + AGAIN));
        }
    }
}
