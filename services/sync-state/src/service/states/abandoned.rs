//! Saves whose caller went away, or whose outcome is not known.

use std::{sync::Arc, time::Duration};

use mesh::backoff::Backoff;

use super::{States, slot::Slot};

/// The pauses after which an abandoned save is looked for.
const LOOK: Duration = Duration::from_millis(50);
const LOOK_LONGEST: Duration = Duration::from_secs(2);
const LOOK_TRIES: u32 = 8;

/// Watches over a save: who waits for it may go away, and then nobody would take in what it did. Commits of this process
/// are not among the store's events.
pub(super) struct Abandoned<'a> {
    states: &'a Arc<States>,
    slot: &'a Arc<Slot>,
    over: bool,
}

impl<'a> Abandoned<'a> {
    pub fn watch(states: &'a Arc<States>, slot: &'a Arc<Slot>) -> Self {
        Self { states, slot, over: false }
    }

    /// Ends the watch, where it is known what became of the save; else it is looked for.
    pub fn over_if(mut self, known: bool) {
        self.over = known;
    }
}

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (states, slot, before) = (self.states.clone(), self.slot.clone(), self.slot.seen.read().version);
        runtime.spawn(async move {
            for pause in Backoff::new(LOOK, LOOK_LONGEST, LOOK_TRIES) {
                tokio::time::sleep(pause).await;
                let Ok(_turn) = slot.turn().await else { continue };
                if slot.seen.read().version != before {
                    return; // somebody else has looked
                }
                if let Err(refusal) = states.reload(&slot).await {
                    tracing::debug!(%refusal, "an abandoned save cannot be looked for just now");
                }
            }
        });
    }
}
