//! Random commands: what must hold after every step, and that the diagrams in `docs/sync-state.md` are what happens.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::BTreeSet;

use common::{commands, decide, run_commands, settings, write_commands};
use jiff::{SignedDuration, Timestamp};
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use sync_state::core::{
    apply::{Stop, apply, create, due_at},
    command::Command,
    invariants::{check, check_kept, check_kept_step, check_step},
    records::{Kept, RecordChange, RecordKey, Records, decode},
    run::Run,
    state::PracticeState,
    write::Write,
};

const STATE_DOC: &str = include_str!("../../../docs/sync-state.md");

fn now() -> Timestamp {
    "2026-03-02T15:00:00Z".parse().unwrap()
}

/// Half of the practices begin with a finished initial sync, so that more of what follows is met.
fn begin(synced: bool) -> (PracticeState, Kept) {
    if synced {
        let practice = common::Practice::synced(settings("America/Chicago"), now());
        return (practice.state, practice.kept);
    }
    (create("a", settings("America/Chicago"), now()), Kept::default())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    /// After every step of any sequence everything in `core::invariants` holds; a tick that is due does something; and
    /// commands that are applied one after another before they are saved give the same as when each is saved first.
    #[test]
    fn invariants_hold(steps in commands(120), synced in any::<bool>()) {
        let (mut state, mut kept) = begin(synced);
        check(&state).unwrap();
        let mut at = now();
        let mut unsaved = Records::default();
        for planned in steps {
            at += SignedDuration::from_secs(planned.seconds);
            let command = planned.aimed(&state);
            let decided = decide(&state, &kept, &command, at);
            let batched = loop {
                match apply(&state, &unsaved, &command, at) {
                    Err(Stop::Read(reads)) => kept.read(&reads, &mut unsaved),
                    Err(Stop::Refused(refusal)) => break Err(refusal),
                    Ok(step) => break Ok(step),
                }
            };
            prop_assert_eq!(&batched, &decided);
            let Ok(step) = decided else { continue };
            if let Err(broken) = check_step(&state, &step) {
                return Err(TestCaseError::fail(format!("{command:?}: {broken}")));
            }
            let before = kept.clone();
            kept.save(&step.changes);
            unsaved.apply(&step.changes);
            let of_records = check_kept(&step.state, &kept)
                .and_then(|()| check_kept_step(&state, &before, &step.state, &kept, at));
            if let Err(broken) = of_records {
                return Err(TestCaseError::fail(format!("{command:?}: {broken}")));
            }
            if command == Command::Tick && step.changed {
                prop_assert!(due_at(&state, at).is_some_and(|due| due <= at), "a tick that was not due did something");
            }
            state = step.state;
        }
    }

    /// A state is the same after it was stored, in the store's form and in JSON, and small without work going on.
    #[test]
    fn states_are_stored_whole(steps in commands(60), synced in any::<bool>()) {
        let (mut state, mut kept) = begin(synced);
        let mut at = now();
        for planned in steps {
            at += SignedDuration::from_secs(planned.seconds);
            let Ok(step) = decide(&state, &kept, &planned.aimed(&state), at) else { continue };
            kept.save(&step.changes);
            state = step.state;
        }
        let bytes = rmp_serde::to_vec(&state).unwrap();
        prop_assert_eq!(&rmp_serde::from_slice::<PracticeState>(&bytes).unwrap(), &state);
        let json = serde_json::to_string(&state).unwrap();
        prop_assert_eq!(&serde_json::from_str::<PracticeState>(&json).unwrap(), &state);
    }
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(300)
}

/// What a step changed of runs and writes, as pairs of the names of where they stand.
fn transitions(
    before: &PracticeState,
    kept: &Kept,
    after: &PracticeState,
    changes: &[RecordChange],
) -> BTreeSet<(String, String)> {
    let mut seen = BTreeSet::new();
    let mut note = |of: &str, from: Option<&str>, to: Option<&str>| {
        let name = |place: Option<&str>| place.map_or("[*]".to_owned(), |place| format!("{of}_{place}"));
        if from != to {
            seen.insert((name(from), name(to)));
        }
    };
    let old_run = |kept: &Kept, key: &RecordKey| kept.0.get(key).map(|v| decode::<Run>(key, v).unwrap());
    for run in &after.runs {
        let old = before.run(run.sequence).map(|old| old.phase);
        let old = old.or_else(|| old_run(kept, &RecordKey::run(run.sequence)).map(|old| old.phase));
        note("run", old.map(|phase| phase.name()), Some(run.phase.name()));
    }
    for change in changes {
        if let RecordChange::Put(key, value) = change {
            match key.kind() {
                "run" => {
                    let run: Run = decode(key, value).unwrap();
                    let old = before.run(run.sequence).map(|old| old.phase.name());
                    note("run", old, Some(run.phase.name()));
                }
                "write" => {
                    let write: Write = decode(key, value).unwrap();
                    let old = kept.0.get(key).map(|v| decode::<Write>(key, v).unwrap().phase.name());
                    note("write", old, Some(write.phase.name()));
                }
                _ => {}
            }
        }
    }
    let lease = |state: &PracticeState| state.stream.lease.as_ref().map(|lease| lease.epoch);
    match (lease(before), lease(after)) {
        (None, Some(_)) => note("lease", Some("free"), Some("held")),
        (Some(_), None) => note("lease", Some("held"), Some("free")),
        _ => {}
    }
    seen
}

/// The arrows of the diagrams, as pairs of names.
fn drawn() -> BTreeSet<(String, String)> {
    let arrows = STATE_DOC.lines().filter_map(|line| line.trim().split_once(" --> "));
    arrows.map(|(from, to)| (from.to_owned(), to.split(':').next().unwrap().trim().to_owned())).collect()
}

/// Every arrow of the diagrams is something that random commands do, and they do nothing else.
#[test]
fn the_diagrams_are_what_happens() {
    let mut runner = TestRunner::deterministic();
    let drawn = drawn();
    assert!(drawn.len() > 30, "the diagrams of docs/sync-state.md were not found");
    let mut seen = BTreeSet::from([("[*]".to_owned(), "lease_free".to_owned())]);
    for case in 0..6_000 {
        let steps = match case % 5 {
            0 => commands(150).new_tree(&mut runner).unwrap().current(),
            1 => run_commands(150).new_tree(&mut runner).unwrap().current(),
            _ => write_commands(150).new_tree(&mut runner).unwrap().current(),
        };
        let (mut state, mut kept) = begin(case % 6 != 0);
        let mut at = now();
        for (place, planned) in steps.into_iter().enumerate() {
            at += SignedDuration::from_secs(planned.seconds);
            if place == 40 {
                weary(&mut kept);
            }
            let command = planned.aimed(&state);
            let Ok(step) = decide(&state, &kept, &command, at) else { continue };
            for arrow in transitions(&state, &kept, &step.state, &step.changes) {
                assert!(drawn.contains(&arrow), "{} --> {} is not drawn: {command:?}", arrow.0, arrow.1);
                seen.insert(arrow);
            }
            kept.save(&step.changes);
            state = step.state;
        }
        if seen == drawn {
            return;
        }
    }
    let missing: Vec<_> = drawn.difference(&seen).collect();
    assert!(missing.is_empty(), "drawn but never seen: {missing:?}");
}

/// Leaves every write one failure before it is parked: random commands seldom fail one so often.
fn weary(kept: &mut Kept) {
    for (key, value) in kept.0.iter_mut().filter(|(key, _)| key.kind() == "write") {
        let mut write: Write = decode(key, value).unwrap();
        write.failures = sync_state::core::write::FAILURES_MAX - 1;
        *value = sync_state::core::records::encode(&write);
    }
}
