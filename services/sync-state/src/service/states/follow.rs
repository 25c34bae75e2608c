//! Follows what other processes save.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use mesh::backoff::Backoff;
use tokio::sync::broadcast;

use super::States;
use crate::{core::shared::Text, store::Event};

/// The pauses after a store could not be read.
const AGAIN: Duration = Duration::from_millis(100);
const AGAIN_LONGEST: Duration = Duration::from_secs(2);

impl States {
    pub(super) async fn follow_store(self: Arc<Self>, mut events: broadcast::Receiver<Event>) {
        loop {
            match events.recv().await {
                Ok(Event::Saved(stored)) => {
                    self.learn(&stored.state.id, stored.version, Some(stored.state.clone()), false);
                }
                Ok(Event::Deleted { id, version }) => self.learn(&id, version, None, false),
                Ok(Event::Reset) | Err(broadcast::error::RecvError::Lagged(_)) => self.look_at_everything().await,
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }

    /// Reads everything again, until that has worked.
    async fn look_at_everything(self: &Arc<Self>) {
        let mut backoff = Backoff::forever(AGAIN, AGAIN_LONGEST);
        let all = loop {
            match self.store.load_all().await {
                Ok(all) => break all,
                Err(error) => {
                    tracing::warn!(%error, "the state store cannot be followed just now");
                    tokio::time::sleep(backoff.next().unwrap_or(AGAIN)).await;
                }
            }
        };
        let mut doubtful: BTreeSet<Text> = self.copy.read().ids.clone();
        for stored in all {
            let known = self.slot(&stored.state.id).map_or(0, |slot| slot.seen.read().version);
            if stored.version >= known {
                doubtful.remove(&stored.state.id);
                self.learn(&stored.state.id, stored.version, Some(stored.state.clone()), false);
            }
        }
        // Gone, or older than what is known: saved here meanwhile, or the store has lost its tail.
        for slot in doubtful.iter().filter_map(|id| self.slot(id)) {
            let Ok(_turn) = slot.turn().await else { continue };
            if let Err(refusal) = self.reload(&slot).await {
                tracing::warn!(%refusal, "a practice cannot be looked at just now");
            }
        }
    }
}
