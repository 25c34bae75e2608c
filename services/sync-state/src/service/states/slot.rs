//! One practice in this process: what was last seen of it, and whose turn it is to change it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use chairsync_proto::feature::ErrorReason;
use mesh::Refusal;
use parking_lot::RwLock;
use tokio::sync::{Mutex, MutexGuard, Notify};
use tonic::Code;

use crate::{
    core::{shared::Text, state::PracticeState},
    store::{Stored, Version},
};

/// Commands of one practice that may wait for their turn.
const WAITING_MAX: usize = 256;

/// See the module's words.
pub(super) struct Slot {
    pub id: Text,
    /// What is known of it. Whoever writes it also moves the indices, before the next one may write.
    pub seen: RwLock<Seen>,
    turn: Mutex<()>,
    waiting: AtomicUsize,
    /// Told after each change.
    pub changed: Notify,
}

/// What is known of a practice.
#[derive(Default)]
pub(super) struct Seen {
    /// The version seen last, of a deletion too. 0: none.
    pub version: Version,
    /// The state of that version; none: it is deleted, or was never there.
    pub state: Option<Arc<PracticeState>>,
}

/// One of those that wait.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Slot {
    pub fn new(id: Text) -> Self {
        let (turn, waiting, changed) = (Mutex::default(), AtomicUsize::new(0), Notify::new());
        Self { id, seen: RwLock::default(), turn, waiting, changed }
    }

    pub fn state(&self) -> Option<Arc<PracticeState>> {
        self.seen.read().state.clone()
    }

    pub fn stored(&self) -> Option<Stored> {
        let seen = self.seen.read();
        seen.state.clone().map(|state| Stored { state, version: seen.version })
    }

    /// Waits until nobody else of this process changes the practice.
    ///
    /// # Errors
    /// `OVERLOADED` when too many wait.
    pub async fn turn(&self) -> Result<MutexGuard<'_, ()>, Refusal> {
        if let Ok(turn) = self.turn.try_lock() {
            return Ok(turn);
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if before >= WAITING_MAX {
            return Err(crowded());
        }
        Ok(self.turn.lock().await)
    }
}

/// The practice is being changed by too many.
pub(super) fn crowded() -> Refusal {
    let sentence = "the practice is being changed by too many at once; try again";
    Refusal::new(Code::Unavailable, ErrorReason::Overloaded, sentence).retry_after(Duration::from_secs(1))
}
