//! Bringing tables up to date without reading them whole.
//!
//! For each table: the rows that changed since it was read, by the change column; then the table's own digests against the
//! PMS's, which show deletes, rows that came with an old stamp, and any difference in a table that has no change column;
//! where they differ, the range's keys are listed and the rows in question read again. All of it is merged into the files
//! concerned. A table that lacks a column which the PMS has now, or of which too much changed, is left to be read whole.
//!
//! What came is held in memory and nowhere else: a kill costs little, and the next attempt begins anew.

use std::{collections::HashMap, io};

use arrow::array::RecordBatch;
use chairsync_proto::{
    feature::ErrorReason,
    pms::{
        DatasetCount, DigestRequest, FetchRequest, KeyRange, RangeDigest, Selector, SnapshotDataset, SnapshotRequest,
        SnapshotStart, snapshot_response::Part,
    },
    practice::Practice,
    state::{DatasetCheckpoint, DatasetResult},
};
use mesh::{datasets::Dataset, error::reason_of, key_sums::KeySums, row_hash};
use tokio::time::timeout;

use super::{
    super::{Failure, Stop},
    Reading, SILENCE_MAX, Sink, Transfer, blocking, place, receive, silent, uncommitted,
};
use crate::tables::{
    base::{Base, keys_of},
    chunks::Origin,
    commit,
    merge::{Changes, merge},
    schema,
};

/// The bytes of rows held at a time; a table of which more changed is read whole.
const HELD_BYTES: usize = 64 << 20;
/// A table of which more than this share changed is read whole, unless that is few rows.
const SHARE_MAX: f64 = 0.3;
const FEW_ROWS: usize = 10_000;
/// Rows digested by one statement where only keys are compared: some tenths of a second of the server's time.
const DIGEST_ROWS: i64 = 1_000_000;
/// Rows digested by one statement where contents are compared, which costs more and is read again by rows.
const CONTENT_ROWS: usize = 2_000;
/// Ranges of one call.
const RANGES: usize = 500;
/// Rows read by key in one call.
const FETCH_ROWS: usize = 1_000;
/// A table that did not change is committed all the same when its position is so old, in microseconds: the changes since
/// then are read each night.
const POSITION_AGE: i64 = 7 * 86_400_000_000;
/// The same when so many rows were read for nothing.
const READ_FOR_NOTHING: usize = 1_000;

/// How a table fared.
enum Brought {
    /// It is as the PMS has it.
    Whole,
    /// It has to be read whole, and why.
    Not(&'static str),
    /// The same, before all of its changes were taken.
    NotTaken(&'static str),
}

/// A part of a table, and what the PMS is asked to compare with it.
#[derive(Debug, Clone, Copy)]
struct Extent {
    range: KeyRange,
    keys: KeySums,
    content: u64,
    /// The file that holds it.
    file: usize,
}

impl Transfer {
    /// Brings those of `sinks` up to date that have a base; they are taken out of `sinks`. What is left is to be read whole.
    pub(super) async fn bring_up_to_date(
        &self,
        settings: &Practice,
        mut bases: Vec<Base>,
        sinks: &mut HashMap<String, Sink>,
        reading: &mut Reading,
    ) -> Result<(), Stop> {
        bases.retain(|base| sinks.get(base.dataset.name).is_some_and(|sink| sink.chunks.is_empty()));
        bases.sort_by_key(|base| std::cmp::Reverse(place(base.dataset.name)));
        // Asked for anew after a table of which too much changed: the rest of its changes is not waited for.
        while !bases.is_empty() {
            let mut parts = match self.ask_for_changes(settings, &bases).await? {
                Some(parts) => parts,
                None => return Ok(()),
            };
            let start = match receive(&mut parts).await {
                Ok(Part::Start(start)) => start,
                Ok(Part::Chunk(_)) => {
                    return Err(Failure::new(ErrorReason::Internal, "the snapshot began without a start").into());
                }
                Err(Stop::Failed(failure)) if failure.one_dataset => return Ok(()),
                Err(stop) => return Err(stop),
            };
            self.reports.checkpoint(Vec::new(), &start.position).await?;
            while let Some(base) = bases.pop() {
                let name = base.dataset.name;
                match self.bring(settings, &base, &start, &mut parts, reading).await {
                    Ok(Brought::Whole) => drop(sinks.remove(name)),
                    Ok(Brought::Not(why)) => read_whole(name, why),
                    Ok(Brought::NotTaken(why)) => {
                        read_whole(name, why);
                        break;
                    }
                    // Whether it can be read at all is shown by reading it whole, and is said then.
                    Err(Stop::Failed(failure)) if failure.one_dataset => {
                        tracing::warn!(dataset = name, reason = ?failure.reason, "a table could not be brought up to date");
                        read_whole(name, "it failed");
                        break;
                    }
                    Err(stop) => return Err(stop),
                }
            }
        }
        Ok(())
    }

    /// Asks for the changes of tables, the last one first; none when the source cannot tell what changed.
    async fn ask_for_changes(
        &self,
        settings: &Practice,
        bases: &[Base],
    ) -> Result<Option<tonic::Streaming<chairsync_proto::pms::SnapshotResponse>>, Stop> {
        let asked = |base: &Base| SnapshotDataset {
            dataset: base.dataset.name.to_owned(),
            changed_since: base.origin.position.clone(),
            ..Default::default()
        };
        let request = SnapshotRequest {
            practice: settings.name.clone(),
            source: settings.source.clone(),
            datasets: bases.iter().rev().map(asked).collect(),
        };
        let mut connector = self.connector.clone();
        let opened = timeout(SILENCE_MAX, connector.snapshot(request)).await.map_err(|_| silent())?;
        match opened {
            Ok(parts) => Ok(Some(parts.into_inner())),
            Err(status) => {
                let failure = Failure::from_connector(&status);
                let elsewhere = matches!(
                    reason_of(&status),
                    Some(ErrorReason::SourceChanged | ErrorReason::ResnapshotRequired | ErrorReason::InvalidField)
                );
                if !elsewhere && !failure.one_dataset {
                    return Err(failure.into());
                }
                tracing::info!(reason = ?failure.reason, "what changed cannot be told");
                bases.iter().for_each(|base| read_whole(base.dataset.name, "the source cannot tell"));
                Ok(None)
            }
        }
    }

    /// Brings one table up to date and commits it, to become visible with the next few.
    async fn bring(
        &self,
        settings: &Practice,
        base: &Base,
        start: &SnapshotStart,
        parts: &mut tonic::Streaming<chairsync_proto::pms::SnapshotResponse>,
        reading: &mut Reading,
    ) -> Result<Brought, Stop> {
        let dataset = base.dataset;
        let count = start.counts.iter().find(|count| count.dataset == dataset.name).cloned().unwrap_or_default();
        let origin = origin(start, &count);
        let mut changes = Changes::new(dataset);
        if !self.take_changes(base, &mut changes, parts).await? {
            return Ok(Brought::NotTaken("much changed"));
        }
        if origin.missing != base.origin.missing {
            return Ok(Brought::Not("other columns"));
        }
        let read = changes.rows();
        let source = Source { transfer: self, settings, base };
        let reconciled = match count.change_tracked {
            true => source.reconcile_keys(&mut changes).await?,
            false => source.reconcile_contents(&mut changes).await?,
        };
        if !reconciled {
            return Ok(Brought::Not("much differs"));
        }
        let (rows_read, through) = (changes.rows() as i64, super::micros(start.server_time.unwrap_or_default()));
        let epoch = self.run.lease.as_ref().map(|lease| lease.epoch).unwrap_or_default();
        let (from, run) = (base.clone(), self.run.sequence);
        let merged = blocking(move || merge(&from, &changes, run, epoch)).await?;
        for (change, rows) in [("inserted", merged.inserted), ("updated", merged.updated), ("deleted", merged.deleted)]
        {
            metrics::counter!("chairsync_merged_rows_total", "change" => change).increment(rows as u64);
        }
        let stale = read >= READ_FOR_NOTHING || through - base.synced_through > POSITION_AGE;
        let (version, rows, through) = if merged.is_empty() && !stale {
            (base.version, base.rows(), through)
        } else {
            let applied = commit::apply(base, run, &merged, &origin, through).await;
            let applied = applied.map_err(|error| uncommitted(dataset.name, error))?;
            (applied.version, applied.rows, applied.synced_through)
        };
        tracing::debug!(dataset = dataset.name, version, rows, rows_read, "the table is up to date");
        self.reports.checkpoint(vec![self.done(dataset, rows_read)], "").await?;
        let result = DatasetResult {
            dataset: dataset.name.to_owned(),
            version,
            rows,
            synced_through: Some(super::timestamp(through)),
        };
        self.ready(result, reading).await?;
        Ok(Brought::Whole)
    }

    /// Takes what changed of a table; false when it is too much.
    async fn take_changes(
        &self,
        base: &Base,
        changes: &mut Changes,
        parts: &mut tonic::Streaming<chairsync_proto::pms::SnapshotResponse>,
    ) -> Result<bool, Stop> {
        loop {
            let chunk = match receive(parts).await? {
                Part::Chunk(chunk) if chunk.dataset == base.dataset.name => chunk,
                _ => {
                    return Err(Failure::new(ErrorReason::Internal, "the snapshot sent what nobody asked for").into());
                }
            };
            if chunk.rows > 0 {
                changes.came(in_table(base.dataset, &chunk.arrow_ipc)?)?;
            }
            if much(base, changes) {
                return Ok(false);
            }
            if chunk.last {
                return Ok(true);
            }
        }
    }

    /// A dataset's checkpoint when its table is as it is to be. What was reported before is not taken back.
    pub(super) fn done(&self, dataset: &Dataset, rows: i64) -> DatasetCheckpoint {
        let before = self.run.checkpoints.iter().find(|c| c.dataset == dataset.name).cloned().unwrap_or_default();
        let rows = rows.max(before.rows_done);
        DatasetCheckpoint {
            dataset: dataset.name.to_owned(),
            resume_token: String::new(),
            chunks: before.chunks.max(1),
            rows_done: rows,
            rows_total: rows,
            finished: true,
            accepted_version: None,
        }
    }
}

/// Says that a table is read whole although it was there.
fn read_whole(dataset: &str, why: &'static str) {
    tracing::info!(dataset, why, "the table is read whole");
    metrics::counter!("chairsync_tables_read_whole_total", "why" => why).increment(1);
}

/// What a source said before a dataset was read.
pub(super) fn origin(start: &SnapshotStart, count: &DatasetCount) -> Origin {
    Origin { position: start.position.clone(), missing: count.missing_columns.join(",") }
}

/// A chunk's rows in the table's columns.
fn in_table(dataset: &Dataset, bytes: &[u8]) -> Result<RecordBatch, Stop> {
    let rows = mesh::rows::decode(bytes).and_then(|batch| schema::to_table(dataset, &batch));
    rows.map_err(|_| {
        Failure::in_dataset(ErrorReason::Internal, format!("rows of {} are malformed", dataset.name)).into()
    })
}

/// Whether so much came of a table that it is better read whole.
fn much(base: &Base, changes: &Changes) -> bool {
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a share of rows
    let most = (base.rows() as f64 * SHARE_MAX) as usize;
    changes.bytes() > HELD_BYTES || changes.len() > most.max(FEW_ROWS)
}

/// A table's rows in the PMS.
struct Source<'a> {
    transfer: &'a Transfer,
    settings: &'a Practice,
    base: &'a Base,
}

impl Source<'_> {
    /// Compares keys, those of the rows that came included, and finds deletes and rows that came with an old stamp; false
    /// when too much differs.
    async fn reconcile_keys(&self, changes: &mut Changes) -> Result<bool, Stop> {
        let (base, came) = (self.base.clone(), changes.keys().collect::<Vec<_>>());
        let files = blocking(move || key_parts(&base, &came)).await?;
        let mut from = 0;
        let mut differing = Vec::new();
        // First many files at a time, then those of the ranges that differ.
        while from < files.len() {
            let mut until = from + 1;
            let mut rows = files[from].keys.count;
            while until < files.len() && rows + files[until].keys.count <= DIGEST_ROWS {
                rows += files[until].keys.count;
                until += 1;
            }
            let together = files[from..until].iter().fold(KeySums::default(), |sums, part| sums.with(part.keys));
            let range = KeyRange { first: files[from].range.first, last: files[until - 1].range.last };
            if self.digest(vec![range], false, false).await?.iter().any(|said| KeySums::from(said) != together) {
                differing.extend_from_slice(&files[from..until]);
            }
            from = until;
        }
        let said = self.digest(differing.iter().map(|part| part.range).collect(), false, false).await?;
        let differing = differing.into_iter().zip(said).filter(|(part, said)| KeySums::from(said) != part.keys);
        for (part, _) in differing.collect::<Vec<_>>() {
            let (theirs, ours) = (self.list(part.range).await?, self.held(part, changes).await?);
            let (gone, unseen) = compare(&ours, &theirs);
            gone.into_iter().for_each(|key| changes.gone(key));
            if much(self.base, changes) || !self.fetch(&unseen, changes).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Compares contents and reads again what differs; false when that is too much.
    async fn reconcile_contents(&self, changes: &mut Changes) -> Result<bool, Stop> {
        let base = self.base.clone();
        let parts = blocking(move || content_parts(&base)).await?;
        let said = self.digest(parts.iter().map(|part| part.range).collect(), true, false).await?;
        for (part, said) in parts.into_iter().zip(said) {
            if KeySums::from(&said) == part.keys && said.content_hash == part.content {
                continue;
            }
            let (theirs, ours) = (self.list(part.range).await?, self.held(part, changes).await?);
            let (gone, _) = compare(&ours, &theirs);
            gone.into_iter().for_each(|key| changes.gone(key));
            if much(self.base, changes) || !self.fetch(&theirs, changes).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The keys that the table and what came have in a part of it, ascending.
    async fn held(&self, part: Extent, changes: &Changes) -> Result<Vec<i64>, Stop> {
        let inside = move |key: &i64| {
            part.range.first.is_none_or(|first| first <= *key) && part.range.last.is_none_or(|last| *key <= last)
        };
        let base = self.base.clone();
        let mut keys = match base.files.is_empty() {
            true => Vec::new(),
            false => blocking(move || base.keys(part.file)).await?,
        };
        keys.retain(inside);
        keys.extend(changes.keys().filter(inside));
        keys.sort_unstable();
        keys.dedup();
        Ok(keys)
    }

    /// The PMS's digests of ranges.
    async fn digest(&self, ranges: Vec<KeyRange>, contents: bool, list_keys: bool) -> Result<Vec<RangeDigest>, Stop> {
        let mut said = Vec::with_capacity(ranges.len());
        for ranges in ranges.chunks(RANGES) {
            let request = DigestRequest {
                practice: self.settings.name.clone(),
                source: self.settings.source.clone(),
                dataset: self.base.dataset.name.to_owned(),
                ranges: ranges.to_vec(),
                contents,
                list_keys,
                ..Default::default()
            };
            let mut connector = self.transfer.connector.clone();
            let answer = timeout(SILENCE_MAX, connector.digest(request)).await.map_err(|_| silent())?;
            let answer = answer.map_err(|status| Failure::from_connector(&status))?.into_inner();
            if answer.ranges.len() != ranges.len() {
                let lacks = format!("a digest of {} lacks ranges", self.base.dataset.name);
                return Err(Failure::in_dataset(ErrorReason::Internal, lacks).into());
            }
            said.extend(answer.ranges);
        }
        Ok(said)
    }

    /// The PMS's keys of a range, ascending.
    async fn list(&self, range: KeyRange) -> Result<Vec<i64>, Stop> {
        let said = self.digest(vec![range], false, true).await?;
        let mut keys: Vec<i64> = said.into_iter().flat_map(|range| range.keys).collect();
        keys.sort_unstable();
        Ok(keys)
    }

    /// Reads rows by their keys; false when that becomes too much.
    async fn fetch(&self, keys: &[i64], changes: &mut Changes) -> Result<bool, Stop> {
        let dataset = self.base.dataset;
        for values in keys.chunks(FETCH_ROWS) {
            let selector =
                Selector { dataset: dataset.name.to_owned(), column: dataset.key.to_owned(), values: values.to_vec() };
            let request = FetchRequest {
                practice: self.settings.name.clone(),
                source: self.settings.source.clone(),
                selectors: vec![selector],
            };
            let mut connector = self.transfer.connector.clone();
            let answer = timeout(SILENCE_MAX, connector.fetch(request)).await.map_err(|_| silent())?;
            for rows in answer.map_err(|status| Failure::from_connector(&status))?.into_inner().rows {
                changes.came(in_table(dataset, &rows.arrow_ipc)?)?;
            }
            if much(self.base, changes) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// A table's files as parts, each with the sums of its keys and of those that came. Blocking.
fn key_parts(base: &Base, came: &[i64]) -> io::Result<Vec<Extent>> {
    let mut parts: Vec<Extent> = (0..base.files.len().max(1))
        .map(|file| {
            let keys = |place: usize| base.files.get(place).and_then(|file| file.keys);
            let before = file.checked_sub(1).and_then(keys);
            let range = KeyRange {
                first: before.map(|keys| keys.last + 1), // the next file's keys are greater than the last one's
                last: if file + 1 < base.files.len() { keys(file).map(|keys| keys.last) } else { None },
            };
            Extent { range, keys: keys(file).map(|keys| keys.sums).unwrap_or_default(), content: 0, file }
        })
        .collect();
    let mut held: (usize, Vec<i64>) = (usize::MAX, Vec::new());
    for key in came {
        let file = base.file_of(*key);
        if held.0 != file {
            held = (file, if base.files.is_empty() { Vec::new() } else { base.keys(file)? });
        }
        if held.1.binary_search(key).is_err() {
            parts[file].keys.add(*key);
        }
    }
    Ok(parts)
}

/// A table's rows in parts of about [`CONTENT_ROWS`] rows, each with the sums of its keys and contents. Blocking.
fn content_parts(base: &Base) -> io::Result<Vec<Extent>> {
    let mut parts: Vec<Extent> = Vec::new();
    let mut first = None;
    for file in 0..base.files.len() {
        let mut open: Option<Extent> = None;
        for batch in base.read(file)? {
            let hashes = row_hash::hashes(base.dataset, &batch).map_err(io::Error::other)?;
            for (key, hash) in keys_of(&batch, base.dataset)?.iter().zip(hashes) {
                let part = open.get_or_insert_with(|| {
                    let range = KeyRange { first, last: None };
                    Extent { range, keys: KeySums::default(), content: 0, file }
                });
                part.keys.add(*key);
                part.content ^= hash;
                part.range.last = Some(*key);
                if part.keys.count as usize >= CONTENT_ROWS {
                    first = key.checked_add(1);
                    parts.extend(open.take());
                }
            }
        }
        if let Some(part) = open {
            first = part.range.last.and_then(|last| last.checked_add(1));
            parts.push(part);
        }
    }
    match parts.last_mut() {
        Some(last) => last.range.last = None,
        None => {
            parts.push(Extent { range: KeyRange::default(), keys: KeySums::default(), content: 0, file: 0 });
        }
    }
    Ok(parts)
}

/// Of two ascending lists of keys: those only in the first, and those only in the second.
fn compare(ours: &[i64], theirs: &[i64]) -> (Vec<i64>, Vec<i64>) {
    let only = |these: &[i64], those: &[i64]| {
        these.iter().copied().filter(|key| those.binary_search(key).is_err()).collect::<Vec<_>>()
    };
    (only(ours, theirs), only(theirs, ours))
}
