//! Where practices' states are kept: Redis for more than one process, a file for one.
//!
//! A store knows no rule. It saves a state if nobody else saved one since, together with the time at which the practice
//! next needs attention, and tells who follows that it did.

pub mod embedded;
pub mod keys;
pub mod redis;

use std::sync::Arc;

use futures::stream::BoxStream;
use jiff::Timestamp;
use tokio::sync::broadcast;

use crate::core::{
    records::{RecordChange, RecordKey, Scan},
    state::{FORMAT, PracticeState},
};

/// Changes that a follower may be behind before it must look at everything again.
pub const FOLLOW_BUFFER: usize = 1024;

/// Why a store did not do as told.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else saved the practice first; nothing was saved.
    #[error("the practice was changed at the same time")]
    Conflict,
    /// The store does not answer; what was being saved may have been saved.
    #[error("the state store does not answer: {0}")]
    Unavailable(String),
    /// What is stored is not what this version writes.
    #[error(
        "the stored state has format {found}, this version reads {FORMAT}; use the version that wrote it, or a newer one"
    )]
    Format {
        /// The format that was found.
        found: u64,
    },
}

/// One version of a practice, for compare-and-save. 0: it does not exist.
pub type Version = u64;

/// What is kept of a practice, and the version of it.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The state.
    pub state: Arc<PracticeState>,
    /// Its version.
    pub version: Version,
}

/// What is saved of a practice, all or nothing.
#[derive(Debug, Clone, Copy)]
pub struct Commit<'a> {
    /// The version that it takes the place of; 0: there must be none.
    pub version: Version,
    /// The next state; none deletes the practice with all its records.
    pub state: Option<&'a PracticeState>,
    /// When the practice next needs attention.
    pub due_at: Option<Timestamp>,
    /// Changes of its records, each record at most once.
    pub changes: &'a [RecordChange],
    /// It must be on disk before it is acknowledged.
    pub durable: bool,
}

/// That a practice was saved.
#[derive(Debug, Clone)]
pub struct Event {
    /// Which.
    pub id: Arc<str>,
    /// What is known of it.
    pub seen: Seen,
}

/// What an event says of a practice.
#[derive(Debug, Clone)]
pub enum Seen {
    /// Its state, and the version of that.
    State(Stored),
    /// It is to be loaded to be known: it may have been deleted.
    Changed,
}

/// Batches of all practices.
pub type All<'a> = BoxStream<'a, Result<Vec<Stored>, StoreError>>;

/// Keeps practices.
#[async_trait::async_trait]
pub trait Store: Send + Sync + 'static {
    /// The practice as saved last; none if there is none.
    async fn load(&self, id: &str) -> Result<Option<Stored>, StoreError>;

    /// Every practice, in batches, in no order.
    async fn load_all(&self) -> Result<All<'_>, StoreError>;

    /// Saves a practice's state and its records' changes in place of `commit.version`, or deletes it; all or nothing. Where
    /// it is to be durable it is, as far as the store's settings make anything durable, when this returns. After
    /// [`StoreError::Unavailable`] it may or may not have been saved: load and look.
    async fn commit(&self, id: &str, commit: Commit<'_>) -> Result<Version, StoreError>;

    /// Records of a practice, in the order of `keys`; none for one that is not there.
    async fn read(&self, id: &str, keys: &[RecordKey]) -> Result<Vec<Option<Vec<u8>>>, StoreError>;

    /// A range of a practice's records, in the scan's order.
    async fn scan(&self, id: &str, scan: &Scan) -> Result<Vec<(RecordKey, Vec<u8>)>, StoreError>;

    /// Every practice's id, sorted.
    async fn list(&self) -> Result<Vec<String>, StoreError>;

    /// Practices that need attention at `now`, at most `limit`.
    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<String>, StoreError>;

    /// Practices as they are saved. A lagging receiver must look at all of them again.
    fn follow(&self) -> broadcast::Receiver<Event>;

    /// Whether the store answers.
    async fn ping(&self) -> Result<(), StoreError>;
}

/// The version after `version`. A new practice's first one is the time, so that a practice that was deleted and made
/// again never has a version that somebody may still hold of the old one.
pub(crate) fn next_version(version: Version) -> Version {
    match version {
        0 => u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(1),
        version => version + 1,
    }
}

/// Reads every practice one by one, for a store that has no faster way.
pub(crate) fn load_each<S: Store + ?Sized>(store: &S, ids: Vec<String>) -> All<'_> {
    Box::pin(async_stream::try_stream! {
        for id in ids {
            if let Some(stored) = store.load(&id).await? {
                yield vec![stored];
            }
        }
    })
}

pub(crate) fn encode(state: &PracticeState) -> Result<String, StoreError> {
    serde_json::to_string(state).map_err(|e| StoreError::Unavailable(format!("a state cannot be written: {e}")))
}

pub(crate) fn decode(text: &str) -> Result<PracticeState, StoreError> {
    #[derive(serde::Deserialize)]
    struct Head {
        format: u64,
    }
    let broken = |e: serde_json::Error| StoreError::Unavailable(format!("a stored state is damaged: {e}"));
    let head: Head = serde_json::from_str(text).map_err(broken)?;
    if head.format != u64::from(FORMAT) {
        return Err(StoreError::Format { found: head.format });
    }
    serde_json::from_str(text).map_err(broken)
}
