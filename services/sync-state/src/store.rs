//! Where practices' states are kept: Redis for more than one process, a file for one.
//!
//! A store knows no rule. It saves a state if nobody else saved one since, together with the practice's records and the
//! time at which it next needs attention, and tells who follows that it did.

mod codec;
pub mod embedded;
pub mod keys;
pub mod redis;
mod v1;
mod version;

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::broadcast;

pub use version::Version;

use crate::core::{
    records::{RecordChange, RecordKey, Scan},
    state::{FORMAT, PracticeState},
};

/// Events that a follower may be behind before it must look at everything again.
pub const FOLLOW_BUFFER: usize = 8192;

/// Why a store did not do as told.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else saved the practice first; nothing was saved.
    #[error("the practice was changed at the same time")]
    Conflict,
    /// Too much waits to be saved; nothing was saved.
    #[error("too much waits to be saved; try again later")]
    Overloaded,
    /// The store does not answer, or not as it must; what was being saved may have been saved: load and look.
    #[error("the state store cannot do it: {0}")]
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
    /// The version that was read. 0: the practice did not exist.
    pub version: Version,
    /// The new state. None: the practice is deleted, and all its records.
    pub state: Option<&'a PracticeState>,
    /// When the practice next needs attention.
    pub due_at: Option<Timestamp>,
    /// What becomes of its records.
    pub changes: &'a [RecordChange],
    /// Whether it must be on disk, and on as many replicas as configured, before it is acknowledged. What is saved
    /// without may be lost with a crash. After a durable commit failed with [`StoreError::Unavailable`] it may be there
    /// without being durable: to acknowledge it later, commit again, the unchanged state if need be.
    pub durable: bool,
}

/// What happened in the store. Events are hints: they may come late, twice, or out of order (a greater version is the
/// later one), but none is missing between two [`Event::Reset`]s.
#[derive(Debug, Clone)]
pub enum Event {
    /// A practice was saved by another process.
    Saved(Stored),
    /// A practice was deleted by another process.
    Deleted {
        /// Which.
        id: String,
        /// The version of the deletion.
        version: Version,
    },
    /// Events may be missing, or the store has gone back to an earlier state: look at everything.
    Reset,
}

/// Keeps practices.
#[async_trait::async_trait]
pub trait Store: Send + Sync + 'static {
    /// The practice as saved last; none if there is none.
    async fn load(&self, id: &str) -> Result<Option<Stored>, StoreError>;

    /// Every practice as saved last, in no order. One that is saved meanwhile is given as before or after that.
    async fn load_all(&self) -> Result<Vec<Stored>, StoreError>;

    /// Saves a practice in place of the version that was read, and answers its new one. Many may be under way at the same
    /// time; they go to the store together. Of one practice only one can win.
    ///
    /// A save whose answer was lost is asked again until it is known what became of it, for a few seconds at most.
    async fn commit(&self, id: &str, commit: Commit<'_>) -> Result<Version, StoreError>;

    /// Records of a practice, each as last saved; none where there is none.
    async fn read(&self, id: &str, keys: &[RecordKey]) -> Result<Vec<Option<Vec<u8>>>, StoreError>;

    /// A range of a practice's records, in the scan's order.
    async fn scan(&self, id: &str, scan: &Scan) -> Result<Vec<(RecordKey, Vec<u8>)>, StoreError>;

    /// Every practice's id, sorted.
    async fn list(&self) -> Result<Vec<String>, StoreError>;

    /// Practices that need attention at `now`, at most `limit`, the most overdue of each shard first.
    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<String>, StoreError>;

    /// What other processes save, from now on; commits of this one are not repeated. A lagging receiver must look at
    /// everything, as after [`Event::Reset`]. To miss nothing, follow before [`Store::load_all`].
    fn follow(&self) -> broadcast::Receiver<Event>;

    /// Whether the store answers.
    async fn ping(&self) -> Result<(), StoreError>;
}
