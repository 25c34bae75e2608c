//! Where practices' states are kept: Redis for more than one process, a file for one.
//!
//! A store knows no rule. It saves a state if nobody else saved one since, together with the time at which the practice
//! next needs attention, and tells who follows that it did.

pub mod embedded;
pub mod keys;
pub mod redis;

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::broadcast;

use crate::core::state::{FORMAT, PracticeState};

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

/// Keeps practices.
#[async_trait::async_trait]
pub trait Store: Send + Sync + 'static {
    /// The practice as saved last; none if there is none.
    async fn load(&self, id: &str) -> Result<Option<Stored>, StoreError>;

    /// Saves `state` in place of `version`, or deletes the practice when it is none; all or nothing. `due_at` is when
    /// the practice next needs attention. Durable when it returns, as far as the store's settings make anything durable.
    /// After [`StoreError::Unavailable`] it may or may not have been saved: load and look.
    async fn save(
        &self,
        id: &str,
        version: Version,
        state: Option<&PracticeState>,
        due_at: Option<Timestamp>,
    ) -> Result<Version, StoreError>;

    /// Every practice's id, sorted.
    async fn list(&self) -> Result<Vec<String>, StoreError>;

    /// Practices that need attention at `now`, at most `limit`.
    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<String>, StoreError>;

    /// The ids of practices as they change. A lagging receiver must look at all of them again.
    fn follow(&self) -> broadcast::Receiver<String>;

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
