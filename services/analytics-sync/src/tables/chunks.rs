//! A run's chunks in the store: one Parquet file each, which says itself where in the dataset it stands, and what its keys are.
//!
//! A file's metadata names the token that its rows begin after and the one that they end at, so the files of a run make
//! a chain from the dataset's start. The name holds the lease's epoch: a worker that lost its lease and does not know it
//! yet can write beside its successor's files but never over them, and the chain leaves what does not fit aside.

use std::{collections::HashMap, io};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    compute::{max, min},
    datatypes::{DataType, Date32Type, Int64Type},
};
use mesh::{calendar, datasets::Dataset, key_sums::KeySums};
use parquet::{
    arrow::ArrowWriter,
    basic::Compression,
    errors::ParquetError,
    file::{
        metadata::{KeyValue, ParquetMetaData, ParquetMetaDataReader},
        properties::{EnabledStatistics, WriterProperties},
    },
};

use crate::store::Folder;

/// Where a chunk stands in its dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The chunk's number in the run, from 0.
    pub number: u64,
    /// The epoch of the lease under which it was written.
    pub epoch: u64,
    /// The resume token that it begins after; empty: the dataset's start.
    pub from: String,
    /// The resume token that it ends at.
    pub to: String,
    /// Whether it is the dataset's last.
    pub last: bool,
    /// The PMS's time, in microseconds UTC, up to which its changes are in it for sure.
    pub synced_through: i64,
}

/// What a source said before a dataset was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// The position from which changes repair what was read too early; empty: none was given.
    pub position: String,
    /// The canonical columns that the source does not have, with commas between.
    pub missing: String,
}

/// The keys of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keys {
    /// Their count and checksums.
    pub sums: KeySums,
    /// The lowest.
    pub first: i64,
    /// The highest.
    pub last: i64,
}

impl Keys {
    /// Those of a batch, if the dataset's keys are numbers, none is null, and each is greater than the one before.
    pub fn of(dataset: &Dataset, batch: &RecordBatch) -> Option<Self> {
        let keys = batch.column_by_name(dataset.key)?.as_primitive_opt::<Int64Type>()?;
        let values = keys.values();
        let ascending = values.windows(2).all(|pair| pair[0] < pair[1]);
        let (first, last) = (*values.first()?, *values.last()?);
        let sums = || values.iter().copied().collect();
        (ascending && keys.null_count() == 0).then(|| Self { sums: sums(), first, last })
    }

    fn text(&self) -> String {
        let Self { sums: KeySums { count, hash, sum }, first, last } = self;
        format!("{count} {hash} {sum} {first} {last}")
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let mut number = || parts.next()?.parse::<i128>().ok();
        let (count, hash, sum) = (number()?, number()?, number()?);
        let (first, last) = (number()?, number()?);
        let sums = KeySums { count: count.try_into().ok()?, hash: hash.try_into().ok()?, sum: sum.try_into().ok()? };
        Some(Self { sums, first: first.try_into().ok()?, last: last.try_into().ok()? })
    }
}

/// A chunk that is durable.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// Where it stands.
    pub place: Place,
    /// Its path relative to the table, with `/`.
    pub path: String,
    /// Its rows.
    pub rows: i64,
    /// Its bytes.
    pub size: u64,
    /// Its statistics as Delta has them.
    pub stats: String,
    /// What the source had said before it was read.
    pub origin: Origin,
}

/// A file of a table that is durable, without a place in a run's chain: it holds rows of several readings.
#[derive(Debug, Clone)]
pub struct MergedFile {
    /// Its path relative to the table, with `/`.
    pub path: String,
    /// Its rows.
    pub rows: i64,
    /// Its bytes.
    pub size: u64,
    /// Its statistics as Delta has them.
    pub stats: String,
}

/// What a file of a table says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Its rows.
    pub rows: i64,
    /// Its keys; none where it has no rows or they are no ascending numbers.
    pub keys: Option<Keys>,
}

/// The folder of a run's chunks, relative to the table. A run is told by its fence, which is greater than that of any run
/// before it.
pub fn folder(run: u64) -> String {
    format!("run-{run}")
}

/// The run whose folder has this name.
pub fn run_of(folder: &str) -> Option<u64> {
    folder.strip_prefix("run-")?.parse().ok()
}

/// The bytes at the end of a file in which its metadata is looked for first.
const TAIL_BYTES: u64 = 64 << 10;
const PREFIX: &str = "chairsync.";
/// Under this name a file says what its keys are.
const KEYS: &str = "keys";

/// Writes a chunk durably. Blocking.
///
/// # Errors
/// When the file system refuses, or a column cannot be written.
pub fn write(
    table: impl Into<Folder>,
    run: u64,
    dataset: &Dataset,
    batch: &RecordBatch,
    place: Place,
) -> io::Result<Chunk> {
    write_from(table, run, dataset, batch, place, Origin::default())
}

/// [`write`], of a source that said `origin` before.
///
/// # Errors
/// As for [`write`].
pub fn write_from(
    table: impl Into<Folder>,
    run: u64,
    dataset: &Dataset,
    batch: &RecordBatch,
    place: Place,
    origin: Origin,
) -> io::Result<Chunk> {
    let path = format!("{}/{:06}-{}.parquet", folder(run), place.number, place.epoch);
    let says = [
        ("chunk", place.number.to_string()),
        ("epoch", place.epoch.to_string()),
        ("from", place.from.clone()),
        ("to", place.to.clone()),
        ("last", place.last.to_string()),
        ("synced_through", place.synced_through.to_string()),
        ("position", origin.position.clone()),
        ("missing", origin.missing.clone()),
    ];
    let (size, stats) = write_file(&table.into(), &path, dataset, batch, &says)?;
    Ok(Chunk { place, path, rows: batch.num_rows() as i64, size, stats, origin })
}

/// Writes rows of several readings durably, as the `number`th such file of a worker with the lease `epoch`. Blocking.
///
/// # Errors
/// As for [`write`].
pub fn write_merged(
    table: &Folder,
    run: u64,
    (epoch, number): (u64, usize),
    dataset: &Dataset,
    batch: &RecordBatch,
) -> io::Result<MergedFile> {
    let path = format!("{}/merged-{number:06}-{epoch}.parquet", folder(run));
    let (size, stats) = write_file(table, &path, dataset, batch, &[])?;
    Ok(MergedFile { path, rows: batch.num_rows() as i64, size, stats })
}

/// Writes a file and answers its size and its statistics.
fn write_file(
    table: &Folder,
    path: &str,
    dataset: &Dataset,
    batch: &RecordBatch,
    says: &[(&str, String)],
) -> io::Result<(u64, String)> {
    let stats = stats(dataset, batch);
    let of_rows = [("stats", Some(stats.clone())), (KEYS, Keys::of(dataset, batch).map(|keys| keys.text()))];
    let all = says.iter().map(|(key, value)| (*key, Some(value.clone()))).chain(of_rows);
    let metadata =
        all.filter_map(|(key, value)| Some(KeyValue::new(format!("{PREFIX}{key}"), value?))).collect::<Vec<_>>();
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_key_value_metadata(Some(metadata));
    // Ranges of names and birth dates help no query, and readers may log them.
    for field in batch.schema().fields() {
        if field.data_type() == &DataType::Utf8 || field.name() == "birthdate" {
            properties =
                properties.set_column_statistics_enabled(field.name().as_str().into(), EnabledStatistics::None);
        }
    }
    let properties = properties.build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties))?;
    writer.write(batch)?;
    writer.close()?;
    let size = bytes.len() as u64;
    table.write(path, bytes.into())?;
    Ok((size, stats))
}

/// What a file of so many bytes says of itself; none where it cannot be read as Parquet. Blocking.
///
/// # Errors
/// When the store fails, for another reason than that the file is missing.
pub fn facts(table: &Folder, path: &str, size: u64) -> io::Result<Option<Facts>> {
    let Some(metadata) = metadata(table, path, size)? else { return Ok(None) };
    let name = format!("{PREFIX}{KEYS}");
    let pairs = metadata.file_metadata().key_value_metadata();
    let keys = pairs.and_then(|pairs| Keys::read(pairs.iter().find(|pair| pair.key == name)?.value.as_ref()?));
    Ok(Some(Facts { rows: metadata.file_metadata().num_rows(), keys }))
}

/// A file's metadata, from its end; none where there is none.
fn metadata(table: &Folder, path: &str, size: u64) -> io::Result<Option<ParquetMetaData>> {
    let mut most = TAIL_BYTES;
    loop {
        let tail = match table.tail(path, size, most) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            tail => tail?,
        };
        let mut reader = ParquetMetaDataReader::new();
        match reader.try_parse_sized(&tail, size) {
            Ok(()) => return Ok(reader.finish().ok()),
            Err(ParquetError::NeedMoreData(needed)) if needed as u64 > most => most = needed as u64,
            Err(_) => return Ok(None),
        }
    }
}

/// The chunks of a run that are there, from the dataset's start without a gap. Blocking. A file that is no Parquet is
/// left aside: it was never reported, or its rows are read again.
///
/// # Errors
/// When the store fails.
pub fn chain(table: impl Into<Folder>, run: u64) -> io::Result<Vec<Chunk>> {
    let (table, folder) = (table.into(), folder(run));
    let mut found: HashMap<(u64, String), Chunk> = HashMap::new();
    for file in table.join(&folder).files()? {
        if !file.name.ends_with(".parquet") {
            continue;
        }
        let path = format!("{folder}/{}", file.name);
        let Some(metadata) = metadata(&table, &path, file.size)? else { continue };
        let Some(chunk) = chunk(path, file.size, &metadata) else { continue };
        let key = (chunk.place.number, chunk.place.from.clone());
        match found.get(&key) {
            Some(other) if other.place.epoch > chunk.place.epoch => {}
            _ => drop(found.insert(key, chunk)),
        }
    }
    let mut chain: Vec<Chunk> = Vec::new();
    let mut token = String::new();
    while let Some(chunk) = found.remove(&(chain.len() as u64, token)) {
        token = chunk.place.to.clone();
        let last = chunk.place.last;
        chain.push(chunk);
        if last {
            break;
        }
    }
    Ok(chain)
}

/// The chunk that a file's metadata says that it is.
fn chunk(path: String, size: u64, metadata: &ParquetMetaData) -> Option<Chunk> {
    let pairs = metadata.file_metadata().key_value_metadata()?;
    let value = |key: &str| {
        let found = pairs.iter().find(|pair| pair.key.strip_prefix(PREFIX) == Some(key))?;
        found.value.clone()
    };
    let place = Place {
        number: value("chunk")?.parse().ok()?,
        epoch: value("epoch")?.parse().ok()?,
        from: value("from").unwrap_or_default(),
        to: value("to").unwrap_or_default(),
        last: value("last")?.parse().ok()?,
        synced_through: value("synced_through")?.parse().ok()?,
    };
    let origin =
        Origin { position: value("position").unwrap_or_default(), missing: value("missing").unwrap_or_default() };
    Some(Chunk { place, path, rows: metadata.file_metadata().num_rows(), size, stats: value("stats")?, origin })
}

/// Delta's statistics of a batch: its rows, and the range and nulls of the key and of the dates by which features ask.
fn stats(dataset: &Dataset, batch: &RecordBatch) -> String {
    let mut low = serde_json::Map::new();
    let mut high = serde_json::Map::new();
    let mut nulls = serde_json::Map::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let range = match field.data_type() {
            DataType::Int64 if field.name() == dataset.key => {
                let values = column.as_primitive::<Int64Type>();
                min(values).zip(max(values)).map(|(a, b)| (a.into(), b.into()))
            }
            // A birth date is nobody's filter and has no place in a log.
            DataType::Date32 if field.name() != "birthdate" => {
                let values = column.as_primitive::<Date32Type>();
                let text = |days: i32| Some(serde_json::Value::String(calendar::from_days(days.into())?.to_string()));
                min(values).zip(max(values)).and_then(|(a, b)| text(a).zip(text(b)))
            }
            _ => continue,
        };
        if let Some((a, b)) = range {
            low.insert(field.name().clone(), a);
            high.insert(field.name().clone(), b);
        }
        nulls.insert(field.name().clone(), column.null_count().into());
    }
    serde_json::json!({ "numRecords": batch.num_rows(), "minValues": low, "maxValues": high, "nullCount": nulls })
        .to_string()
}
