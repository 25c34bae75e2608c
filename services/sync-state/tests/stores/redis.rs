//! One Redis, or Valkey.

use std::{sync::Arc, time::Duration};

use mesh::secret::Secret;
use sync_state::{
    core::records::RecordChange,
    store::{
        Commit, Event, Store as _, StoreError,
        keys::Keys,
        redis::{Durability, Options, RedisStore},
    },
};
use test_servers::{Program, Redis, wait_for};

use crate::suite::{self, key, practice, save, save_durable, save_somehow};

pub async fn connect(url: &str) -> RedisStore {
    RedisStore::connect(&Secret::new(url), None).await.unwrap()
}

/// Whether Valkey is there; says so when not.
fn valkey() -> bool {
    let there = Program::Valkey.is_installed();
    if !there {
        eprintln!("LEFT OUT: valkey-server is not installed here");
    }
    there
}

#[tokio::test]
async fn redis_keeps_practices() {
    let redis = Redis::start_with(Some("word"), &[]).await;
    let url = Secret::new(format!("redis://127.0.0.1:{}", redis.port()));
    let connect = async || Arc::new(RedisStore::connect(&url, Some(&Secret::new("word"))).await.unwrap());
    suite::suite(connect().await, Some(connect().await)).await;
}

#[tokio::test]
async fn redis_that_writes_to_its_disk_first_keeps_practices() {
    let redis = Redis::start_with(None, &["--appendfsync", "always"]).await;
    let store = connect(&redis.url()).await;
    assert_eq!(store.durability(), Durability::Disk);
    suite::suite(Arc::new(store), Some(Arc::new(connect(&redis.url()).await))).await;
}

#[tokio::test]
async fn valkey_keeps_practices() {
    if !valkey() {
        return;
    }
    let valkey = Redis::start_program(Program::Valkey, Some("word"), &["--appendfsync", "always"]).await;
    suite::suite(Arc::new(connect(&valkey.url()).await), Some(Arc::new(connect(&valkey.url()).await))).await;
}

/// How often a server was asked to wait for its disk.
async fn waits(server: &Redis) -> u64 {
    let stats: String = server.tell("INFO commandstats").await;
    let calls =
        stats.lines().find_map(|line| line.strip_prefix("cmdstat_waitaof:calls=")?.split(',').next()?.parse().ok());
    calls.unwrap_or_default()
}

/// Some servers that write their file each second say at once that their disk has it. Each is tried at the start; durable
/// saves wait for the disk exactly where the store says that they are on it.
#[tokio::test]
async fn a_wait_for_the_disk_is_tried_before_it_is_believed() {
    if !valkey() {
        return;
    }
    let valkey = Redis::start_program(Program::Valkey, None, &[]).await;
    let store = connect(&valkey.url()).await;
    let tried = waits(&valkey).await;
    assert!(tried > 0, "the server's WAITAOF is tried");
    save_durable(&store, 0, &practice("one", 1)).await.unwrap();
    let believed = waits(&valkey).await > tried;
    assert_eq!(store.durability(), if believed { Durability::Disk } else { Durability::EverySecond });
}

#[tokio::test]
async fn what_a_server_can_lose_is_known() {
    let everysec = Redis::start().await;
    assert_eq!(connect(&everysec.url()).await.durability(), Durability::EverySecond, "Debian's Redis has no WAITAOF");
    let memory = Redis::start_with(None, &["--appendonly", "no"]).await;
    let store = connect(&memory.url()).await;
    assert_eq!(store.durability(), Durability::Memory);
    save_durable(&store, 0, &practice("one", 1)).await.unwrap();
}

/// A server that should have a replica and has none takes no durable save; what needs none goes on.
#[tokio::test]
async fn a_durable_save_waits_for_replicas() {
    let primary = Redis::start_with(None, &["--appendfsync", "always"]).await;
    let options = Options { url: Secret::new(primary.url()), wait_replicas: Some(1), ..Options::default() };
    let store = RedisStore::open(options).await.unwrap();
    let version = save(&store, 0, &practice("one", 1)).await.unwrap();
    match save_durable(&store, version, &practice("one", 2)).await {
        Err(StoreError::Unavailable(words)) => assert!(words.contains("0 of 1 replicas"), "{words}"),
        other => panic!("{other:?}"),
    }
    let port = primary.port().to_string();
    let _replica = Redis::start_with(None, &["--replicaof", "127.0.0.1", &port]).await;
    let found = store.load("one").await.unwrap().unwrap();
    assert_eq!(found.state.revision, 2, "it was saved, only not acknowledged");
    wait_for("a replica that is waited for", async || {
        let version = store.load("one").await.unwrap().unwrap().version;
        save_durable(&store, version, &practice("one", 3)).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn redis_comes_back_and_forgets_its_scripts() {
    let mut redis = Redis::start_with(None, &["--appendfsync", "always"]).await;
    let store = connect(&redis.url()).await;
    let version = save(&store, 0, &practice("one", 1)).await.unwrap();
    redis.tell::<()>("SCRIPT FLUSH").await;
    let version = save(&store, version, &practice("one", 2)).await.unwrap();
    redis.kill();
    assert!(matches!(store.load("one").await, Err(StoreError::Unavailable(_))));
    redis.restart().await;
    assert_eq!(store.load("one").await.unwrap().unwrap().version, version);
    save(&store, version, &practice("one", 3)).await.unwrap();
}

/// A save that meets a Redis that is just coming back waits for it.
#[tokio::test]
async fn a_save_outlasts_a_restart() {
    let mut redis = Redis::start_with(None, &["--appendfsync", "always"]).await;
    let store = Arc::new(connect(&redis.url()).await);
    let version = save(&*store, 0, &practice("one", 1)).await.unwrap();
    redis.kill();
    let saving = tokio::spawn({
        let store = store.clone();
        async move { save(&*store, version, &practice("one", 2)).await }
    });
    redis.restart_unready();
    let version = saving.await.unwrap().unwrap();
    assert_eq!(store.load("one").await.unwrap().unwrap().version, version);
}

/// A server that has lost its last writes goes on with other versions: whoever remembers a lost one is refused.
#[tokio::test]
async fn a_version_is_never_given_twice() {
    let mut redis = Redis::start_with(None, &["--appendfsync", "always"]).await;
    let store = connect(&redis.url()).await;
    let mut follow = store.follow();
    let first = save(&store, 0, &practice("one", 1)).await.unwrap();
    redis.kill();
    let files = redis.folder().join("appendonlydir");
    let saved: Vec<_> = std::fs::read_dir(&files)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect();
    redis.restart().await;
    let lost = save_somehow(&store, &practice("one", 2)).await;
    redis.kill();
    for (path, bytes) in saved {
        std::fs::write(path, bytes).unwrap();
    }
    redis.restart().await;
    wait_for("the store", async || store.ping().await.is_ok()).await;
    assert_eq!(store.load("one").await.unwrap().unwrap().version, first, "the last save is lost");
    let other = save(&store, first, &practice("one", 3)).await.unwrap();
    assert!(other > lost, "what is saved later is greater");
    assert!(matches!(save(&store, lost, &practice("one", 4)).await, Err(StoreError::Conflict)));
    assert_eq!(store.load("one").await.unwrap().unwrap().state.revision, 3);
    let reset = async { while !matches!(follow.recv().await.unwrap(), Event::Reset) {} };
    tokio::time::timeout(Duration::from_secs(30), reset).await.expect("followers are told to look again");
}

/// Connections that are cut while saves are under way: each save has one effect or none, and its answer is true.
#[tokio::test]
async fn cut_connections_neither_lose_nor_double_a_save() {
    let redis = Redis::start().await;
    let store = Arc::new(connect(&redis.url()).await);
    let savers: Vec<_> = (0..8_u64)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                let id = format!("cut-{n}");
                let mut version = save(&*store, 0, &practice(&id, 0)).await.unwrap();
                for step in 1..=150_u64 {
                    let record = [RecordChange::Put(key("write", step), vec![1])];
                    let state = practice(&id, step);
                    let commit =
                        Commit { version, state: Some(&state), due_at: None, changes: &record, durable: step % 2 == 0 };
                    version = store.commit(&id, commit).await.expect("nobody else saves it, so it is never a conflict");
                }
                let found = store.load(&id).await.unwrap().unwrap();
                assert_eq!((found.version, found.state.revision), (version, 150));
                let records = suite::range(&*store, &id, (&key("write", 0), &key("write", 999)), 999, false).await;
                assert_eq!(records.len(), 150);
            })
        })
        .collect();
    let mut cuts = 0;
    while !savers.iter().all(tokio::task::JoinHandle::is_finished) {
        let cut: Result<i64, _> = ::redis::cmd("CLIENT")
            .arg(&["KILL", "TYPE", "normal", "SKIPME", "yes"])
            .query_async(&mut redis.connection().await)
            .await;
        cuts += cut.unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    for saver in savers {
        saver.await.unwrap();
    }
    assert!(cuts > 0);
}

/// A server that does not answer costs a bounded wait, and too many waiting saves are refused at once.
#[tokio::test]
async fn a_server_that_hangs_holds_nobody_up_for_ever() {
    let redis = Redis::start().await;
    let store = Arc::new(connect(&redis.url()).await);
    redis.tell::<()>("CLIENT PAUSE 600000 ALL").await;
    let mut refused = 0;
    let mut waiting = Vec::new();
    for n in 0..12_000 {
        let store = store.clone();
        waiting.push(tokio::spawn(async move { save(&*store, 0, &practice(&format!("p{n}"), 1)).await }));
    }
    for one in waiting {
        match one.await.unwrap() {
            Err(StoreError::Overloaded) => refused += 1,
            Err(StoreError::Unavailable(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(refused > 0, "the queue is bounded");
    assert!(matches!(store.load("one").await, Err(StoreError::Unavailable(_))));
}

#[tokio::test]
async fn a_replica_is_called_one() {
    let primary = Redis::start().await;
    let port = primary.port().to_string();
    let replica = Redis::start_with(None, &["--replicaof", "127.0.0.1", &port]).await;
    wait_for("a replica that follows", async || {
        replica.tell::<String>("INFO replication").await.contains("master_link_status:up")
    })
    .await;
    let refused = RedisStore::connect(&Secret::new(replica.url()), None).await.unwrap_err().to_string();
    assert!(refused.contains("replica") && refused.contains("Sentinel"), "{refused}");
}

#[tokio::test]
async fn a_full_memory_is_said_so() {
    let redis = Redis::start().await;
    let store = connect(&redis.url()).await;
    let version = save(&store, 0, &practice("one", 1)).await.unwrap();
    redis.tell::<()>("CONFIG SET maxmemory 1").await;
    match save(&store, version, &practice("one", 2)).await {
        Err(StoreError::Unavailable(words)) => assert!(words.contains("maxmemory"), "{words}"),
        other => panic!("{other:?}"),
    }
    redis.tell::<()>("CONFIG SET maxmemory 0").await;
    save(&store, version, &practice("one", 2)).await.unwrap();
}

#[tokio::test]
async fn a_redis_that_is_not_there_or_refuses_is_said_so() {
    let nowhere = Secret::new(format!("redis://127.0.0.1:{}", test_servers::free_port()));
    let refused = RedisStore::connect(&nowhere, None).await.unwrap_err().to_string();
    assert!(refused.contains("is it running"), "{refused}");
    let redis = Redis::start_with(Some("right"), &[]).await;
    let url = Secret::new(format!("redis://127.0.0.1:{}", redis.port()));
    for password in [Some(Secret::new("wrong")), None] {
        let refused = RedisStore::connect(&url, password.as_ref()).await.unwrap_err().to_string();
        assert!(refused.contains("--redis-password-file") && !refused.contains("wrong "), "{refused}");
    }
    let no_address = RedisStore::connect(&Secret::new("http://secret"), None).await.unwrap_err().to_string();
    assert!(no_address.contains("redis+sentinel://") && !no_address.contains("secret"), "{no_address}");
}

#[tokio::test]
async fn a_state_of_another_format_is_refused() {
    let redis = Redis::start().await;
    let store = connect(&redis.url()).await;
    save(&store, 0, &practice("one", 1)).await.unwrap();
    let set = async |value: &[u8]| {
        ::redis::cmd("HSET")
            .arg(Keys::of("one").practices())
            .arg("one")
            .arg(value)
            .query_async::<()>(&mut redis.connection().await)
            .await
            .unwrap();
    };
    set(b"\x63later").await;
    assert!(matches!(store.load("one").await, Err(StoreError::Format { found: 99 })));
    assert!(matches!(store.load_all().await, Err(StoreError::Format { found: 99 })));
    set(b"").await;
    assert!(matches!(store.load("one").await, Err(StoreError::Unavailable(_))));
    set(b"\x02damaged-and-more").await;
    assert!(matches!(store.load("one").await, Err(StoreError::Unavailable(_))));
}
