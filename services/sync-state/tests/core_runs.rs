//! Runs by hand and by night: what is coalesced, what goes first, what is late, what is kept of a failure.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use chairsync_proto::{
    feature::Feature,
    sync::{Completeness, FeatureStatus},
};
use common::{Practice, error, scope, settings};
use jiff::{SignedDuration, Timestamp, civil::date};
use sync_state::core::{
    apply::next_night,
    command::{Command, DatasetFailure, Outcome},
    dataset::DatasetId,
    fair, freshness,
    nightly::due_times,
    refusal::Refusal,
    run::{Late, Priority, Progress, Run, RunKind, RunPhase, Scope},
    runs::{FAILURES_MAX, HISTORY_MAX, RUNS_MAX},
    shared::{Shared, Text},
    state::{Overlap, Settings},
};

fn now() -> Timestamp {
    "2026-03-02T15:00:00Z".parse().unwrap()
}

fn synced() -> Practice {
    Practice::synced(settings("America/Chicago"), now())
}

fn start(scope: Scope, request_id: &str) -> Command {
    Command::StartSync { scope: Shared::new(scope), request_id: request_id.into() }
}

fn everything() -> Command {
    start((*Scope::everything()).clone(), "")
}

fn patient() -> DatasetId {
    DatasetId::named("patient").unwrap()
}

/// Waits until tonight's run is due and claims it.
fn night(practice: &mut Practice) -> Run {
    practice.at = next_night(&practice.state, practice.at).due_at;
    practice.claim("night").expect("a nightly run")
}

fn status(practice: &Practice, feature: Feature) -> FeatureStatus {
    let statuses = freshness::statuses(&practice.state, practice.at);
    statuses.into_iter().find(|status| status.feature() == feature).unwrap()
}

fn epoch(run: &Run) -> u64 {
    run.lease.as_ref().unwrap().epoch
}

fn finish(run: &Run) -> Command {
    Command::FinishRun { run: run.sequence, epoch: epoch(run), jitter: 1.0 }
}

fn fail_patient(run: &Run, permanent: bool) -> Command {
    let failures = vec![DatasetFailure { dataset: patient(), error: error(17, "too slow"), permanent }];
    Command::FailDatasets { run: run.sequence, epoch: epoch(run), failures }
}

#[test]
fn a_dataset_that_fails_loses_nothing_of_the_others() {
    let mut practice = synced();
    let before = *practice.state.accepted("patient").unwrap();
    let run = night(&mut practice);
    for dataset in run.scope.datasets.iter().filter(|dataset| *dataset != patient()) {
        practice.bring(&run, dataset);
    }
    assert_eq!(practice.ask(&finish(&run)).unwrap_err(), Refusal::NotAllAccepted);
    practice.must(&fail_patient(&run, false));
    let outcome = practice.must(&finish(&run));
    assert_eq!(outcome.run().unwrap().phase, RunPhase::Queued, "tried again for what is missing");
    assert_eq!(practice.state.accepted("patient"), Some(&before));
    assert!(practice.state.accepted("procedure").unwrap().completed_at > before.completed_at);
    let huddle = status(&practice, Feature::MorningHuddle).freshness.unwrap();
    assert_eq!(huddle.completeness(), Completeness::Stale);
    assert!(huddle.reason.contains("patient") && huddle.reason.contains("too slow"), "{}", huddle.reason);
    assert_eq!(huddle.completed_at.unwrap().seconds, before.completed_at.as_second(), "as fresh as its oldest dataset");
    let schedule = status(&practice, Feature::OnlineSchedulingAvailability).freshness.unwrap();
    assert!(schedule.completed_at.unwrap().seconds > before.completed_at.as_second(), "it needs no patients");
    assert_eq!(schedule.completeness(), Completeness::Complete);

    practice.wait(SignedDuration::from_secs(2));
    let again = practice.claim("w").unwrap();
    assert_eq!(again.missing().iter().collect::<Vec<_>>(), [patient()]);
    practice.must(&fail_patient(&again, true));
    let dead = practice.must(&finish(&again)).run().unwrap().clone();
    assert_eq!((dead.phase, dead.error.unwrap().reason), (RunPhase::Failed, 17));
    assert_eq!(dead.datasets.keys().collect::<Vec<_>>(), [patient()]);
    let schedule = status(&practice, Feature::OnlineSchedulingAvailability).freshness.unwrap();
    assert_eq!(schedule.completeness(), Completeness::Complete);
    assert_eq!(status(&practice, Feature::MorningHuddle).freshness.unwrap().completeness(), Completeness::Stale);

    let queued = practice.must(&Command::RetryRun { run: dead.sequence }).run().unwrap().clone();
    assert_eq!((queued.failures, queued.phase), (0, RunPhase::Queued));
    let last = practice.claim("w").unwrap();
    practice.carry_out(&last);
    assert_eq!(practice.ended(dead.sequence).unwrap().phase, RunPhase::Succeeded);
    let huddle = status(&practice, Feature::MorningHuddle).freshness.unwrap();
    assert_eq!((huddle.completeness(), huddle.reason.as_str()), (Completeness::Complete, ""));
    let done = Command::RetryRun { run: dead.sequence };
    assert_eq!(practice.ask(&done).unwrap_err(), Refusal::RunNotRetryable);
    assert_eq!(practice.ask(&Command::RetryRun { run: 99 }).unwrap_err(), Refusal::RunNotFound);
}

#[test]
fn the_same_work_that_waits_is_one_run() {
    let mut practice = synced();
    let first = practice.must(&start(scope(&["patient", "procedure"]), "")).run().unwrap().sequence;
    assert!(matches!(practice.must(&start(scope(&["patient"]), "")), Outcome::Found(run) if run.sequence == first));
    let wider = practice.must(&everything()).run().unwrap().sequence;
    assert_ne!(wider, first, "it reads more");
    let run = practice.claim("w").unwrap();
    assert_eq!(run.sequence, first);
    assert!(matches!(practice.must(&start(scope(&["patient"]), "")), Outcome::Found(_)), "it has not begun to read");
    practice.bring(&run, patient());
    let late = practice.must(&start(scope(&["patient"]), "")).run().unwrap().sequence;
    assert_eq!(late, wider, "the one that waits reads it");
}

#[test]
fn a_key_of_the_callers_is_one_run() {
    let mut practice = synced();
    let first = practice.must(&start(scope(&["patient"]), "k")).run().unwrap().sequence;
    let run = practice.claim("w").unwrap();
    practice.carry_out(&run);
    assert!(matches!(practice.must(&start(scope(&["patient"]), "k")), Outcome::Found(run) if run.sequence == first));
    assert_eq!(practice.ask(&start(scope(&["procedure"]), "k")).unwrap_err(), Refusal::RequestIdReused);
    practice.wait(SignedDuration::from_hours(25)).must(&Command::Tick);
    practice.must(&start(scope(&["procedure"]), "k")); // it was remembered for a day
}

#[test]
fn what_is_asked_for_by_hand_goes_before_the_night_and_the_night_goes_on_after_it() {
    let mut practice = synced();
    let nightly = night(&mut practice);
    practice.bring(&nightly, DatasetId::named("procedure").unwrap());
    practice.must(&start(scope(&["patient"]), ""));
    assert!(fair::offer(&practice.state, practice.at).unwrap().instead);
    let forced = practice.claim("hand").unwrap();
    assert_eq!((forced.kind, forced.priority), (RunKind::Forced, Priority::Urgent));
    assert_eq!(practice.ask(&finish(&nightly)).unwrap_err(), Refusal::LeaseLost);
    practice.carry_out(&forced);
    let again = practice.claim("night").unwrap();
    assert_eq!((again.sequence, again.failures), (nightly.sequence, 0));
    let missing = again.missing();
    assert_eq!(missing.len(), 36, "neither what it brought nor what the other did");
    assert!(!missing.contains(patient()));
}

#[test]
fn a_run_of_some_patients_makes_nothing_fresh_and_the_night_still_reads_it() {
    let mut practice = synced();
    let before = *practice.state.accepted("patient").unwrap();
    let nightly = night(&mut practice);
    practice.bring(&nightly, DatasetId::named("procedure").unwrap());
    let some = Scope { patients: vec![Text::from("7")], ..scope(&["patient"]) };
    practice.must(&start(some, ""));
    let forced = practice.claim("hand").unwrap();
    practice.carry_out(&forced);
    assert!(*practice.state.accepted("patient").unwrap() == before, "it is read beside the tables");
    let again = practice.claim("night").unwrap();
    assert!(again.missing().contains(patient()) && again.sequence == nightly.sequence);
    assert_eq!(again.fence, nightly.fence, "what the night has brought so far stays of use");
}

#[test]
fn a_backfill_goes_last_and_bad_scopes_are_refused() {
    let mut practice = synced();
    let range = |from, until| Scope { from, until, ..scope(&["procedure"]) };
    let (one, two) = (Some(date(2025, 1, 1)), Some(date(2025, 2, 1)));
    let run = practice.must(&start(range(one, two), "")).run().unwrap().clone();
    assert_eq!((run.kind, run.priority), (RunKind::Backfill, Priority::Low));
    for (bad, wrong) in [
        (range(two, one), "until_date"),
        (range(one, None), "until_date"),
        (scope(&[]), "datasets"),
        (Scope { patients: vec![Text::from("1"); 10_001], ..scope(&["patient"]) }, "patients"),
    ] {
        let refusal = practice.ask(&start(bad, "")).unwrap_err();
        assert!(matches!(refusal, Refusal::Invalid { field, .. } if field == wrong), "{refusal}");
    }
    let some = |n: usize| Scope { patients: vec![n.to_string().into()], ..scope(&["patient"]) };
    for n in 1..RUNS_MAX {
        practice.must(&start(some(n), ""));
    }
    assert_eq!(practice.ask(&start(some(99), "")).unwrap_err(), Refusal::TooManyRuns);
}

#[test]
fn each_overlap_policy_gives_each_date_one_run() {
    for (policy, ended, held) in [
        (Overlap::QueueOne, None, true),
        (Overlap::Skip, Some(RunPhase::Superseded), true),
        (Overlap::Supersede, None, false),
    ] {
        let mut practice = Practice::synced(Settings { overlap: policy, ..settings("America/Chicago") }, now());
        practice.at = next_night(&practice.state, now()).due_at - SignedDuration::from_secs(1);
        practice.must(&everything());
        let forced = practice.claim("hand").unwrap();
        practice.bring(&forced, patient());
        practice.wait(SignedDuration::from_secs(2)).must(&Command::Tick);
        let nightly = forced.sequence + 1;
        assert_eq!(practice.ended(nightly).map(|run| run.phase), ended, "{policy:?}");
        assert_eq!(practice.state.run(forced.sequence).is_some(), held, "{policy:?}");
        let by = practice.ended(if held { nightly } else { forced.sequence }).and_then(|run| run.superseded_by);
        let expected = [None, Some(forced.sequence), Some(nightly)];
        assert_eq!(by, expected[policy as usize], "{policy:?}");
        assert_eq!(practice.state.last_night, Some(date(2026, 3, 3)));
    }
}

#[test]
fn a_night_that_waits_is_superseded_by_the_next() {
    let mut practice = synced();
    practice.at = next_night(&practice.state, now()).due_at;
    practice.must(&Command::Tick);
    let old = practice.state.runs[0].sequence;
    practice.wait(SignedDuration::from_hours(24)).must(&Command::Tick);
    assert_eq!(practice.state.runs.len(), 1);
    assert_eq!(practice.ended(old).unwrap().superseded_by, Some(practice.state.runs[0].sequence));
}

#[test]
fn what_is_late_says_why_and_goes_last() {
    let closes = |practice: &Practice| next_night(&practice.state, practice.at).closes_at;
    let late = |practice: &Practice| {
        let run = practice.state.runs.last().unwrap();
        (run.late, run.priority)
    };
    let mut stopped = synced();
    stopped.at = closes(&stopped) + SignedDuration::from_hours(2);
    stopped.must(&Command::Tick);
    assert_eq!(late(&stopped), (Some(Late::Stopped), Priority::Low));
    let reason = status(&stopped, Feature::MorningHuddle).freshness.unwrap().reason;
    assert!(reason.contains("late"), "{reason}");

    let mut idle = synced();
    idle.at = next_night(&idle.state, idle.at).due_at;
    idle.must(&Command::Tick);
    assert_eq!(late(&idle), (None, Priority::Normal));
    idle.at = idle.state.runs[0].closes_at.unwrap();
    idle.must(&Command::Tick);
    assert_eq!(late(&idle), (Some(Late::NoWorker), Priority::Low));

    let mut paused = synced();
    paused.must(&Command::SetPaused { paused: true, note: "moving".to_owned() });
    paused.at = closes(&paused) + SignedDuration::from_hours(2);
    paused.must(&Command::SetPaused { paused: false, note: String::new() });
    paused.must(&Command::Tick);
    assert_eq!(late(&paused), (Some(Late::Paused), Priority::Low));
    assert_eq!(paused.state.settings.pause_note, "moving");

    let mut moved = synced();
    moved.at = next_night(&moved.state, moved.at).due_at - SignedDuration::from_secs(1);
    let earlier = Settings { window_start: 0, window_end: 1, ..(*moved.state.settings).clone() };
    moved.must(&Command::Update { settings: earlier, edition: None });
    moved.must(&Command::Tick);
    assert_eq!(late(&moved), (Some(Late::ScheduleChanged), Priority::Low));
}

#[test]
fn a_stop_over_several_dates_gives_each_one_run_and_reads_once() {
    let mut practice = synced();
    practice.at = "2026-03-06T06:05:00Z".parse().unwrap(); // 00:05 on the 6th: the 3rd, 4th and 5th have passed
    practice.must(&Command::Tick);
    let waiting: Vec<_> = practice.state.runs.iter().map(|run| (run.local_date, run.late)).collect();
    assert_eq!(waiting, [(Some(date(2026, 3, 5)), Some(Late::Stopped))]);
    let by = practice.state.runs[0].sequence;
    let recorded: Vec<_> = (2..by).map(|n| practice.ended(n).unwrap()).collect();
    assert_eq!(
        recorded.iter().filter_map(|run| run.local_date).collect::<Vec<_>>(),
        [date(2026, 3, 3), date(2026, 3, 4)]
    );
    assert!(recorded.iter().all(|run| run.superseded_by == Some(by)));
}

#[test]
fn dates_that_passed_while_it_was_paused_are_not_made_up_for() {
    let mut practice = synced();
    practice.must(&Command::SetPaused { paused: true, note: String::new() });
    practice.at = "2026-03-06T06:05:00Z".parse().unwrap();
    practice.must(&Command::SetPaused { paused: false, note: String::new() });
    practice.must(&Command::Tick);
    assert!(practice.state.runs.is_empty(), "the 6th is not due yet");
    assert_eq!(night(&mut practice).local_date, Some(date(2026, 3, 6)));
}

#[test]
fn a_date_that_the_zone_skipped_has_no_night() {
    let at: Timestamp = "2011-12-29T15:00:00Z".parse().unwrap(); // the 29th in Apia
    let mut practice = Practice::synced(settings("Pacific/Apia"), at);
    let dates: Vec<_> = (0..3)
        .map(|_| {
            let run = night(&mut practice);
            practice.carry_out(&run);
            run.local_date.unwrap()
        })
        .collect();
    assert_eq!(dates, [date(2011, 12, 31), date(2012, 1, 1), date(2012, 1, 2)]);
    let times = due_times("a", &settings("Pacific/Apia"), Some(date(2011, 12, 29)), at, 10);
    assert_eq!((times.len(), times[0].date, times[1].date), (10, date(2011, 12, 31), date(2012, 1, 1)));
    assert!(times.is_sorted_by(|a, b| a.due_at < b.due_at && a.closes_at > a.due_at));
}

#[test]
fn a_run_whose_workers_die_is_given_up() {
    let mut practice = synced();
    practice.must(&everything());
    let mut claims = 0;
    while !practice.state.runs.is_empty() {
        if practice.claim("dies").is_some() {
            claims += 1;
        }
        practice.wait(SignedDuration::from_secs(11));
        practice.must(&Command::Tick);
        assert!(claims <= FAILURES_MAX);
    }
    let dead = practice.ended(2).unwrap();
    assert_eq!((dead.phase, claims), (RunPhase::Failed, FAILURES_MAX));
}

#[test]
fn history_is_kept_to_a_bound() {
    let mut practice = synced();
    for _ in 0..HISTORY_MAX + 20 {
        practice.must(&everything());
        let run = practice.claim("w").unwrap();
        practice.carry_out(&run);
        practice.wait(SignedDuration::from_secs(1));
    }
    let kept = practice.kept.0.keys().filter(|key| key.kind() == "run").count();
    assert_eq!(kept as u64, HISTORY_MAX);
    assert!(practice.ended(practice.state.sequence).is_some() && practice.ended(1).is_none());
}

#[test]
fn a_source_that_changed_is_read_anew_with_another_fence() {
    let mut practice = synced();
    let run = night(&mut practice);
    practice.bring(&run, patient());
    let error = error(16, "another server");
    practice.must(&Command::FailRun { run: run.sequence, epoch: epoch(&run), error, permanent: false, jitter: 0.0 });
    practice.wait(SignedDuration::from_secs(1));
    let again = practice.claim("w").unwrap();
    assert!(again.fence > run.fence && again.start_position.is_empty());
    assert_eq!(again.datasets.get(patient()), Some(&Progress::default()));
}
