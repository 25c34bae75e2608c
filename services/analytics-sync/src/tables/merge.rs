//! Merging: rows that came and keys that are gone, into the files that hold the keys around them.
//!
//! A file is written anew when a row in it differs from what came, and otherwise stays as it is: what was read again and is
//! the same makes nothing. Small neighbours become one file when one of them is written anyway, or when there are many.

use std::{collections::BTreeMap, io, ops::Range};

use arrow::{
    array::{Array as _, ArrayRef, RecordBatch},
    compute::{interleave_record_batch, kernels::cmp::not_distinct},
    error::ArrowError,
};
use mesh::datasets::Dataset;

use super::{
    base::{Base, keys_of},
    chunks::{MergedFile, write_merged},
};
use crate::store::Folder;

#[cfg(test)]
mod tests;

/// The rows of a file at most; more are cut into files of equal size.
const FILE_ROWS: usize = 100_000;
/// The rows of each file after a cut, about.
const CUT_ROWS: usize = 50_000;
/// The bytes of a file's rows in memory at most.
const FILE_BYTES: usize = 32 << 20;
/// Neighbours with so many rows and bytes together become one file.
const JOINED_ROWS: i64 = 50_000;
const JOINED_BYTES: i64 = 8 << 20;
/// Neighbours that become one file although none of them differs.
const JOINED_ANYWAY: usize = 8;

/// A row's place: its batch, and the row in it.
type Spot = (usize, usize);
/// What is known of a key: where its row is, or that it is gone.
type Entry = (i64, Option<Spot>);

/// What came of a table: by key the last that was said of it.
#[derive(Debug)]
pub struct Changes {
    dataset: &'static Dataset,
    batches: Vec<RecordBatch>,
    bytes: usize,
    /// By key: where its row is, or that it is gone.
    by_key: BTreeMap<i64, Option<Spot>>,
    rows: usize,
}

/// What a merge wrote.
#[derive(Debug, Default)]
pub struct Merged {
    /// The files that others take the place of, relative to the table.
    pub removed: Vec<String>,
    /// Those others.
    pub added: Vec<MergedFile>,
    /// The rows of the table afterwards.
    pub rows: i64,
    /// Rows that are new.
    pub inserted: usize,
    /// Rows that differ.
    pub updated: usize,
    /// Rows that are gone.
    pub deleted: usize,
}

impl Merged {
    /// Whether no file changes.
    pub fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty()
    }
}

impl Changes {
    /// Nothing yet.
    pub fn new(dataset: &'static Dataset) -> Self {
        Self { dataset, batches: Vec::new(), bytes: 0, by_key: BTreeMap::new(), rows: 0 }
    }

    /// Takes rows in the table's columns; of a row that comes again the last one counts.
    ///
    /// # Errors
    /// When a row has no key.
    pub fn came(&mut self, batch: RecordBatch) -> io::Result<()> {
        let place = self.batches.len();
        for (row, key) in keys_of(&batch, self.dataset)?.iter().enumerate() {
            self.by_key.insert(*key, Some((place, row)));
        }
        self.rows += batch.num_rows();
        self.bytes += bytes_of(&batch);
        self.batches.push(batch);
        Ok(())
    }

    /// Takes that a row is gone.
    pub fn gone(&mut self, key: i64) {
        self.by_key.insert(key, None);
    }

    /// The rows that came, those that came again included.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The keys of which something is known.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// What the rows take in memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The keys of rows that came and are not gone, ascending.
    pub fn keys(&self) -> impl Iterator<Item = i64> {
        self.by_key.iter().filter(|(_, row)| row.is_some()).map(|(key, _)| *key)
    }
}

/// Merges changes into a table: writes the files that it is to have in the place of others. Nothing is visible before
/// [`super::commit::apply`]. Blocking.
///
/// # Errors
/// When a file of the table cannot be read, or a new one not be written.
pub fn merge(base: &Base, changes: &Changes, run: u64, epoch: u64) -> io::Result<Merged> {
    let mut merged = Merged { rows: base.rows(), ..Merged::default() };
    let mut writer = Writer { table: &base.table, run, epoch, dataset: base.dataset, number: 0 };
    let mut entries: Vec<Vec<Entry>> = vec![Vec::new(); base.files.len().max(1)];
    for (key, row) in &changes.by_key {
        entries[base.file_of(*key)].push((*key, *row));
    }
    let mut place = 0;
    while place < entries.len() {
        let group = group(base, place);
        place = group.end;
        let entries = &entries[group.clone()].concat();
        if entries.is_empty() && group.len() < JOINED_ANYWAY {
            continue;
        }
        let files = group.start..group.end.min(base.files.len());
        let found = weigh(base, files.clone(), changes, entries)?;
        if !found.differs() && group.len() < JOINED_ANYWAY {
            continue;
        }
        merged.inserted += found.inserted;
        merged.updated += found.updated;
        merged.deleted += found.deleted;
        let before: i64 = base.files[files.clone()].iter().map(|file| file.rows).sum();
        merged.removed.extend(base.files[files].iter().map(|file| file.path.clone()));
        merged.rows += found.order.len() as i64 - before;
        merged.added.extend(writer.write(&found)?);
    }
    Ok(merged)
}

/// Files that are merged together, from a place on: one, or small neighbours.
fn group(base: &Base, from: usize) -> Range<usize> {
    let mut end = from + 1;
    let of = |place: usize| base.files.get(place).map(|file| (file.rows, file.size));
    let Some((mut rows, mut bytes)) = of(from) else { return from..end };
    while let Some((more, size)) = of(end)
        && rows + more <= JOINED_ROWS
        && bytes + size <= JOINED_BYTES
    {
        (rows, bytes, end) = (rows + more, bytes + size, end + 1);
    }
    from..end
}

/// Files beside what came of their keys.
struct Found {
    /// The files' batches, then those that came.
    batches: Vec<RecordBatch>,
    /// The rows that are to be, as places in [`Found::batches`].
    order: Vec<Spot>,
    inserted: usize,
    updated: usize,
    deleted: usize,
}

impl Found {
    fn differs(&self) -> bool {
        self.inserted + self.updated + self.deleted > 0
    }
}

/// Reads files and puts what came of their keys into its place.
fn weigh(base: &Base, files: Range<usize>, changes: &Changes, entries: &[Entry]) -> io::Result<Found> {
    let mut batches = Vec::new();
    for place in files {
        batches.extend(base.read(place)?);
    }
    let theirs = batches.len();
    let mut found = Found { batches: Vec::new(), order: Vec::new(), inserted: 0, updated: 0, deleted: 0 };
    let mut pairs = Vec::new();
    let mut entries = entries.iter().peekable();
    let mut insert_before = |limit: Option<i64>, found: &mut Found| {
        while let Some((_, row)) = entries.next_if(|(key, _)| limit.is_none_or(|limit| *key < limit)) {
            if let Some((batch, row)) = row {
                found.order.push((theirs + batch, *row));
                found.inserted += 1;
            }
        }
        entries.next_if(|(key, _)| Some(*key) == limit).map(|(_, row)| *row)
    };
    for (place, batch) in batches.iter().enumerate() {
        for (row, key) in keys_of(batch, base.dataset)?.iter().enumerate() {
            match insert_before(Some(*key), &mut found) {
                None => found.order.push((place, row)),
                Some(None) => found.deleted += 1,
                Some(Some((came, came_row))) => {
                    pairs.push(((place, row), (theirs + came, came_row)));
                    found.order.push((theirs + came, came_row));
                }
            }
        }
    }
    insert_before(None, &mut found);
    batches.extend(changes.batches.iter().cloned());
    found.updated = differing(&batches, &pairs).map_err(io::Error::other)?;
    found.batches = batches;
    Ok(found)
}

/// The bytes of a batch's rows. Not those of its buffers: batches that came in one message share them.
fn bytes_of(batch: &RecordBatch) -> usize {
    let of = |column: &ArrayRef| column.to_data().get_slice_memory_size().unwrap_or_default();
    batch.columns().iter().map(of).sum()
}

/// How many rows differ from the ones beside them.
fn differing(batches: &[RecordBatch], pairs: &[(Spot, Spot)]) -> Result<usize, ArrowError> {
    if pairs.is_empty() {
        return Ok(0);
    }
    let (before, after): (Vec<_>, Vec<_>) = pairs.iter().copied().unzip();
    let sources: Vec<&RecordBatch> = batches.iter().collect();
    let (before, after) = (interleave_record_batch(&sources, &before)?, interleave_record_batch(&sources, &after)?);
    let mut same = vec![true; pairs.len()];
    for (before, after) in before.columns().iter().zip(after.columns()) {
        let equal = not_distinct(before, after)?;
        same.iter_mut().zip(equal.values()).for_each(|(same, equal)| *same &= equal);
    }
    Ok(same.iter().filter(|same| !**same).count())
}

/// Writes merged files.
struct Writer<'a> {
    table: &'a Folder,
    run: u64,
    epoch: u64,
    dataset: &'static Dataset,
    number: usize,
}

impl Writer<'_> {
    fn write(&mut self, found: &Found) -> io::Result<Vec<MergedFile>> {
        let sources: Vec<&RecordBatch> = found.batches.iter().collect();
        let mut files = Vec::new();
        for part in found.order.chunks(part_rows(found)) {
            let batch = interleave_record_batch(&sources, part).map_err(io::Error::other)?;
            files.push(write_merged(self.table, self.run, (self.epoch, self.number), self.dataset, &batch)?);
            self.number += 1;
        }
        Ok(files)
    }
}

/// The rows of each file that merged rows are cut into.
fn part_rows(found: &Found) -> usize {
    let rows = found.order.len().max(1);
    let held: usize = found.batches.iter().map(RecordBatch::num_rows).sum();
    let bytes: usize = found.batches.iter().map(bytes_of).sum();
    let each = (bytes / held.max(1)).max(1);
    let most = FILE_ROWS.min(FILE_BYTES / each).max(1_000);
    let parts = if rows <= most { 1 } else { rows.div_ceil(CUT_ROWS.min(most)) };
    rows.div_ceil(parts)
}
