//! The live view in Redis. Nothing else reads or writes these keys.
//!
//! ```text
//! chairsync:view:1:{practice}:head            hash    the fields of `Head`
//! chairsync:view:1:{practice}:rows:{dataset}  hash    key -> "group:patient\n" and the row's bytes
//! chairsync:view:1:{practice}:index:{dataset} zset    "group:key", score 0: rows by patient or family, and paging
//! chairsync:view:1:{practice}:log             stream  id = sequence-1; o op, d dataset, k key, p patient, r row,
//!                                                     s source time, a applied (both in microseconds)
//! chairsync:view:1:{practice}:cards           hash    patient -> microseconds, a newline, the card's rows
//! chairsync:view:1:{practice}:opened          zset    patient by when its card was last opened
//! chairsync:view:1:{practice}:moved           channel published by each write
//! chairsync:view:1:token-secret               string  signs resume tokens
//! ```
//! `{practice}` is the hash tag, so that the one script that writes (`apply.lua`) has all its keys in one slot.

use std::{fmt, sync::Arc, time::Duration};

use ::redis::{
    AsyncCommands, Client, FromRedisValue, IntoConnectionInfo as _, RedisError, Script, Value as Reply,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use async_trait::async_trait;
use futures::StreamExt;
use jiff::Timestamp;
use mesh::datasets::Dataset;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Applied, CardRows, Entry, Head, Limits, LiveView, Moves, Page, ViewError, Write};
use crate::{
    live_datasets,
    row::{Row, decode, encode},
};

/// The version in it changes when the keys' meaning does.
const PREFIX: &str = "chairsync:view:1:";
const RESPONSE_LIMIT: Duration = Duration::from_secs(10);
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
const LISTEN_AGAIN: Duration = Duration::from_millis(500);
const SCAN_PAGE: usize = 5_000;

/// A store of live views in Redis.
pub struct RedisView {
    connection: ConnectionManager,
    script: Script,
    limits: Limits,
    moves: Arc<Moves>,
    _listener: DropGuard,
}

impl fmt::Debug for RedisView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisView")
    }
}

impl RedisView {
    /// Connects; `password` wins over one in the URL.
    ///
    /// # Errors
    /// `Unavailable` when the URL is not one of Redis or nothing answers there. The URL, which may hold a password, is not
    /// in the error.
    pub async fn connect(url: &str, password: Option<&str>, limits: Limits) -> Result<Self, ViewError> {
        let mut info = url.into_connection_info().map_err(unavailable)?;
        if let Some(password) = password {
            let settings = info.redis_settings().clone().set_password(password);
            info = info.set_redis_settings(settings);
        }
        let client = Client::open(info).map_err(unavailable)?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECT_LIMIT))
            .set_response_timeout(Some(RESPONSE_LIMIT))
            .set_number_of_retries(3);
        let connection = client.get_connection_manager_with_config(config).await.map_err(unavailable)?;
        let moves = Arc::new(Moves::default());
        let stop = CancellationToken::new();
        tokio::spawn(listen(client, moves.clone(), stop.clone()));
        let script = Script::new(include_str!("apply.lua"));
        Ok(Self { connection, script, limits, moves, _listener: stop.drop_guard() })
    }

    async fn rows(&self, practice: &str, dataset: &'static Dataset, keys: &[String]) -> Result<Vec<Row>, ViewError> {
        let mut rows = Vec::with_capacity(keys.len());
        for keys in keys.chunks(SCAN_PAGE) {
            let mut command = ::redis::cmd("HMGET");
            command.arg(key(practice, &format!("rows:{}", dataset.name))).arg(keys);
            let values: Vec<Option<Vec<u8>>> = self.ask(&command).await?;
            for value in values.into_iter().flatten() {
                rows.push(stored_row(dataset, &value)?);
            }
        }
        Ok(rows)
    }

    async fn ask<T: FromRedisValue>(&self, command: &::redis::Cmd) -> Result<T, ViewError> {
        command.query_async(&mut self.connection.clone()).await.map_err(unavailable)
    }

    /// Members of an index from after `after` to below `end`.
    async fn members(
        &self,
        index: &str,
        (after, end): (String, String),
        limit: usize,
    ) -> Result<Vec<String>, ViewError> {
        let mut command = ::redis::cmd("ZRANGE");
        command.arg(index).arg(after).arg(end).arg("BYLEX").arg("LIMIT").arg(0).arg(limit);
        self.ask(&command).await
    }
}

#[async_trait]
impl LiveView for RedisView {
    async fn head(&self, practice: &str) -> Result<Head, ViewError> {
        let mut command = ::redis::cmd("HGETALL");
        command.arg(key(practice, "head"));
        let fields: Vec<(String, String)> = self.ask(&command).await?;
        let mut head = Head::default();
        for (field, value) in fields {
            match field.as_str() {
                "epoch" => head.epoch = number(&value)?,
                "incarnation" => head.incarnation = value,
                "sequence" => head.sequence = number(&value)?,
                "floor" => head.floor = number(&value)?,
                "cursor" => head.cursor = value,
                "synced_through" => head.synced_through = moment(&value)?,
                "marked_at" => head.marked_at = moment(&value)?,
                "fingerprint" => head.fingerprint = value,
                "schema" => head.schema = value,
                "filled" => head.filled = value == "1",
                "fill" => head.fill = value,
                _ => {}
            }
        }
        Ok(head)
    }

    async fn apply(&self, practice: &str, write: Write) -> Result<Applied, ViewError> {
        let now = Timestamp::now();
        let optional = |number: Option<u64>| number.map(|n| n.to_string()).unwrap_or_default();
        let mut call = self.script.key(key(practice, "head"));
        call.key(key(practice, "log")).arg(key(practice, ""));
        call.arg(optional(write.epoch)).arg(optional(write.if_sequence)).arg(write.known_sequence.to_string());
        call.arg(flag(write.log)).arg(self.limits.log_entries).arg(now.as_microsecond());
        call.arg(uuid::Uuid::now_v7().simple().to_string()).arg(flag(write.head.new_incarnation));
        let fields = head_fields(&write, now);
        call.arg(fields.len());
        for (field, value) in fields {
            call.arg(field).arg(value);
        }
        for row in &write.upserts {
            let owner = format!("{}:{}", row.group(), row.patient().map(|p| p.to_string()).unwrap_or_default());
            call.arg("u").arg(row.dataset().name).arg(row.key()).arg(owner).arg(encode(row));
        }
        for (dataset, key) in &write.deletes {
            call.arg("d").arg(dataset.name).arg(key).arg("").arg("");
        }
        let reply: Vec<Reply> = call.invoke_async(&mut self.connection.clone()).await.map_err(unavailable)?;
        applied(reply)
    }

    async fn get(&self, practice: &str, dataset: &'static Dataset, keys: &[String]) -> Result<Vec<Row>, ViewError> {
        self.rows(practice, dataset, keys).await
    }

    async fn in_groups(
        &self,
        practice: &str,
        dataset: &'static Dataset,
        groups: &[i64],
    ) -> Result<Vec<Row>, ViewError> {
        let index = key(practice, &format!("index:{}", dataset.name));
        let mut keys = Vec::new();
        for group in groups {
            // ';' is the character after ':'.
            let mut after = format!("({group}:");
            loop {
                let members = self.members(&index, (after, format!("({group};")), SCAN_PAGE).await?;
                let Some(last) = members.last() else { break };
                after = format!("({last}");
                let whole = members.len() < SCAN_PAGE;
                keys.extend(members.iter().map(|member| key_of(member)));
                if whole {
                    break;
                }
            }
        }
        self.rows(practice, dataset, &keys).await
    }

    async fn page(
        &self,
        practice: &str,
        dataset: &'static Dataset,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, ViewError> {
        let index = key(practice, &format!("index:{}", dataset.name));
        let after = after.map_or("-".to_owned(), |member| format!("({member}"));
        let members = self.members(&index, (after, "+".into()), limit).await?;
        let next = members.last().filter(|_| members.len() == limit).cloned();
        let keys: Vec<String> = members.iter().map(|member| key_of(member)).collect();
        Ok(Page { rows: self.rows(practice, dataset, &keys).await?, next })
    }

    async fn keys(&self, practice: &str, dataset: &'static Dataset) -> Result<Vec<String>, ViewError> {
        let index = key(practice, &format!("index:{}", dataset.name));
        let (mut keys, mut after) = (Vec::new(), "-".to_owned());
        loop {
            let members = self.members(&index, (after, "+".into()), SCAN_PAGE).await?;
            keys.extend(members.iter().map(|member| key_of(member)));
            match members.last().filter(|_| members.len() == SCAN_PAGE) {
                Some(last) => after = format!("({last}"),
                None => return Ok(keys),
            }
        }
    }

    async fn log(&self, practice: &str, after: u64, limit: usize) -> Result<Vec<Entry>, ViewError> {
        let mut command = ::redis::cmd("XRANGE");
        command.arg(key(practice, "log")).arg(format!("({after}-1")).arg("+").arg("COUNT").arg(limit);
        let entries: Vec<(String, Vec<(String, Vec<u8>)>)> = self.ask(&command).await?;
        entries.into_iter().filter_map(|(id, fields)| logged(&id, fields).transpose()).collect()
    }

    async fn remember_card(&self, practice: &str, patient: i64, rows: CardRows) -> Result<(), ViewError> {
        let (cards, opened) = (key(practice, "cards"), key(practice, "opened"));
        let mut value = format!("{}\n", rows.fetched_at.as_microsecond()).into_bytes();
        value.extend_from_slice(&rows.bytes);
        let mut pipe = ::redis::pipe();
        pipe.atomic().hset(&cards, patient, value).ignore();
        pipe.zadd(&opened, patient, Timestamp::now().as_millisecond()).ignore().zcard(&opened);
        let (kept,): (i64,) = pipe.query_async(&mut self.connection.clone()).await.map_err(unavailable)?;
        let beyond = kept - i64::try_from(self.limits.cards).unwrap_or(i64::MAX);
        if beyond > 0 {
            let mut connection = self.connection.clone();
            let oldest: Vec<(String, f64)> =
                connection.zpopmin(&opened, isize::try_from(beyond).unwrap_or(1)).await.map_err(unavailable)?;
            let oldest: Vec<String> = oldest.into_iter().map(|(patient, _)| patient).collect();
            if !oldest.is_empty() {
                let () = connection.hdel(&cards, oldest).await.map_err(unavailable)?;
            }
        }
        Ok(())
    }

    async fn card(&self, practice: &str, patient: i64) -> Result<Option<CardRows>, ViewError> {
        let mut command = ::redis::cmd("HGET");
        command.arg(key(practice, "cards")).arg(patient);
        let Some(value): Option<Vec<u8>> = self.ask(&command).await? else { return Ok(None) };
        let (at, rows) = cut(&value).ok_or(ViewError::Unreadable("a card"))?;
        let fetched_at = moment(at)?.ok_or(ViewError::Unreadable("a card's time"))?;
        Ok(Some(CardRows { fetched_at, bytes: rows.to_vec() }))
    }

    async fn forget(&self, practice: &str) -> Result<(), ViewError> {
        let mut command = ::redis::cmd("UNLINK");
        for suffix in ["head", "log", "cards", "opened"] {
            command.arg(key(practice, suffix));
        }
        for dataset in live_datasets::all() {
            command.arg(key(practice, &format!("rows:{}", dataset.name)));
            command.arg(key(practice, &format!("index:{}", dataset.name)));
        }
        self.ask(&command).await
    }

    async fn token_secret(&self) -> Result<Vec<u8>, ViewError> {
        let name = format!("{PREFIX}token-secret");
        let fresh: [u8; 32] = rand::random();
        let mut connection = self.connection.clone();
        let _: bool = connection.set_nx(&name, &fresh[..]).await.map_err(unavailable)?;
        connection.get(&name).await.map_err(unavailable)
    }

    fn moves(&self, practice: &str) -> watch::Receiver<u64> {
        self.moves.of(practice)
    }
}

/// Hears of every write on this store, of this process or another.
async fn listen(client: Client, moves: Arc<Moves>, stop: CancellationToken) {
    let pattern = format!("{PREFIX}*:moved");
    let hear = async {
        loop {
            if let Ok(mut messages) = client.get_async_pubsub().await
                && messages.psubscribe(&pattern).await.is_ok()
            {
                moves.all_moved();
                let mut messages = messages.into_on_message();
                while let Some(message) = messages.next().await {
                    let name = message.get_channel_name();
                    if let Some((_, rest)) = name.split_once('{')
                        && let Some((practice, _)) = rest.split_once('}')
                    {
                        moves.moved(practice);
                    }
                }
            }
            tokio::time::sleep(LISTEN_AGAIN).await;
        }
    };
    tokio::select! {
        () = hear => {}
        () = stop.cancelled() => {}
    }
}

fn key(practice: &str, suffix: &str) -> String {
    format!("{PREFIX}{{{practice}}}:{suffix}")
}

fn key_of(member: &str) -> String {
    member.split_once(':').map_or(member, |(_, key)| key).to_owned()
}

fn flag(on: bool) -> &'static str {
    if on { "1" } else { "0" }
}

/// The head's fields that a write changes.
fn head_fields(write: &Write, now: Timestamp) -> Vec<(&'static str, String)> {
    let head = &write.head;
    let mut fields = Vec::new();
    let mut put = |name, value: Option<String>| fields.extend(value.map(|value| (name, value)));
    put("cursor", head.cursor.clone());
    put("marked_at", head.cursor.as_ref().map(|_| now.as_microsecond().to_string()));
    put("synced_through", head.synced_through.map(|at| at.as_microsecond().to_string()));
    put("fingerprint", head.fingerprint.clone());
    put("schema", head.schema.clone());
    put("filled", head.filled.map(|filled| flag(filled).to_owned()));
    put("fill", head.fill.clone());
    fields
}

fn applied(reply: Vec<Reply>) -> Result<Applied, ViewError> {
    let text = |at: usize| reply.get(at).and_then(|v| String::from_redis_value(v.clone()).ok()).unwrap_or_default();
    match text(0).as_str() {
        "OK" => Ok(Applied { sequence: number(&text(1))?, changed: number(&text(2))? }),
        "STALE" => Err(ViewError::Stale { held: number(&text(1))? }),
        "MOVED" => Err(ViewError::Moved),
        "ROLLED_BACK" => Err(ViewError::RolledBack),
        _ => Err(ViewError::Unreadable("a script's reply")),
    }
}

fn stored_row(dataset: &'static Dataset, value: &[u8]) -> Result<Row, ViewError> {
    let (_, bytes) = cut(value).ok_or(ViewError::Unreadable("a row"))?;
    decode(dataset, bytes).ok_or(ViewError::Unreadable("a row"))
}

/// A log entry; `None` when its dataset is not followed any more.
fn logged(id: &str, fields: Vec<(String, Vec<u8>)>) -> Result<Option<Entry>, ViewError> {
    let unreadable = ViewError::Unreadable("a log entry");
    let bytes =
        |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, v)| v.as_slice()).unwrap_or_default();
    let text = |name: &str| std::str::from_utf8(bytes(name)).map_err(|_| unreadable.clone());
    let Some(dataset) = live_datasets::get(text("d")?) else { return Ok(None) };
    let row = match text("o")? {
        "d" => None,
        _ => Some(decode(dataset, bytes("r")).ok_or(unreadable.clone())?),
    };
    let sequence = number(id.split_once('-').map_or(id, |(sequence, _)| sequence))?;
    let applied_at = moment(text("a")?)?.ok_or(unreadable.clone())?;
    let patient = text("p")?.parse().ok();
    let times = (moment(text("s")?)?, applied_at);
    Ok(Some(Entry::new(sequence, (dataset, text("k")?.to_owned()), patient, row, times)))
}

/// Cuts a stored value after its first line.
fn cut(value: &[u8]) -> Option<(&str, &[u8])> {
    let at = value.iter().position(|byte| *byte == b'\n')?;
    Some((std::str::from_utf8(&value[..at]).ok()?, &value[at + 1..]))
}

fn number(text: &str) -> Result<u64, ViewError> {
    text.parse().map_err(|_| ViewError::Unreadable("a number"))
}

fn moment(text: &str) -> Result<Option<Timestamp>, ViewError> {
    if text.is_empty() {
        return Ok(None);
    }
    let micros = text.parse().map_err(|_| ViewError::Unreadable("a time"))?;
    Timestamp::from_microsecond(micros).map(Some).map_err(|_| ViewError::Unreadable("a time"))
}

/// Only the kind of failure: a server's own words may quote a command.
fn unavailable(error: RedisError) -> ViewError {
    ViewError::Unavailable(format!("{:?}", error.kind()))
}
