//! One table as it is followed: what was sent of it, how it is polled, and how deletes are found.

use std::{collections::HashMap, sync::Arc};

use arrow::array::RecordBatch;
use chairsync_proto::pms::KeyRange;
use mesh::Refusal;
use mysql_async::{Params, Row, prelude::Queryable as _};

use super::{
    super::{
        digest::{digest, keys},
        faults::within,
        rows::{BATCH_BYTES, Batcher, RowKey, Selection, hash, key, stamp},
        session::{ANSWER_LIMIT, Session},
        tables::Table,
    },
    keys::{KeySet, Sums},
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
    /// What was sent and will be read again: by key the hash of its contents. For a table that is scanned: every row.
    sent: HashMap<RowKey, u64>,
    keys: KeySet,
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
        Self { table, selection, low, sent: HashMap::new(), keys: KeySet::default() }
    }

    /// Whether its changes are found by comparing every row with what was sent: no change column shows them.
    pub(super) fn is_scanned(&self) -> bool {
        self.table.change.is_none()
    }

    /// Takes down what is there, so that deletes from now on are seen. For a scanned table: its rows, unless they are to
    /// be sent by the first poll.
    pub(super) async fn take_baseline(&mut self, session: &mut Session, from_now: bool) -> Result<(), Refusal> {
        if self.is_scanned() {
            if from_now {
                self.scan(session).await?;
            }
            return Ok(());
        }
        let mut first = None;
        loop {
            let listed = keys(session, &self.table, KeyRange { first, last: None }, Some(KEYS_ROWS)).await?;
            self.keys.append(&listed);
            match listed.last().and_then(|last| last.checked_add(1)) {
                Some(next) if listed.len() == KEYS_ROWS => first = Some(next),
                _ => return Ok(()),
            }
        }
    }

    /// Reads what changed. `low` is the horizon that was asked for before.
    pub(super) async fn poll(&mut self, session: &mut Session, low: i64) -> Result<Found, Refusal> {
        if self.is_scanned() {
            return self.scan(session).await;
        }
        let (mut found, mut again, mut from) = (Found::default(), HashMap::new(), Bookmark::default());
        loop {
            let (rows, next) = self.page(session, from, &mut found, &mut again).await?;
            if rows < PAGE_ROWS {
                break;
            }
            from = next;
        }
        // Only what the next poll reads again has to be remembered.
        self.sent = again;
        self.low = self.low.max(low);
        Ok(found)
    }

    /// Reads a page of rows stamped at or after the low mark.
    async fn page(
        &mut self,
        session: &mut Session,
        from: Bookmark,
        found: &mut Found,
        again: &mut HashMap<RowKey, u64>,
    ) -> Result<(usize, Bookmark), Refusal> {
        let Some(change) = &self.table.change else { return Ok((0, from)) };
        let (columns, name, by) = (&self.selection.columns, self.table.sql(), self.table.key());
        let at = format!("`{}`", change.name.replace('`', "``"));
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
        let mut batcher = Batcher::new(Arc::clone(&self.selection), 64);
        let (mut rows, mut next) = (0, from);
        let (sent, keys) = (&self.sent, &mut self.keys);
        read(session, sql, |row| {
            rows += 1;
            let Some(key) = key(&row) else { return };
            if let RowKey::Number(number) = key {
                next = Bookmark { stamp: place.and_then(|p| stamp(&row, p)), key: Some(number) };
                keys.saw(number);
            }
            let hash = hash(&row);
            if sent.get(&key) != Some(&hash) {
                batcher.push(&row);
            }
            if again.len() < REMEMBERED {
                again.insert(key, hash);
            }
        })
        .await?;
        if batcher.rows() > 0 {
            found.upserts.push(batcher.finish()?);
        }
        Ok((rows, next))
    }

    /// Reads every row and finds what differs from what was sent.
    async fn scan(&mut self, session: &mut Session) -> Result<Found, Refusal> {
        let numeric = self.table.dataset.has_numeric_key();
        let (columns, name, by) = (&self.selection.columns, self.table.sql(), self.table.key());
        let mut batcher = Batcher::new(Arc::clone(&self.selection), 64);
        let mut there = HashMap::with_capacity(self.sent.len());
        let (mut found, mut after, mut fault) = (Found::default(), None, None);
        loop {
            let from = after.map(|key: i64| format!(" WHERE {by} > {key}")).unwrap_or_default();
            let limit = if numeric { format!(" LIMIT {KEYS_ROWS}") } else { String::new() };
            let sql = format!("SELECT {columns} FROM {name}{from} ORDER BY {by}{limit}");
            let mut rows = 0;
            let sent = &self.sent;
            read(session, sql, |row| {
                rows += 1;
                let Some(key) = key(&row) else { return };
                if let RowKey::Number(number) = key {
                    after = Some(number);
                }
                let hash = hash(&row);
                if sent.get(&key) != Some(&hash) {
                    batcher.push(&row);
                    if batcher.bytes() >= BATCH_BYTES {
                        match batcher.finish() {
                            Ok(batch) => found.upserts.push(batch),
                            Err(refusal) => fault = Some(refusal),
                        }
                    }
                }
                there.insert(key, hash);
            })
            .await?;
            if !numeric || rows < KEYS_ROWS {
                break;
            }
        }
        if let Some(refusal) = fault {
            return Err(refusal);
        }
        if batcher.rows() > 0 {
            found.upserts.push(batcher.finish()?);
        }
        found.deleted = self.sent.keys().filter(|key| !there.contains_key(*key)).map(RowKey::text).collect();
        self.sent = there;
        Ok(found)
    }

    /// Compares keys with the server's and finds deletes, and rows that came with an old stamp.
    pub(super) async fn reconcile(&mut self, session: &mut Session) -> Result<Found, Refusal> {
        let mut found = Found::default();
        if self.is_scanned() {
            return Ok(found);
        }
        let whole = sums(session, &self.table, KeyRange::default()).await?;
        self.keys.settle();
        if whole == self.keys.sums() {
            return Ok(found);
        }
        let mut new = Vec::new();
        for (range, known) in self.keys.ranges() {
            if sums(session, &self.table, range).await? == known {
                continue;
            }
            let listed = keys(session, &self.table, range, None).await?;
            let (gone, came) = self.keys.replace(range, &listed);
            for key in gone {
                self.sent.remove(&RowKey::Number(key));
                found.deleted.push(key.to_string());
            }
            new.extend(came);
        }
        for part in new.chunks(FETCH_ROWS) {
            self.read_keys(session, part, &mut found).await?;
        }
        Ok(found)
    }

    async fn read_keys(&mut self, session: &mut Session, keys: &[i64], found: &mut Found) -> Result<(), Refusal> {
        let list = keys.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
        let (columns, name, by) = (&self.selection.columns, self.table.sql(), self.table.key());
        let sql = format!("SELECT {columns} FROM {name} WHERE {by} IN ({list}) ORDER BY {by}");
        let mut batcher = Batcher::new(Arc::clone(&self.selection), keys.len());
        read(session, sql, |row| batcher.push(&row)).await?;
        if batcher.rows() > 0 {
            found.upserts.push(batcher.finish()?);
        }
        Ok(())
    }
}

async fn sums(session: &mut Session, table: &Table, range: KeyRange) -> Result<Sums, Refusal> {
    let digest = digest(session, table, range, false).await?;
    Ok(Sums { count: digest.count, crc: digest.key_crc, sum: digest.key_sum })
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
