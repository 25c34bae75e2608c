//! Writes to the PMS: accepted once, kept in order per patient, sent under a lease, never forgotten.
//!
//! A patient's writes that wait or are under way have places in an order, given when they join it: the first place is the
//! only one that is offered, until it ends, is parked, or is held. What is held or parked has no place and lets others
//! pass; released or retried, it joins at the end. SENDING is durable before the PMS is called, so that whoever takes a
//! write over knows that it must be looked for there first.

use chairsync_proto::feature::ErrorReason;
use jiff::{SignedDuration, Timestamp};

use super::{
    act::Act,
    apply::Stop,
    command::{Body, Outcome, Report, WriteToDo},
    digest, leases,
    nightly::hash,
    records::{RecordKey, Scan},
    refusal::Refusal,
    runs::backoff,
    schedule,
    shared::Text,
    state::{Lease, PracticeState},
    stored,
    write::{
        AT_ONCE_MAX, AUDIT_KEPT, Audit, BODY_MAX, ClaimedWrite, FAILURES_MAX, KEPT, PENDING_BYTES_MAX, PENDING_MAX,
        Place, RequestKey, Write, WriteAction, WriteError, WriteKind, WritePhase,
    },
};

/// Held writes that are released in one step.
const RELEASED_AT_ONCE: usize = 32;
/// Records that go in one step.
const EXPIRED_AT_ONCE: usize = 64;
/// Lines of the audit that go together.
const AUDIT_TOGETHER: u64 = 64;
/// Lost workers after which a write waits before it is offered again.
const LOST_AT_ONCE: u32 = 2;
/// A PMS that asks for a longer wait than this is asked again earlier.
const RETRY_LONGEST: SignedDuration = SignedDuration::from_hours(24);

pub(super) fn enqueue(
    act: &mut Act<'_>,
    request_id: &Text,
    kind: WriteKind,
    patient: &Text,
    body: &[u8],
    actor: &Text,
) -> Result<Outcome, Stop> {
    act.durable = true;
    check(request_id, patient, body)?;
    let key = RecordKey::request(request_id);
    let digest = digest::of_parts(&[kind.name().as_bytes(), patient.as_bytes(), body]);
    if let Some(known) = act.get::<RequestKey>(&key)? {
        if known.digest != digest {
            return Err(Refusal::RequestIdReused.into());
        }
        return Ok(Outcome::FoundWrite(Box::new(read(act, known.write)?)));
    }
    let bytes = u32::try_from(body.len()).unwrap_or(u32::MAX);
    make_room(act, bytes)?;
    let hold = kind.money() && !act.state.settings.automatic_write_back;
    let first = !hold && heads(act, patient)?.is_empty();
    act.state.outbox.last += 1;
    let sequence = act.state.outbox.last;
    let mut write = Write {
        sequence,
        request_id: request_id.clone(),
        kind,
        patient: patient.clone(),
        phase: WritePhase::Accepted,
        created_at: act.now,
        updated_at: act.now,
        ended_at: None,
        due_at: act.now,
        attempt: 0,
        failures: 0,
        unknown: false,
        pms_key: Text::default(),
        error: None,
        place: 0,
        epoch: 0,
        bytes,
    };
    if hold {
        write.phase = WritePhase::Held;
        act.state.outbox.held += 1;
        act.put_bytes(RecordKey::held(sequence), Vec::new());
    } else {
        join(act, &mut write, first);
    }
    act.put(key, &RequestKey { write: sequence, digest });
    act.put_bytes(RecordKey::body(sequence), body.to_vec());
    act.put(RecordKey::write(sequence), &write);
    audit(act, &write, None, WriteAction::Enqueued, actor, "");
    Ok(Outcome::Write(Box::new(write)))
}

/// Whether a text may be a caller's key or a part of a record's: 1 to 64 of a-z, A-Z, 0-9, hyphen and underscore.
pub(super) fn is_key(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn check(request_id: &str, patient: &str, body: &[u8]) -> Result<(), Refusal> {
    let fault = "must be 1 to 64 of a-z, A-Z, 0-9, hyphen and underscore";
    if !is_key(request_id) {
        return Err(Refusal::Invalid { field: "request_id", fault });
    }
    if !is_key(patient) {
        return Err(Refusal::Invalid { field: "patient", fault });
    }
    if body.len() > BODY_MAX {
        return Err(Refusal::Invalid { field: "body", fault: "must be at most 262,144 bytes" });
    }
    Ok(())
}

/// Counts a write among those that are owed, if there is room for it.
fn make_room(act: &mut Act<'_>, bytes: u32) -> Result<(), Refusal> {
    let outbox = &mut act.state.outbox;
    if outbox.pending >= PENDING_MAX || outbox.bytes + u64::from(bytes) > PENDING_BYTES_MAX {
        return Err(Refusal::OutboxFull);
    }
    outbox.pending += 1;
    outbox.bytes += u64::from(bytes);
    Ok(())
}

fn read(act: &Act<'_>, sequence: u64) -> Result<Write, Stop> {
    Ok(act.get(&RecordKey::write(sequence))?.ok_or(Refusal::WriteNotFound)?)
}

fn heads_scan(patient: &str) -> Scan {
    Scan::prefix(&format!("patient/{patient}/"), 2)
}

/// The first two places in a patient's order, as they were before this command.
fn heads(act: &Act<'_>, patient: &str) -> Result<Vec<(u64, Place)>, Stop> {
    let mut places = Vec::with_capacity(2);
    for (key, value) in act.scan(&heads_scan(patient))? {
        let place = super::records::decode(key, value).map_err(Refusal::from)?;
        places.push((key.sequence().unwrap_or_default(), place));
    }
    Ok(places)
}

/// Gives a write the last place in its patient's order; `first` when the order is empty.
fn join(act: &mut Act<'_>, write: &mut Write, first: bool) {
    act.state.outbox.place += 1;
    write.place = act.state.outbox.place;
    act.put(RecordKey::patient(&write.patient, write.place), &Place { write: write.sequence, due_at: write.due_at });
    if first {
        offer(act, write.sequence, write.due_at);
    }
}

/// Offers the first of a patient's order to workers from `due_at` on.
fn offer(act: &mut Act<'_>, write: u64, due_at: Timestamp) {
    act.put_bytes(RecordKey::ready(due_at, write), Vec::new());
    let ready = &mut act.state.outbox.ready_at;
    *ready = Some(ready.map_or(due_at, |first| first.min(due_at)));
}

/// Takes a write out of its patient's order; the next one is offered if this was the first.
fn leave(act: &mut Act<'_>, write: &mut Write) -> Result<(), Stop> {
    let heads = heads(act, &write.patient)?;
    act.remove(RecordKey::patient(&write.patient, write.place));
    act.remove(RecordKey::ready(write.due_at, write.sequence));
    if heads.first().is_some_and(|(place, _)| *place == write.place)
        && let Some((_, next)) = heads.get(1)
    {
        offer(act, next.write, next.due_at);
    }
    write.place = 0;
    Ok(())
}

fn unclaim(act: &mut Act<'_>, write: u64) {
    act.state.outbox.claimed.retain(|claimed| claimed.write != write);
}

/// Whether a write has to wait for automatic write-back. What may have reached the PMS is not: that must be known first.
fn to_be_held(state: &PracticeState, write: &Write) -> bool {
    write.kind.money() && !state.settings.automatic_write_back && !write.unknown
}

pub(super) fn claim(
    act: &mut Act<'_>,
    worker: &Text,
    duration: SignedDuration,
    capacity: usize,
) -> Result<Outcome, Stop> {
    let lost = lose_silent(act)?;
    let now = act.now;
    let free = capacity.min(AT_ONCE_MAX.saturating_sub(act.state.outbox.claimed.len()));
    if act.state.settings.paused || free == 0 || act.state.outbox.ready_at.is_none_or(|at| at > now) {
        return Ok(Outcome::Nothing);
    }
    // One more than can be taken, to know when the next is due.
    let scan = Scan::prefix("ready/", AT_ONCE_MAX + 1);
    let offered: Vec<RecordKey> = act.scan(&scan)?.map(|(key, _)| key.clone()).collect();
    let due = |key: &&RecordKey| key.due().is_some_and(|at| at <= now);
    let numbers: Vec<u64> = offered.iter().filter(due).take(free).filter_map(RecordKey::sequence).collect();
    act.need(numbers.iter().flat_map(|n| [RecordKey::write(*n), RecordKey::body(*n)]))?;
    let writes: Vec<Write> = numbers.iter().map(|n| read(act, *n)).collect::<Result<_, _>>()?;
    let holds = writes.iter().filter(|write| to_be_held(&act.state, write));
    act.need_scans(holds.map(|write| heads_scan(&write.patient)))?;
    act.state.outbox.ready_at = offered.get(numbers.len()).and_then(RecordKey::due);
    if lost {
        // Those are offered from now on, and were not when the offers were read.
        act.state.outbox.ready_at = Some(act.state.outbox.ready_at.map_or(now, |at| at.min(now)));
    }
    let mut taken = Vec::with_capacity(writes.len());
    for mut write in writes {
        if to_be_held(&act.state, &write) {
            leave(act, &mut write)?;
            hold(act, &mut write);
            continue;
        }
        let from = write.phase;
        act.remove(RecordKey::ready(write.due_at, write.sequence));
        let lease = Lease::new(worker, act.state.next_epoch(now), duration, now);
        write.attempt += 1;
        write.epoch = lease.epoch;
        write.updated_at = now;
        act.put(RecordKey::write(write.sequence), &write);
        act.state.outbox.claimed.push(ClaimedWrite { write: write.sequence, lease: lease.clone() });
        audit(act, &write, Some(from), WriteAction::Claimed, worker, "");
        let body = Body(act.bytes(&RecordKey::body(write.sequence))?.unwrap_or_default().to_vec());
        taken.push(WriteToDo { write, lease, body });
    }
    Ok(if taken.is_empty() { Outcome::Nothing } else { Outcome::Writes(taken) })
}

/// Puts a write that has no place among those that wait for automatic write-back.
fn hold(act: &mut Act<'_>, write: &mut Write) {
    let from = write.phase;
    write.phase = WritePhase::Held;
    write.updated_at = act.now;
    act.state.outbox.held += 1;
    act.put_bytes(RecordKey::held(write.sequence), Vec::new());
    act.put(RecordKey::write(write.sequence), write);
    audit(act, write, Some(from), WriteAction::Held, &Text::default(), "");
}

pub(super) fn report(act: &mut Act<'_>, sequence: u64, epoch: u64, report: &Report) -> Result<Outcome, Stop> {
    act.durable = true;
    let (now, latest) = (act.now, act.state.epoch);
    let mut write = read(act, sequence)?;
    let claimed = act.state.outbox.claimed.iter_mut().find(|claimed| claimed.write == sequence);
    let lease = match leases::held(claimed.map(|claimed| &mut claimed.lease), epoch, latest, now) {
        Ok(lease) => lease,
        // A repeat of the report that ended the lease.
        Err(_) if write.epoch == epoch && leads_to(report, write.phase) => {
            return Ok(Outcome::FoundWrite(Box::new(write)));
        }
        Err(refusal) => return Err(refusal.into()),
    };
    lease.renew(now);
    let worker = lease.owner.clone();
    let from = write.phase;
    let sent = matches!(from, WritePhase::Sending | WritePhase::Sent);
    write.updated_at = now;
    match report {
        Report::Sending => {
            if from == WritePhase::Sent {
                return Err(Refusal::WriteMisplaced.into());
            }
            write.phase = WritePhase::Sending;
            // It was looked for, or never sent.
            write.unknown = false;
        }
        Report::Sent { pms_key } => {
            if !sent {
                return Err(Refusal::WriteMisplaced.into());
            }
            write.phase = WritePhase::Sent;
            keep_key(&mut write, pms_key);
        }
        Report::Verified { pms_key } => {
            if !sent && !write.unknown {
                return Err(Refusal::WriteMisplaced.into());
            }
            keep_key(&mut write, pms_key);
            write.error = None;
            write.unknown = false;
            end(act, &mut write, WritePhase::Verified)?;
        }
        Report::Conflict(error) => {
            write.error = Some(error.brief());
            end(act, &mut write, WritePhase::Conflict)?;
        }
        Report::Rejected(error) => {
            write.error = Some(error.brief());
            write.unknown = false;
            end(act, &mut write, WritePhase::Rejected)?;
        }
        Report::Retry { error, at, not_applied, jitter } => {
            write.error = Some(error.brief());
            write.unknown = !not_applied && (sent || write.unknown);
            let wait = now + backoff(write.failures + 1, *jitter);
            let longest = now.checked_add(RETRY_LONGEST).unwrap_or(wait);
            let due_at = at.map_or(wait, |at| stored::cut(at).min(longest).max(wait));
            failed(act, &mut write, due_at)?;
            if write.phase != WritePhase::DeadLetter {
                write.phase = WritePhase::RetryWait;
            }
        }
    }
    let reason = write.error.as_ref().map(|error| error.message.clone()).unwrap_or_default();
    act.put(RecordKey::write(sequence), &write);
    if write.phase != from || !matches!(report, Report::Sending | Report::Sent { .. }) {
        audit(act, &write, Some(from), WriteAction::Reported, &worker, &reason);
    }
    Ok(Outcome::Write(Box::new(write)))
}

fn leads_to(report: &Report, phase: WritePhase) -> bool {
    match report {
        Report::Sending => phase == WritePhase::Sending,
        Report::Sent { .. } => phase == WritePhase::Sent,
        Report::Verified { .. } => phase == WritePhase::Verified,
        Report::Conflict(_) => phase == WritePhase::Conflict,
        Report::Rejected(_) => phase == WritePhase::Rejected,
        Report::Retry { .. } => matches!(phase, WritePhase::RetryWait | WritePhase::DeadLetter),
    }
}

fn keep_key(write: &mut Write, pms_key: &Text) {
    if !pms_key.is_empty() {
        write.pms_key = pms_key.clone();
    }
}

/// An attempt has failed, or its worker is gone: the write is offered again from `due_at` on, or parked.
fn failed(act: &mut Act<'_>, write: &mut Write, due_at: Timestamp) -> Result<(), Stop> {
    write.failures += 1;
    unclaim(act, write.sequence);
    if write.failures < FAILURES_MAX {
        write.due_at = due_at;
        offer(act, write.sequence, due_at);
        return Ok(());
    }
    leave(act, write)?;
    write.phase = WritePhase::DeadLetter;
    write.ended_at = Some(act.now);
    act.state.outbox.parked += 1;
    act.put_bytes(RecordKey::parked(write.sequence), Vec::new());
    Ok(())
}

/// Ends a write that has a place.
fn end(act: &mut Act<'_>, write: &mut Write, phase: WritePhase) -> Result<(), Stop> {
    leave(act, write)?;
    unclaim(act, write.sequence);
    finish(act, write, phase);
    Ok(())
}

/// Ends a write that has no place.
fn finish(act: &mut Act<'_>, write: &mut Write, phase: WritePhase) {
    let owed = write.pending();
    write.phase = phase;
    write.ended_at = Some(act.now);
    if owed && !write.pending() {
        act.state.outbox.pending -= 1;
        act.state.outbox.bytes -= u64::from(write.bytes);
    }
    if matches!(phase, WritePhase::Verified | WritePhase::Dropped) {
        // Nobody needs what it said any more.
        act.remove(RecordKey::body(write.sequence));
        write.bytes = 0;
    }
    if !write.pending() {
        for key in kept_for_a_time(write) {
            schedule::expire(act, &key, KEPT);
        }
    }
}

/// The records of an ended write that go some time later.
fn kept_for_a_time(write: &Write) -> impl Iterator<Item = RecordKey> + use<> {
    let body = (write.bytes > 0).then(|| RecordKey::body(write.sequence));
    [RecordKey::write(write.sequence), RecordKey::request(&write.request_id)].into_iter().chain(body)
}

/// Takes back that an ended write goes.
fn keep(act: &mut Act<'_>, write: &Write) {
    let Some(at) = write.ended_at.and_then(|ended| ended.checked_add(KEPT).ok()) else { return };
    for key in kept_for_a_time(write) {
        act.remove(RecordKey::expire(at, &key));
    }
}

/// Writes whose workers fell silent are offered again; what may have reached the PMS is to be looked for first. Whether
/// there were any.
fn lose_silent(act: &mut Act<'_>) -> Result<bool, Stop> {
    let now = act.now;
    let silent = act.state.outbox.claimed.iter().filter(|claimed| !claimed.lease.live(now));
    let silent: Vec<ClaimedWrite> = silent.cloned().collect();
    act.need(silent.iter().map(|claimed| RecordKey::write(claimed.write)))?;
    let writes: Vec<Write> = silent.iter().map(|claimed| read(act, claimed.write)).collect::<Result<_, _>>()?;
    let over = writes.iter().filter(|write| write.failures + 1 >= FAILURES_MAX);
    act.need_scans(over.map(|write| heads_scan(&write.patient)))?;
    for (mut write, ClaimedWrite { lease, .. }) in writes.into_iter().zip(silent) {
        let from = write.phase;
        write.unknown |= matches!(from, WritePhase::Sending | WritePhase::Sent);
        write.updated_at = now;
        let message = Text::from("its worker fell silent and lost the lease");
        write.error = Some(WriteError { reason: ErrorReason::WorkerLost as i32, message });
        let due_at = match write.failures < LOST_AT_ONCE {
            true => now,
            // No randomness here; the epoch is different for each loss.
            false => now + backoff(write.failures, (hash(&lease.epoch.to_string()) % 1000) as f64 / 1000.0),
        };
        failed(act, &mut write, due_at)?;
        act.put(RecordKey::write(write.sequence), &write);
        audit(act, &write, Some(from), WriteAction::LeaseLost, &lease.owner, "");
        act.durable = true;
    }
    Ok(act.durable)
}

/// A worker gives a write back: it is offered again at once.
pub(super) fn release(act: &mut Act<'_>, sequence: u64) -> Result<(), Stop> {
    let mut write = read(act, sequence)?;
    let owner = act.state.outbox.lease(sequence).map(|lease| lease.owner.clone()).unwrap_or_default();
    unclaim(act, sequence);
    write.unknown |= matches!(write.phase, WritePhase::Sending | WritePhase::Sent);
    write.updated_at = act.now;
    write.due_at = act.now;
    offer(act, sequence, write.due_at);
    act.put(RecordKey::write(sequence), &write);
    audit(act, &write, Some(write.phase), WriteAction::Released, &owner, "");
    Ok(())
}

pub(super) fn retry(act: &mut Act<'_>, sequence: u64, actor: &Text, reason: &Text) -> Result<Outcome, Stop> {
    act.durable = true;
    let mut write = read(act, sequence)?;
    let from = write.phase;
    if act.state.outbox.lease(sequence).is_some() {
        return Err(Refusal::WriteInFlight.into());
    }
    match from {
        WritePhase::Sending | WritePhase::Sent => return Err(Refusal::WriteInFlight.into()),
        WritePhase::Verified | WritePhase::Dropped => return Err(Refusal::WriteFinished.into()),
        WritePhase::Accepted | WritePhase::Held => return Ok(Outcome::FoundWrite(Box::new(write))),
        WritePhase::RetryWait => {
            act.remove(RecordKey::ready(write.due_at, sequence));
            write.due_at = act.now;
            offer(act, sequence, act.now);
        }
        WritePhase::DeadLetter | WritePhase::Conflict | WritePhase::Rejected => {
            let held = to_be_held(&act.state, &write);
            let first = !held && heads(act, &write.patient)?.is_empty();
            if from == WritePhase::DeadLetter {
                act.state.outbox.parked -= 1;
                act.remove(RecordKey::parked(sequence));
            } else if !write.pending() {
                make_room(act, write.bytes)?;
                keep(act, &write);
            }
            write.ended_at = None;
            write.due_at = act.now;
            write.phase = WritePhase::Accepted;
            if held {
                write.phase = WritePhase::Held;
                act.state.outbox.held += 1;
                act.put_bytes(RecordKey::held(sequence), Vec::new());
            } else {
                join(act, &mut write, first);
            }
        }
    }
    (write.failures, write.updated_at) = (0, act.now);
    act.put(RecordKey::write(sequence), &write);
    audit(act, &write, Some(from), WriteAction::Retried, actor, reason);
    Ok(Outcome::Write(Box::new(write)))
}

pub(super) fn drop(act: &mut Act<'_>, sequence: u64, actor: &Text, reason: &Text) -> Result<Outcome, Stop> {
    act.durable = true;
    if reason.is_empty() {
        return Err(Refusal::Invalid { field: "reason", fault: "is missing: say why, for the audit" }.into());
    }
    let mut write = read(act, sequence)?;
    let from = write.phase;
    if act.state.outbox.lease(sequence).is_some() {
        return Err(Refusal::WriteInFlight.into());
    }
    match from {
        WritePhase::Sending | WritePhase::Sent => return Err(Refusal::WriteInFlight.into()),
        WritePhase::Accepted | WritePhase::RetryWait if write.unknown => return Err(Refusal::WriteInFlight.into()),
        WritePhase::Verified => return Err(Refusal::WriteFinished.into()),
        WritePhase::Dropped => return Ok(Outcome::FoundWrite(Box::new(write))),
        WritePhase::Accepted | WritePhase::RetryWait => leave(act, &mut write)?,
        WritePhase::Held => {
            act.state.outbox.held -= 1;
            act.remove(RecordKey::held(sequence));
        }
        WritePhase::DeadLetter => {
            act.state.outbox.parked -= 1;
            act.remove(RecordKey::parked(sequence));
        }
        WritePhase::Conflict | WritePhase::Rejected => keep(act, &write),
    }
    finish(act, &mut write, WritePhase::Dropped);
    write.updated_at = act.now;
    act.put(RecordKey::write(sequence), &write);
    audit(act, &write, Some(from), WriteAction::Dropped, actor, reason);
    Ok(Outcome::Write(Box::new(write)))
}

/// Lets what is due by time happen to writes and records, one kind of it in one step.
pub(super) fn tick(act: &mut Act<'_>) -> Result<(), Stop> {
    if lose_silent(act)? || unhold(act)? {
        return Ok(());
    }
    expire(act)
}

/// When [`tick`] has something to do.
pub(super) fn due_at(state: &PracticeState, now: Timestamp) -> Option<Timestamp> {
    let silent = state.outbox.claimed.iter().map(|claimed| claimed.lease.expires_at).min();
    let unhold = (state.outbox.held > 0 && state.settings.automatic_write_back).then_some(now);
    [silent, unhold, state.expires_at].into_iter().flatten().min()
}

/// Once automatic write-back is on, held writes join their patients' orders, in the order in which they were accepted.
fn unhold(act: &mut Act<'_>) -> Result<bool, Stop> {
    if act.state.outbox.held == 0 || !act.state.settings.automatic_write_back {
        return Ok(false);
    }
    let scan = Scan::prefix("held/", RELEASED_AT_ONCE);
    let numbers: Vec<u64> = act.scan(&scan)?.filter_map(|(key, _)| key.sequence()).collect();
    act.need(numbers.iter().map(|n| RecordKey::write(*n)))?;
    let writes: Vec<Write> = numbers.iter().map(|n| read(act, *n)).collect::<Result<_, _>>()?;
    act.need_scans(writes.iter().map(|write| heads_scan(&write.patient)))?;
    let mut joined: Vec<Text> = Vec::new();
    for mut write in writes {
        let first = !joined.contains(&write.patient) && heads(act, &write.patient)?.is_empty();
        joined.push(write.patient.clone());
        act.remove(RecordKey::held(write.sequence));
        act.state.outbox.held -= 1;
        let from = write.phase;
        (write.phase, write.updated_at, write.due_at) = (WritePhase::Accepted, act.now, act.now);
        join(act, &mut write, first);
        act.put(RecordKey::write(write.sequence), &write);
        audit(act, &write, Some(from), WriteAction::Unheld, &Text::default(), "");
    }
    Ok(true)
}

/// Records that were kept long enough go.
fn expire(act: &mut Act<'_>) -> Result<(), Stop> {
    if act.state.expires_at.is_none_or(|at| at > act.now) {
        return Ok(());
    }
    let scan = Scan::prefix("expire/", EXPIRED_AT_ONCE + 1);
    let keys: Vec<RecordKey> = act.scan(&scan)?.map(|(key, _)| key.clone()).collect();
    let (now, mut next) = (act.now, None);
    for (place, key) in keys.into_iter().enumerate() {
        if place == EXPIRED_AT_ONCE || key.due().is_some_and(|at| at > now) {
            next = key.due();
            break;
        }
        if let Some(target) = key.expiring() {
            match (target.kind(), target.sequence()) {
                ("audit", Some(last)) => {
                    (last.saturating_sub(AUDIT_TOGETHER - 1)..=last).for_each(|n| act.remove(RecordKey::audit(n)));
                }
                _ => act.remove(target),
            }
        }
        act.remove(key);
    }
    act.state.expires_at = next;
    Ok(())
}

fn audit(act: &mut Act<'_>, write: &Write, from: Option<WritePhase>, action: WriteAction, actor: &Text, reason: &str) {
    act.state.outbox.audited += 1;
    let sequence = act.state.outbox.audited;
    let key = RecordKey::audit(sequence);
    let line = Audit {
        sequence,
        write: write.sequence,
        at: act.now,
        actor: actor.clone(),
        action,
        from,
        to: write.phase,
        reason: Text::from(reason),
    };
    act.put(key.clone(), &line);
    if sequence.is_multiple_of(AUDIT_TOGETHER) {
        schedule::expire(act, &key, AUDIT_KEPT);
    }
}
