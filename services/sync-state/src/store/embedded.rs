//! The store of a single process: a file. What was acknowledged is on disk, durable or not: what waits to be saved goes to
//! the disk together.

use std::{path::Path, sync::Arc};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use redb::{Database, ReadableDatabase as _, ReadableTable as _, Table, TableDefinition, WriteTransaction};
use tokio::sync::{broadcast, mpsc, oneshot};

use super::{Commit, Event, FOLLOW_BUFFER, Store, StoreError, Stored, Version, codec, v1, version};
use crate::core::records::{RecordChange, RecordKey, Scan};

/// id → version and state.
const PRACTICES: TableDefinition<&str, &[u8]> = TableDefinition::new("practices-v2");
/// (due in ms, id) → nothing.
const DUE: TableDefinition<(i64, &str), ()> = TableDefinition::new("due-v2");
/// id → due in ms.
const DUE_OF: TableDefinition<&str, i64> = TableDefinition::new("due-of-v2");
/// (id, record key) → record.
const RECORDS: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("records-v2");

/// What the first layout had: id → version, state in JSON.
const PRACTICES_V1: TableDefinition<&str, (u64, &str)> = TableDefinition::new("practices-v1");
const DUE_V1: TableDefinition<(i64, &str), ()> = TableDefinition::new("due-v1");
const DUE_OF_V1: TableDefinition<&str, i64> = TableDefinition::new("due-of-v1");

/// Saves that may wait. More are refused at once.
const QUEUE: usize = 8192;
/// Saves that go to the disk together.
const GROUP: usize = 512;
/// Values that are decoded together.
const DECODE: usize = 1000;

/// A file that keeps practices.
#[derive(Debug)]
pub struct EmbeddedStore {
    database: Arc<Database>,
    saves: mpsc::Sender<Waiting>,
    events: broadcast::Sender<Event>,
}

#[derive(Debug)]
struct Waiting {
    save: Save,
    answer: oneshot::Sender<Result<Version, StoreError>>,
}

#[derive(Debug)]
struct Save {
    id: String,
    base: Version,
    next: Version,
    /// Empty: the practice is deleted.
    value: Vec<u8>,
    due: Option<i64>,
    changes: Vec<RecordChange>,
}

fn broken(error: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

impl EmbeddedStore {
    /// Opens the file, or makes it, and moves what an older version left. To be called where tokio runs.
    ///
    /// # Errors
    /// When the file is locked by another process, damaged, or cannot be made, or holds a newer version's states.
    pub fn open(file: &Path) -> Result<Self, StoreError> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(broken)?;
        }
        let database = Database::create(file).map_err(broken)?;
        let write = database.begin_write().map_err(broken)?;
        migrate(&write)?;
        write.commit().map_err(broken)?;
        let database = Arc::new(database);
        let (saves, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(commit_groups(database.clone(), waiting));
        Ok(Self { database, saves, events: broadcast::Sender::new(FOLLOW_BUFFER) })
    }

    /// Runs disk work where it does not hold up other tasks.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let database = self.database.clone();
        tokio::task::spawn_blocking(move || work(&database)).await.map_err(broken)?
    }
}

#[async_trait::async_trait]
impl Store for EmbeddedStore {
    async fn load(&self, id: &str) -> Result<Option<Stored>, StoreError> {
        let id = id.to_owned();
        self.on_disk(move |database| {
            let table = database.begin_read().map_err(broken)?.open_table(PRACTICES).map_err(broken)?;
            let found = table.get(id.as_str()).map_err(broken)?;
            found.map(|bytes| codec::decode(bytes.value())).transpose()
        })
        .await
    }

    async fn load_all(&self) -> Result<Vec<Stored>, StoreError> {
        let values: Vec<Vec<Vec<u8>>> = self
            .on_disk(|database| {
                let table = database.begin_read().map_err(broken)?.open_table(PRACTICES).map_err(broken)?;
                let mut all = vec![Vec::new()];
                for entry in table.iter().map_err(broken)? {
                    let (_, value) = entry.map_err(broken)?;
                    match all.last_mut() {
                        Some(part) if part.len() < DECODE => part.push(value.value().to_vec()),
                        _ => all.push(vec![value.value().to_vec()]),
                    }
                }
                Ok(all)
            })
            .await?;
        stream::iter(values).map(codec::decode_all).buffered(2).try_concat().await
    }

    async fn commit(&self, id: &str, commit: Commit<'_>) -> Result<Version, StoreError> {
        let next = version::next(commit.version);
        let (value, due, changes) = match commit.state {
            Some(state) => {
                let due = commit.due_at.map(Timestamp::as_millisecond);
                (codec::encode(state, next)?, due, commit.changes.to_vec())
            }
            None => Default::default(),
        };
        let save = Save { id: id.to_owned(), base: commit.version, next, value, due, changes };
        let (answer, answered) = oneshot::channel();
        self.saves.try_send(Waiting { save, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => broken("the store is being closed"),
        })?;
        answered.await.map_err(|_| broken("the store is being closed"))?
    }

    async fn read(&self, id: &str, keys: &[RecordKey]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let (id, keys) = (id.to_owned(), keys.to_vec());
        self.on_disk(move |database| {
            let table = database.begin_read().map_err(broken)?.open_table(RECORDS).map_err(broken)?;
            let one = |key: &RecordKey| -> Result<Option<Vec<u8>>, StoreError> {
                let found = table.get((id.as_str(), key.as_str())).map_err(broken)?;
                Ok(found.map(|value| value.value().to_vec()))
            };
            keys.iter().map(one).collect()
        })
        .await
    }

    async fn scan(&self, id: &str, scan: &Scan) -> Result<Vec<(RecordKey, Vec<u8>)>, StoreError> {
        if scan.limit == 0 || scan.from >= scan.until {
            return Ok(Vec::new());
        }
        let (id, scan) = (id.to_owned(), scan.clone());
        self.on_disk(move |database| {
            let table = database.begin_read().map_err(broken)?.open_table(RECORDS).map_err(broken)?;
            let range = (id.as_str(), scan.from.as_str())..(id.as_str(), scan.until.as_str());
            let mut range = table.range(range).map_err(broken)?;
            let mut found = Vec::new();
            while found.len() < scan.limit {
                let Some(entry) = (if scan.reverse { range.next_back() } else { range.next() }) else { break };
                let (key, value) = entry.map_err(broken)?;
                found.push((RecordKey::stored(key.value().1), value.value().to_vec()));
            }
            Ok(found)
        })
        .await
    }

    async fn list(&self) -> Result<Vec<String>, StoreError> {
        self.on_disk(|database| {
            let table = database.begin_read().map_err(broken)?.open_table(PRACTICES).map_err(broken)?;
            let ids = table.iter().map_err(broken)?;
            ids.map(|entry| entry.map(|(id, _)| id.value().to_owned()).map_err(broken)).collect()
        })
        .await
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<String>, StoreError> {
        let until = now.as_millisecond() + 1;
        self.on_disk(move |database| {
            let table = database.begin_read().map_err(broken)?.open_table(DUE).map_err(broken)?;
            let due = table.range(..(until, "")).map_err(broken)?.take(limit);
            due.map(|entry| entry.map(|(key, _)| key.value().1.to_owned()).map_err(broken)).collect()
        })
        .await
    }

    fn follow(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe() // no other process has the file: nothing is ever sent
    }

    async fn ping(&self) -> Result<(), StoreError> {
        match self.saves.is_closed() {
            false => Ok(()),
            true => Err(broken("the file cannot be written any more; start again")),
        }
    }
}

/// Saves whatever waits in one transaction, again and again, until nobody can ask any more.
async fn commit_groups(database: Arc<Database>, mut waiting: mpsc::Receiver<Waiting>) {
    let mut group = Vec::with_capacity(GROUP);
    while waiting.recv_many(&mut group, GROUP).await > 0 {
        let (saves, answers): (Vec<Save>, Vec<_>) = group.drain(..).map(|one| (one.save, one.answer)).unzip();
        let database = database.clone();
        let count = saves.len();
        let results = tokio::task::spawn_blocking(move || {
            commit_group(&database, &saves).unwrap_or_else(|error| {
                let words = error.to_string();
                (0..saves.len()).map(|_| Err(StoreError::Unavailable(words.clone()))).collect()
            })
        })
        .await
        .unwrap_or_else(|_| (0..count).map(|_| Err(broken("the file could not be written"))).collect());
        for (answer, result) in answers.into_iter().zip(results) {
            drop(answer.send(result)); // whoever asked may have gone
        }
    }
}

type Tables<'t> = (
    Table<'t, &'static str, &'static [u8]>,
    Table<'t, (i64, &'static str), ()>,
    Table<'t, &'static str, i64>,
    Table<'t, (&'static str, &'static str), &'static [u8]>,
);

fn open_tables(write: &WriteTransaction) -> Result<Tables<'_>, StoreError> {
    Ok((
        write.open_table(PRACTICES).map_err(broken)?,
        write.open_table(DUE).map_err(broken)?,
        write.open_table(DUE_OF).map_err(broken)?,
        write.open_table(RECORDS).map_err(broken)?,
    ))
}

/// Each save has its own answer; that of all is an error when the disk did not take them.
fn commit_group(database: &Database, saves: &[Save]) -> Result<Vec<Result<Version, StoreError>>, StoreError> {
    let write = database.begin_write().map_err(broken)?;
    let mut results = Vec::with_capacity(saves.len());
    {
        let mut tables = open_tables(&write)?;
        for save in saves {
            results.push(match put(&mut tables, save) {
                Ok(true) => Ok(save.next),
                Ok(false) => Err(StoreError::Conflict),
                Err(error) => return Err(error),
            });
        }
    }
    write.commit().map_err(broken)?;
    Ok(results)
}

/// Whether the version was the one that was read; otherwise nothing is done.
fn put((practices, due, due_of, records): &mut Tables<'_>, save: &Save) -> Result<bool, StoreError> {
    let id = save.id.as_str();
    let found = practices.get(id).map_err(broken)?.and_then(|found| codec::version(found.value())).unwrap_or(0);
    if found != save.base {
        return Ok(false);
    }
    let before = due_of.remove(id).map_err(broken)?.map(|at| at.value());
    if let Some(before) = before {
        due.remove((before, id)).map_err(broken)?;
    }
    if save.value.is_empty() {
        practices.remove(id).map_err(broken)?;
        // The id with a zero byte is the next one that could be.
        let end = format!("{id}\0");
        records.retain_in((id, "")..(end.as_str(), ""), |_, _| false).map_err(broken)?;
        return Ok(true);
    }
    practices.insert(id, save.value.as_slice()).map_err(broken)?;
    if let Some(at) = save.due {
        due.insert((at, id), ()).map_err(broken)?;
        due_of.insert(id, at).map_err(broken)?;
    }
    for change in &save.changes {
        match change {
            RecordChange::Put(key, value) => {
                drop(records.insert((id, key.as_str()), value.as_slice()).map_err(broken)?)
            }
            RecordChange::Remove(key) => drop(records.remove((id, key.as_str())).map_err(broken)?),
        }
    }
    Ok(true)
}

/// Moves what the first layout had, and makes the tables.
fn migrate(write: &WriteTransaction) -> Result<(), StoreError> {
    let mut tables = open_tables(write)?;
    let old: Vec<(String, u64, String)> = {
        let table = write.open_table(PRACTICES_V1).map_err(broken)?;
        let mut old = Vec::new();
        for entry in table.iter().map_err(broken)? {
            let (id, value) = entry.map_err(broken)?;
            let (version, text) = value.value();
            old.push((id.value().to_owned(), version, text.to_owned()));
        }
        old
    };
    if !old.is_empty() {
        tracing::info!(practices = old.len(), "moving practices of an older version");
    }
    for (id, version, text) in old {
        let moved = v1::read(&text)?;
        let next = version::next(version);
        let value = codec::encode(&moved.state, next)?;
        let due = Some(0); // due at once: the first look at it finds out when it really is
        put(&mut tables, &Save { id, base: 0, next, value, due, changes: moved.changes })?;
    }
    drop(tables);
    write.delete_table(PRACTICES_V1).map_err(broken)?;
    write.delete_table(DUE_V1).map_err(broken)?;
    write.delete_table(DUE_OF_V1).map_err(broken)?;
    Ok(())
}
