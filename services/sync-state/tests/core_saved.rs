//! Saved things: kept under an etag that never comes back, made once for each of the caller's keys, bounded, taken along.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{Practice, settings};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use sync_state::core::{
    apply::due_at,
    command::{Command, Outcome},
    export,
    invariants::check_kept,
    records::{RecordKey, decode},
    refusal::Refusal,
    saved::{BODY_MAX, BYTES_MAX, KEPT, Put, SavedKind, SavedThing},
    shared::Shared,
};

fn now() -> Timestamp {
    "2026-03-02T15:00:00Z".parse().unwrap()
}

fn practice() -> Practice {
    Practice::synced(settings("UTC"), now())
}

fn put(id: &str, expected: Option<u64>, body: &[u8]) -> Command {
    let put =
        Put { kind: SavedKind::Scorecard, id: id.into(), expected, request_id: Default::default(), asked: Vec::new() };
    Command::PutSaved { put, body: Shared::new(body.to_vec()) }
}

fn make(id: &str, request_id: &str, body: &[u8], asked: &[u8]) -> Command {
    let put = Put {
        kind: SavedKind::Scorecard,
        id: id.into(),
        expected: Some(0),
        request_id: request_id.into(),
        asked: asked.to_vec(),
    };
    Command::PutSaved { put, body: Shared::new(body.to_vec()) }
}

fn delete(id: &str, expected: Option<u64>) -> Command {
    Command::DeleteSaved { kind: SavedKind::Scorecard, id: id.into(), expected }
}

fn there(practice: &Practice, id: &str) -> Option<SavedThing> {
    let key = RecordKey::saved(SavedKind::Scorecard, id);
    practice.kept.0.get(&key).map(|value| decode(&key, value).unwrap())
}

fn saved(outcome: &Outcome) -> SavedThing {
    outcome.saved().unwrap().clone()
}

#[test]
fn an_edit_needs_the_etag_as_read() {
    let mut practice = practice();
    let first = saved(&practice.must(&put("a", Some(0), b"one")));
    assert_eq!(practice.ask(&put("a", Some(0), b"two")), Err(Refusal::SavedChanged), "it is there already");
    practice.wait(SignedDuration::from_secs(5));
    let second = saved(&practice.must(&put("a", Some(first.version), b"two")));
    assert!(second.version > first.version);
    assert_eq!((second.created_at, second.updated_at), (first.created_at, practice.at));
    for stale in [first.version, second.version + 1] {
        assert_eq!(practice.ask(&put("a", Some(stale), b"three")), Err(Refusal::SavedChanged));
        assert_eq!(practice.ask(&delete("a", Some(stale))), Err(Refusal::SavedChanged));
    }
    assert_eq!(there(&practice, "a"), Some(second.clone()));
    let same = practice.must(&put("a", None, b"two"));
    assert_eq!(same, Outcome::FoundSaved(Box::new(second)), "the same contents are no edit");
    practice.must(&put("a", None, b"three"));
    assert_eq!(practice.must(&delete("a", None)), Outcome::Done);
    assert_eq!(practice.must(&delete("a", Some(7))), Outcome::Nothing, "gone is gone");
    check_kept(&practice.state, &practice.kept).unwrap();
}

#[test]
fn a_creation_is_made_once_for_each_key() {
    let mut practice = practice();
    let first = saved(&practice.must(&make("a", "r1", b"copy of x", b"copy x")));
    // The repeat would be called otherwise, and what it copies has changed since.
    let repeat = practice.must(&make("b", "r1", b"copy of y", b"copy x"));
    assert_eq!(repeat, Outcome::FoundSaved(Box::new(first.clone())));
    assert_eq!(there(&practice, "b"), None);
    assert_eq!(practice.ask(&make("b", "r1", b"copy of x", b"copy y")), Err(Refusal::RequestIdReused));
    let edited = saved(&practice.must(&put("a", Some(first.version), b"edited")));
    let repeat = practice.must(&make("c", "r1", b"copy of x", b"copy x"));
    assert_eq!(saved(&repeat), edited, "as it now stands");
    practice.must(&delete("a", None));
    assert_eq!(practice.ask(&make("c", "r1", b"copy of x", b"copy x")), Err(Refusal::SavedNotFound));

    // The key goes in its time, and nothing else does.
    practice.must(&make("d", "r2", b"stays", b""));
    practice.wait(KEPT);
    assert!(due_at(&practice.state, practice.at).is_some_and(|due| due <= practice.at));
    practice.must(&Command::Tick);
    let keys = |practice: &Practice| practice.kept.0.keys().filter(|key| key.kind() == "creation").count();
    assert_eq!(keys(&practice), 0);
    assert!(there(&practice, "d").is_some());
    practice.must(&make("c", "r1", b"anew", b"copy y"));
    check_kept(&practice.state, &practice.kept).unwrap();
}

#[test]
fn malformed_things_are_refused_by_field() {
    let mut practice = practice();
    let long = "a".repeat(65);
    let field = |result: Result<Outcome, Refusal>| match result {
        Err(Refusal::Invalid { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    for id in ["", "a/b", "ü", &long] {
        assert_eq!(field(practice.ask(&put(id, None, b"x"))), "id");
        assert_eq!(field(practice.ask(&delete(id, None))), "id");
        if !id.is_empty() {
            assert_eq!(field(practice.ask(&make("a", id, b"x", b""))), "request_id");
        }
    }
    assert_eq!(field(practice.ask(&put("a", None, &vec![0; BODY_MAX + 1]))), "body");
    let Command::PutSaved { put: creation, body } = make("a", "r", b"x", b"") else { unreachable!() };
    let edit = Command::PutSaved { put: Put { expected: None, ..creation }, body };
    assert_eq!(field(practice.ask(&edit)), "request_id", "a key is for a creation");
    assert!(practice.kept.0.keys().all(|key| key.kind() != "saved"));
}

#[test]
fn a_practice_has_room_for_so_many() {
    let mut practice = practice();
    for n in 0..SavedKind::Scorecard.most() {
        practice.must(&put(&format!("n{n}"), Some(0), b"x"));
    }
    assert_eq!(practice.ask(&put("more", Some(0), b"x")), Err(Refusal::SavedFull));
    practice.must(&put("n0", None, b"an edit needs no more room"));
    practice.must(&delete("n1", None));
    practice.must(&put("more", Some(0), b"x"));

    let large = vec![7; BODY_MAX];
    let mut kept = 0;
    let full = loop {
        match practice.ask(&put(&format!("n{}", kept + 2), None, &large)) {
            Ok(_) => kept += 1,
            Err(refusal) => break refusal,
        }
    };
    assert_eq!(full, Refusal::SavedFull);
    assert!(practice.state.saved.bytes <= BYTES_MAX && practice.state.saved.bytes > BYTES_MAX - 2 * BODY_MAX as u64);
    practice.must(&put("n2", None, b"small again"));
    practice.must(&put(&format!("n{}", kept + 2), None, &large));
    check_kept(&practice.state, &practice.kept).unwrap();
}

#[test]
fn a_practice_takes_its_things_along() {
    let mut practice = practice();
    practice.must(&make("a", "r1", &[0, 255, 128], b"asked"));
    practice.must(&put("b", None, b""));
    let mut lines = vec![export::begin(&practice.state), export::state(&practice.state)];
    for (key, value) in &practice.kept.0 {
        lines.push(export::record(key, value).unwrap());
    }
    lines.push(export::end(practice.kept.0.len() as u64));
    let mut import = export::Import::default();
    lines.iter().for_each(|line| import.line(line).unwrap());
    let (state, records) = import.finish(practice.at).unwrap();
    let mut there_too = Practice { state, kept: Default::default(), at: practice.at };
    there_too.kept.save(&records);
    for id in ["a", "b"] {
        assert_eq!(there(&there_too, id), there(&practice, id));
    }
    let repeat = there_too.must(&make("c", "r1", b"", b"asked"));
    assert_eq!(repeat.saved(), there(&practice, "a").as_ref());
    let edited = saved(&there_too.must(&put("b", None, b"later")));
    assert!(edited.version > practice.state.saved.version, "etags go on");
}

#[derive(Debug, Clone)]
enum Step {
    Put { id: u8, expected: u8, body: u8 },
    Make { id: u8, key: u8, body: u8 },
    Delete { id: u8, expected: u8 },
    Wait { hours: i64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u8..3, 0_u8..4, 0_u8..3).prop_map(|(id, expected, body)| Step::Put { id, expected, body }),
        3 => (0_u8..3, 0_u8..3, 0_u8..3).prop_map(|(id, key, body)| Step::Make { id, key, body }),
        2 => (0_u8..3, 0_u8..4).prop_map(|(id, expected)| Step::Delete { id, expected }),
        1 => (0_i64..400).prop_map(|hours| Step::Wait { hours }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens: no etag is given to two contents, a key of the caller's makes one thing at most while it is
    /// remembered, and nothing changes by a command that is refused.
    #[test]
    fn etags_and_keys_are_given_once(steps in proptest::collection::vec(step(), 1..80)) {
        let mut practice = practice();
        let mut etags: BTreeMap<u64, (String, Vec<u8>)> = BTreeMap::new();
        let mut made: BTreeMap<u8, BTreeSet<String>> = BTreeMap::new();
        let mut since: BTreeMap<u8, Timestamp> = BTreeMap::new();
        for step in steps {
            let version = |practice: &Practice, id: u8, expected: u8| match expected {
                0 => None,
                1 => Some(0),
                2 => Some(there(practice, &id.to_string()).map_or(1, |thing| thing.version)),
                _ => Some(practice.state.saved.version.saturating_sub(1)),
            };
            let (command, key) = match step {
                Step::Wait { hours } => {
                    practice.wait(SignedDuration::from_hours(hours));
                    practice.must(&Command::Tick);
                    let at = practice.at;
                    since.retain(|_, since| at.duration_since(*since) < KEPT);
                    made.retain(|key, _| since.contains_key(key));
                    continue;
                }
                Step::Put { id, expected, body } => {
                    (put(&id.to_string(), version(&practice, id, expected), &[body]), None)
                }
                Step::Make { id, key, body } => {
                    (make(&id.to_string(), &format!("k{key}"), &[body], &[body / 2]), Some(key))
                }
                Step::Delete { id, expected } => (delete(&id.to_string(), version(&practice, id, expected)), None),
            };
            let before = practice.kept.clone();
            match practice.ask(&command) {
                Ok(outcome) => {
                    if let Some(thing) = outcome.saved() {
                        let contents = (thing.id.to_string(), thing.body.clone());
                        let first = etags.entry(thing.version).or_insert_with(|| contents.clone());
                        prop_assert_eq!(first, &contents, "an etag came back");
                        if let (Some(key), Outcome::Saved(_)) = (key, &outcome) {
                            since.insert(key, practice.at);
                            made.entry(key).or_default().insert(format!("{} {}", thing.id, thing.version));
                        }
                    }
                }
                Err(_) => prop_assert_eq!(&practice.kept, &before),
            }
            prop_assert!(made.values().all(|things| things.len() == 1), "{made:?}");
            if let Err(broken) = check_kept(&practice.state, &practice.kept) {
                return Err(TestCaseError::fail(broken.to_string()));
            }
        }
    }
}
