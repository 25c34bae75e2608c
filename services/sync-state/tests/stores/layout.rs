//! What an older version left is moved, or refused; what the docs say of keys is what the code has.

use std::{path::Path, sync::Arc};

use jiff::Timestamp;
use mesh::secret::Secret;
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition, TableHandle as _};
use sync_state::{
    core::{
        records::{RecordKey, decode},
        run::{Run, RunPhase},
        state::{PracticeState, Source},
    },
    store::{
        Store, StoreError,
        embedded::EmbeddedStore,
        keys::{Keys, LAYOUT_KEY},
        redis::RedisStore,
    },
};
use test_servers::Redis;

use crate::{redis::connect, suite::save};

/// A practice as the first layout's code wrote it: a sync under way, one that ended, a stream.
fn old(id: &str) -> String {
    let run = |sequence: u64, phase: &str, ended: &str, lease: &str| {
        format!(
            r#"{{"sequence":{sequence},"kind":"nightly","phase":"{phase}","local_date":"2026-03-0{sequence}",
            "due_at":"2026-03-0{sequence}T07:10:00Z","created_at":"2026-03-0{sequence}T07:00:00Z",
            "started_at":"2026-03-0{sequence}T07:11:00Z","ended_at":{ended},"attempt":2,"late":false,"lease":{lease},
            "checkpoints":{{"patient":{{"resume_token":"t-{sequence}","chunks":3,"rows_done":3000,"rows_total":5000,
            "finished":false,"accepted":null}},"appointment":{{"resume_token":"","chunks":1,"rows_done":10,"rows_total":10,
            "finished":true,"accepted":4}}}},"start_position":"binlog.000007:120",
            "error":{{"reason":3,"message":"the PMS went away","retry_at":null}},
            "pace":[["2026-03-0{sequence}T07:12:00Z",1000],["2026-03-0{sequence}T07:13:00Z",3010]]}}"#
        )
    };
    let lease = r#"{"owner":"worker-1","epoch":9,"expires_at":"2026-03-03T07:20:00Z","duration":"PT30S"}"#;
    format!(
        r#"{{"format":1,"id":"{id}","settings":{{"display_name":"Old {id}","time_zone":"America/Denver",
        "window_start":60,"window_end":300,"source":{{"open_dental":{{"uri":"mysql://reader@10.0.0.7/od",
        "credential":"{id}"}}}},"automatic_write_back":true,"paused":false,"pause_note":"","currency_code":"USD"}},
        "created_at":"2026-02-01T00:00:00Z","updated_at":"2026-02-02T00:00:00Z","revision":77,"edition":3,"epoch":9,
        "sequence":3,"runs":{{"3":{}}},"history":[{},{}],"initial_sync_at":"2026-02-01T01:00:00Z",
        "last_night":"2026-03-03","accepted":{{"appointment":{{"version":4,"rows":10,
        "synced_through":"2026-03-02T07:00:00Z","completed_at":"2026-03-02T07:15:00Z","run":2}}}},
        "stream":{{"lease":{lease},"cursor":"c-12","synced_through":"2026-03-03T08:00:00Z",
        "completed_at":"2026-03-03T08:00:01Z","mode":"binlog","epoch":8}}}}"#,
        run(3, "running", "null", lease),
        run(1, "failed", r#""2026-03-01T08:00:00Z""#, "null"),
        run(2, "succeeded", r#""2026-03-02T08:00:00Z""#, "null"),
    )
}

async fn has_moved(store: &dyn Store, id: &str) {
    let stored = store.load(id).await.unwrap().unwrap();
    let state: &PracticeState = &stored.state;
    assert_eq!((state.id.as_str(), state.edition, state.sequence), (id, 3, 3));
    assert_eq!(state.settings.display_name, format!("Old {id}"));
    assert!(matches!(&state.settings.source, Source::OpenDental { credential, .. } if credential == id));
    let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
    assert_eq!(state.initial_sync_at, at("2026-02-01T01:00:00Z"));
    assert_eq!(state.last_night, Some("2026-03-03".parse().unwrap()));
    let accepted = state.accepted("appointment").unwrap();
    assert_eq!((accepted.version, accepted.rows, accepted.synced_through), (4, 10, at("2026-03-02T07:00:00Z")));
    assert_eq!((state.stream.cursor.as_str(), state.stream.synced_through), ("c-12", at("2026-03-03T08:00:00Z")));
    let under_way = state.run(3).unwrap();
    assert_eq!((under_way.phase, under_way.attempt), (RunPhase::Queued, 2), "it is claimed anew and goes on");
    assert!(under_way.lease.is_none());
    assert_eq!(under_way.rows(), (3010, 5010));
    let tokens: Vec<&str> = under_way.datasets.values().map(|p| p.resume_token.as_str()).collect();
    assert!(tokens.contains(&"t-3"), "{tokens:?}");
    assert!(state.epoch >= under_way.fence && under_way.fence > 1_700_000_000_000, "fences are moments");
    for (sequence, phase) in [(1, RunPhase::Failed), (2, RunPhase::Succeeded)] {
        let key = RecordKey::run(sequence);
        let bytes = store.read(id, std::slice::from_ref(&key)).await.unwrap().remove(0).expect("a remembered run");
        let run: Run = decode(&key, &bytes).unwrap();
        assert_eq!((run.sequence, run.phase, run.rows()), (sequence, phase, (3010, 5010)));
        assert_eq!(run.missing.is_empty(), phase == RunPhase::Succeeded);
    }
    assert!(store.due(Timestamp::MAX, 1000).await.unwrap().contains(&id.to_owned()));
    save(store, stored.version, state).await.unwrap();
}

async fn write_old(redis: &Redis, ids: &[String]) {
    let mut connection = redis.connection().await;
    for id in ids {
        let shard = Keys::of(id).practices().replace("cs:v2:", "cs:v1:").replace(":practices", "");
        ::redis::pipe()
            .cmd("HSET")
            .arg(format!("{shard}:practice:{id}"))
            .arg(&["version", "1772000000123", "state", &old(id)])
            .cmd("SADD")
            .arg(format!("{shard}:all"))
            .arg(id)
            .cmd("ZADD")
            .arg(format!("{shard}:due"))
            .arg(1_772_000_000_000_i64)
            .arg(id)
            .cmd("XADD")
            .arg(format!("{shard}:events"))
            .arg(&["*", "id", id])
            .query_async::<()>(&mut connection)
            .await
            .unwrap();
    }
}

/// Four processes that start at the same time move everything once.
#[tokio::test]
async fn the_first_layout_is_moved_in_redis() {
    let redis = Redis::start().await;
    let ids: Vec<String> = (0..60).map(|n| format!("old-{n}")).collect();
    write_old(&redis, &ids).await;
    let url = Secret::new(redis.url());
    let stores = futures::future::join_all((0..4).map(|_| RedisStore::connect(&url, None))).await;
    let stores: Vec<Arc<RedisStore>> = stores.into_iter().map(|store| Arc::new(store.unwrap())).collect();
    let mut expected = ids.clone();
    expected.sort();
    assert_eq!(stores[3].list().await.unwrap(), expected);
    for (place, id) in ids.iter().enumerate() {
        has_moved(&*stores[place % 4], id).await;
    }
    let left: Vec<String> = redis.tell("KEYS cs:v1:*").await;
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(redis.tell::<u64>(&format!("GET {LAYOUT_KEY}")).await, 2);
    // What has moved stays as it was saved since.
    drop(stores);
    assert_eq!(connect(&redis.url()).await.list().await.unwrap(), expected);
}

#[tokio::test]
async fn a_newer_layout_is_refused() {
    let redis = Redis::start().await;
    redis.tell::<()>(&format!("SET {LAYOUT_KEY} 3")).await;
    let refused = RedisStore::connect(&Secret::new(redis.url()), None).await.unwrap_err();
    assert!(matches!(refused, StoreError::Format { found: 3 }), "{refused}");
    assert!(refused.to_string().contains("newer"), "{refused}");
}

#[tokio::test]
async fn a_damaged_practice_of_the_first_layout_is_refused_and_kept() {
    let redis = Redis::start().await;
    write_old(&redis, &["old".to_owned()]).await;
    let key = Keys::of("old").practices().replace("cs:v2:", "cs:v1:").replace(":practices", ":practice:old");
    redis.tell::<()>(&format!("HSET {key} state {{\"format\":1}}")).await;
    let refused = RedisStore::connect(&Secret::new(redis.url()), None).await.unwrap_err().to_string();
    assert!(refused.contains("backup"), "{refused}");
    assert_eq!(redis.tell::<i64>(&format!("EXISTS {key}")).await, 1);
}

#[tokio::test]
async fn the_first_layout_is_moved_in_a_file() {
    const OLD: TableDefinition<&str, (u64, &str)> = TableDefinition::new("practices-v1");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.redb");
    {
        let database = Database::create(&file).unwrap();
        let write = database.begin_write().unwrap();
        for n in 0..5 {
            let id = format!("old-{n}");
            write.open_table(OLD).unwrap().insert(id.as_str(), (1_772_000_000_123, old(&id).as_str())).unwrap();
        }
        write.commit().unwrap();
    }
    let store = EmbeddedStore::open(&file).unwrap();
    for n in 0..5 {
        has_moved(&store, &format!("old-{n}")).await;
    }
    drop(store);
    let database = loop {
        match Database::create(&file) {
            Ok(database) => break database,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let tables: Vec<String> =
        database.begin_read().unwrap().list_tables().unwrap().map(|table| table.name().to_owned()).collect();
    assert!(tables.iter().all(|table| table.ends_with("-v2")), "{tables:?}");
    let practices: TableDefinition<&str, &[u8]> = TableDefinition::new("practices-v2");
    assert_eq!(database.begin_read().unwrap().open_table(practices).unwrap().iter().unwrap().count(), 5);
}

#[test]
fn the_docs_have_the_keys_of_the_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = |file: &str, strip: &str| -> Vec<String> {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        let lines = text.lines().map(|line| line.trim_start_matches(strip).trim().to_owned());
        lines.skip_while(|line| !line.starts_with("| Key |")).take_while(|line| line.starts_with('|')).collect()
    };
    let code = table("src/store/keys.rs", "//!");
    assert!(code.len() > 5, "{code:?}");
    assert_eq!(
        table("../../docs/sync-state.md", ""),
        code,
        "the table in docs/sync-state.md is the one in store/keys.rs"
    );
}
