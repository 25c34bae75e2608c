//! One table as it is followed: what was sent of it, how it is polled, and how deletes are found.
//!
//! A poll is taken in steps, so that never more than a page of a table is in memory.

use std::{collections::HashMap, sync::Arc};

use arrow::array::RecordBatch;
use chairsync_proto::pms::KeyRange;
use mesh::{Refusal, key_sums::KeySums};
use mysql_async::{Params, Row, prelude::Queryable as _};

use super::{
    super::{
        digest::{digest, keys},
        faults::{source_changed, within},
        rows::{BATCH_BYTES, Batcher, RowKey, Selection, hash, key, stamp},
        session::{ANSWER_LIMIT, Session},
        tables::{Table, quoted},
    },
    blocks::{Blocks, Comparison},
    keys::KeySet,
};

/// Rows of one query.
const PAGE_ROWS: usize = 5_000;
/// Keys of one query.
const KEYS_ROWS: usize = 200_000;
/// Rows fetched by key in one query.
const FETCH_ROWS: usize = 1_000;
/// Rows of the look-back that are remembered, so that they are not sent again; more are sent again.
const REMEMBERED: usize = 500_000;

/// Changes of one dataset.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub upserts: Vec<RecordBatch>,
    pub deleted: Vec<String>,
}

/// A table that is followed.
pub(super) struct Followed {
    pub table: Table,
    selection: Arc<Selection>,
    /// All changes stamped before this have been sent, in seconds of the epoch.
    pub low: i64,
    known: Known,
    /// The poll under way.
    pass: Option<Pass>,
}

/// What was sent.
enum Known {
    /// Of a table with a change column: its keys, and what will be read again, by key the hash of its contents.
    Stamped { keys: KeySet, sent: HashMap<RowKey, u64>, came: Vec<i64> },
    /// Of a table that is compared row by row.
    Compared(Blocks),
    /// Of the small table that is keyed by name.
    Named(HashMap<RowKey, u64>),
}

/// How far a poll is.
enum Pass {
    Stamped { from: Bookmark, again: HashMap<RowKey, u64> },
    Compared { after: Option<i64>, comparison: Comparison<Row> },
}

/// Where a page begins: after a stamp and key, or after a key.
#[derive(Debug, Clone, Copy, Default)]
struct Bookmark {
    stamp: Option<i64>,
    key: Option<i64>,
}

impl Followed {
    pub(super) fn new(table: Table, low: i64) -> Self {
        let selection = Arc::new(Selection::of(&table));
        let known = match (&table.change, table.dataset.has_numeric_key()) {
            (_, false) => Known::Named(HashMap::new()),
            (None, true) => Known::Compared(Blocks::default()),
            (Some(_), true) => Known::Stamped { keys: KeySet::default(), sent: HashMap::new(), came: Vec::new() },
        };
        Self { table, selection, low, known, pass: None }
    }

    /// Goes on with a table that was made anew: all of it is read again, since rows may differ and bear old stamps.
    ///
    /// # Errors
    /// `SOURCE_CHANGED` when what was sent of it cannot be compared with it any more.
    pub(super) fn begin_again(&mut self, table: &Table, low: i64) -> Result<(), Refusal> {
        if table.change.is_some() != self.table.change.is_some() {
            return Err(source_changed());
        }
        self.selection = Arc::new(Selection::of(table));
        (self.table, self.low, self.pass) = (table.clone(), low, None);
        Ok(())
    }

    /// Takes down what is there, so that deletes from now on are seen. For a table without a change column: its rows,
    /// unless they are to be sent by the first poll.
    pub(super) async fn take_baseline(&mut self, session: &mut Session, from_now: bool) -> Result<(), Refusal> {
        if let Known::Stamped { keys: known, .. } = &mut self.known {
            let mut first = None;
            loop {
                let listed = keys(session, &self.table, KeyRange { first, last: None }, Some(KEYS_ROWS)).await?;
                known.append(&listed);
                match listed.last().and_then(|last| last.checked_add(1)) {
                    Some(next) if listed.len() == KEYS_ROWS => first = Some(next),
                    _ => return Ok(()),
                }
            }
        }
        while from_now && self.poll(session, self.low).await?.1 {}
        Ok(())
    }

    /// Reads a part of what changed, and says whether there is more. `low` is the horizon that was asked for before the
    /// first part.
    pub(super) async fn poll(&mut self, session: &mut Session, low: i64) -> Result<(Found, bool), Refusal> {
        match &mut self.known {
            Known::Named(_) => Ok((self.read_named(session).await?, false)),
            Known::Compared(known) => {
                let (after, mut comparison) = match self.pass.take() {
                    Some(Pass::Compared { after, comparison }) => (after, comparison),
                    _ => (None, std::mem::take(known).compare()),
                };
                let (found, next) = self.compare(session, after, &mut comparison).await?;
                match next {
                    Some(_) => self.pass = Some(Pass::Compared { after: next, comparison }),
                    None => self.known = Known::Compared(comparison.finish()),
                }
                Ok((found, next.is_some()))
            }
            Known::Stamped { .. } => {
                let (from, mut again) = match self.pass.take() {
                    Some(Pass::Stamped { from, again }) => (from, again),
                    _ => (Bookmark::default(), HashMap::new()),
                };
                let (found, next) = self.page(session, from, &mut again).await?;
                match (next, &mut self.known) {
                    (Some(from), _) => self.pass = Some(Pass::Stamped { from, again }),
                    (None, Known::Stamped { sent, .. }) => {
                        // Only what the next poll reads again has to be remembered.
                        *sent = again;
                        self.low = self.low.max(low);
                    }
                    (None, _) => {}
                }
                Ok((found, next.is_some()))
            }
        }
    }

    /// Reads a page of rows stamped at or after the low mark, and says where the next one begins.
    async fn page(
        &mut self,
        session: &mut Session,
        from: Bookmark,
        again: &mut HashMap<RowKey, u64>,
    ) -> Result<(Found, Option<Bookmark>), Refusal> {
        let (Some(change), Known::Stamped { keys, sent, .. }) = (&self.table.change, &mut self.known) else {
            return Ok((Found::default(), None));
        };
        let (columns, name, by, at) =
            (&self.selection.columns, self.table.sql(), self.table.key(), quoted(&change.name));
        let place = self.selection.selected(change.place);
        // By stamp where an index has it, else in key order, which reads the table once.
        let (after, order) = match (change.indexed, from.stamp, from.key) {
            (true, Some(stamp), Some(key)) => (
                format!("{at} >= FROM_UNIXTIME({stamp}) AND ({at} > FROM_UNIXTIME({stamp}) OR {by} > {key})"),
                format!("{at}, {by}"),
            ),
            (false, _, Some(key)) => (format!("{at} >= FROM_UNIXTIME({}) AND {by} > {key}", self.low), by.clone()),
            (true, ..) => (format!("{at} >= FROM_UNIXTIME({})", self.low), format!("{at}, {by}")),
            (false, ..) => (format!("{at} >= FROM_UNIXTIME({})", self.low), by.clone()),
        };
        let sql = format!("SELECT {columns} FROM {name} WHERE {after} ORDER BY {order} LIMIT {PAGE_ROWS}");
        let mut batches = Batches::new(&self.selection);
        let (mut rows, mut next) = (0, from);
        read(session, sql, |row| {
            rows += 1;
            let Some(key) = key(&row) else { return };
            if let RowKey::Number(number) = key {
                next = Bookmark { stamp: place.and_then(|p| stamp(&row, p)), key: Some(number) };
                keys.saw(number);
            }
            let hash = hash(&row);
            if sent.get(&key) != Some(&hash) {
                batches.push(&row);
            }
            if again.len() < REMEMBERED {
                again.insert(key, hash);
            }
        })
        .await?;
        let found = Found { upserts: batches.finish()?, deleted: Vec::new() };
        Ok((found, (rows == PAGE_ROWS).then_some(next)))
    }

    /// Reads a page in key order and finds what differs from what was sent. Says after which key the next one begins.
    async fn compare(
        &self,
        session: &mut Session,
        after: Option<i64>,
        comparison: &mut Comparison<Row>,
    ) -> Result<(Found, Option<i64>), Refusal> {
        let (columns, name, by) = (&self.selection.columns, self.table.sql(), self.table.key());
        let from = after.map(|key| format!(" WHERE {by} > {key}")).unwrap_or_default();
        let sql = format!("SELECT {columns} FROM {name}{from} ORDER BY {by} LIMIT {PAGE_ROWS}");
        let mut batches = Batches::new(&self.selection);
        let (mut rows, mut last) = (0, None);
        read(session, sql, |row| {
            rows += 1;
            let Some(RowKey::Number(number)) = key(&row) else { return };
            last = Some(number);
            comparison.row(number, hash(&row), row);
            comparison.changed.drain(..).for_each(|row| batches.push(&row));
        })
        .await?;
        let next = last.filter(|_| rows == PAGE_ROWS);
        if next.is_none() {
            comparison.end();
            comparison.changed.drain(..).for_each(|row| batches.push(&row));
        }
        let deleted = comparison.gone.drain(..).map(|key| key.to_string()).collect();
        Ok((Found { upserts: batches.finish()?, deleted }, next))
    }

    /// Reads the table that is keyed by name, whole, and finds what differs from what was sent.
    async fn read_named(&mut self, session: &mut Session) -> Result<Found, Refusal> {
        let Known::Named(sent) = &mut self.known else { return Ok(Found::default()) };
        let (columns, name, by) = (&self.selection.columns, self.table.sql(), self.table.key());
        let sql = format!("SELECT {columns} FROM {name} ORDER BY {by}");
        let mut batches = Batches::new(&self.selection);
        let mut there = HashMap::with_capacity(sent.len());
        read(session, sql, |row| {
            let Some(key) = key(&row) else { return };
            let hash = hash(&row);
            if sent.get(&key) != Some(&hash) {
                batches.push(&row);
            }
            there.insert(key, hash);
        })
        .await?;
        let deleted = sent.keys().filter(|key| !there.contains_key(*key)).map(RowKey::text).collect();
        *sent = there;
        Ok(Found { upserts: batches.finish()?, deleted })
    }

    /// Compares keys with the server's and finds deletes. Rows that came with an old stamp are read by
    /// [`Followed::fetch`].
    pub(super) async fn reconcile(&mut self, session: &mut Session) -> Result<Found, Refusal> {
        let mut found = Found::default();
        let Known::Stamped { keys: known, sent, came } = &mut self.known else { return Ok(found) };
        let whole = sums(session, &self.table, KeyRange::default()).await?;
        known.settle();
        if whole == known.sums() {
            return Ok(found);
        }
        for (range, sums_known) in known.ranges() {
            if sums(session, &self.table, range).await? == sums_known {
                continue;
            }
            let listed = keys(session, &self.table, range, None).await?;
            let (gone, new) = known.replace(range, &listed);
            for key in gone {
                sent.remove(&RowKey::Number(key));
                found.deleted.push(key.to_string());
            }
            came.extend(new);
        }
        Ok(found)
    }

    /// Reads a part of the rows that [`Followed::reconcile`] met for the first time; none when there are no more.
    pub(super) async fn fetch(&mut self, session: &mut Session) -> Result<Option<Found>, Refusal> {
        let Known::Stamped { came, .. } = &mut self.known else { return Ok(None) };
        if came.is_empty() {
            return Ok(None);
        }
        let part = came.split_off(came.len().saturating_sub(FETCH_ROWS));
        let list = part.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
        let (columns, name, by) = (&self.selection.columns, self.table.sql(), self.table.key());
        let sql = format!("SELECT {columns} FROM {name} WHERE {by} IN ({list}) ORDER BY {by}");
        let mut batches = Batches::new(&self.selection);
        read(session, sql, |row| batches.push(&row)).await?;
        Ok(Some(Found { upserts: batches.finish()?, deleted: Vec::new() }))
    }
}

/// Rows cut into batches of a bounded size.
struct Batches {
    batcher: Batcher,
    full: Vec<RecordBatch>,
    fault: Option<Refusal>,
}

impl Batches {
    fn new(selection: &Arc<Selection>) -> Self {
        Self { batcher: Batcher::new(Arc::clone(selection), 64), full: Vec::new(), fault: None }
    }

    fn push(&mut self, row: &Row) {
        self.batcher.push(row);
        if self.batcher.bytes() >= BATCH_BYTES {
            match self.batcher.finish() {
                Ok(batch) => self.full.push(batch),
                Err(refusal) => self.fault = Some(refusal),
            }
        }
    }

    fn finish(mut self) -> Result<Vec<RecordBatch>, Refusal> {
        if let Some(refusal) = self.fault {
            return Err(refusal);
        }
        if self.batcher.rows() > 0 {
            self.full.push(self.batcher.finish()?);
        }
        Ok(self.full)
    }
}

async fn sums(session: &mut Session, table: &Table, range: KeyRange) -> Result<KeySums, Refusal> {
    let digest = digest(session, table, range, false).await?;
    Ok(KeySums::from(&digest))
}

/// Reads the rows of a query in the binary protocol.
async fn read(session: &mut Session, sql: String, mut row: impl FnMut(Row)) -> Result<(), Refusal> {
    let reading = async {
        let statement = session.conn.prep(sql).await?;
        let mut result = session.conn.exec_iter(&statement, Params::Empty).await?;
        result.for_each(&mut row).await?;
        result.drop_result().await?;
        session.conn.close(statement).await
    };
    within(ANSWER_LIMIT, reading).await
}
