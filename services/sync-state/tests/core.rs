//! The rules, driven as a function: what must hold after any sequence of commands.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{Step, commands, settings};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use sync_state::core::{
    apply::{apply, create, due_at},
    command::{Command, Outcome},
    refusal::Refusal,
    state::{Accepted, Checkpoint, PracticeState, RunKind, RunPhase},
};

fn now() -> Timestamp {
    "2026-03-02T15:00:00Z".parse().unwrap()
}

fn claim(worker: &str) -> Command {
    Command::ClaimRun { worker: worker.to_owned(), duration: SignedDuration::from_secs(10) }
}

/// Carries a run through to its end under `epoch`.
fn carry_out(mut state: PracticeState, run: u64, epoch: u64, at: Timestamp) -> PracticeState {
    for dataset in mesh::datasets::all() {
        let checkpoint = Checkpoint { rows_done: 3, rows_total: 4, chunks: 1, finished: true, ..Checkpoint::default() };
        let checkpoints = vec![(dataset.name.to_owned(), checkpoint)];
        let save = Command::SaveCheckpoints { run, epoch, checkpoints, start_position: "p".to_owned() };
        state = apply(&state, &save, at).unwrap().0;
        let accepted = Accepted { version: 1, rows: 3, synced_through: Some(at), completed_at: at, run };
        let accept = Command::Accept { run, epoch, dataset: dataset.name.to_owned(), accepted };
        state = apply(&state, &accept, at).unwrap().0;
    }
    apply(&state, &Command::FinishRun { run, epoch }, at).unwrap().0
}

fn synced() -> PracticeState {
    let (state, outcome) = apply(&create("a", settings("America/Chicago"), now()), &claim("w"), now()).unwrap();
    let Outcome::Run(run) = outcome else { panic!("the initial run is due") };
    carry_out(state, run, 1, now())
}

#[test]
fn the_initial_run_is_queued_claimed_once_and_finished() {
    let state = create("a", settings("America/Chicago"), now());
    assert_eq!(state.initial_run().unwrap().phase, RunPhase::Queued);
    let (claimed, outcome) = apply(&state, &claim("one"), now()).unwrap();
    assert_eq!(outcome, Outcome::Run(1));
    assert_eq!(apply(&claimed, &claim("two"), now()).unwrap().1, Outcome::Nothing);
    let done = synced();
    assert!(done.initial_sync_at.is_some() && done.runs.is_empty());
    assert_eq!(done.history[0].rows(), (3 * 38, 3 * 38), "what was there is what was expected");
}

#[test]
fn a_silent_worker_loses_its_lease_and_can_harm_nothing() {
    let (state, _) = apply(&create("a", settings("UTC"), now()), &claim("one"), now()).unwrap();
    let later = now() + SignedDuration::from_secs(11);
    let (state, _) = apply(&state, &claim("two"), later).unwrap();
    let lease = state.runs[&1].lease.clone().unwrap();
    assert_eq!((lease.owner.as_str(), lease.epoch), ("two", 2));
    for old in [
        Command::Heartbeat { run: Some(1), epoch: 1, duration: None },
        Command::SaveCheckpoints { run: 1, epoch: 1, checkpoints: vec![], start_position: String::new() },
        Command::FinishRun { run: 1, epoch: 1 },
        Command::Release { run: Some(1), epoch: 1 },
    ] {
        assert_eq!(apply(&state, &old, later).unwrap_err(), Refusal::LeaseLost, "{old:?}");
    }
    let future = Command::Heartbeat { run: Some(1), epoch: 9, duration: None };
    assert_eq!(apply(&state, &future, later).unwrap_err(), Refusal::LeaseLost);
}

#[test]
fn checkpoints_never_go_back() {
    let (state, _) = apply(&create("a", settings("UTC"), now()), &claim("w"), now()).unwrap();
    let save = |chunks, rows_done| Command::SaveCheckpoints {
        run: 1,
        epoch: 1,
        checkpoints: vec![("patient".to_owned(), Checkpoint { chunks, rows_done, ..Checkpoint::default() })],
        start_position: format!("at {chunks}"),
    };
    let (state, _) = apply(&state, &save(2, 20), now()).unwrap();
    assert_eq!(apply(&state, &save(1, 20), now()).unwrap_err(), Refusal::CheckpointMismatch);
    assert_eq!(apply(&state, &save(2, 19), now()).unwrap_err(), Refusal::CheckpointMismatch);
    let (state, _) = apply(&state, &save(3, 30), now()).unwrap();
    assert_eq!(state.runs[&1].start_position, "at 2", "the position from before the first chunk is set once");
    let unfinished = Command::FinishRun { run: 1, epoch: 1 };
    assert_eq!(apply(&state, &unfinished, now()).unwrap_err(), Refusal::NotAllAccepted);
}

#[test]
fn a_failed_run_is_retried_and_given_up_unless_it_is_the_initial_one() {
    let fail = |run, epoch, permanent| Command::FailRun {
        run,
        epoch,
        reason: 11,
        message: "unreachable".to_owned(),
        permanent,
        jitter: 1.0,
    };
    let mut state = create("a", settings("UTC"), now());
    let mut at = now();
    for attempt in 1..40 {
        state = apply(&state, &claim("w"), at).unwrap().0;
        state = apply(&state, &fail(1, attempt, false), at).unwrap().0;
        let run = &state.runs[&1];
        assert!(run.due_at > at && run.due_at <= at + SignedDuration::from_mins(5), "attempt {attempt}");
        at = run.due_at;
    }
    state = apply(&state, &claim("w"), at).unwrap().0;
    state = apply(&state, &fail(1, 40, true), at).unwrap().0;
    assert_eq!(state.initial_run().unwrap().phase, RunPhase::Failed);
    let (state, outcome) = apply(&state, &Command::StartSync, at).unwrap();
    let Outcome::Run(again) = outcome else { panic!() };
    assert_eq!(state.runs[&again].kind, RunKind::Initial, "a retry works");
}

#[test]
fn one_nightly_run_per_local_date_whatever_is_changed() {
    let mut state = synced();
    let mut nights = BTreeSet::new();
    let mut at = now();
    let zones = ["America/Chicago", "Asia/Tokyo", "Pacific/Apia", "Europe/Berlin"];
    for hour in 0..24 * 30 {
        at += SignedDuration::from_hours(1);
        if hour % 7 == 0 {
            let mut settings = state.settings.clone();
            settings.time_zone = zones[(hour / 7) % zones.len()].to_owned();
            settings.window_start = (hour as u16 * 13) % 1200;
            settings.window_end = settings.window_start + 240;
            state = apply(&state, &Command::Update { settings, edition: None }, at).unwrap().0;
        }
        let (next, outcome) = apply(&state, &claim("w"), at).unwrap();
        state = next;
        if let Outcome::Run(run) = outcome {
            let found = state.runs[&run].clone();
            assert_eq!(found.kind, RunKind::Nightly);
            assert!(nights.insert(found.local_date.unwrap()), "{:?} twice", found.local_date);
            let epoch = state.epoch;
            state = carry_out(state, run, epoch, at);
        }
    }
    assert!((25..=31).contains(&nights.len()), "{nights:?}");
}

#[test]
fn a_stop_is_caught_up_inside_the_window_or_said_to_be_late() {
    let state = synced();
    let night = sync_state::core::apply::next_night(&state, now());
    assert_eq!(due_at(&state, now()), Some(night.due_at));
    let inside = apply(&state, &Command::Tick, night.closes_at - SignedDuration::from_secs(1)).unwrap().0;
    assert!(inside.runs.values().all(|run| !run.late) && inside.runs.len() == 1);
    let after = apply(&state, &Command::Tick, night.closes_at + SignedDuration::from_mins(30)).unwrap().0;
    assert!(after.runs.values().all(|run| run.late) && after.runs.len() == 1);
}

#[test]
fn a_paused_practice_starts_nothing_and_follows_nothing() {
    let state = synced();
    let stream = Command::ClaimStream { worker: "w".to_owned(), duration: SignedDuration::from_secs(10) };
    let (state, outcome) = apply(&state, &stream, now()).unwrap();
    assert_eq!(outcome, Outcome::Done);
    let mut paused = state.settings.clone();
    paused.paused = true;
    let (state, _) = apply(&state, &Command::Update { settings: paused, edition: Some(state.edition) }, now()).unwrap();
    assert!(state.stream.lease.is_none() && due_at(&state, now()).is_none());
    assert_eq!(apply(&state, &stream, now()).unwrap().1, Outcome::Nothing);
    assert_eq!(apply(&state, &Command::StartSync, now()).unwrap_err(), Refusal::Paused);
    let days = now() + SignedDuration::from_hours(50);
    assert!(apply(&state, &Command::Tick, days).unwrap().0.runs.is_empty());
}

#[test]
fn a_cursor_moves_by_compare_and_set() {
    let stream = Command::ClaimStream { worker: "w".to_owned(), duration: SignedDuration::from_secs(10) };
    let (state, _) = apply(&synced(), &stream, now()).unwrap();
    let save = |expected: &str, cursor: &str| Command::SaveCursor {
        epoch: state.epoch,
        expected: expected.to_owned(),
        cursor: cursor.to_owned(),
        synced_through: Some(now()),
        mode: "polling".to_owned(),
    };
    let (state, _) = apply(&state, &save("", "1"), now()).unwrap();
    assert_eq!(apply(&state, &save("", "2"), now()).unwrap_err(), Refusal::CursorMismatch);
    let (state, _) = apply(&state, &save("1", "2"), now()).unwrap();
    assert_eq!(state.stream.cursor, "2");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// After every step of any sequence: epochs never fall, at most one lease per resource, a checkpoint never goes
    /// back within a run, one nightly run per local date, a revision for each change.
    #[test]
    fn invariants_hold(steps in commands(120)) {
        let mut state = create("a", settings("America/Chicago"), now());
        let mut at = now();
        let mut nights: BTreeMap<jiff::civil::Date, u64> = BTreeMap::new();
        for Step { seconds, command } in steps {
            at += SignedDuration::from_secs(seconds);
            let Ok((next, _)) = apply(&state, &command, at) else { continue };
            prop_assert!(next.epoch >= state.epoch);
            prop_assert!(next.revision == state.revision || next.revision == state.revision + 1);
            let mut epochs = BTreeSet::new();
            let leases = next.runs.values().filter_map(|run| run.lease.as_ref()).chain(&next.stream.lease);
            for lease in leases {
                prop_assert!(lease.epoch <= next.epoch && epochs.insert(lease.epoch));
            }
            prop_assert!(next.runs.values().all(|run| !run.phase.ended() && (run.lease.is_some() == (run.phase == RunPhase::Running))));
            prop_assert!(next.history.iter().all(|run| run.phase.ended() && run.lease.is_none()));
            prop_assert!(next.runs.len() <= 1, "one run of a practice at a time");
            for run in next.runs.values().chain(&next.history) {
                if let Some(date) = run.local_date {
                    prop_assert_eq!(*nights.entry(date).or_insert(run.sequence), run.sequence);
                }
                if let Some(old) = state.runs.get(&run.sequence).filter(|old| !old.start_position.is_empty() && !run.start_position.is_empty()) {
                    for (dataset, new) in &run.checkpoints {
                        prop_assert!(new.rows_done >= old.checkpoints[dataset].rows_done);
                    }
                }
            }
            state = next;
        }
    }
}
