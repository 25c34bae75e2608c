//! The store of a single process: a file. What was acknowledged is on disk.

use std::{path::Path, sync::Arc};

use jiff::Timestamp;
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use tokio::sync::broadcast;

use super::{
    All, Commit, Event, FOLLOW_BUFFER, Seen, Store, StoreError, Stored, Version, decode, encode, load_each,
    next_version,
};
use crate::core::records::{RecordChange, RecordKey, Scan};

/// id → version, state.
const PRACTICES: TableDefinition<&str, (u64, &str)> = TableDefinition::new("practices-v1");
/// (due in ms, id) → nothing.
const DUE: TableDefinition<(i64, &str), ()> = TableDefinition::new("due-v1");
/// id → due in ms.
const DUE_OF: TableDefinition<&str, i64> = TableDefinition::new("due-of-v1");
/// (id, record's key) → its value.
const RECORDS: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("records-v1");

/// A file that keeps practices.
#[derive(Debug, Clone)]
pub struct EmbeddedStore {
    database: Arc<Database>,
    events: broadcast::Sender<Event>,
}

fn broken(error: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

impl EmbeddedStore {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// When the file is locked by another process, damaged, or cannot be made.
    pub fn open(file: &Path) -> Result<Self, StoreError> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(broken)?;
        }
        let database = Database::create(file).map_err(broken)?;
        let write = database.begin_write().map_err(broken)?;
        write.open_table(PRACTICES).map_err(broken)?;
        write.open_table(DUE).map_err(broken)?;
        write.open_table(DUE_OF).map_err(broken)?;
        write.open_table(RECORDS).map_err(broken)?;
        write.commit().map_err(broken)?;
        Ok(Self { database: Arc::new(database), events: broadcast::Sender::new(FOLLOW_BUFFER) })
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
            let Some(found) = table.get(id.as_str()).map_err(broken)? else { return Ok(None) };
            let (version, text) = found.value();
            Ok(Some(Stored { state: Arc::new(decode(text)?), version }))
        })
        .await
    }

    async fn load_all(&self) -> Result<All<'_>, StoreError> {
        Ok(load_each(self, self.list().await?))
    }

    async fn commit(&self, id: &str, commit: Commit<'_>) -> Result<Version, StoreError> {
        let text = commit.state.map(encode).transpose()?;
        let (owned, changes) = (id.to_owned(), commit.changes.to_vec());
        let (version, due_at) = (commit.version, commit.due_at);
        let saved =
            self.on_disk(move |database| save(database, &owned, version, text.as_deref(), due_at, &changes)).await?;
        let _ = self.events.send(Event { id: id.into(), seen: Seen::Changed }); // nobody may be following
        Ok(saved)
    }

    async fn read(&self, id: &str, keys: &[RecordKey]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let (id, keys) = (id.to_owned(), keys.to_vec());
        self.on_disk(move |database| {
            let table = database.begin_read().map_err(broken)?.open_table(RECORDS).map_err(broken)?;
            let value = |key: &RecordKey| {
                let found = table.get((id.as_str(), key.as_str())).map_err(broken)?;
                Ok(found.map(|found| found.value().to_vec()))
            };
            keys.iter().map(value).collect()
        })
        .await
    }

    async fn scan(&self, id: &str, scan: &Scan) -> Result<Vec<(RecordKey, Vec<u8>)>, StoreError> {
        let (id, scan) = (id.to_owned(), scan.clone());
        self.on_disk(move |database| {
            let table = database.begin_read().map_err(broken)?.open_table(RECORDS).map_err(broken)?;
            let range = (id.as_str(), scan.from.as_str())..(id.as_str(), scan.until.as_str());
            if range.start >= range.end {
                return Ok(Vec::new());
            }
            let found = table.range(range).map_err(broken)?;
            let copy = |entry: Result<(redb::AccessGuard<'_, (&str, &str)>, redb::AccessGuard<'_, &[u8]>), _>| {
                let (key, value) = entry.map_err(broken)?;
                Ok((RecordKey::stored(key.value().1), value.value().to_vec()))
            };
            match scan.reverse {
                true => found.rev().take(scan.limit).map(copy).collect(),
                false => found.take(scan.limit).map(copy).collect(),
            }
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
        self.events.subscribe()
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

fn save(
    database: &Database,
    id: &str,
    version: Version,
    text: Option<&str>,
    due_at: Option<Timestamp>,
    changes: &[RecordChange],
) -> Result<Version, StoreError> {
    let write = database.begin_write().map_err(broken)?;
    let next = next_version(version);
    {
        let mut practices = write.open_table(PRACTICES).map_err(broken)?;
        let found = practices.get(id).map_err(broken)?.map_or(0, |found| found.value().0);
        if found != version {
            return Err(StoreError::Conflict);
        }
        let mut due = write.open_table(DUE).map_err(broken)?;
        let mut due_of = write.open_table(DUE_OF).map_err(broken)?;
        let before = due_of.remove(id).map_err(broken)?.map(|at| at.value());
        if let Some(before) = before {
            due.remove((before, id)).map_err(broken)?;
        }
        match text {
            Some(text) => {
                practices.insert(id, (next, text)).map_err(broken)?;
                if let Some(at) = due_at.map(Timestamp::as_millisecond) {
                    due.insert((at, id), ()).map_err(broken)?;
                    due_of.insert(id, at).map_err(broken)?;
                }
            }
            None => drop(practices.remove(id).map_err(broken)?),
        }
        let mut records = write.open_table(RECORDS).map_err(broken)?;
        for change in changes {
            match change {
                RecordChange::Put(key, value) => {
                    records.insert((id, key.as_str()), value.as_slice()).map_err(broken)?;
                }
                RecordChange::Remove(key) => drop(records.remove((id, key.as_str())).map_err(broken)?),
            }
        }
        if text.is_none() {
            // Every record's key begins with a small letter.
            records.retain_in((id, "")..(id, "~"), |_, _| false).map_err(broken)?;
        }
    }
    write.commit().map_err(broken)?;
    Ok(next)
}
