//! What every store must do, whatever it is kept in.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use sync_state::{
    core::{
        apply::create,
        records::{RecordChange, RecordKey, Scan},
        state::{Overlap, PracticeState, Settings, Source},
    },
    store::{Commit, Event, Store, StoreError, Stored, Version},
};

pub fn now() -> Timestamp {
    "2026-03-02T15:00:00Z".parse().unwrap()
}

/// A practice that differs from others, and from itself at another revision.
pub fn practice(id: &str, revision: u64) -> PracticeState {
    let settings = Settings {
        display_name: format!("Practice {id}"),
        time_zone: "America/Chicago".to_owned(),
        window_start: 60,
        window_end: 300,
        source: Source::OpenDental {
            uri: "mysql://reader@10.0.0.7/opendental".to_owned(),
            credential: id.to_owned(),
            api: None,
        },
        automatic_write_back: true,
        paused: false,
        pause_note: String::new(),
        currency_code: "USD".to_owned(),
        group: "north".to_owned(),
        overlap: Overlap::QueueOne,
    };
    PracticeState { revision, ..create(id, settings, now()) }
}

pub fn key(kind: &str, number: u64) -> RecordKey {
    RecordKey::stored(&format!("{kind}/{number:020}"))
}

/// A save without records and due time.
pub async fn save(store: &dyn Store, version: Version, state: &PracticeState) -> Result<Version, StoreError> {
    let commit = Commit { version, state: Some(state), due_at: None, changes: &[], durable: false };
    store.commit(&state.id, commit).await
}

/// A save that must be on disk.
pub async fn save_durable(store: &dyn Store, version: Version, state: &PracticeState) -> Result<Version, StoreError> {
    let commit = Commit { version, state: Some(state), due_at: None, changes: &[], durable: true };
    store.commit(&state.id, commit).await
}

/// Saves until the store is back. Like a client, it reads again when it does not know what became of a save.
pub async fn save_somehow(store: &dyn Store, state: &PracticeState) -> Version {
    let limit = std::time::Instant::now() + Duration::from_secs(60);
    loop {
        let saved = match store.load(&state.id).await {
            Ok(Some(found)) if *found.state == *state => return found.version,
            Ok(found) => save(store, found.map_or(0, |found| found.version), state).await,
            Err(error) => Err(error),
        };
        match saved {
            Ok(version) => return version,
            Err(StoreError::Conflict | StoreError::Unavailable(_)) if std::time::Instant::now() < limit => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// A range of records.
pub async fn range(
    store: &dyn Store,
    id: &str,
    (from, until): (&RecordKey, &RecordKey),
    limit: usize,
    reverse: bool,
) -> Vec<(RecordKey, Vec<u8>)> {
    let scan = Scan { from: from.clone(), until: until.clone(), limit, reverse };
    store.scan(id, &scan).await.unwrap()
}

/// All of it. `other` is another process's handle of the same store, where there can be one.
pub async fn suite(store: Arc<dyn Store>, other: Option<Arc<dyn Store>>) {
    versions_decide(&*store).await;
    what_is_due_is_said(&*store).await;
    records_are_saved_with_their_practice(&*store).await;
    all_are_loaded(&*store).await;
    one_of_many_wins(store.clone(), other.clone().unwrap_or_else(|| store.clone())).await;
    many_at_once_each_have_their_answer(store.clone()).await;
    random_saves_are_kept(&*store).await;
    crate::model::model(&*store).await;
    if let Some(other) = other {
        others_are_followed(&*store, &*other).await;
    }
    store.ping().await.unwrap();
}

async fn versions_decide(store: &dyn Store) {
    let one = practice("one", 1);
    assert!(store.load("one").await.unwrap().is_none());
    let first = save_durable(store, 0, &one).await.unwrap();
    let stored = store.load("one").await.unwrap().unwrap();
    assert_eq!((stored.version, &*stored.state), (first, &one));
    for wrong in [0, first + 1, first - 1, 1] {
        assert!(matches!(save(store, wrong, &one).await, Err(StoreError::Conflict)), "{wrong}");
    }
    let changed = practice("one", 2);
    let second = save(store, first, &changed).await.unwrap();
    assert!(second > first);
    assert!(matches!(save(store, first, &one).await, Err(StoreError::Conflict)));
    assert_eq!(*store.load("one").await.unwrap().unwrap().state, changed);
    let delete = |version| Commit { version, state: None, due_at: None, changes: &[], durable: true };
    assert!(matches!(store.commit("one", delete(first)).await, Err(StoreError::Conflict)));
    store.commit("one", delete(second)).await.unwrap();
    assert!(store.load("one").await.unwrap().is_none());
    assert!(matches!(save(store, second, &changed).await, Err(StoreError::Conflict)), "it is gone");
    let again = save(store, 0, &one).await.unwrap();
    assert!(again > second, "a practice that is made again has no version that somebody may still hold");
    store.commit("one", delete(again)).await.unwrap();
}

async fn what_is_due_is_said(store: &dyn Store) {
    let later = now() + SignedDuration::from_hours(1);
    let mut versions = BTreeMap::new();
    for (id, at) in [("due-a", Some(now())), ("due-b", Some(later)), ("due-c", None)] {
        let state = practice(id, 1);
        let commit = Commit { version: 0, state: Some(&state), due_at: at, changes: &[], durable: false };
        versions.insert(id, store.commit(id, commit).await.unwrap());
    }
    let earlier = now() - SignedDuration::from_millis(1);
    assert!(store.due(earlier, 10).await.unwrap().is_empty());
    assert_eq!(store.due(now(), 10).await.unwrap(), ["due-a"]);
    let mut due = store.due(later, 10).await.unwrap();
    due.sort();
    assert_eq!(due, ["due-a", "due-b"]);
    assert_eq!(store.due(later, 1).await.unwrap().len(), 1);
    let state = practice("due-a", 2);
    let version = save(store, versions["due-a"], &state).await.unwrap();
    assert!(store.due(now(), 10).await.unwrap().is_empty());
    versions.insert("due-a", version);
    for (id, version) in versions {
        let delete = Commit { version, state: None, due_at: Some(now()), changes: &[], durable: false };
        store.commit(id, delete).await.unwrap();
    }
    assert!(store.due(later, 10).await.unwrap().is_empty(), "what is deleted is not due");
}

async fn records_are_saved_with_their_practice(store: &dyn Store) {
    let (one, two) = (practice("records", 1), practice("records-2", 1));
    let put = |kind, number: u64| RecordChange::Put(key(kind, number), format!("{kind} {number}").into_bytes());
    let changes: Vec<RecordChange> = (1..=300).map(|n| put("write", n)).chain((1..=3).map(|n| put("run", n))).collect();
    let commit = Commit { version: 0, state: Some(&one), due_at: None, changes: &changes, durable: true };
    let version = store.commit("records", commit).await.unwrap();
    let neighbour = [put("write", 5)];
    let commit = Commit { version: 0, state: Some(&two), due_at: None, changes: &neighbour, durable: false };
    let second = store.commit("records-2", commit).await.unwrap();

    let found = store.read("records", &[key("write", 7), key("write", 301), key("run", 2)]).await.unwrap();
    assert_eq!(found, [Some(b"write 7".to_vec()), None, Some(b"run 2".to_vec())]);
    assert!(store.read("records", &[]).await.unwrap().is_empty());
    assert_eq!(store.read("nobody", &[key("write", 7)]).await.unwrap(), [None]);

    let numbers = |found: Vec<(RecordKey, Vec<u8>)>| -> Vec<u64> {
        for (key, value) in &found {
            let number: u64 = key.sequence().unwrap();
            assert_eq!(value, format!("{} {number}", key.kind()).as_bytes());
        }
        found.iter().map(|(key, _)| key.sequence().unwrap()).collect()
    };
    let scan = async |from: u64, until: u64, limit, reverse| {
        numbers(range(store, "records", (&key("write", from), &key("write", until)), limit, reverse).await)
    };
    assert_eq!(scan(1, 6, 100, false).await, [1, 2, 3, 4, 5]);
    assert_eq!(scan(1, 6, 2, false).await, [1, 2]);
    assert_eq!(scan(1, 6, 2, true).await, [5, 4]);
    assert_eq!(scan(298, 999, 100, true).await, [300, 299, 298]);
    assert!(scan(6, 6, 100, false).await.is_empty());
    assert!(scan(6, 1, 100, true).await.is_empty());
    assert!(scan(1, 6, 0, false).await.is_empty());
    let kind = store.scan("records", &Scan::prefix("run/", 100)).await.unwrap();
    assert_eq!(numbers(kind), [1, 2, 3]);

    // A save that lost changes no record either.
    let lost = [put("write", 1000), RecordChange::Remove(key("write", 1))];
    let commit = Commit { version: version + 1, state: Some(&one), due_at: None, changes: &lost, durable: false };
    assert!(matches!(store.commit("records", commit).await, Err(StoreError::Conflict)));
    assert_eq!(scan(1, 2, 100, false).await, [1]);
    assert!(scan(1000, 1001, 100, false).await.is_empty());

    // Values are bytes; a change may be to a record that an earlier one of the same save made.
    let bytes: Vec<u8> = (0..=255).collect();
    let changes = [
        RecordChange::Put(key("write", 1), bytes.clone()),
        RecordChange::Remove(key("write", 2)),
        RecordChange::Remove(key("write", 999)),
        RecordChange::Put(key("write", 998), Vec::new()),
        RecordChange::Remove(key("write", 998)),
        RecordChange::Put(key("audit", 1), Vec::new()),
    ];
    let commit = Commit { version, state: Some(&one), due_at: None, changes: &changes, durable: false };
    let version = store.commit("records", commit).await.unwrap();
    let found = store.read("records", &[key("write", 1), key("write", 2), key("write", 998), key("audit", 1)]).await;
    assert_eq!(found.unwrap(), [Some(bytes), None, None, Some(Vec::new())]);

    let delete = Commit { version, state: None, due_at: None, changes: &[], durable: true };
    store.commit("records", delete).await.unwrap();
    let whole = (&RecordKey::stored(""), &RecordKey::stored("~"));
    assert!(range(store, "records", whole, 10, false).await.is_empty());
    let kept = range(store, "records-2", whole, 10, false).await;
    assert_eq!(kept.len(), 1, "the neighbour keeps its own");
    let delete = Commit { version: second, state: None, due_at: None, changes: &[], durable: true };
    store.commit("records-2", delete).await.unwrap();
}

async fn all_are_loaded(store: &dyn Store) {
    assert!(store.load_all().await.unwrap().is_empty());
    let states: Vec<PracticeState> = (0..1500).map(|n| practice(&format!("all-{n:04}"), n)).collect();
    let saves = states.iter().map(|state| save(store, 0, state));
    let versions = futures::future::try_join_all(saves).await.unwrap();
    let mut all = store.load_all().await.unwrap();
    all.sort_by(|a, b| a.state.id.cmp(&b.state.id));
    assert_eq!(all.len(), states.len());
    for ((stored, state), version) in all.iter().zip(&states).zip(&versions) {
        assert_eq!((&*stored.state, stored.version), (state, *version));
    }
    let ids = store.list().await.unwrap();
    assert!(ids.iter().eq(states.iter().map(|state| state.id.as_str())), "sorted, and all of them");
    let delete = |version| Commit { version, state: None, due_at: None, changes: &[], durable: false };
    let deletes = states.iter().zip(&versions).map(|(state, version)| store.commit(&state.id, delete(*version)));
    futures::future::try_join_all(deletes).await.unwrap();
    assert!(store.list().await.unwrap().is_empty());
}

/// Two processes add to one practice at the same time, again and again: nothing is lost, nothing is counted twice.
async fn one_of_many_wins(store: Arc<dyn Store>, other: Arc<dyn Store>) {
    const EACH: u64 = 40;
    save(&*store, 0, &practice("contested", 0)).await.unwrap();
    let adders = [store.clone(), other.clone(), store.clone(), other].map(|store| {
        tokio::spawn(async move {
            let mut added = 0;
            while added < EACH {
                let Stored { state, version } = store.load("contested").await.unwrap().unwrap();
                match save(&*store, version, &practice("contested", state.revision + 1)).await {
                    Ok(_) => added += 1,
                    Err(StoreError::Conflict) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        })
    });
    for adder in adders {
        adder.await.unwrap();
    }
    let Stored { state, version } = store.load("contested").await.unwrap().unwrap();
    assert_eq!(state.revision, 4 * EACH);
    let delete = Commit { version, state: None, due_at: None, changes: &[], durable: false };
    store.commit("contested", delete).await.unwrap();
}

/// Saves that go together fail apart.
async fn many_at_once_each_have_their_answer(store: Arc<dyn Store>) {
    let mut tasks = Vec::new();
    for n in 0..400_u64 {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            let id = format!("many-{n:03}");
            let changes = [RecordChange::Put(key("write", n), vec![7; n as usize])];
            let state = practice(&id, n);
            // Every third one is for a version that nobody has.
            let version = if n % 3 == 0 { 12345 } else { 0 };
            let commit =
                Commit { version, state: Some(&state), due_at: Some(now()), changes: &changes, durable: n % 2 == 0 };
            (n, id.clone(), store.commit(&id, commit).await)
        }));
    }
    for task in tasks {
        let (n, id, result) = task.await.unwrap();
        let stored = store.load(&id).await.unwrap();
        let record = store.read(&id, &[key("write", n)]).await.unwrap().remove(0);
        if n % 3 == 0 {
            assert!(matches!(result, Err(StoreError::Conflict)), "{result:?}");
            assert!(stored.is_none() && record.is_none());
            continue;
        }
        let version = result.unwrap();
        assert_eq!((stored.unwrap().version, record), (version, Some(vec![7; n as usize])));
        let delete = Commit { version, state: None, due_at: None, changes: &[], durable: false };
        store.commit(&id, delete).await.unwrap();
    }
}

/// A practice as a map keeps it: version, state, records.
type Kept = (Version, PracticeState, BTreeMap<RecordKey, Vec<u8>>);

/// Random saves, beside a map that does the same.
async fn random_saves_are_kept(store: &dyn Store) {
    let seed: u64 = rand::random();
    let mut random = StdRng::seed_from_u64(seed);
    let mut model: BTreeMap<String, Kept> = BTreeMap::new();
    for step in 0..400_u64 {
        let id = format!("random-{}", random.random_range(0..6));
        let state = practice(&id, step);
        let changes: Vec<RecordChange> = (0..random.random_range(0..6))
            .map(|_| {
                let key = key(["write", "run"][random.random_range(0..2)], random.random_range(0..8));
                match random.random_bool(0.7) {
                    true => RecordChange::Put(key, vec![step as u8; random.random_range(0..40)]),
                    false => RecordChange::Remove(key),
                }
            })
            .collect();
        let held = model.get(&id).map_or(0, |(version, ..)| *version);
        let stale = random.random_bool(0.2);
        let delete = held != 0 && random.random_bool(0.1);
        let commit = Commit {
            version: if stale { held.wrapping_add(1) } else { held },
            state: (!delete).then_some(&state),
            due_at: random.random_bool(0.5).then(now),
            changes: if delete { &[] } else { &changes },
            durable: random.random_bool(0.3),
        };
        match store.commit(&id, commit).await {
            Err(StoreError::Conflict) => assert!(stale, "seed {seed}, step {step}"),
            Err(error) => panic!("seed {seed}, step {step}: {error}"),
            Ok(version) => {
                assert!(!stale && version > held, "seed {seed}, step {step}");
                if delete {
                    model.remove(&id);
                } else {
                    let (_, _, mut records) = model.remove(&id).unwrap_or((0, state.clone(), BTreeMap::new()));
                    for change in &changes {
                        match change {
                            RecordChange::Put(key, value) => drop(records.insert(key.clone(), value.clone())),
                            RecordChange::Remove(key) => drop(records.remove(key)),
                        }
                    }
                    model.insert(id.clone(), (version, state, records));
                }
            }
        }
        let found = store.load(&id).await.unwrap().map(|stored| (stored.version, (*stored.state).clone()));
        let expected = model.get(&id).map(|(version, state, _)| (*version, state.clone()));
        assert_eq!(found, expected, "seed {seed}, step {step}");
        let (from, until, reverse) = (RecordKey::stored("r"), RecordKey::stored("x"), random.random_bool(0.5));
        let found = range(store, &id, (&from, &until), 5, reverse).await;
        let records = model.get(&id).map(|(.., records)| records.clone()).unwrap_or_default();
        let expected: Vec<_> = match reverse {
            true => records.into_iter().rev().take(5).collect(),
            false => records.into_iter().take(5).collect(),
        };
        assert_eq!(found, expected, "seed {seed}, step {step}");
    }
    for (id, (version, ..)) in model {
        let delete = Commit { version, state: None, due_at: None, changes: &[], durable: false };
        store.commit(&id, delete).await.unwrap();
    }
}

async fn others_are_followed(store: &dyn Store, other: &dyn Store) {
    let mut events = store.follow();
    let mut next = async || {
        tokio::time::timeout(Duration::from_secs(30), events.recv())
            .await
            .expect("an event comes")
            .expect("none is lost")
    };
    let version = save(other, 0, &practice("followed", 1)).await.unwrap();
    match next().await {
        Event::Saved(stored) => assert_eq!((stored.version, &*stored.state), (version, &practice("followed", 1))),
        event => panic!("{event:?}"),
    }
    // Its own saves are not repeated.
    let version = save(store, version, &practice("followed", 2)).await.unwrap();
    let delete = Commit { version, state: None, due_at: None, changes: &[], durable: false };
    let gone = other.commit("followed", delete).await.unwrap();
    match next().await {
        Event::Deleted { id, version } => assert_eq!((id.as_str(), version), ("followed", gone)),
        event => panic!("{event:?}"),
    }
}
