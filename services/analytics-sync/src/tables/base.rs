//! A table as it is when a run is to bring it up to date: its files in key order, and what its source had said.

use std::io;

use arrow::{
    array::{Array as _, AsArray as _, RecordBatch},
    datatypes::Int64Type,
};
use bytes::Bytes;
use deltalake_core::{DeltaTableError, ObjectStoreError};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use mesh::{datasets::Dataset, row_hash};
use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder},
    },
    file::reader::ChunkReader,
};
use tokio::task::spawn_blocking;

use super::{
    chunks::{self, Keys, Origin},
    commit::{self, MISSING, POSITION, SYNCED_THROUGH, app_id},
    schema,
};
use crate::store::{Folder, faults};

/// Files that are looked at together.
const TOGETHER: usize = 8;
/// Files of a log that are read to see whether the store answers.
const LOG_FILES: usize = 3;
/// Rows decoded at a time.
const BATCH_ROWS: usize = 8_192;

/// What is in a table's folder.
#[derive(Debug)]
pub enum Found {
    /// No table.
    Nothing,
    /// A table of which not enough is known: another writer's, one with other columns, or one of an older version.
    Foreign,
    /// A table that cannot be read as it is, and why.
    Damaged(&'static str),
    /// A table that can be brought up to date.
    Base(Box<Base>),
}

/// A table that can be brought up to date.
#[derive(Debug, Clone)]
pub struct Base {
    /// Its folder.
    pub table: Folder,
    /// Its dataset.
    pub dataset: &'static Dataset,
    /// Its newest version.
    pub version: i64,
    /// The fence of the run that made it.
    pub sequence: i64,
    /// What the source had said before its rows were read.
    pub origin: Origin,
    /// The PMS's time, in microseconds UTC, up to which its changes are in it for sure.
    pub synced_through: i64,
    /// Its files, in the order of their keys; no two hold a key between the same two.
    pub files: Vec<BaseFile>,
}

/// A file of such a table.
#[derive(Debug, Clone)]
pub struct BaseFile {
    /// Its path relative to the table, with `/`.
    pub path: String,
    /// Its bytes.
    pub size: i64,
    /// Its rows.
    pub rows: i64,
    /// Its keys; none in a table that is not keyed by numbers.
    pub keys: Option<Keys>,
}

impl Base {
    /// Its rows.
    pub fn rows(&self) -> i64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// The place in [`Base::files`] of the file that holds a key, or would hold it. 0 in a table without files.
    pub fn file_of(&self, key: i64) -> usize {
        let after = self.files.partition_point(|file| file.keys.is_some_and(|keys| keys.last < key));
        after.min(self.files.len().saturating_sub(1))
    }

    /// The rows of a file. Blocking.
    ///
    /// # Errors
    /// When it cannot be read, or does not have the table's columns.
    pub fn read(&self, place: usize) -> io::Result<Vec<RecordBatch>> {
        let schema = schema::arrow(self.dataset);
        let conform = |batch: RecordBatch| {
            let same = batch
                .schema()
                .fields()
                .iter()
                .zip(schema.fields())
                .all(|(a, b)| a.name() == b.name() && a.data_type() == b.data_type());
            match same && batch.num_columns() == schema.fields().len() {
                true => RecordBatch::try_new(schema.clone(), batch.columns().to_vec()).map_err(io::Error::other),
                false => Err(io::Error::new(io::ErrorKind::InvalidData, "a file has other columns than its table")),
            }
        };
        self.reader(place, false)?.map(|batch| batch.map_err(io::Error::other).and_then(conform)).collect()
    }

    /// The hashes of its rows' contents, ascending. Blocking.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn hashes(&self) -> io::Result<Vec<u64>> {
        let mut all = Vec::new();
        for place in 0..self.files.len() {
            for batch in self.read(place)? {
                all.extend(row_hash::hashes(self.dataset, &batch).map_err(io::Error::other)?);
            }
        }
        all.sort_unstable();
        Ok(all)
    }

    /// The keys of a file, ascending. Blocking.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn keys(&self, place: usize) -> io::Result<Vec<i64>> {
        let mut all = Vec::new();
        for batch in self.reader(place, true)? {
            let batch = batch.map_err(io::Error::other)?;
            all.extend_from_slice(keys_of(&batch, self.dataset)?);
        }
        Ok(all)
    }

    fn reader(&self, place: usize, only_keys: bool) -> io::Result<ParquetRecordBatchReader> {
        let missing = || io::Error::new(io::ErrorKind::InvalidInput, "the table has no such file");
        let path = &self.files.get(place).ok_or_else(missing)?.path;
        match self.table.local() {
            Some(root) => self.rows_of(std::fs::File::open(root.join(path))?, only_keys),
            None => self.rows_of::<Bytes>(self.table.read(path)?, only_keys),
        }
    }

    fn rows_of<R: ChunkReader + 'static>(&self, file: R, only_keys: bool) -> io::Result<ParquetRecordBatchReader> {
        let mut reader = ParquetRecordBatchReaderBuilder::try_new(file)?.with_batch_size(BATCH_ROWS);
        if only_keys {
            let mask = ProjectionMask::columns(reader.parquet_schema(), [self.dataset.key]);
            reader = reader.with_projection(mask);
        }
        Ok(reader.build()?)
    }
}

/// Files of which nothing but their paths is needed.
pub fn files(paths: &[String]) -> Vec<BaseFile> {
    paths.iter().map(|path| BaseFile { path: path.clone(), size: 0, rows: 0, keys: None }).collect()
}

/// The keys of a batch.
///
/// # Errors
/// When they are no numbers, or one is null.
pub fn keys_of<'a>(batch: &'a RecordBatch, dataset: &Dataset) -> io::Result<&'a [i64]> {
    let keys = batch.column_by_name(dataset.key).and_then(|keys| keys.as_primitive_opt::<Int64Type>());
    match keys.filter(|keys| keys.null_count() == 0) {
        Some(keys) => Ok(keys.values()),
        None => Err(io::Error::new(io::ErrorKind::InvalidData, "a row has no key")),
    }
}

/// Looks at what is in a table's folder.
///
/// # Errors
/// When the store fails: what is there is not known then.
pub async fn open(table: impl Into<Folder>, dataset: &'static Dataset) -> io::Result<Found> {
    let table = table.into();
    let log = table.join("_delta_log");
    let there = match log.local() {
        Some(log) => tokio::fs::try_exists(log).await?,
        None => {
            let log = log.clone();
            !blocking(move || log.files()).await?.is_empty()
        }
    };
    if !there {
        return Ok(Found::Nothing);
    }
    match load(&table, dataset).await.map_err(of_the_store) {
        Ok(found) => return Ok(found),
        Err(Some(failed)) => return Err(failed),
        Err(None) => {}
    }
    // Delta does not always say whose failure it was: the log is read as files are, and then once more as a log.
    blocking(move || newest(&log)).await?;
    match load(&table, dataset).await {
        Ok(found) => Ok(found),
        Err(error) => {
            let kind = std::mem::discriminant(&error);
            tracing::debug!(dataset = dataset.name, ?kind, "a table's log cannot be read");
            of_the_store(error).map_or(Ok(Found::Damaged("its log cannot be read")), Err)
        }
    }
}

/// The failure of the store that an error is, if it says so: then it says nothing about the table.
fn of_the_store(error: DeltaTableError) -> Option<io::Error> {
    let kind = faults::kind(&error);
    match error {
        DeltaTableError::ObjectStore { source } if !matches!(source, ObjectStoreError::NotFound { .. }) => {
            Some(faults::io(source))
        }
        DeltaTableError::Io { source } if source.kind() != io::ErrorKind::NotFound => Some(source),
        _ if matches!(kind, io::ErrorKind::Other | io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => None,
        _ => Some(io::Error::new(kind, faults::words(kind))),
    }
}

/// Reads the newest files of a log, whatever is in them.
fn newest(log: &Folder) -> io::Result<()> {
    let mut names: Vec<String> = log.files()?.into_iter().map(|file| file.name).collect();
    names.sort();
    for name in names.iter().rev().take(LOG_FILES) {
        match log.read(name) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    Ok(())
}

async fn load(table: &Folder, dataset: &'static Dataset) -> Result<Found, DeltaTableError> {
    let mut open = table.delta()?;
    open.load().await?;
    let state = open.snapshot()?;
    let sequence = state.transaction_version(open.log_store().as_ref(), app_id(dataset.name)).await?;
    let properties = state.metadata().configuration();
    let said = |name: &str| properties.get(name).map(String::as_str).unwrap_or_default();
    let listed: Vec<(String, i64)> =
        state.log_data().iter().map(|file| (file.path().into_owned(), file.size())).collect();
    let (Some(sequence), Ok(synced_through)) = (sequence, said(SYNCED_THROUGH).parse()) else {
        return Ok(missing_file(table, &listed).await?.unwrap_or(Found::Foreign));
    };
    let origin = Origin { position: said(POSITION).to_owned(), missing: said(MISSING).to_owned() };
    let known = *state.schema() == schema::delta(dataset)?;
    let mut base = Base {
        table: table.clone(),
        dataset,
        version: commit::signed(state.version()),
        sequence,
        origin,
        synced_through,
        files: Vec::with_capacity(listed.len()),
    };
    let facts = stream::iter(listed).map(|(path, size)| {
        let table = base.table.clone();
        blocking(move || {
            let facts = chunks::facts(&table, &path, size.unsigned_abs())?;
            Ok((path, size, facts))
        })
    });
    let facts = facts.buffered(TOGETHER).try_collect::<Vec<_>>().await;
    for (path, size, facts) in facts.map_err(|source| DeltaTableError::Io { source })? {
        let Some(facts) = facts else { return Ok(Found::Damaged("a file is missing or cannot be read")) };
        base.files.push(BaseFile { path, size, rows: facts.rows, keys: facts.keys });
    }
    if !known || base.dataset.has_numeric_key() && !in_order(&mut base.files) {
        return Ok(Found::Foreign);
    }
    Ok(Found::Base(Box::new(base)))
}

/// Whether a table of another writer lacks a file.
async fn missing_file(table: &Folder, listed: &[(String, i64)]) -> Result<Option<Found>, DeltaTableError> {
    for (path, _) in listed {
        let (table, path) = (table.clone(), path.clone());
        let there = blocking(move || table.exists(&path)).await.map_err(|source| DeltaTableError::Io { source })?;
        if !there {
            return Ok(Some(Found::Damaged("a file is missing")));
        }
    }
    Ok(None)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Puts files into the order of their keys, and says whether each holds keys that lie beyond those of the one before.
fn in_order(files: &mut [BaseFile]) -> bool {
    if files.iter().any(|file| file.keys.is_none_or(|keys| keys.sums.count != file.rows)) {
        return false;
    }
    files.sort_by_key(|file| file.keys.map(|keys| keys.first));
    let ranges: Vec<_> = files.iter().filter_map(|file| file.keys).collect();
    ranges.windows(2).all(|pair| pair[0].last < pair[1].first)
}
