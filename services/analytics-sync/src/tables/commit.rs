//! One Delta commit puts a run's chunks in the place of what the table held.
//!
//! The commit carries `txn("chairsync/{dataset}", sequence)`. That is the idempotency (a run that finds its own sequence
//! there has committed before it was killed) and the fence (a worker of an older run finds a newer one and is refused),
//! whatever the leases say.

use std::path::Path;

use deltalake_core::{
    DeltaTable, DeltaTableBuilder, DeltaTableError, ensure_table_uri,
    kernel::{
        Action, Add, MetadataExt, Transaction,
        transaction::{CommitBuilder, CommitProperties, TableReference, TransactionError},
    },
    operations::create::CreateBuilder,
    protocol::{DeltaOperation, SaveMode},
};
use mesh::datasets::Dataset;

use super::{chunks::Chunk, schema};
use crate::store::sync_folder;

/// A table version that holds a run's whole result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The version.
    pub version: i64,
    /// The rows in it.
    pub rows: i64,
    /// True when an earlier attempt of the same run had made it.
    pub already: bool,
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
    /// Delta or the file system refuses.
    #[error("the table cannot be committed")]
    Table(#[from] DeltaTableError),
    /// The file system refuses.
    #[error("the table's log cannot be made durable")]
    Disk(#[from] std::io::Error),
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
    table: &Path,
    dataset: &Dataset,
    sequence: u64,
    chunks: &[Chunk],
) -> Result<Committed, CommitError> {
    let sequence = i64::try_from(sequence).unwrap_or(i64::MAX);
    for _ in 0..ATTEMPTS_MAX {
        let open = open_or_create(table, dataset).await?;
        let state = open.snapshot()?;
        let found = state.transaction_version(open.log_store().as_ref(), app_id(dataset.name)).await?;
        match found {
            Some(found) if found > sequence => return Err(CommitError::Fenced { newer: found }),
            Some(found) if found == sequence => return Ok(committed_before(&open)?),
            _ => {}
        }
        let actions = actions(&open, dataset, chunks)?;
        let properties = CommitProperties::default()
            .with_max_retries(0)
            .with_application_transaction(Transaction::new(app_id(dataset.name), sequence));
        let operation = DeltaOperation::Write { mode: SaveMode::Overwrite, partition_by: None, predicate: None };
        let commit = CommitBuilder::from(properties).with_actions(actions);
        let result = commit.build(Some(state as &dyn TableReference), open.log_store(), operation).await;
        let version = match result {
            Ok(done) => done.version(),
            Err(e) if is_conflict(&e) => continue,
            Err(e) => return Err(e.into()),
        };
        let rows = chunks.iter().map(|chunk| chunk.rows).sum();
        make_durable(table, version).await?;
        return Ok(Committed { version: i64::try_from(version).unwrap_or(i64::MAX), rows, already: false });
    }
    Err(CommitError::Contended)
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
    Ok(Committed { version: i64::try_from(state.version()).unwrap_or(i64::MAX), rows, already: true })
}

fn actions(open: &DeltaTable, dataset: &Dataset, chunks: &[Chunk]) -> Result<Vec<Action>, DeltaTableError> {
    let state = open.snapshot()?;
    let mut actions = Vec::new();
    let wanted = schema::delta(dataset)?;
    if *state.schema() != wanted {
        actions.push(Action::Metadata(state.metadata().clone().with_schema(&wanted)?));
    }
    actions.extend(state.log_data().iter().map(|file| Action::Remove(file.remove_action(true))));
    let now = jiff::Timestamp::now().as_millisecond();
    let filled = chunks.iter().filter(|chunk| chunk.rows > 0);
    actions.extend(filled.map(|chunk| {
        Action::Add(Add {
            path: chunk.path.clone(),
            size: i64::try_from(chunk.size).unwrap_or(i64::MAX),
            modification_time: now,
            data_change: true,
            stats: Some(chunk.stats.clone()),
            ..Default::default()
        })
    }));
    Ok(actions)
}

async fn open_or_create(table: &Path, dataset: &Dataset) -> Result<DeltaTable, DeltaTableError> {
    let url = ensure_table_uri(table.to_string_lossy())?;
    let mut open = DeltaTableBuilder::from_url(url.clone())?.build()?;
    if open.verify_deltatable_existence().await? {
        open.load().await?;
        return Ok(open);
    }
    CreateBuilder::new()
        .with_location(url.as_str())
        .with_columns(schema::fields(dataset)?)
        .with_table_name(dataset.name)
        .with_comment(dataset.about)
        .with_save_mode(SaveMode::Ignore)
        .await
}

/// A commit is reported only once a power cut cannot take it back.
async fn make_durable(table: &Path, version: u64) -> std::io::Result<()> {
    let entry = table.join("_delta_log").join(format!("{version:020}.json"));
    let synced = tokio::task::spawn_blocking(move || {
        std::fs::File::open(&entry)?.sync_all()?;
        sync_folder(&entry)
    });
    synced.await.map_err(std::io::Error::other)?
}
