//! What people keep of a practice, remembered until it changes.

use std::sync::Arc;

use chairsync_proto::state::{SavedKind, SavedThing};
use tonic::Status;

use super::{Analytics, snapshot::Snapshot};
use crate::goals::Kept;

/// Whose, and since which change.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct KeptKey {
    practice: String,
    registered: String,
    version: u64,
}

impl Analytics {
    /// The goals and hours that are kept of a snapshot's practice: at least as new as what sync-state was last heard to
    /// have, and as what was saved through here.
    pub(super) async fn kept(&self, snapshot: &Snapshot) -> Result<Arc<Kept>, Status> {
        let practice = &snapshot.practice;
        let written = self.written.lock().get(practice).copied().unwrap_or_default();
        let version = snapshot.saved_version.max(written);
        if version == 0 {
            return Ok(Arc::default());
        }
        let key = KeptKey { practice: practice.clone(), registered: snapshot.registered.clone(), version };
        let read = async {
            let goals = self.saved.all(practice, SavedKind::Goal).await?;
            let hours = self.saved.all(practice, SavedKind::Hours).await?;
            Ok::<_, Status>(Kept::of(&goals, &hours)?)
        };
        self.kept_goals.get(key, read).await
    }

    /// Notes that a thing was saved through here: the next answer knows it, also before sync-state tells.
    pub(super) fn note_saved(&self, practice: &str, thing: &SavedThing) {
        let version: u64 = thing.etag.parse().unwrap_or_default();
        let mut written = self.written.lock();
        let latest = written.entry(practice.to_owned()).or_default();
        *latest = version.max(*latest);
    }
}
