//! How much of Redis's memory a practice takes, with all its keys and the events of its saves.

use jiff::{SignedDuration, Timestamp};
use sync_state::{
    core::{
        dataset::DatasetId,
        shared::Shared,
        state::{Accepted, PracticeState},
    },
    store::{Commit, Store as _},
};
use test_servers::Redis;

use crate::{
    redis::connect,
    suite::{now, practice},
};

const PRACTICES: u64 = 10_000;
const MOST: u64 = 1000;

/// A practice between two nights: all 38 datasets accepted by last night's run, a live stream, nothing under way.
fn settled(id: &str, n: u64) -> PracticeState {
    let mut state = practice(id, 2000 + n);
    let night = Timestamp::from_millisecond(1_772_000_000_123 + n as i64 * 977).unwrap();
    let fence = night.as_millisecond() as u64;
    state.runs.clear();
    state.epoch = fence + 1;
    state.sequence = 400;
    state.initial_sync_at = Some(now());
    state.last_night = Some("2026-03-02".parse().unwrap());
    let accepted = DatasetId::all().enumerate().map(|(place, dataset)| {
        let place = place as i64;
        let accepted = Accepted {
            version: 400 + place,
            rows: 17 * place.pow(3) + n as i64,
            synced_through: Some(night),
            completed_at: night + SignedDuration::from_millis(1000 * place + 137 * (place % 7)),
            run: 400,
            fence,
        };
        (dataset, accepted)
    });
    state.accepted = Shared::new(accepted.collect());
    state.stream.cursor = "binlog.000123:45678901".into();
    state.stream.mode = "binlog".into();
    state.stream.synced_through = Some(night);
    state.stream.completed_at = Some(night);
    state.stream.epoch = fence;
    state
}

async fn used(redis: &Redis) -> u64 {
    let info: String = redis.tell("INFO memory").await;
    info.lines().find_map(|line| line.strip_prefix("used_memory_dataset:")).unwrap().trim().parse().unwrap()
}

#[tokio::test]
async fn a_practice_is_small() {
    let redis = Redis::start_with(None, &["--appendonly", "no"]).await;
    let store = connect(&redis.url()).await;
    let before = used(&redis).await;
    let saves = (0..PRACTICES).map(|n| {
        let store = &store;
        async move {
            let id = format!("practice-{n:06}");
            let state = settled(&id, n);
            let due_at = Some(now() + SignedDuration::from_secs(n as i64));
            let commit = Commit { version: 0, state: Some(&state), due_at, changes: &[], durable: false };
            store.commit(&id, commit).await.unwrap();
        }
    });
    let all: Vec<_> = saves.collect();
    for part in all.into_iter().fold(vec![Vec::new()], |mut parts: Vec<Vec<_>>, save| {
        match parts.last_mut() {
            Some(part) if part.len() < 1000 => part.push(save),
            _ => parts.push(vec![save]),
        }
        parts
    }) {
        futures::future::join_all(part).await;
    }
    let each = (used(&redis).await - before) / PRACTICES;
    let key = sync_state::store::keys::Keys::of("practice-000001").practices();
    let length: u64 = redis.tell(&format!("HSTRLEN {key} practice-000001")).await;
    println!("{each} bytes of Redis memory a practice, of which {length} are its state");
    assert!(each < MOST, "{each} bytes a practice");
    let loaded = store.load_all().await.unwrap();
    assert_eq!(loaded.len() as u64, PRACTICES);
}
