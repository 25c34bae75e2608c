//! The rows of a table that were inserted or updated since a position: what a nightly run reads instead of the whole.
//!
//! Rows stamped at or after the position's low mark are read by `(stamp, key)`, or in key order where no index begins with
//! the stamp. A row that changes while they are read is stamped anew and met again.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use arrow::array::RecordBatch;
use mesh::{Refusal, datasets::Dataset};
use mysql_async::{Params, prelude::Queryable as _};

use super::{
    faults::{source_changed, within},
    horizon::{CLOCK_SLACK, Horizon},
    lineage::Made,
    rows::{BATCH_BYTES, Batcher, RowKey, Selection, key, stamp_micros},
    session::{ANSWER_LIMIT, Session},
    tables::{Catalog, ChangeColumn, Table, quoted},
    token::Position,
};

/// Since when a dataset's changes are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Since {
    /// All changes stamped before this, in seconds of the epoch, are known.
    Stamp(i64),
    /// The table was made anew since then: any row may differ, whatever its stamp.
    Ever,
}

/// Positions that were asked from, each checked once against the database's history.
#[derive(Default)]
pub(super) struct Positions(HashMap<String, (Position, Made)>);

impl Positions {
    /// Since when a dataset is to be read for a position.
    ///
    /// # Errors
    /// `INVALID_FIELD` for a malformed position, `SOURCE_CHANGED` for one of another database or of a history that is no
    /// more; what [`within`] says.
    pub(super) async fn since(
        &mut self,
        session: &mut Session,
        catalog: &Catalog,
        now: Horizon,
        dataset: &Dataset,
        position: &str,
    ) -> Result<Since, Refusal> {
        if !self.0.contains_key(position) {
            let read = Position::read(position, &session.fingerprint)?;
            if now.now() + CLOCK_SLACK < read.t {
                return Err(source_changed());
            }
            let made = read.h.check(session, catalog).await?;
            self.0.insert(position.to_owned(), (read, made));
        }
        let Some((read, made)) = self.0.get(position) else { return Ok(Since::Ever) };
        match made.get(dataset.name) {
            Some(made) if *made >= read.h.seen() => Ok(Since::Ever),
            _ => Ok(Since::Stamp(read.low(dataset))),
        }
    }
}

/// The column by which changes of a table are found: one that the server keeps, in a table with numbers for keys.
pub(super) fn tracked(table: &Table) -> Option<&ChangeColumn> {
    table.change.as_ref().filter(|_| table.dataset.has_numeric_key())
}

/// Where a page begins: after a stamp in microseconds of the epoch and a key, or after a key.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bookmark {
    stamp: Option<i64>,
    key: Option<i64>,
}

/// A page of changed rows.
pub(super) struct Page {
    /// The rows, cut into batches of a bounded size.
    pub batches: Vec<RecordBatch>,
    /// How many they are.
    pub rows: u64,
    /// What the page took the server.
    pub took: Duration,
    /// Where the next page begins; none when there is none.
    pub next: Option<Bookmark>,
}

/// Reads at most `limit` changed rows.
///
/// # Errors
/// What [`within`] says; `INTERNAL` when rows cannot be put into columns.
pub(super) async fn page(
    session: &mut Session,
    selection: &Arc<Selection>,
    table: &Table,
    (change, since): (&ChangeColumn, Since),
    from: Bookmark,
    limit: u32,
) -> Result<Page, Refusal> {
    let sql = question(&selection.columns, table, change, since, from, limit);
    let place = selection.selected(change.place);
    let mut batcher = Batcher::new(Arc::clone(selection), 64);
    let (mut batches, mut rows, mut next) = (Vec::new(), 0, from);
    let mut fault = None;
    let begun = Instant::now();
    let reading = async {
        let statement = session.conn.prep(sql).await?;
        let mut result = session.conn.exec_iter(&statement, Params::Empty).await?;
        result
            .for_each(|row| {
                rows += 1;
                if let Some(RowKey::Number(number)) = key(&row) {
                    next = Bookmark { stamp: place.and_then(|place| stamp_micros(&row, place)), key: Some(number) };
                }
                batcher.push(&row);
                if batcher.bytes() >= BATCH_BYTES {
                    match batcher.finish() {
                        Ok(batch) => batches.push(batch),
                        Err(refusal) => fault = Some(refusal),
                    }
                }
            })
            .await?;
        result.drop_result().await?;
        // Its text holds the bookmark: no other page will need it again.
        session.conn.close(statement).await
    };
    within(ANSWER_LIMIT, reading).await?;
    if let Some(refusal) = fault {
        return Err(refusal);
    }
    if batcher.rows() > 0 {
        batches.push(batcher.finish()?);
    }
    Ok(Page { batches, rows, took: begun.elapsed(), next: (rows == u64::from(limit)).then_some(next) })
}

fn question(columns: &str, table: &Table, change: &ChangeColumn, since: Since, from: Bookmark, limit: u32) -> String {
    let (name, by, at) = (table.sql(), table.key(), quoted(&change.name));
    let moment =
        |micros: i64| format!("FROM_UNIXTIME({}.{:06})", micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    let after_key = from.key.map(|key| format!("{by} > {key}"));
    let (condition, order) = match (since, change.indexed) {
        (Since::Ever, _) => (after_key, by),
        (Since::Stamp(low), false) => {
            let changed = format!("{at} >= FROM_UNIXTIME({low})");
            (Some(after_key.map_or(changed.clone(), |after| format!("{changed} AND {after}"))), by)
        }
        (Since::Stamp(low), true) => {
            let condition = match (from.stamp.map(moment), after_key) {
                (Some(stamp), Some(after)) => format!("{at} >= {stamp} AND ({at} > {stamp} OR {after})"),
                _ => format!("{at} >= FROM_UNIXTIME({low})"),
            };
            (Some(condition), format!("{at}, {by}"))
        }
    };
    let condition = condition.map(|condition| format!(" WHERE {condition}")).unwrap_or_default();
    format!("SELECT {columns} FROM {name}{condition} ORDER BY {order} LIMIT {limit}")
}
