//! One Delta commit puts a run's chunks in the place of what the table held, or merged files in the place of some.
//!
//! The commit carries `txn("chairsync/{dataset}", sequence)`. That is the idempotency (a run that finds its own sequence
//! there has committed before it was killed) and the fence (a worker of an older run finds a newer one and is refused),
//! whatever the leases say. What the source had said goes with it, as properties of the table, so that the next run knows
//! since when to ask for changes; a position that is older than the rows is always a right one.
//!
//! A version is never given twice: a table that is made anew begins above the last one that was accepted.

use deltalake_core::{
    DeltaTable, DeltaTableError,
    kernel::{
        Action, Add, MetadataExt, Transaction,
        transaction::{CommitBuilder, CommitProperties, TableReference, TransactionError},
    },
    operations::create::CreateBuilder,
    protocol::{DeltaOperation, SaveMode},
};
use mesh::datasets::Dataset;

use super::{
    base::Base,
    chunks::{Chunk, Origin},
    merge::Merged,
    schema,
};
use crate::store::{Folder, faults, sync_folder};

/// The table's property with the source's position from before its rows were read.
pub(super) const POSITION: &str = "chairsync.position";
/// The table's property with the canonical columns that the source lacked.
pub(super) const MISSING: &str = "chairsync.missing";
/// The table's property with the PMS's time up to which its changes are in it, in microseconds UTC.
pub(super) const SYNCED_THROUGH: &str = "chairsync.synced_through";

/// A table version that holds a run's whole result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The version.
    pub version: i64,
    /// The rows in it.
    pub rows: i64,
    /// True when an earlier attempt of the same run had made it.
    pub already: bool,
    /// The PMS's time, in microseconds UTC, up to which its changes are in it for sure.
    pub synced_through: i64,
}

/// Why a commit is refused.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// A newer run has committed: this one is over.
    #[error("the table holds the result of run {newer}, newer than this one")]
    Fenced {
        /// The sequence of the newer run.
        newer: i64,
    },
    /// Another writer was faster, three times in a row.
    #[error("another writer keeps changing the table")]
    Contended,
    /// Delta or the store refuses.
    #[error("the table cannot be committed")]
    Table(#[from] DeltaTableError),
    /// The file system refuses.
    #[error("the table's log cannot be made durable")]
    Disk(#[from] std::io::Error),
}

impl CommitError {
    /// What is wrong with the store, where it is the store.
    pub fn kind(&self) -> Option<std::io::ErrorKind> {
        match self {
            Self::Fenced { .. } | Self::Contended => None,
            Self::Table(error) => Some(faults::kind(error)),
            Self::Disk(error) => Some(error.kind()),
        }
    }
}

/// Commits whose turn was taken by another writer are prepared anew this often.
const ATTEMPTS_MAX: usize = 3;

/// The application id under which a dataset's runs are numbered in its table.
pub fn app_id(dataset: &str) -> String {
    format!("chairsync/{dataset}")
}

/// Replaces the table's contents by `chunks`, as run number `sequence`. The table is created where there is none.
///
/// # Errors
/// See [`CommitError`]; after any of them the table is as it was.
pub async fn replace(
    table: impl Into<Folder>,
    dataset: &Dataset,
    sequence: u64,
    chunks: &[Chunk],
) -> Result<Committed, CommitError> {
    replace_above(table, dataset, sequence, chunks, None).await
}

/// [`replace`], as a version above `accepted` also where the table is made anew.
///
/// # Errors
/// As for [`replace`].
pub async fn replace_above(
    table: impl Into<Folder>,
    dataset: &Dataset,
    sequence: u64,
    chunks: &[Chunk],
    accepted: Option<i64>,
) -> Result<Committed, CommitError> {
    let table = &table.into();
    let sequence = i64::try_from(sequence).unwrap_or(i64::MAX);
    let first = chunks.first();
    let says = Says {
        origin: first.map(|chunk| chunk.origin.clone()).unwrap_or_default(),
        synced_through: first.map(|chunk| chunk.place.synced_through).unwrap_or_default(),
    };
    for _ in 0..ATTEMPTS_MAX {
        let open = open_or_create(table, dataset, accepted).await?;
        if let Some(before) = before(&open, dataset, sequence).await? {
            return Ok(before);
        }
        let state = open.snapshot()?;
        let mut actions = metadata(&open, dataset, &says)?;
        actions.extend(state.log_data().iter().map(|file| Action::Remove(file.remove_action(true))));
        let filled = chunks.iter().filter(|chunk| chunk.rows > 0);
        actions.extend(filled.map(|chunk| add(&chunk.path, chunk.size, &chunk.stats)));
        let operation = DeltaOperation::Write { mode: SaveMode::Overwrite, partition_by: None, predicate: None };
        let rows = chunks.iter().map(|chunk| chunk.rows).sum();
        match commit(table, &open, dataset, sequence, actions, operation).await? {
            Done::As(version) => {
                return Ok(Committed { version, rows, already: false, synced_through: says.synced_through });
            }
            Done::Before(before) => return Ok(before),
            Done::Not => continue,
        }
    }
    Err(CommitError::Contended)
}

/// Puts merged files in the place of those that they were merged from, as run number `sequence`.
///
/// # Errors
/// See [`CommitError`]; `Contended` when the table is not at the version of `base` any more.
pub async fn apply(
    base: &Base,
    sequence: u64,
    merged: &Merged,
    origin: &Origin,
    synced_through: i64,
) -> Result<Committed, CommitError> {
    let sequence = i64::try_from(sequence).unwrap_or(i64::MAX);
    let mut open = base.table.delta()?;
    open.load().await?;
    if let Some(before) = before(&open, base.dataset, sequence).await? {
        return Ok(before);
    }
    let state = open.snapshot()?;
    if signed(state.version()) != base.version {
        return Err(CommitError::Contended);
    }
    let says = Says { origin: origin.clone(), synced_through };
    let mut actions = metadata(&open, base.dataset, &says)?;
    let gone = state.log_data();
    let gone = gone.iter().filter(|file| merged.removed.iter().any(|path| *path == file.path()));
    actions.extend(gone.map(|file| Action::Remove(file.remove_action(true))));
    actions.extend(merged.added.iter().map(|file| add(&file.path, file.size, &file.stats)));
    let operation = DeltaOperation::Update { predicate: None };
    match commit(&base.table, &open, base.dataset, sequence, actions, operation).await? {
        Done::As(version) => Ok(Committed { version, rows: merged.rows, already: false, synced_through }),
        Done::Before(before) => Ok(before),
        Done::Not => Err(CommitError::Contended),
    }
}

/// What a commit says of the source.
struct Says {
    origin: Origin,
    synced_through: i64,
}

/// What an earlier attempt of the same run has committed, if it has.
async fn before(open: &DeltaTable, dataset: &Dataset, sequence: i64) -> Result<Option<Committed>, CommitError> {
    let found = open.snapshot()?.transaction_version(open.log_store().as_ref(), app_id(dataset.name)).await?;
    match found {
        Some(found) if found > sequence => Err(CommitError::Fenced { newer: found }),
        Some(found) if found == sequence => Ok(Some(committed_before(open)?)),
        _ => Ok(None),
    }
}

/// How a commit ended.
enum Done {
    /// As this version.
    As(i64),
    /// Made, and not told: the answer was lost.
    Before(Committed),
    /// Not made: another writer was faster.
    Not,
}

/// Commits and makes it durable. An object store that takes a commit may fail to say so, or say when it is asked again that
/// the version is there: whose it is stands in the table.
async fn commit(
    table: &Folder,
    open: &DeltaTable,
    dataset: &Dataset,
    sequence: i64,
    actions: Vec<Action>,
    operation: DeltaOperation,
) -> Result<Done, CommitError> {
    let properties = CommitProperties::default()
        .with_max_retries(0)
        .with_application_transaction(Transaction::new(app_id(dataset.name), sequence));
    let commit = CommitBuilder::from(properties).with_actions(actions);
    let state = open.snapshot()? as &dyn TableReference;
    let version = match commit.build(Some(state), open.log_store(), operation).await {
        Ok(done) => done.version(),
        Err(e) => {
            let mut now = table.delta()?;
            let ours = match now.load().await {
                Ok(()) => before(&now, dataset, sequence).await?,
                Err(_) => None, // what came first is what is said
            };
            return match ours {
                Some(ours) => Ok(Done::Before(ours)),
                None if is_conflict(&e) => Ok(Done::Not),
                None => Err(e.into()),
            };
        }
    };
    make_durable(table, version).await?;
    Ok(Done::As(signed(version)))
}

/// A version as sync-state counts them.
pub(super) fn signed(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

fn is_conflict(error: &DeltaTableError) -> bool {
    match error {
        DeltaTableError::VersionAlreadyExists(_) => true,
        DeltaTableError::Transaction { source } => {
            matches!(source, TransactionError::MaxCommitAttempts(_) | TransactionError::CommitConflict(_))
        }
        _ => false,
    }
}

fn committed_before(open: &DeltaTable) -> Result<Committed, DeltaTableError> {
    let state = open.snapshot()?;
    let rows = state.log_data().iter().map(|file| file.num_records().unwrap_or_default() as i64).sum();
    let through = state.metadata().configuration().get(SYNCED_THROUGH).and_then(|text| text.parse().ok());
    let synced_through = through.unwrap_or_default();
    Ok(Committed { version: signed(state.version()), rows, already: true, synced_through })
}

/// The table's columns and properties, where they are not what they are to be.
fn metadata(open: &DeltaTable, dataset: &Dataset, says: &Says) -> Result<Vec<Action>, DeltaTableError> {
    let state = open.snapshot()?;
    let wanted = schema::delta(dataset)?;
    let mut metadata = state.metadata().clone();
    if *state.schema() != wanted {
        metadata = metadata.with_schema(&wanted)?;
    }
    let Says { origin: Origin { position, missing }, synced_through } = says;
    for (key, value) in
        [(POSITION, position.clone()), (MISSING, missing.clone()), (SYNCED_THROUGH, synced_through.to_string())]
    {
        if metadata.configuration().get(key) != Some(&value) {
            metadata = metadata.add_config_key(key.to_owned(), value)?;
        }
    }
    Ok(if metadata == *state.metadata() { Vec::new() } else { vec![Action::Metadata(metadata)] })
}

fn add(path: &str, size: u64, stats: &str) -> Action {
    Action::Add(Add {
        path: path.to_owned(),
        size: i64::try_from(size).unwrap_or(i64::MAX),
        modification_time: jiff::Timestamp::now().as_millisecond(),
        data_change: true,
        stats: Some(stats.to_owned()),
        ..Default::default()
    })
}

async fn open_or_create(
    table: &Folder,
    dataset: &Dataset,
    accepted: Option<i64>,
) -> Result<DeltaTable, DeltaTableError> {
    let mut open = table.delta()?;
    if open.verify_deltatable_existence().await? {
        open.load().await?;
        return Ok(open);
    }
    let mut made = CreateBuilder::new()
        .with_log_store(table.log_store()?)
        .with_columns(schema::fields(dataset)?)
        .with_table_name(dataset.name)
        .with_comment(dataset.about)
        .with_save_mode(SaveMode::Ignore)
        .await?;
    // Versions are counted by ones. A table is made anew rarely, and a night adds one at most.
    while made.version().is_some_and(|version| signed(version) < accepted.unwrap_or(-1)) {
        let operation = DeltaOperation::SetTableProperties { properties: Default::default() };
        let nothing = CommitBuilder::from(CommitProperties::default().with_max_retries(0));
        let state = made.snapshot()? as &dyn TableReference;
        nothing.build(Some(state), made.log_store(), operation).await?;
        made.load().await?;
    }
    Ok(made)
}

/// A commit is reported only once a power cut cannot take it back. An object store answers no sooner.
async fn make_durable(table: &Folder, version: u64) -> std::io::Result<()> {
    let Some(root) = table.local() else { return Ok(()) };
    let entry = root.join("_delta_log").join(format!("{version:020}.json"));
    let synced = tokio::task::spawn_blocking(move || {
        std::fs::File::open(&entry)?.sync_all()?;
        sync_folder(&entry)
    });
    synced.await.map_err(std::io::Error::other)?
}
