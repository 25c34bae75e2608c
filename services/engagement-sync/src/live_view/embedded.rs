//! The live view in one file, for one process. Each write is one durable transaction of redb.
//!
//! ```text
//! head    practice                      JSON of `Stored`
//! rows    practice 0 dataset 0 key      "group:patient\n" and the row's bytes
//! index   practice 0 dataset 0 group:key   nothing
//! log     practice 0 sequence (8 bytes, big end first)   JSON of `Logged`, a newline, the row's bytes
//! cards   practice 0 patient            microseconds opened, " ", microseconds fetched, a newline, the card's rows
//! misc    "token-secret"                signs resume tokens
//! ```

use std::{collections::BTreeSet, fmt, ops::Bound, path::Path, sync::Arc};

use async_trait::async_trait;
use jiff::Timestamp;
use mesh::datasets::Dataset;
use redb::{Database, ReadableDatabase, ReadableTable, Table, TableDefinition};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{Applied, CardRows, Entry, Head, HeadPatch, Limits, LiveView, Moves, Page, ViewError, Write};
use crate::{
    live_datasets,
    row::{Row, decode, encode},
};

type Bytes = TableDefinition<'static, &'static [u8], &'static [u8]>;
const HEAD: Bytes = TableDefinition::new("head");
const ROWS: Bytes = TableDefinition::new("rows");
const INDEX: Bytes = TableDefinition::new("index");
const LOG: Bytes = TableDefinition::new("log");
const CARDS: Bytes = TableDefinition::new("cards");
const MISC: Bytes = TableDefinition::new("misc");
const SECRET: &[u8] = b"token-secret";

/// A store of live views in a file.
pub struct EmbeddedView {
    database: Arc<Database>,
    limits: Limits,
    moves: Arc<Moves>,
}

impl fmt::Debug for EmbeddedView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmbeddedView")
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Stored {
    epoch: u64,
    incarnation: String,
    sequence: u64,
    floor: u64,
    cursor: String,
    synced_through: Option<i64>,
    marked_at: Option<i64>,
    fingerprint: String,
    schema: String,
    filled: bool,
    fill: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Logged {
    dataset: String,
    key: String,
    patient: Option<i64>,
    deleted: bool,
    source_time: Option<i64>,
    applied_at: i64,
}

impl EmbeddedView {
    /// Opens or creates the file. One process at a time can have it open.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be opened.
    pub fn open(path: &Path, limits: Limits) -> Result<Self, ViewError> {
        let database = Database::create(path).map_err(unavailable)?;
        let write = database.begin_write().map_err(unavailable)?;
        for table in [HEAD, ROWS, INDEX, LOG, CARDS, MISC] {
            write.open_table(table).map_err(unavailable)?;
        }
        write.commit().map_err(unavailable)?;
        Ok(Self { database: Arc::new(database), limits, moves: Arc::default() })
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, ViewError> + Send + 'static,
    ) -> Result<T, ViewError> {
        let database = self.database.clone();
        tokio::task::spawn_blocking(move || work(&database)).await.map_err(unavailable)?
    }
}

#[async_trait]
impl LiveView for EmbeddedView {
    async fn head(&self, practice: &str) -> Result<Head, ViewError> {
        let practice = practice.to_owned();
        self.blocking(move |database| {
            let table = database.begin_read().map_err(unavailable)?.open_table(HEAD).map_err(unavailable)?;
            stored_head(&table, &practice).map(Head::from)
        })
        .await
    }

    async fn apply(&self, practice: &str, write: Write) -> Result<Applied, ViewError> {
        let (name, limits) = (practice.to_owned(), self.limits);
        let applied = self.blocking(move |database| apply(database, &name, &write, limits)).await;
        if applied.is_ok() {
            self.moves.moved(practice);
        }
        applied
    }

    async fn get(&self, practice: &str, dataset: &'static Dataset, keys: &[String]) -> Result<Vec<Row>, ViewError> {
        let (practice, keys) = (practice.to_owned(), keys.to_vec());
        self.blocking(move |database| rows(database, &practice, dataset, &keys)).await
    }

    async fn in_groups(
        &self,
        practice: &str,
        dataset: &'static Dataset,
        groups: &[i64],
    ) -> Result<Vec<Row>, ViewError> {
        let (practice, groups) = (practice.to_owned(), groups.to_vec());
        self.blocking(move |database| {
            let mut keys = Vec::new();
            for group in groups {
                let (first, end) = (format!("{group}:"), format!("{group};"));
                let range = (Bound::Included(first.as_str()), Bound::Excluded(end.as_str()));
                keys.extend(members(database, &practice, dataset, range, usize::MAX)?.iter().map(|m| key_of(m)));
            }
            rows(database, &practice, dataset, &keys)
        })
        .await
    }

    async fn page(
        &self,
        practice: &str,
        dataset: &'static Dataset,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, ViewError> {
        let (practice, after) = (practice.to_owned(), after.map(str::to_owned));
        self.blocking(move |database| {
            let after = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let members = members(database, &practice, dataset, (after, Bound::Unbounded), limit)?;
            let next = members.last().filter(|_| members.len() == limit).cloned();
            let keys: Vec<String> = members.iter().map(|member| key_of(member)).collect();
            Ok(Page { rows: rows(database, &practice, dataset, &keys)?, next })
        })
        .await
    }

    async fn keys(&self, practice: &str, dataset: &'static Dataset) -> Result<Vec<String>, ViewError> {
        let practice = practice.to_owned();
        self.blocking(move |database| {
            let all = (Bound::Unbounded, Bound::Unbounded);
            Ok(members(database, &practice, dataset, all, usize::MAX)?.iter().map(|m| key_of(m)).collect())
        })
        .await
    }

    async fn log(&self, practice: &str, after: u64, limit: usize) -> Result<Vec<Entry>, ViewError> {
        let practice = practice.to_owned();
        self.blocking(move |database| {
            let table = database.begin_read().map_err(unavailable)?.open_table(LOG).map_err(unavailable)?;
            let (first, last) = (log_key(&practice, after.saturating_add(1)), log_key(&practice, u64::MAX));
            let mut entries = Vec::new();
            for entry in table.range(first.as_slice()..=last.as_slice()).map_err(unavailable)?.take(limit) {
                let (key, value) = entry.map_err(unavailable)?;
                entries.extend(logged(key.value(), value.value())?);
            }
            Ok(entries)
        })
        .await
    }

    async fn remember_card(&self, practice: &str, patient: i64, rows: CardRows) -> Result<(), ViewError> {
        let (practice, keep) = (practice.to_owned(), self.limits.cards);
        self.blocking(move |database| {
            let write = database.begin_write().map_err(unavailable)?;
            {
                let mut cards = write.open_table(CARDS).map_err(unavailable)?;
                let now = Timestamp::now().as_microsecond();
                let mut value = format!("{now} {}\n", rows.fetched_at.as_microsecond()).into_bytes();
                value.extend_from_slice(&rows.bytes);
                cards
                    .insert(path(&practice, &patient.to_string()).as_slice(), value.as_slice())
                    .map_err(unavailable)?;
                drop_oldest(&mut cards, &practice, keep)?;
            }
            write.commit().map_err(unavailable)
        })
        .await
    }

    async fn card(&self, practice: &str, patient: i64) -> Result<Option<CardRows>, ViewError> {
        let practice = practice.to_owned();
        self.blocking(move |database| {
            let table = database.begin_read().map_err(unavailable)?.open_table(CARDS).map_err(unavailable)?;
            let value = table.get(path(&practice, &patient.to_string()).as_slice()).map_err(unavailable)?;
            let Some(value) = value else { return Ok(None) };
            let (times, rows) = cut(value.value()).ok_or(ViewError::Unreadable("a card"))?;
            let fetched = times.split_once(' ').and_then(|(_, at)| at.parse().ok()).and_then(moment);
            let fetched_at = fetched.ok_or(ViewError::Unreadable("a card's time"))?;
            Ok(Some(CardRows { fetched_at, bytes: rows.to_vec() }))
        })
        .await
    }

    async fn forget(&self, practice: &str) -> Result<(), ViewError> {
        let practice = practice.to_owned();
        self.blocking(move |database| {
            let write = database.begin_write().map_err(unavailable)?;
            write.open_table(HEAD).map_err(unavailable)?.remove(practice.as_bytes()).map_err(unavailable)?;
            for table in [ROWS, INDEX, LOG, CARDS] {
                let (first, end) = (path(&practice, ""), after_practice(&practice));
                let mut table = write.open_table(table).map_err(unavailable)?;
                table.retain_in::<&[u8], _>(first.as_slice()..end.as_slice(), |_, _| false).map_err(unavailable)?;
            }
            write.commit().map_err(unavailable)
        })
        .await
    }

    async fn token_secret(&self) -> Result<Vec<u8>, ViewError> {
        self.blocking(|database| {
            let write = database.begin_write().map_err(unavailable)?;
            let secret = {
                let mut misc = write.open_table(MISC).map_err(unavailable)?;
                let stored = misc.get(SECRET).map_err(unavailable)?.map(|secret| secret.value().to_vec());
                match stored {
                    Some(secret) => secret,
                    None => {
                        let fresh: [u8; 32] = rand::random();
                        misc.insert(SECRET, &fresh[..]).map_err(unavailable)?;
                        fresh.to_vec()
                    }
                }
            };
            write.commit().map_err(unavailable)?;
            Ok(secret)
        })
        .await
    }

    fn moves(&self, practice: &str) -> watch::Receiver<u64> {
        self.moves.of(practice)
    }
}

/// The same steps as `apply.lua`, in the same order.
fn apply(database: &Database, practice: &str, write: &Write, limits: Limits) -> Result<Applied, ViewError> {
    let now = Timestamp::now().as_microsecond();
    let transaction = database.begin_write().map_err(unavailable)?;
    let outcome = {
        let mut heads = transaction.open_table(HEAD).map_err(unavailable)?;
        let mut head = stored_head(&heads, practice)?;
        if write.epoch.is_some_and(|epoch| epoch < head.epoch) {
            return Err(ViewError::Stale { held: head.epoch });
        }
        let mut log = transaction.open_table(LOG).map_err(unavailable)?;
        let outcome = if head.sequence < write.known_sequence {
            incarnate(&mut head, &mut log, practice, write.known_sequence)?;
            Err(ViewError::RolledBack)
        } else if write.if_sequence.is_some_and(|sequence| sequence != head.sequence) {
            return Err(ViewError::Moved);
        } else {
            if write.head.new_incarnation || head.incarnation.is_empty() {
                let sequence = head.sequence;
                incarnate(&mut head, &mut log, practice, sequence)?;
            }
            head.epoch = write.epoch.unwrap_or(head.epoch);
            patch(&mut head, &write.head, now);
            let mut tables = Tables {
                rows: transaction.open_table(ROWS).map_err(unavailable)?,
                index: transaction.open_table(INDEX).map_err(unavailable)?,
                log,
                practice,
                logging: write.log,
                now,
            };
            let mut changed = 0;
            for row in &write.upserts {
                changed += u64::from(tables.upsert(&mut head, row)?);
            }
            for (dataset, key) in &write.deletes {
                changed += u64::from(tables.delete(&mut head, dataset, key)?);
            }
            tables.trim(&mut head, limits.log_entries)?;
            Ok(Applied { sequence: head.sequence, changed })
        };
        let bytes = serde_json::to_vec(&head).map_err(unavailable)?;
        heads.insert(practice.as_bytes(), bytes.as_slice()).map_err(unavailable)?;
        outcome
    };
    transaction.commit().map_err(unavailable)?;
    outcome
}

struct Tables<'t, 'p> {
    rows: Table<'t, &'static [u8], &'static [u8]>,
    index: Table<'t, &'static [u8], &'static [u8]>,
    log: Table<'t, &'static [u8], &'static [u8]>,
    practice: &'p str,
    logging: bool,
    now: i64,
}

impl Tables<'_, '_> {
    fn upsert(&mut self, head: &mut Stored, row: &Row) -> Result<bool, ViewError> {
        let (dataset, key, group) = (row.dataset().name, row.key(), row.group());
        let patient = row.patient();
        let mut value = format!("{group}:{}\n", patient.map(|p| p.to_string()).unwrap_or_default()).into_bytes();
        let owner_length = value.len();
        value.extend_from_slice(&encode(row));
        let at = path3(self.practice, dataset, &key);
        let old = self.rows.get(at.as_slice()).map_err(unavailable)?.map(|old| old.value().to_vec());
        if old.as_deref() == Some(&value) {
            return Ok(false);
        }
        if let Some((group, _)) = old.as_deref().and_then(owner) {
            self.index
                .remove(path3(self.practice, dataset, &format!("{group}:{key}")).as_slice())
                .map_err(unavailable)?;
        }
        self.rows.insert(at.as_slice(), value.as_slice()).map_err(unavailable)?;
        let member = path3(self.practice, dataset, &format!("{group}:{key}"));
        self.index.insert(member.as_slice(), [].as_slice()).map_err(unavailable)?;
        self.note(head, dataset, &key, patient, Some(&value[owner_length..]))?;
        Ok(true)
    }

    fn delete(&mut self, head: &mut Stored, dataset: &Dataset, key: &str) -> Result<bool, ViewError> {
        let at = path3(self.practice, dataset.name, key);
        let old = self.rows.remove(at.as_slice()).map_err(unavailable)?.map(|old| old.value().to_vec());
        let Some(old) = old else { return Ok(false) };
        let (group, patient) = owner(&old).ok_or(ViewError::Unreadable("a row"))?;
        let member = path3(self.practice, dataset.name, &format!("{group}:{key}"));
        self.index.remove(member.as_slice()).map_err(unavailable)?;
        self.note(head, dataset.name, key, patient.parse().ok(), None)?;
        Ok(true)
    }

    fn note(
        &mut self,
        head: &mut Stored,
        dataset: &str,
        key: &str,
        patient: Option<i64>,
        row: Option<&[u8]>,
    ) -> Result<(), ViewError> {
        if !self.logging {
            return Ok(());
        }
        head.sequence += 1;
        let logged = Logged {
            dataset: dataset.to_owned(),
            key: key.to_owned(),
            patient,
            deleted: row.is_none(),
            source_time: head.synced_through,
            applied_at: self.now,
        };
        let mut value = serde_json::to_vec(&logged).map_err(unavailable)?;
        value.push(b'\n');
        value.extend_from_slice(row.unwrap_or_default());
        self.log.insert(log_key(self.practice, head.sequence).as_slice(), value.as_slice()).map_err(unavailable)?;
        Ok(())
    }

    /// The floor is the number before the oldest entry kept; entries below it go.
    fn trim(&mut self, head: &mut Stored, keep: u64) -> Result<(), ViewError> {
        let floor = head.sequence.saturating_sub(keep);
        if floor > head.floor {
            let (first, end) = (log_key(self.practice, 0), log_key(self.practice, floor));
            self.log.retain_in::<&[u8], _>(first.as_slice()..=end.as_slice(), |_, _| false).map_err(unavailable)?;
            head.floor = floor;
        }
        Ok(())
    }
}

fn incarnate(
    head: &mut Stored,
    log: &mut Table<'_, &'static [u8], &'static [u8]>,
    practice: &str,
    from: u64,
) -> Result<(), ViewError> {
    head.incarnation = uuid::Uuid::now_v7().simple().to_string();
    (head.sequence, head.floor) = (from, from);
    let (first, last) = (log_key(practice, 0), log_key(practice, u64::MAX));
    log.retain_in::<&[u8], _>(first.as_slice()..=last.as_slice(), |_, _| false).map_err(unavailable)
}

fn patch(head: &mut Stored, patch: &HeadPatch, now: i64) {
    if let Some(cursor) = &patch.cursor {
        head.cursor.clone_from(cursor);
        head.marked_at = Some(now);
    }
    head.synced_through = patch.synced_through.map(Timestamp::as_microsecond).or(head.synced_through);
    head.filled = patch.filled.unwrap_or(head.filled);
    let put = |field: &mut String, value: &Option<String>| {
        if let Some(value) = value {
            field.clone_from(value);
        }
    };
    put(&mut head.fingerprint, &patch.fingerprint);
    put(&mut head.schema, &patch.schema);
    put(&mut head.fill, &patch.fill);
}

impl From<Stored> for Head {
    fn from(stored: Stored) -> Self {
        Self {
            epoch: stored.epoch,
            incarnation: stored.incarnation,
            sequence: stored.sequence,
            floor: stored.floor,
            cursor: stored.cursor,
            synced_through: stored.synced_through.and_then(moment),
            marked_at: stored.marked_at.and_then(moment),
            fingerprint: stored.fingerprint,
            schema: stored.schema,
            filled: stored.filled,
            fill: stored.fill,
        }
    }
}

fn stored_head(heads: &impl ReadableTable<&'static [u8], &'static [u8]>, practice: &str) -> Result<Stored, ViewError> {
    match heads.get(practice.as_bytes()).map_err(unavailable)? {
        Some(bytes) => serde_json::from_slice(bytes.value()).map_err(|_| ViewError::Unreadable("a head")),
        None => Ok(Stored::default()),
    }
}

fn rows(
    database: &Database,
    practice: &str,
    dataset: &'static Dataset,
    keys: &[String],
) -> Result<Vec<Row>, ViewError> {
    let table = database.begin_read().map_err(unavailable)?.open_table(ROWS).map_err(unavailable)?;
    let mut rows = Vec::with_capacity(keys.len());
    for key in keys {
        if let Some(value) = table.get(path3(practice, dataset.name, key).as_slice()).map_err(unavailable)? {
            let (_, bytes) = cut(value.value()).ok_or(ViewError::Unreadable("a row"))?;
            rows.push(decode(dataset, bytes).ok_or(ViewError::Unreadable("a row"))?);
        }
    }
    Ok(rows)
}

fn members(
    database: &Database,
    practice: &str,
    dataset: &Dataset,
    (first, end): (Bound<&str>, Bound<&str>),
    limit: usize,
) -> Result<Vec<String>, ViewError> {
    let table = database.begin_read().map_err(unavailable)?.open_table(INDEX).map_err(unavailable)?;
    let prefix = path3(practice, dataset.name, "");
    let mut past = prefix.clone();
    past.push(0xff);
    let first = match first {
        Bound::Unbounded => Bound::Included(prefix.clone()),
        bound => bound.map(|member| path3(practice, dataset.name, member)),
    };
    let end = match end {
        Bound::Unbounded => Bound::Excluded(past),
        bound => bound.map(|member| path3(practice, dataset.name, member)),
    };
    let range = (first.as_ref().map(Vec::as_slice), end.as_ref().map(Vec::as_slice));
    let mut found = Vec::new();
    for entry in table.range::<&[u8]>(range).map_err(unavailable)?.take(limit) {
        let (key, _) = entry.map_err(unavailable)?;
        found.push(String::from_utf8_lossy(&key.value()[prefix.len()..]).into_owned());
    }
    Ok(found)
}

fn logged(key: &[u8], value: &[u8]) -> Result<Option<Entry>, ViewError> {
    let unreadable = || ViewError::Unreadable("a log entry");
    let (note, row) = cut(value).ok_or_else(unreadable)?;
    let note: Logged = serde_json::from_str(note).map_err(|_| unreadable())?;
    let Some(dataset) = live_datasets::get(&note.dataset) else { return Ok(None) };
    let row = if note.deleted { None } else { Some(decode(dataset, row).ok_or_else(unreadable)?) };
    let sequence = key.last_chunk().map(|bytes| u64::from_be_bytes(*bytes)).ok_or_else(unreadable)?;
    let times = (note.source_time.and_then(moment), moment(note.applied_at).ok_or_else(unreadable)?);
    Ok(Some(Entry::new(sequence, (dataset, note.key), note.patient, row, times)))
}

fn drop_oldest(
    cards: &mut Table<'_, &'static [u8], &'static [u8]>,
    practice: &str,
    keep: u64,
) -> Result<(), ViewError> {
    let (first, end) = (path(practice, ""), after_practice(practice));
    let mut opened = BTreeSet::new();
    for card in cards.range(first.as_slice()..end.as_slice()).map_err(unavailable)? {
        let (key, value) = card.map_err(unavailable)?;
        let at = cut(value.value()).and_then(|(times, _)| times.split_once(' ')?.0.parse::<i64>().ok());
        opened.insert((at.unwrap_or_default(), key.value().to_vec()));
    }
    let beyond = opened.len().saturating_sub(usize::try_from(keep).unwrap_or(usize::MAX));
    for (_, key) in opened.into_iter().take(beyond) {
        cards.remove(key.as_slice()).map_err(unavailable)?;
    }
    Ok(())
}

fn path(practice: &str, rest: &str) -> Vec<u8> {
    [practice.as_bytes(), &[0], rest.as_bytes()].concat()
}

fn path3(practice: &str, dataset: &str, rest: &str) -> Vec<u8> {
    [practice.as_bytes(), &[0], dataset.as_bytes(), &[0], rest.as_bytes()].concat()
}

fn after_practice(practice: &str) -> Vec<u8> {
    [practice.as_bytes(), &[1]].concat()
}

fn log_key(practice: &str, sequence: u64) -> Vec<u8> {
    [practice.as_bytes(), &[0], &sequence.to_be_bytes()].concat()
}

fn key_of(member: &str) -> String {
    member.split_once(':').map_or(member, |(_, key)| key).to_owned()
}

/// The group and the patient of a stored row.
fn owner(value: &[u8]) -> Option<(&str, &str)> {
    cut(value)?.0.split_once(':')
}

fn cut(value: &[u8]) -> Option<(&str, &[u8])> {
    let at = value.iter().position(|byte| *byte == b'\n')?;
    Some((std::str::from_utf8(&value[..at]).ok()?, &value[at + 1..]))
}

fn moment(micros: i64) -> Option<Timestamp> {
    Timestamp::from_microsecond(micros).ok()
}

/// redb's errors name files and pages, never contents.
fn unavailable(error: impl fmt::Display) -> ViewError {
    ViewError::Unavailable(error.to_string())
}
