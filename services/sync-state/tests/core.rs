//! The rules of runs, leases, schedules and cursors, driven as a function.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::BTreeSet;

use common::{Practice, error, settings};
use jiff::{SignedDuration, Timestamp};
use sync_state::core::{
    apply::{due_at, next_night},
    command::{Command, Outcome, Resource},
    dataset::DatasetId,
    refusal::Refusal,
    run::{Progress, RunKind, RunPhase, Scope},
    shared::Text,
};

fn now() -> Timestamp {
    "2026-03-02T15:00:00Z".parse().unwrap()
}

fn start() -> Command {
    Command::StartSync { scope: Scope::everything(), request_id: Text::default() }
}

fn claim_stream() -> Command {
    Command::ClaimStream { worker: "w".into(), duration: SignedDuration::from_secs(10) }
}

#[test]
fn the_initial_run_is_queued_claimed_once_and_finished() {
    let mut practice = Practice::new(settings("America/Chicago"), now());
    assert_eq!(practice.state.initial_run().unwrap().phase, RunPhase::Queued);
    let run = practice.claim("one").unwrap();
    assert_eq!((run.sequence, run.phase), (1, RunPhase::Leased));
    assert!(practice.claim("two").is_none());
    practice.carry_out(&run);
    assert!(practice.state.initial_sync_at.is_some() && practice.state.runs.is_empty());
    let ended = practice.ended(1).unwrap();
    assert_eq!(ended.rows(), (3 * 38, 3 * 38), "what was there is what was expected");
    assert!(ended.datasets.is_empty(), "an ended run keeps sums");
}

#[test]
fn a_silent_worker_loses_its_lease_and_can_harm_nothing() {
    let mut practice = Practice::new(settings("UTC"), now());
    let one = practice.claim("one").unwrap().lease.unwrap();
    practice.wait(SignedDuration::from_secs(11));
    let two = practice.claim("two").unwrap().lease.unwrap();
    assert!(two.owner == "two" && two.epoch > one.epoch);
    let with = |epoch| {
        [
            Command::Heartbeat { resource: Resource::Run(1), epoch, duration: None },
            Command::SaveCheckpoints { run: 1, epoch, checkpoints: vec![], start_position: Text::default() },
            Command::FinishRun { run: 1, epoch, jitter: 0.0 },
            Command::Release { resource: Resource::Run(1), epoch },
        ]
    };
    for old in with(one.epoch) {
        assert_eq!(practice.ask(&old).unwrap_err(), Refusal::LeaseLost, "{old:?}");
    }
    for future in with(two.epoch + 1) {
        assert_eq!(practice.ask(&future).unwrap_err(), Refusal::EpochAhead, "{future:?}");
    }
}

#[test]
fn checkpoints_never_go_back() {
    let mut practice = Practice::new(settings("UTC"), now());
    let epoch = practice.claim("w").unwrap().lease.unwrap().epoch;
    let patient = DatasetId::named("patient").unwrap();
    let save = |chunks: i64, rows_done| Command::SaveCheckpoints {
        run: 1,
        epoch,
        checkpoints: vec![(patient, Progress { chunks, rows_done, ..Progress::default() })],
        start_position: format!("at {chunks}").into(),
    };
    practice.must(&save(2, 20));
    assert_eq!(practice.ask(&save(1, 20)).unwrap_err(), Refusal::CheckpointMismatch);
    assert_eq!(practice.ask(&save(2, 19)).unwrap_err(), Refusal::CheckpointMismatch);
    practice.must(&save(3, 30));
    let run = practice.state.run(1).unwrap();
    assert_eq!(run.start_position, "at 2", "the position from before the first chunk is set once");
    assert_eq!(run.phase, RunPhase::Running);
    let unfinished = Command::FinishRun { run: 1, epoch, jitter: 0.0 };
    assert_eq!(practice.ask(&unfinished).unwrap_err(), Refusal::NotAllAccepted);
}

#[test]
fn a_failed_run_is_retried_and_given_up_unless_it_is_the_initial_one() {
    let mut practice = Practice::new(settings("UTC"), now());
    let fail =
        |epoch, permanent| Command::FailRun { run: 1, epoch, error: error(11, "unreachable"), permanent, jitter: 1.0 };
    for attempt in 1..40 {
        let run = practice.claim("w").unwrap();
        practice.must(&fail(run.lease.unwrap().epoch, false));
        let due_at = practice.state.run(1).unwrap().due_at;
        assert!(
            due_at > practice.at && due_at <= practice.at + SignedDuration::from_mins(5),
            "attempt {attempt}: {due_at}"
        );
        practice.at = due_at;
    }
    let run = practice.claim("w").unwrap();
    practice.must(&fail(run.lease.unwrap().epoch, true));
    assert_eq!(practice.ended(1).unwrap().phase, RunPhase::Failed);
    let outcome = practice.must(&start());
    assert_eq!(outcome.run().unwrap().kind, RunKind::Initial, "a retry works");
}

#[test]
fn one_nightly_run_per_local_date_whatever_is_changed() {
    let mut practice = Practice::synced(settings("America/Chicago"), now());
    let mut nights = BTreeSet::new();
    let zones = ["America/Chicago", "Asia/Tokyo", "Pacific/Apia", "Europe/Berlin"];
    for hour in 0..24 * 30 {
        practice.wait(SignedDuration::from_hours(1));
        if hour % 7 == 0 {
            let mut settings = (*practice.state.settings).clone();
            settings.time_zone = zones[(hour / 7) % zones.len()].to_owned();
            settings.window_start = (hour as u16 * 13) % 1200;
            settings.window_end = settings.window_start + 240;
            practice.must(&Command::Update { settings, edition: None });
        }
        if let Some(run) = practice.claim("w") {
            assert_eq!(run.kind, RunKind::Nightly);
            assert!(nights.insert(run.local_date.unwrap()), "{:?} twice", run.local_date);
            practice.carry_out(&run);
        }
    }
    assert!((25..=31).contains(&nights.len()), "{nights:?}");
}

#[test]
fn a_stop_is_caught_up_inside_the_window_or_said_to_be_late() {
    let practice = Practice::synced(settings("America/Chicago"), now());
    let night = next_night(&practice.state, now());
    assert_eq!(due_at(&practice.state, now()), Some(night.due_at));
    let at = |moment| {
        let mut practice = practice.clone();
        practice.at = moment;
        practice.must(&Command::Tick);
        assert_eq!(practice.state.runs.len(), 1);
        practice.state.runs[0].late
    };
    assert!(at(night.closes_at - SignedDuration::from_secs(1)).is_none());
    assert!(at(night.closes_at + SignedDuration::from_mins(30)).is_some());
}

#[test]
fn a_paused_practice_starts_nothing_and_follows_nothing() {
    let mut practice = Practice::synced(settings("America/Chicago"), now());
    assert!(practice.must(&claim_stream()).lease().is_some());
    let mut paused = (*practice.state.settings).clone();
    paused.paused = true;
    let edition = Some(practice.state.edition);
    practice.must(&Command::Update { settings: paused, edition });
    assert!(practice.state.stream.lease.is_none() && due_at(&practice.state, now()).is_none());
    assert_eq!(practice.must(&claim_stream()), Outcome::Nothing);
    assert_eq!(practice.ask(&start()).unwrap_err(), Refusal::Paused);
    practice.wait(SignedDuration::from_hours(50)).must(&Command::Tick);
    assert!(practice.state.runs.is_empty());
}

#[test]
fn a_cursor_moves_by_compare_and_set() {
    let mut practice = Practice::synced(settings("UTC"), now());
    practice.must(&claim_stream());
    let epoch = practice.state.epoch;
    let save = |expected: &str, cursor: &str| Command::SaveCursor {
        epoch,
        expected: expected.into(),
        cursor: cursor.into(),
        synced_through: Some(now()),
        mode: "polling".into(),
    };
    practice.must(&save("", "1"));
    assert_eq!(practice.ask(&save("", "2")).unwrap_err(), Refusal::CursorMismatch);
    practice.must(&save("1", "2"));
    assert_eq!(practice.state.stream.cursor, "2");
}
