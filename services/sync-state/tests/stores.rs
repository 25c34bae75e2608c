//! One suite for every store: each keeps what it acknowledged, refuses what somebody else overtook, and says what is due.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::{process::Stdio, sync::Arc};

use common::{Planned, commands, decide, settings};
use jiff::{SignedDuration, Timestamp};
use mesh::secret::Secret;
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use sync_state::{
    core::{
        apply::{create, due_at},
        command::Command,
        records::{Kept, RecordChange, RecordKey, Scan},
        state::PracticeState,
    },
    store::{Commit, Store, StoreError, Version, embedded::EmbeddedStore, redis::RedisStore},
};
use test_servers::Redis;

fn now() -> Timestamp {
    "2026-03-02T15:00:00Z".parse().unwrap()
}

/// Saves a state without records.
async fn save(
    store: &dyn Store,
    id: &str,
    version: Version,
    state: Option<&PracticeState>,
    due_at: Option<Timestamp>,
) -> Result<Version, StoreError> {
    store.commit(id, Commit { version, state, due_at, changes: &[], durable: true }).await
}

async fn suite(store: Arc<dyn Store>) {
    let mut follow = store.follow();
    let one = create("one", settings("UTC"), now());
    assert!(store.load("one").await.unwrap().is_none());
    let version = save(&*store, "one", 0, Some(&one), Some(now())).await.unwrap();
    let stored = store.load("one").await.unwrap().unwrap();
    assert_eq!((stored.version, &*stored.state), (version, &one));
    assert_eq!(&*follow.recv().await.unwrap().id, "one");

    assert!(matches!(save(&*store, "one", 0, Some(&one), None).await, Err(StoreError::Conflict)));
    assert!(matches!(save(&*store, "one", version + 5, Some(&one), None).await, Err(StoreError::Conflict)));

    let two = create("two", settings("UTC"), now());
    let later = now() + SignedDuration::from_hours(1);
    save(&*store, "two", 0, Some(&two), Some(later)).await.unwrap();
    assert_eq!(store.list().await.unwrap(), ["one", "two"]);
    assert_eq!(store.due(now(), 10).await.unwrap(), ["one"]);
    let mut due = store.due(later, 10).await.unwrap();
    due.sort();
    assert_eq!(due, ["one", "two"]);
    assert_eq!(store.due(later, 1).await.unwrap().len(), 1);

    let version = save(&*store, "one", version, Some(&one), None).await.unwrap();
    assert!(store.due(now(), 10).await.unwrap().is_empty());
    save(&*store, "one", version, None, None).await.unwrap();
    assert!(store.load("one").await.unwrap().is_none());
    assert_eq!(store.list().await.unwrap(), ["two"]);
    let again = save(&*store, "one", 0, Some(&one), None).await.unwrap();
    assert!(again > version, "a practice that is made again has no version that somebody may still hold");
    store.ping().await.unwrap();
    records(&*store).await;
    model(store).await;
}

/// Records are read and scanned as they were written with a state, and go with their practice.
async fn records(store: &dyn Store) {
    let state = create("kept", settings("UTC"), now());
    let put = |n: u64| RecordChange::Put(RecordKey::audit(n), vec![n as u8, 0, 255]);
    let changes: Vec<_> = (1..=5).map(put).chain([RecordChange::Put(RecordKey::held(1), Vec::new())]).collect();
    let none = [put(9)];
    let less = [RecordChange::Remove(RecordKey::audit(2))];
    let commit = |version, changes| Commit { version, state: Some(&state), due_at: None, changes, durable: true };
    let version = store.commit("kept", commit(0, &changes)).await.unwrap();
    assert!(matches!(store.commit("kept", commit(0, &none)).await, Err(StoreError::Conflict)));
    let keys = [RecordKey::audit(2), RecordKey::audit(9), RecordKey::held(1)];
    let read = store.read("kept", &keys).await.unwrap();
    assert_eq!(read, [Some(vec![2, 0, 255]), None, Some(Vec::new())]);
    let version = store.commit("kept", commit(version, &less)).await.unwrap();
    let numbers = |found: Vec<(RecordKey, Vec<u8>)>| found.iter().filter_map(|f| f.0.sequence()).collect::<Vec<_>>();
    let scan = Scan::prefix("audit/", 3);
    assert_eq!(numbers(store.scan("kept", &scan).await.unwrap()), [1, 3, 4]);
    assert_eq!(numbers(store.scan("kept", &scan.backwards()).await.unwrap()), [5, 4, 3]);
    save(store, "kept", version, None, None).await.unwrap();
    save(store, "kept", 0, Some(&state), None).await.unwrap();
    assert!(store.scan("kept", &Scan::prefix("audit/", 9)).await.unwrap().is_empty());
    assert_eq!(store.read("kept", &[RecordKey::held(1)]).await.unwrap(), [None]);
}

/// Decides by what the store has, reading the records that the command asks for.
async fn through(
    store: &dyn Store,
    state: &PracticeState,
    command: &Command,
    at: Timestamp,
) -> Result<sync_state::core::apply::Step, sync_state::core::refusal::Refusal> {
    let mut records = sync_state::core::records::Records::default();
    loop {
        match sync_state::core::apply::apply(state, &records, command, at) {
            Ok(step) => return Ok(step),
            Err(sync_state::core::apply::Stop::Refused(refusal)) => return Err(refusal),
            Err(sync_state::core::apply::Stop::Read(reads)) => {
                let values = store.read(&state.id, &reads.keys).await.unwrap();
                reads.keys.into_iter().zip(values).for_each(|(key, value)| records.add(key, value));
                for scan in reads.scans {
                    let found = store.scan(&state.id, &scan).await.unwrap();
                    records.add_scan(scan, found);
                }
            }
        }
    }
}

/// Random commands through the store give the same states as the pure core alone.
async fn model(store: Arc<dyn Store>) {
    let mut runner = TestRunner::default();
    for case in 0..40 {
        let steps = commands(60).new_tree(&mut runner).unwrap().current();
        let id = format!("case-{case}");
        let mut pure: PracticeState = create(&id, settings("America/Chicago"), now());
        let mut version = save(&*store, &id, 0, Some(&pure), due_at(&pure, now())).await.unwrap();
        let (mut at, mut kept) = (now(), Kept::default());
        for planned in steps {
            at += SignedDuration::from_secs(planned.seconds);
            let stored = store.load(&id).await.unwrap().unwrap();
            assert_eq!(*stored.state, pure);
            let command = Planned::aimed(&planned, &pure);
            let alone = decide(&pure, &kept, &command, at);
            assert_eq!(through(&*store, &stored.state, &command, at).await, alone);
            if let Ok(step) = alone {
                let commit = Commit {
                    version,
                    state: Some(&step.state),
                    due_at: due_at(&step.state, at),
                    changes: &step.changes,
                    durable: step.durable,
                };
                version = store.commit(&id, commit).await.unwrap();
                kept.save(&step.changes);
                pure = step.state;
            }
        }
        let all = Scan { from: RecordKey::stored("a"), until: RecordKey::stored("~"), limit: 100_000, reverse: false };
        assert_eq!(store.scan(&id, &all).await.unwrap(), kept.scan(&all));
    }
}

#[tokio::test]
async fn a_file_keeps_practices() {
    let folder = tempfile::tempdir().unwrap();
    suite(Arc::new(EmbeddedStore::open(&folder.path().join("state.redb")).unwrap())).await;
}

#[tokio::test]
async fn redis_keeps_practices() {
    let redis = Redis::start_with(Some("word"), &[]).await;
    let url = Secret::new(format!("redis://127.0.0.1:{}", redis.port()));
    suite(Arc::new(RedisStore::connect(&url, Some(&Secret::new("word"))).await.unwrap())).await;
}

#[tokio::test]
async fn redis_comes_back_and_forgets_its_scripts() {
    let mut redis = Redis::start_with(None, &["--appendfsync", "always"]).await;
    let store = RedisStore::connect(&Secret::new(redis.url()), None).await.unwrap();
    let one = create("one", settings("UTC"), now());
    let version = save(&store, "one", 0, Some(&one), None).await.unwrap();
    redis.kill();
    assert!(matches!(store.load("one").await, Err(StoreError::Unavailable(_))));
    redis.restart().await;
    // The connection comes back by itself; the first calls on the old one may still fail.
    let found = loop {
        if let Ok(found) = store.load("one").await {
            break found.unwrap();
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert_eq!(found.version, version);
    save(&store, "one", version, Some(&one), None).await.unwrap();
}

#[tokio::test]
async fn a_redis_that_is_not_there_or_refuses_is_said_so() {
    let nowhere = Secret::new(format!("redis://127.0.0.1:{}", test_servers::free_port()));
    let refused = RedisStore::connect(&nowhere, None).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
    let redis = Redis::start_with(Some("right"), &[]).await;
    let url = Secret::new(format!("redis://127.0.0.1:{}", redis.port()));
    let refused = RedisStore::connect(&url, Some(&Secret::new("wrong"))).await.unwrap_err();
    assert!(!refused.to_string().contains("wrong"), "{refused}");
}

#[tokio::test]
async fn a_state_of_another_format_is_refused() {
    let redis = Redis::start().await;
    let store = RedisStore::connect(&Secret::new(redis.url()), None).await.unwrap();
    let one = create("one", settings("UTC"), now());
    save(&store, "one", 0, Some(&one), None).await.unwrap();
    let client = redis::Client::open(redis.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let key = sync_state::store::keys::Keys::of("one").practice("one");
    redis::cmd("HSET").arg(key).arg("state").arg(r#"{"format":99}"#).query_async::<()>(&mut connection).await.unwrap();
    assert!(matches!(store.load("one").await, Err(StoreError::Format { found: 99 })));
}

/// The file store of a process that is killed with -9 again and again holds everything that was acknowledged.
#[tokio::test]
async fn a_kill_loses_nothing_that_was_acknowledged() {
    use chairsync_proto::practice::{
        CreatePracticeRequest, GetPracticeRequest, PmsSource, Practice, SampleSource, pms_source::Kind,
        practice_service_client::PracticeServiceClient,
    };
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged: Vec<String> = Vec::new();
    for round in 0..4_usize {
        let address = format!("127.0.0.1:{}", test_servers::free_port());
        let mut process = tokio::process::Command::new(env!("CARGO_BIN_EXE_sync-state"))
            .args(["--listen", &address, "--data"])
            .arg(folder.path().join("state.redb"))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let channel = mesh::transport::connect(&format!("http://{address}").parse().unwrap());
        let mut client = PracticeServiceClient::new(channel);
        for name in &acknowledged {
            let request = || GetPracticeRequest { name: name.clone() };
            while let Err(status) = client.get_practice(request()).await {
                assert_eq!(status.code(), tonic::Code::Unavailable, "{name} was acknowledged: {status}");
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        }
        let mut made = 0;
        // Killed from the side after some acknowledgements, with more on their way.
        let killer = async {
            for n in 0.. {
                let practice_id = format!("p{round}-{n}");
                let source = PmsSource { kind: Some(Kind::Sample(SampleSource::default())) };
                let practice = Practice { time_zone: "UTC".to_owned(), source: Some(source), ..Practice::default() };
                let request = CreatePracticeRequest { practice_id: practice_id.clone(), practice: Some(practice) };
                if client.create_practice(request).await.is_ok() {
                    acknowledged.push(format!("practices/{practice_id}"));
                    made += 1;
                    if made == 5 + 7 * round {
                        process.start_kill().unwrap();
                    }
                } else if made >= 5 + 7 * round {
                    break;
                } else {
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), killer).await.expect("the process serves");
        process.wait().await.unwrap();
    }
    assert!(acknowledged.len() > 50);
}
