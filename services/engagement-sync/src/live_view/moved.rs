//! Tells readers in this process that a practice's view may have moved.

use std::collections::HashMap;

use parking_lot::Mutex;
use tokio::sync::watch;

/// A counter for each practice that anybody waits for.
#[derive(Debug, Default)]
pub struct Moves(Mutex<HashMap<String, watch::Sender<u64>>>);

impl Moves {
    /// A receiver that sees each move of a practice from now on.
    pub fn of(&self, practice: &str) -> watch::Receiver<u64> {
        let mut senders = self.0.lock();
        // Practices that nobody waits for any more are dropped here: the map stays as small as what is watched.
        senders.retain(|name, sender| name == practice || sender.receiver_count() > 0);
        senders.entry(practice.to_owned()).or_insert_with(|| watch::channel(0).0).subscribe()
    }

    /// Counts a move.
    pub fn moved(&self, practice: &str) {
        if let Some(sender) = self.0.lock().get(practice) {
            sender.send_modify(|count| *count += 1);
        }
    }

    /// Counts a move of every practice: the messenger was away and may have missed some.
    pub fn all_moved(&self) {
        for sender in self.0.lock().values() {
            sender.send_modify(|count| *count += 1);
        }
    }
}
