//! One reader of a practice's log for all its watchers in this process: a ring of the newest changes, and the view's head
//! as it moves.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::warn;

use crate::live_view::{Entry, Head, LiveView, ViewError};

/// Changes that a watcher may be behind before it is closed.
pub const RING_ENTRIES: usize = 4_096;
/// The log is looked at this often even when nobody says that it moved.
const LOOK_EVERY: Duration = Duration::from_secs(2);
const PAGE: usize = 512;

/// The tails of all practices that are watched.
#[derive(Debug, Clone)]
pub struct Tails {
    view: Arc<dyn LiveView>,
    ring: usize,
    by_practice: Arc<Mutex<HashMap<String, Weak<Tail>>>>,
}

/// A practice's tail. It ends when its last watcher drops it.
#[derive(Debug)]
pub struct Tail {
    /// The newest changes, each once, in order.
    pub changes: broadcast::Sender<Arc<Entry>>,
    /// The view's head as last read.
    pub head: watch::Receiver<Head>,
    _reader: DropGuard,
}

impl Tails {
    /// Tails on a view, each with a ring of `ring` changes.
    pub fn new(view: Arc<dyn LiveView>, ring: usize) -> Self {
        Self { view, ring, by_practice: Arc::default() }
    }

    /// The tail of a practice; begun where nobody watches it yet.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn of(&self, practice: &str) -> Result<Arc<Tail>, ViewError> {
        if let Some(tail) = self.by_practice.lock().get(practice).and_then(Weak::upgrade) {
            return Ok(tail);
        }
        // Subscribed before the head is read: a move in between is seen.
        let moves = self.view.moves(practice);
        let head = self.view.head(practice).await?;
        let mut tails = self.by_practice.lock();
        if let Some(tail) = tails.get(practice).and_then(Weak::upgrade) {
            return Ok(tail);
        }
        tails.retain(|_, tail| tail.strong_count() > 0);
        let (changes, stop) = (broadcast::channel(self.ring).0, CancellationToken::new());
        let (heads, head) = watch::channel(head);
        let reader = read(self.view.clone(), practice.to_owned(), moves, changes.clone(), heads);
        let stopped = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = reader => {}
                () = stopped.cancelled() => {}
            }
        });
        let tail = Arc::new(Tail { changes, head, _reader: stop.drop_guard() });
        tails.insert(practice.to_owned(), Arc::downgrade(&tail));
        Ok(tail)
    }
}

async fn read(
    view: Arc<dyn LiveView>,
    practice: String,
    mut moves: watch::Receiver<u64>,
    changes: broadcast::Sender<Arc<Entry>>,
    heads: watch::Sender<Head>,
) {
    loop {
        if let Err(error) = read_on(&*view, &practice, &changes, &heads).await {
            warn!(practice = %practice, %error, "the live view's log cannot be read; it is tried again");
        }
        let _ = tokio::time::timeout(LOOK_EVERY, moves.changed()).await;
    }
}

/// Publishes what is new, then the head. A head of another incarnation is published as it is: watchers end on seeing it.
async fn read_on(
    view: &dyn LiveView,
    practice: &str,
    changes: &broadcast::Sender<Arc<Entry>>,
    heads: &watch::Sender<Head>,
) -> Result<(), ViewError> {
    let mut after = heads.borrow().sequence;
    let now = view.head(practice).await?;
    if now.incarnation == heads.borrow().incarnation && now.floor <= after {
        while after < now.sequence {
            let entries = view.log(practice, after, PAGE).await?;
            let Some(last) = entries.last() else { break };
            after = last.sequence;
            for entry in entries {
                // Fails only while nobody listens.
                let _ = changes.send(Arc::new(entry));
            }
            heads.send_modify(|head| head.sequence = after);
        }
    }
    // The log may have been read past `now`: what was published is never published again.
    let head = if now.sequence < after && now.incarnation == heads.borrow().incarnation {
        Head { sequence: after, ..now }
    } else {
        now
    };
    heads.send_if_modified(|known| {
        let moved = *known != head;
        *known = head;
        moved
    });
    Ok(())
}
