//! The outbox: accepted once, in order per patient, sent under a lease, never forgotten.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{Practice, settings};
use jiff::{SignedDuration, Timestamp};
use sync_state::core::{
    apply::due_at,
    command::{Command, Outcome, Report, Resource, WriteToDo},
    export,
    invariants::check_kept,
    records::{RecordKey, decode},
    refusal::Refusal,
    shared::{Shared, Text},
    state::Settings,
    write::{BODY_MAX, FAILURES_MAX, KEPT, PENDING_MAX, Write, WriteError, WriteKind, WritePhase},
};

fn now() -> Timestamp {
    "2026-03-02T15:00:00Z".parse().unwrap()
}

fn enqueue(id: &str, kind: WriteKind, patient: &str, body: &[u8]) -> Command {
    let (body, actor) = (Shared::new(body.to_vec()), Text::from("front desk"));
    Command::EnqueueWrite { request_id: id.into(), kind, patient: patient.into(), body, actor }
}

fn note(id: &str, patient: &str) -> Command {
    enqueue(id, WriteKind::Commlog, patient, b"hello")
}

fn claim(practice: &mut Practice) -> Vec<WriteToDo> {
    let duration = SignedDuration::from_secs(10);
    match practice.must(&Command::ClaimWrites { worker: "w".into(), duration, capacity: 8 }) {
        Outcome::Writes(writes) => writes,
        Outcome::Nothing => Vec::new(),
        other => panic!("{other:?}"),
    }
}

fn report(claimed: &WriteToDo, report: Report) -> Command {
    Command::ReportWrite { write: claimed.write.sequence, epoch: claimed.lease.epoch, report }
}

fn why() -> WriteError {
    WriteError { reason: 11, message: "the PMS does not answer".into() }
}

fn retry(not_applied: bool) -> Report {
    Report::Retry { error: why(), at: None, not_applied, jitter: 1.0 }
}

fn verified() -> Report {
    Report::Verified { pms_key: "77".into() }
}

fn write_of(practice: &Practice, sequence: u64) -> Write {
    let key = RecordKey::write(sequence);
    decode(&key, &practice.kept.0[&key]).unwrap()
}

fn write_back(practice: &mut Practice, on: bool) {
    let settings = Settings { automatic_write_back: on, ..(*practice.state.settings).clone() };
    practice.must(&Command::Update { settings, edition: None });
}

fn drop_write(write: u64, reason: &str) -> Command {
    Command::DropWrite { write, actor: "staff".into(), reason: reason.into() }
}

fn retry_write(write: u64) -> Command {
    Command::RetryWrite { write, actor: "staff".into(), reason: Text::default() }
}

fn synced() -> Practice {
    Practice::synced(settings("UTC"), now())
}

#[test]
fn the_same_key_is_one_write_and_another_body_is_refused() {
    let mut practice = synced();
    let first = practice.must(&note("k", "7")).write().unwrap().clone();
    assert!(matches!(practice.must(&note("k", "7")), Outcome::FoundWrite(found) if *found == first));
    for other in [enqueue("k", WriteKind::Commlog, "7", b"other"), enqueue("k", WriteKind::Commlog, "8", b"hello")] {
        assert_eq!(practice.ask(&other).unwrap_err(), Refusal::RequestIdReused);
    }
    let claimed = claim(&mut practice).remove(0);
    practice.must(&report(&claimed, Report::Sending));
    practice.must(&report(&claimed, verified()));
    practice.wait(KEPT - SignedDuration::from_secs(1)).must(&Command::Tick);
    let again = practice.must(&note("k", "7"));
    assert_eq!(again.write().unwrap().phase, WritePhase::Verified, "remembered for at least 30 days");
    practice.wait(SignedDuration::from_secs(2)).must(&Command::Tick);
    assert!(matches!(practice.must(&note("k", "7")), Outcome::Write(_)), "then forgotten");
    check_kept(&practice.state, &practice.kept).unwrap();
}

#[test]
fn bad_input_is_refused_by_field() {
    let mut practice = synced();
    let long = "x".repeat(65);
    let big = vec![0; BODY_MAX + 1];
    for (command, wrong) in [
        (note("", "7"), "request_id"),
        (note(&long, "7"), "request_id"),
        (note("k", ""), "patient"),
        (note("k", "7/8"), "patient"),
        (enqueue("k", WriteKind::Commlog, "7", &big), "body"),
    ] {
        let refusal = practice.ask(&command).unwrap_err();
        assert!(matches!(refusal, Refusal::Invalid { field, .. } if field == wrong), "{refusal}");
    }
    practice.state.outbox.pending = PENDING_MAX;
    assert_eq!(practice.ask(&note("k", "7")).unwrap_err(), Refusal::OutboxFull);
}

#[test]
fn a_patients_writes_go_one_after_another_and_patients_do_not_wait_for_each_other() {
    let mut practice = synced();
    for (id, patient) in [("a", "7"), ("b", "7"), ("c", "8")] {
        practice.must(&note(id, patient));
    }
    let claimed = claim(&mut practice);
    let ids = |claimed: &[WriteToDo]| claimed.iter().map(|c| c.write.request_id.to_string()).collect::<Vec<_>>();
    assert_eq!(ids(&claimed), ["a", "c"]);
    assert!(claim(&mut practice).is_empty());
    practice.must(&report(&claimed[0], Report::Sending));
    practice.must(&report(&claimed[0], retry(true)));
    assert!(claim(&mut practice).is_empty(), "what waits to be tried again keeps its turn");
    practice.wait(SignedDuration::from_secs(2));
    let again = claim(&mut practice);
    assert_eq!(ids(&again), ["a"]);
    practice.must(&report(&again[0], Report::Rejected(why())));
    assert_eq!(ids(&claim(&mut practice)), ["b"], "what was refused lets the next one pass");
}

#[test]
fn a_lost_worker_that_was_sending_is_looked_for_first() {
    let mut practice = synced();
    practice.must(&note("a", "7"));
    let first = claim(&mut practice).remove(0);
    practice.must(&report(&first, Report::Sending));
    practice.wait(SignedDuration::from_secs(11)).must(&Command::Tick);
    let second = claim(&mut practice).remove(0);
    assert!(second.write.unknown && second.lease.epoch > first.lease.epoch);
    assert_eq!(practice.ask(&report(&first, verified())).unwrap_err(), Refusal::LeaseLost);
    let ahead = Command::ReportWrite { write: 1, epoch: practice.state.epoch + 1, report: verified() };
    assert_eq!(practice.ask(&ahead).unwrap_err(), Refusal::EpochAhead);
    practice.must(&report(&second, verified()));
    let done = practice.must(&report(&second, verified()));
    assert!(matches!(done, Outcome::FoundWrite(write) if write.pms_key == "77"), "a repeat is harmless");
    assert!(!practice.kept.0.contains_key(&RecordKey::body(1)), "nobody needs what it said any more");
}

#[test]
fn a_report_that_skips_sending_is_refused() {
    let mut practice = synced();
    practice.must(&note("a", "7"));
    let claimed = claim(&mut practice).remove(0);
    for early in [Report::Sent { pms_key: Text::default() }, verified()] {
        assert_eq!(practice.ask(&report(&claimed, early)).unwrap_err(), Refusal::WriteMisplaced);
    }
    practice.must(&report(&claimed, Report::Sending));
    practice.must(&report(&claimed, Report::Sent { pms_key: "5".into() }));
    assert_eq!(practice.ask(&report(&claimed, Report::Sending)).unwrap_err(), Refusal::WriteMisplaced);
}

#[test]
fn money_is_held_until_write_back_is_on_and_others_pass() {
    let mut practice = synced();
    for n in 0..100 {
        practice.must(&enqueue(&format!("p{n}"), WriteKind::Payment, "7", b"money"));
    }
    practice.must(&note("note", "7"));
    assert_eq!(claim(&mut practice)[0].write.request_id, "note", "held payments block nothing");
    assert_eq!((practice.state.outbox.held, practice.state.outbox.pending), (100, 101));
    write_back(&mut practice, true);
    let mut ticks = 0;
    while due_at(&practice.state, practice.at).is_some_and(|due| due <= practice.at) {
        practice.must(&Command::Tick);
        ticks += 1;
    }
    assert!(practice.state.outbox.held == 0 && ticks > 1, "released by portions");
    check_kept(&practice.state, &practice.kept).unwrap();
    let note = practice.state.outbox.claimed[0].clone();
    let done = Command::ReportWrite { write: note.write, epoch: note.lease.epoch, report: Report::Rejected(why()) };
    practice.must(&done);
    for n in 0..3 {
        let next = claim(&mut practice).remove(0);
        assert_eq!(next.write.request_id, format!("p{n}").as_str(), "in the order in which they were accepted");
        practice.must(&report(&next, Report::Sending));
        practice.must(&report(&next, verified()));
    }
    write_back(&mut practice, false);
    assert!(claim(&mut practice).is_empty());
    assert_eq!(practice.state.outbox.held, 1, "switched off, what has not been sent is held again");
}

#[test]
fn a_dead_letter_waits_for_somebody() {
    let mut practice = synced();
    practice.must(&note("a", "7"));
    practice.must(&note("b", "7"));
    for _ in 0..FAILURES_MAX {
        practice.wait(SignedDuration::from_mins(6));
        let claimed = claim(&mut practice).remove(0);
        assert_eq!(claimed.write.request_id, "a");
        practice.must(&report(&claimed, Report::Sending));
        practice.must(&report(&claimed, retry(true)));
    }
    assert_eq!(write_of(&practice, 1).phase, WritePhase::DeadLetter);
    assert_eq!(claim(&mut practice)[0].write.request_id, "b", "parked, it lets others pass");
    practice.wait(KEPT * 3).must(&Command::Tick);
    practice.must(&retry_write(1));
    let write = write_of(&practice, 1);
    assert_eq!((write.phase, write.failures), (WritePhase::Accepted, 0));
    assert!(matches!(practice.ask(&drop_write(1, "")).unwrap_err(), Refusal::Invalid { field: "reason", .. }));
    practice.must(&drop_write(1, "entered by hand"));
    assert_eq!(practice.ask(&retry_write(1)).unwrap_err(), Refusal::WriteFinished);
    assert_eq!(practice.ask(&retry_write(99)).unwrap_err(), Refusal::WriteNotFound);
    check_kept(&practice.state, &practice.kept).unwrap();
}

#[test]
fn what_is_on_its_way_cannot_be_dropped_or_retried() {
    let mut practice = synced();
    practice.must(&note("a", "7"));
    let claimed = claim(&mut practice).remove(0);
    practice.must(&report(&claimed, Report::Sending));
    practice.must(&report(&claimed, retry(false)));
    assert_eq!(practice.ask(&drop_write(1, "r")).unwrap_err(), Refusal::WriteInFlight, "the PMS may have it");
    practice.wait(SignedDuration::from_secs(2));
    claim(&mut practice);
    assert_eq!(practice.ask(&retry_write(1)).unwrap_err(), Refusal::WriteInFlight);
}

#[test]
fn everything_that_happens_is_audited_without_contents() {
    let mut practice = synced();
    practice.must(&enqueue("a", WriteKind::Commlog, "7", b"a secret of the patient"));
    let claimed = claim(&mut practice).remove(0);
    practice.must(&report(&claimed, Report::Sending));
    practice.must(&report(&claimed, Report::Sent { pms_key: Text::default() }));
    practice.must(&report(&claimed, verified()));
    let lines: Vec<(&str, &str, String)> = practice
        .kept
        .0
        .iter()
        .filter(|(key, _)| key.kind() == "audit")
        .map(|(key, value)| {
            assert!(!value.windows(6).any(|part| part == b"secret"));
            let line: sync_state::core::write::Audit = decode(key, value).unwrap();
            (line.action.name(), line.to.name(), line.actor.to_string())
        })
        .collect();
    let (desk, worker) = ("front desk".to_owned(), "w".to_owned());
    assert_eq!(
        lines,
        [
            ("enqueued", "accepted", desk),
            ("claimed", "accepted", worker.clone()),
            ("reported", "sending", worker.clone()),
            ("reported", "sent", worker.clone()),
            ("reported", "verified", worker),
        ]
    );
}

#[test]
fn a_write_that_is_given_back_is_offered_at_once() {
    let mut practice = synced();
    practice.must(&note("a", "7"));
    let first = claim(&mut practice).remove(0);
    practice.must(&Command::Release { resource: Resource::Write(1), epoch: first.lease.epoch });
    let second = claim(&mut practice).remove(0);
    assert!(second.lease.epoch > first.lease.epoch && !second.write.unknown);
}

/// Everything of a practice goes through an export and is the same afterwards, paused, without leases, and with epochs
/// that fence whoever still holds one.
#[test]
fn a_practice_moves_whole() {
    let mut practice = synced();
    practice.must(&enqueue("p", WriteKind::Payment, "7", b"money"));
    practice.must(&note("a", "7"));
    practice.must(&note("b", "8"));
    let claimed = claim(&mut practice);
    practice.must(&report(&claimed[0], Report::Sending));
    let mut lines = vec![export::begin(&practice.state), export::state(&practice.state)];
    lines.extend(practice.kept.0.iter().map(|(key, value)| export::record(key, value).unwrap()));
    lines.push(export::end(practice.kept.0.len() as u64));
    let take = |lines: &[String]| {
        let mut import = export::Import::default();
        lines.iter().try_for_each(|line| import.line(line))?;
        import.finish(now() - SignedDuration::from_hours(1))
    };
    let (state, changes) = take(&lines).unwrap();
    let mut moved = Practice { state, kept: Default::default(), at: practice.at };
    moved.kept.save(&changes);
    assert!(moved.state.settings.paused && moved.state.epoch > practice.state.epoch);
    assert!(
        moved.kept.0.keys().filter(|key| key.kind() != "ready").eq(practice
            .kept
            .0
            .keys()
            .filter(|k| k.kind() != "ready"))
    );
    assert_eq!(moved.ask(&report(&claimed[0], verified())).unwrap_err(), Refusal::LeaseLost);
    moved.must(&Command::SetPaused { paused: false, note: String::new() });
    let again = claim(&mut moved);
    assert_eq!(again.len(), 2);
    assert!(again.iter().any(|c| c.write.unknown), "what was being sent is looked for first");
    for broken in [&lines[..lines.len() - 1], &lines[1..], &[lines.as_slice(), &lines[2..3]].concat()] {
        assert!(matches!(take(broken).unwrap_err(), Refusal::ExportInvalid(_)));
    }
    let mut less = lines.clone();
    less.remove(3);
    assert!(matches!(take(&less).unwrap_err(), Refusal::ExportInvalid(_)), "a line is missing");
    let torn: Vec<String> = lines.iter().map(|line| line.replace("\"pending\":3", "\"pending\":2")).collect();
    assert!(matches!(take(&torn).unwrap_err(), Refusal::ExportInvalid(_)), "a rule is broken");
}
