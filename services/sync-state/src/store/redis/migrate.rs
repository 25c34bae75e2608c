//! Moves practices that an older layout left. Any number of processes may do it at the same time: each practice moves in
//! one step, once. The processes that wrote the old layout must have ended; they would not see what has moved.

use jiff::Timestamp;
use tokio::time::Instant;

use super::{READ_BUDGET, RedisStore};
use crate::{
    core::{apply::due_at, records::RecordChange},
    store::{
        StoreError, codec,
        keys::{Keys, LAYOUT, LAYOUT_KEY, v1 as old},
        v1, version,
    },
};

/// Moves what there is to move, and notes the layout.
///
/// # Errors
/// When the layout is a newer one, a practice is damaged, or Redis does not answer.
pub(super) async fn run(store: &RedisStore) -> Result<(), StoreError> {
    let mut get = redis::cmd("GET");
    get.arg(LAYOUT_KEY);
    match store.ask_one::<Option<u64>>(0, get).await? {
        Some(found) if found > LAYOUT => return Err(StoreError::Format { found }),
        Some(_) | None => {}
    }
    for keys in Keys::all() {
        let mut command = redis::cmd("SMEMBERS");
        command.arg(old::ids(keys));
        let ids: Vec<String> = store.ask_one(keys.shard(), command).await?;
        if !ids.is_empty() {
            tracing::info!(practices = ids.len(), shard = keys.shard(), "moving practices of an older version");
        }
        for id in &ids {
            practice(store, keys, id).await?;
        }
        let mut command = redis::cmd("UNLINK");
        command.arg(old::due(keys)).arg(old::events(keys));
        store.ask_one::<i64>(keys.shard(), command).await?;
    }
    let mut set = redis::cmd("SET");
    set.arg(LAYOUT_KEY).arg(LAYOUT);
    store.ask_one::<()>(0, set).await
}

async fn practice(store: &RedisStore, keys: Keys, id: &str) -> Result<(), StoreError> {
    let mut command = redis::cmd("HMGET");
    command.arg(old::practice(keys, id)).arg("version").arg("state");
    let found: (Option<u64>, Option<String>) = store.ask_one(keys.shard(), command).await?;
    // Another process has moved it.
    let (Some(old_version), Some(text)) = found else { return Ok(()) };
    let moved = v1::read(&text)?;
    let value = codec::encode(&moved.state, version::next(0))?;
    let due = due_at(&moved.state, Timestamp::now()).map(|at| at.as_millisecond().to_string()).unwrap_or_default();
    let mut call = redis::cmd("EVAL");
    call.arg(include_str!("migrate.lua")).arg(6);
    call.arg(old::practice(keys, id)).arg(old::ids(keys));
    call.arg(keys.practices()).arg(keys.due()).arg(keys.records(id)).arg(keys.order(id));
    call.arg(id).arg(old_version).arg(value).arg(due);
    for change in &moved.changes {
        if let RecordChange::Put(key, value) = change {
            call.arg(key.as_str()).arg(&value[..]);
        }
    }
    let replies = store.ask(keys.shard(), vec![call], Instant::now() + READ_BUDGET).await?;
    match replies.first() {
        Some(redis::Value::Int(1)) => Ok(()),
        _ => Err(StoreError::Unavailable(format!(
            "the practice {id} is still being changed by an older version; end its processes, then start again"
        ))),
    }
}
