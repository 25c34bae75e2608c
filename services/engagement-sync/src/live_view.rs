//! The live view: what the PMS holds now, of the datasets that the engagement module needs, with the log of its last
//! changes. It can always be built again from the PMS.
//!
//! Two stores keep one contract (`tests/live_view_contract.rs`): [`redis`] for a fleet, [`embedded`] for one process.
//!
//! - One call of [`LiveView::apply`] is atomic: rows, indexes, log and head move together or not at all.
//! - A row that is already stored as it comes changes nothing and is not logged: a batch may be applied twice.
//! - A writer with a lower epoch than the highest seen is refused: a lease that was forgotten can harm nothing.
//! - Sequence numbers never go back within an incarnation; a store that lost its tail gets a new incarnation.

pub mod embedded;
mod entry;
mod moved;
pub mod redis;

use std::{fmt, sync::LazyLock};

use async_trait::async_trait;
use jiff::Timestamp;
use mesh::{ErrorReason, Refusal, datasets::Dataset};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tonic::Code;

pub use self::{entry::Entry, moved::Moves};
use crate::row::Row;

/// Where a practice's live view stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// The highest epoch that has written.
    pub epoch: u64,
    /// Names this life of the view; empty before the first write.
    pub incarnation: String,
    /// The number of the last change.
    pub sequence: u64,
    /// The log holds the changes after this number.
    pub floor: u64,
    /// Where the source's changes go on; empty until filled.
    pub cursor: String,
    /// The PMS's time up to which changes are in the view.
    pub synced_through: Option<Timestamp>,
    /// When the cursor was last moved.
    pub marked_at: Option<Timestamp>,
    /// The source that it was filled from.
    pub fingerprint: String,
    /// The columns that its rows were written with; see [`schema_mark`].
    pub schema: String,
    /// Whether a fill has been finished.
    pub filled: bool,
    /// The fill under way, as its owner wrote it; empty when there is none.
    pub fill: String,
}

/// What a write changes of the head; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct HeadPatch {
    /// New cursor.
    pub cursor: Option<String>,
    /// New source time.
    pub synced_through: Option<Timestamp>,
    /// New source.
    pub fingerprint: Option<String>,
    /// New columns.
    pub schema: Option<String>,
    /// Whether it is filled.
    pub filled: Option<bool>,
    /// The fill under way.
    pub fill: Option<String>,
    /// Begin a new incarnation: tokens and log of the old one end here.
    pub new_incarnation: bool,
}

/// One atomic write.
#[derive(Debug, Clone, Default)]
pub struct Write {
    /// The writer's epoch; `None` for a repair that holds no lease, which then names `if_sequence`.
    pub epoch: Option<u64>,
    /// Write only if the last change still has this number.
    pub if_sequence: Option<u64>,
    /// The highest number that the writer has seen: a store that is behind it has lost its tail.
    pub known_sequence: u64,
    /// Whether changes go to the log; they do not while nobody can be watching.
    pub log: bool,
    /// Rows that are new or changed.
    pub upserts: Vec<Row>,
    /// Keys that are gone.
    pub deletes: Vec<(&'static Dataset, String)>,
    /// What else moves.
    pub head: HeadPatch,
}

/// What a write did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// The number of the last change now.
    pub sequence: u64,
    /// How many rows really changed.
    pub changed: u64,
}

/// Why the live view refused or failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    /// A higher epoch has written.
    #[error("the live view is held by epoch {held}")]
    Stale {
        /// That epoch.
        held: u64,
    },
    /// `if_sequence` is not the last change any more.
    #[error("the live view has moved on")]
    Moved,
    /// The store is behind what its writer knows; it has a new incarnation now and its own cursor must be followed.
    #[error("the live view's store has lost its newest changes")]
    RolledBack,
    /// The store does not answer. The outcome of a write is unknown; repeating it is harmless.
    #[error("the live view's store does not answer: {0}")]
    Unavailable(String),
    /// The store holds what this version cannot read.
    #[error("the live view's store holds something unreadable: {0}")]
    Unreadable(&'static str),
}

impl From<ViewError> for Refusal {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::Stale { .. } => {
                Self::new(Code::Aborted, ErrorReason::LeaseLost, "another worker holds this practice's change stream")
            }
            ViewError::Moved | ViewError::RolledBack => {
                Self::new(Code::Aborted, ErrorReason::CursorMismatch, format!("{error}; try again"))
            }
            ViewError::Unavailable(_) => Self::new(
                Code::Unavailable,
                ErrorReason::StoreUnavailable,
                "the store of the live view does not answer; try again, and check its address and health",
            )
            .retry_after(std::time::Duration::from_secs(1)),
            ViewError::Unreadable(_) => Self::internal("the live view holds something unreadable"),
        }
    }
}

/// A page of a dataset in the order of its index.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The rows.
    pub rows: Vec<Row>,
    /// Where the next page goes on; `None` on the last.
    pub next: Option<String>,
}

/// The rows that a patient card was last computed from and that the live view does not follow.
#[derive(Clone, PartialEq, Eq)]
pub struct CardRows {
    /// When the PMS gave them.
    pub fetched_at: Timestamp,
    /// The rows, encoded by [`crate::card::remembered`].
    pub bytes: Vec<u8>,
}

impl fmt::Debug for CardRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CardRows({} bytes, redacted)", self.bytes.len())
    }
}

/// How much a store keeps for each practice.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Changes in the log.
    pub log_entries: u64,
    /// Cards whose last rows are kept.
    pub cards: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { log_entries: 20_000, cards: 2_000 }
    }
}

/// A store of live views. `practice` is the bare id.
#[async_trait]
pub trait LiveView: Send + Sync + fmt::Debug + 'static {
    /// Where a practice's view stands; the default where there is none.
    async fn head(&self, practice: &str) -> Result<Head, ViewError>;
    /// Writes atomically; see [`Write`]. A time-out leaves the outcome unknown; the same write may be repeated.
    async fn apply(&self, practice: &str, write: Write) -> Result<Applied, ViewError>;
    /// Rows by key, those that exist, in no order.
    async fn get(&self, practice: &str, dataset: &'static Dataset, keys: &[String]) -> Result<Vec<Row>, ViewError>;
    /// Rows whose [`Row::group`] is one of these, in no order.
    async fn in_groups(&self, practice: &str, dataset: &'static Dataset, groups: &[i64])
    -> Result<Vec<Row>, ViewError>;
    /// A page of a dataset, from after `after`. Rows that move while paging may be missed or come twice; the log has them.
    async fn page(
        &self,
        practice: &str,
        dataset: &'static Dataset,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, ViewError>;
    /// All keys of a dataset, in no order.
    async fn keys(&self, practice: &str, dataset: &'static Dataset) -> Result<Vec<String>, ViewError>;
    /// Changes after a number, oldest first, at most `limit`.
    async fn log(&self, practice: &str, after: u64, limit: usize) -> Result<Vec<Entry>, ViewError>;
    /// Keeps a card's rows; the least recently opened beyond the limit are dropped.
    async fn remember_card(&self, practice: &str, patient: i64, rows: CardRows) -> Result<(), ViewError>;
    /// A card's rows as last kept.
    async fn card(&self, practice: &str, patient: i64) -> Result<Option<CardRows>, ViewError>;
    /// Removes all of a practice.
    async fn forget(&self, practice: &str) -> Result<(), ViewError>;
    /// The secret that resume tokens are signed with: made once, the same for every replica on this store.
    async fn token_secret(&self) -> Result<Vec<u8>, ViewError>;
    /// Counts up each time a practice's view may have moved. A hint: it may count too often, and a reader that must not
    /// miss anything looks at the head now and then.
    fn moves(&self, practice: &str) -> watch::Receiver<u64>;
}

/// Names the columns that rows are written with.
pub fn schema_mark() -> &'static str {
    static MARK: LazyLock<String> = LazyLock::new(|| {
        let mut hash = Sha256::new();
        for dataset in crate::live_datasets::all() {
            hash.update(dataset.name);
            dataset.columns.iter().for_each(|column| hash.update(format!(",{}:{:?}", column.name, column.kind)));
            hash.update(";");
        }
        hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    });
    &MARK
}

/// The most rows of one atomic write; larger batches are cut.
pub const WRITE_ROWS_MAX: usize = 1_000;
