//! The store of more than one process: Redis. Saving is one script (`commit.lua`), keys are in [`super::keys`].

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use mesh::{backoff::Backoff, secret::Secret};
use redis::{
    AsyncCommands as _, Client, IntoConnectionInfo as _, Script,
    aio::{ConnectionManager, ConnectionManagerConfig},
    streams::{StreamReadOptions, StreamReadReply},
};
use tokio::sync::broadcast;

use super::{
    All, Commit, Event, FOLLOW_BUFFER, Seen, Store, StoreError, Stored, Version, decode, encode, keys::Keys, load_each,
    next_version,
};
use crate::core::records::{RecordChange, RecordKey, Scan};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long one look at the event streams waits; less than the response time-out.
const FOLLOW_WAIT_MS: usize = 1000;

/// A Redis that keeps practices.
#[derive(Clone)]
pub struct RedisStore {
    connection: ConnectionManager,
    commit: Arc<Script>,
    events: broadcast::Sender<Event>,
}

impl std::fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RedisStore")
    }
}

/// Says what failed without the server's address or password.
fn broken(error: redis::RedisError) -> StoreError {
    StoreError::Unavailable(format!("Redis: {}", error.kind_text()))
}

/// A kind as words; a `RedisError`'s own text may name keys.
trait KindText {
    fn kind_text(&self) -> String;
}

impl KindText for redis::RedisError {
    fn kind_text(&self) -> String {
        match self.code() {
            Some(code) => format!("{:?} {code}", self.kind()),
            None => format!("{:?}", self.kind()),
        }
    }
}

impl RedisStore {
    /// Connects, and warns about settings that can lose what was acknowledged.
    ///
    /// # Errors
    /// When Redis does not answer, or refuses the password.
    pub async fn connect(url: &Secret, password: Option<&Secret>) -> Result<Self, StoreError> {
        let mut info = url.expose().into_connection_info().map_err(broken)?;
        if let Some(password) = password {
            let settings = info.redis_settings().clone().set_password(password.expose());
            info = info.set_redis_settings(settings);
        }
        let client = Client::open(info).map_err(broken)?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT))
            .set_number_of_retries(2);
        let connect = ConnectionManager::new_with_config(client.clone(), config.clone());
        let connection = tokio::time::timeout(CONNECT_TIMEOUT * 3, connect)
            .await
            .map_err(|_| StoreError::Unavailable("Redis does not answer; is it running at the given address?".into()))?
            .map_err(broken)?;
        let events = broadcast::Sender::new(FOLLOW_BUFFER);
        let store = Self { connection, commit: Arc::new(Script::new(include_str!("commit.lua"))), events };
        store.check_settings().await;
        tokio::spawn(follow(client, config, store.events.clone()));
        Ok(store)
    }

    /// Warns when Redis may forget what it acknowledged.
    async fn check_settings(&self) {
        for (name, wanted, why) in [
            ("appendonly", "yes", "a restart of Redis loses every practice's state"),
            ("maxmemory-policy", "noeviction", "Redis may throw practices' states away when its memory is full"),
        ] {
            let mut connection = self.connection.clone();
            let found: Result<Vec<String>, _> =
                redis::cmd("CONFIG").arg("GET").arg(name).query_async(&mut connection).await;
            match found.ok().and_then(|pair| pair.into_iter().nth(1)) {
                Some(value) if value == wanted => {}
                Some(value) => tracing::warn!("Redis has {name} {value}: {why}; set {name} {wanted}"),
                None => tracing::warn!("Redis does not tell its {name}; it should be {wanted}, or {why}"),
            }
        }
    }
}

#[async_trait::async_trait]
impl Store for RedisStore {
    async fn load(&self, id: &str) -> Result<Option<Stored>, StoreError> {
        let key = Keys::of(id).practice(id);
        let mut connection = self.connection.clone();
        let found: (Option<u64>, Option<String>) =
            connection.hmget(key, &["version", "state"]).await.map_err(broken)?;
        match found {
            (Some(version), Some(text)) => Ok(Some(Stored { state: Arc::new(decode(&text)?), version })),
            _ => Ok(None),
        }
    }

    async fn load_all(&self) -> Result<All<'_>, StoreError> {
        Ok(load_each(self, self.list().await?))
    }

    async fn commit(&self, id: &str, commit: Commit<'_>) -> Result<Version, StoreError> {
        let keys = Keys::of(id);
        let next = next_version(commit.version);
        let text = commit.state.map(encode).transpose()?.unwrap_or_default();
        let due = commit.due_at.map(|at| at.as_millisecond().to_string()).unwrap_or_default();
        let mut connection = self.connection.clone();
        let mut call = self.commit.prepare_invoke();
        call.key(keys.practice(id)).key(keys.due()).key(keys.ids()).key(keys.events());
        call.key(keys.records(id)).key(keys.record_keys(id));
        call.arg(id).arg(commit.version).arg(next).arg(text).arg(due);
        for change in commit.changes {
            match change {
                RecordChange::Put(key, value) => call.arg("put").arg(key.as_str()).arg(value.as_slice()),
                RecordChange::Remove(key) => call.arg("remove").arg(key.as_str()).arg(""),
            };
        }
        let saved: bool = call.invoke_async(&mut connection).await.map_err(broken)?;
        if saved { Ok(next) } else { Err(StoreError::Conflict) }
    }

    async fn read(&self, id: &str, keys: &[RecordKey]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<&str> = keys.iter().map(RecordKey::as_str).collect();
        let mut connection = self.connection.clone();
        redis::cmd("HMGET").arg(Keys::of(id).records(id)).arg(names).query_async(&mut connection).await.map_err(broken)
    }

    async fn scan(&self, id: &str, scan: &Scan) -> Result<Vec<(RecordKey, Vec<u8>)>, StoreError> {
        let (from, until) = (format!("[{}", scan.from.as_str()), format!("({}", scan.until.as_str()));
        let mut connection = self.connection.clone();
        let mut command = redis::cmd(if scan.reverse { "ZREVRANGEBYLEX" } else { "ZRANGEBYLEX" });
        command.arg(Keys::of(id).record_keys(id));
        match scan.reverse {
            true => command.arg(until).arg(from),
            false => command.arg(from).arg(until),
        };
        command.arg("LIMIT").arg(0).arg(scan.limit);
        let names: Vec<String> = command.query_async(&mut connection).await.map_err(broken)?;
        let keys: Vec<RecordKey> = names.iter().map(|name| RecordKey::stored(name)).collect();
        let values = self.read(id, &keys).await?;
        Ok(keys.into_iter().zip(values).filter_map(|(key, value)| Some((key, value?))).collect())
    }

    async fn list(&self) -> Result<Vec<String>, StoreError> {
        let mut ids = Vec::new();
        for keys in Keys::all() {
            let mut connection = self.connection.clone();
            let shard: Vec<String> = connection.smembers(keys.ids()).await.map_err(broken)?;
            ids.extend(shard);
        }
        ids.sort_unstable();
        Ok(ids)
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<String>, StoreError> {
        let mut ids: Vec<String> = Vec::new();
        for keys in Keys::all() {
            let left = limit.saturating_sub(ids.len());
            if left == 0 {
                break;
            }
            let mut connection = self.connection.clone();
            let count = isize::try_from(left).unwrap_or(isize::MAX);
            let due: Vec<String> = connection
                .zrangebyscore_limit(keys.due(), "-inf", now.as_millisecond(), 0, count)
                .await
                .map_err(broken)?;
            ids.extend(due);
        }
        Ok(ids)
    }

    fn follow(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let mut connection = self.connection.clone();
        redis::cmd("PING").query_async::<()>(&mut connection).await.map_err(broken)
    }
}

/// Passes the shards' event streams on, for as long as somebody could listen. On a connection of its own: it blocks.
async fn follow(client: Client, config: ConnectionManagerConfig, events: broadcast::Sender<Event>) {
    let mut backoff = Backoff::forever(Duration::from_millis(50), Duration::from_secs(2));
    let streams: Vec<String> = Keys::all().map(|keys| keys.events()).collect();
    let mut at: Vec<String> = vec!["$".to_owned(); streams.len()];
    let mut connection = None;
    loop {
        if connection.is_none() {
            connection = ConnectionManager::new_with_config(client.clone(), config.clone()).await.ok();
        }
        let read = match &mut connection {
            Some(connection) => read_events(connection, &streams, &mut at, &events).await.is_ok(),
            None => false,
        };
        if read {
            backoff.reset();
        } else if let Some(wait) = backoff.next() {
            tokio::time::sleep(wait).await;
        }
    }
}

async fn read_events(
    connection: &mut ConnectionManager,
    streams: &[String],
    at: &mut [String],
    events: &broadcast::Sender<Event>,
) -> redis::RedisResult<()> {
    let options = StreamReadOptions::default().block(FOLLOW_WAIT_MS).count(500);
    // `$` would miss what happens between two reads: take the ends once, then go on from what was seen.
    for (stream, at) in streams.iter().zip(at.iter_mut()).filter(|(_, at)| *at == "$") {
        let last: redis::streams::StreamRangeReply = connection.xrevrange_count(stream, "+", "-", 1).await?;
        *at = last.ids.first().map_or_else(|| "0-0".to_owned(), |entry| entry.id.clone());
    }
    let reply: Option<StreamReadReply> = connection.xread_options(streams, at, &options).await?;
    for stream in reply.into_iter().flat_map(|reply| reply.keys) {
        let place = streams.iter().position(|name| *name == stream.key);
        for entry in stream.ids {
            if let Some(id) = entry.get::<String>("id") {
                let _ = events.send(Event { id: id.into(), seen: Seen::Changed }); // nobody may be following
            }
            if let Some(place) = place {
                at[place] = entry.id;
            }
        }
    }
    Ok(())
}
