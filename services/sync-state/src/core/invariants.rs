//! What holds of every practice and of every step: tests ask after each command, an import before it takes a state in.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{
    apply::Step,
    records::{self, Kept, RecordKey},
    run::{Run, RunKind},
    runs::{HISTORY_MAX, RUNS_MAX},
    saved::{BODY_MAX, BYTES_MAX, SavedCounts, SavedKind, SavedThing},
    state::{Lease, PracticeState},
    write::{AT_ONCE_MAX, KEPT, PENDING_MAX, Place, RequestKey, Write, WritePhase},
};

/// What does not hold, in words; names no contents.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Broken(pub String);

/// Nightly runs can come on top of what is asked for by hand.
const RUNS_AT_ALL: usize = RUNS_MAX + 8;

fn hold(holds: bool, what: impl FnOnce() -> String) -> Result<(), Broken> {
    if holds { Ok(()) } else { Err(Broken(what())) }
}

fn leases(state: &PracticeState) -> impl Iterator<Item = &Lease> {
    let runs = state.runs.iter().filter_map(|run| run.lease.as_ref());
    runs.chain(&state.stream.lease).chain(state.outbox.claimed.iter().map(|claimed| &claimed.lease))
}

/// What holds of a state.
///
/// # Errors
/// The first thing that does not.
pub fn check(state: &PracticeState) -> Result<(), Broken> {
    let mut epochs = BTreeSet::new();
    for lease in leases(state) {
        hold(lease.epoch <= state.epoch, || format!("epoch {} was never given", lease.epoch))?;
        hold(epochs.insert(lease.epoch), || format!("epoch {} holds two leases", lease.epoch))?;
    }
    let mut dates = BTreeSet::new();
    for run in &state.runs {
        check_run(state, run)?;
        if let Some(date) = run.local_date {
            hold(dates.insert(date), || format!("{date} has two nightly runs"))?;
        }
    }
    hold(state.runs.is_sorted_by(|a, b| a.sequence < b.sequence), || "runs are not in order".to_owned())?;
    hold(state.runs.len() <= RUNS_AT_ALL, || format!("{} runs wait", state.runs.len()))?;
    let held = state.runs.iter().filter(|run| run.phase.held()).count();
    hold(held <= 1, || format!("{held} runs are held at once"))?;
    let paused = state.settings.paused;
    hold(!paused || held == 0 && state.stream.lease.is_none(), || "a paused practice is worked on".to_owned())?;
    let initial = state.initial_sync_at.is_none();
    let only_initial = state.runs.iter().all(|run| run.kind == RunKind::Initial);
    hold(!initial || only_initial && state.runs.len() <= 1, || "runs before the initial sync is finished".to_owned())?;
    hold(!initial || state.stream.lease.is_none(), || "the stream is followed too early".to_owned())?;
    hold(initial == state.last_night.is_none(), || "nights begin with the end of the initial sync".to_owned())?;
    for (dataset, accepted) in state.accepted.iter() {
        hold(accepted.fence <= state.epoch, || format!("{dataset} was accepted with a fence never given"))?;
        hold(accepted.run <= state.sequence, || format!("{dataset} was brought by a run that never was"))?;
    }
    let outbox = &state.outbox;
    hold(outbox.claimed.len() <= AT_ONCE_MAX, || "too many writes are leased".to_owned())?;
    hold(outbox.pending <= PENDING_MAX, || "too many writes wait".to_owned())?;
    let parts = outbox.held + outbox.parked + outbox.claimed.len() as u32; // at most a few
    hold(parts <= outbox.pending, || "the writes that wait are miscounted".to_owned())?;
    let full = state.saved.bytes > BYTES_MAX || SavedKind::ALL.iter().any(|kind| state.saved.of(*kind) > kind.most());
    hold(!full, || "more is saved than may be".to_owned())
}

fn check_run(state: &PracticeState, run: &Run) -> Result<(), Broken> {
    let name = run.sequence;
    hold(run.sequence <= state.sequence, || format!("run {name} has a number never given"))?;
    hold(run.fence <= state.epoch, || format!("run {name} has a fence never given"))?;
    hold(!run.phase.ended(), || format!("run {name} has ended and is at hand"))?;
    hold(run.phase.held() == run.lease.is_some(), || {
        format!("run {name} is held without a lease, or not held with one")
    })?;
    hold((run.kind == RunKind::Nightly) == run.local_date.is_some(), || format!("run {name} and its date"))?;
    hold(run.local_date.is_none_or(|date| Some(date) <= state.last_night), || format!("run {name} came early"))?;
    for (dataset, progress) in run.datasets.iter() {
        hold(run.scope.datasets.contains(dataset), || format!("run {name} reads {dataset} outside its scope"))?;
        hold(progress.accepted.is_none() || progress.finished, || format!("run {name}: {dataset} accepted too early"))?;
    }
    Ok(())
}

/// What holds of a step from `before`.
///
/// # Errors
/// The first thing that does not.
pub fn check_step(before: &PracticeState, step: &Step) -> Result<(), Broken> {
    let after = &step.state;
    check(after)?;
    let grown = before.revision + u64::from(step.changed);
    hold(after.revision == grown, || "a change is a revision".to_owned())?;
    hold(step.changed || after == before && step.changes.is_empty(), || "an unsaid change".to_owned())?;
    let counters = |s: &PracticeState| {
        [
            s.epoch,
            s.sequence,
            s.edition,
            s.outbox.last,
            s.outbox.audited,
            s.outbox.place,
            s.stream.epoch,
            s.saved.version,
        ]
    };
    let fell = counters(before).into_iter().zip(counters(after)).position(|(old, new)| new < old);
    hold(fell.is_none(), || format!("counter {fell:?} went back"))?;
    hold(after.last_night >= before.last_night, || "the last night went back".to_owned())?;
    let again = before.initial_sync_at.is_some() && after.initial_sync_at != before.initial_sync_at;
    hold(!again, || "the initial sync was finished twice".to_owned())?;
    let old_epochs: BTreeSet<u64> = leases(before).map(|lease| lease.epoch).collect();
    for lease in leases(after) {
        let new = lease.epoch > before.epoch || old_epochs.contains(&lease.epoch);
        hold(new, || format!("epoch {} came back", lease.epoch))?;
    }
    for run in &after.runs {
        let Some(old) = before.run(run.sequence) else { continue };
        hold(run.fence >= old.fence, || format!("run {}: the fence fell", run.sequence))?;
        if run.fence > old.fence {
            continue;
        }
        for (dataset, progress) in run.datasets.iter() {
            let back = old.datasets.get(dataset).is_some_and(|old| {
                progress.rows_done < old.rows_done || old.accepted.is_some() && progress.accepted != old.accepted
            });
            hold(!back, || format!("run {}: {dataset} went back", run.sequence))?;
        }
    }
    for (dataset, old) in before.accepted.iter() {
        let Some(new) = after.accepted.get(dataset) else { return Err(Broken(format!("{dataset} was unaccepted"))) };
        let back = new.fence < old.fence || new.completed_at < old.completed_at;
        hold(!back, || format!("{dataset}: an older run was accepted over a newer one"))?;
    }
    let cursor = after.stream.cursor != before.stream.cursor;
    let by = before.stream.lease.as_ref().map(|lease| lease.epoch);
    hold(!cursor || by == Some(after.stream.epoch), || "the cursor was moved without the lease".to_owned())?;
    let keys: BTreeSet<&RecordKey> = step.changes.iter().map(|change| change.key()).collect();
    hold(keys.len() == step.changes.len(), || "a record changes twice in a step".to_owned())
}

fn all<T: serde::de::DeserializeOwned>(kept: &Kept, kind: &str) -> Result<BTreeMap<u64, T>, Broken> {
    let of_kind = kept.0.iter().filter(|(key, _)| key.kind() == kind);
    of_kind
        .map(|(key, value)| {
            let value = records::decode(key, value).map_err(|damaged| Broken(damaged.to_string()))?;
            Ok((key.sequence().ok_or_else(|| Broken(format!("{key:?} has no number")))?, value))
        })
        .collect()
}

fn numbers(kept: &Kept, kind: &str) -> BTreeSet<u64> {
    kept.0.keys().filter(|key| key.kind() == kind).filter_map(RecordKey::sequence).collect()
}

/// What holds of all records of a practice together. Reads all of them: for tests and imports.
///
/// # Errors
/// The first thing that does not.
pub fn check_kept(state: &PracticeState, kept: &Kept) -> Result<(), Broken> {
    let ended: BTreeMap<u64, Run> = all(kept, "run")?;
    let mut dates: BTreeSet<_> = state.runs.iter().filter_map(|run| run.local_date).collect();
    for (number, run) in &ended {
        hold(run.phase.ended() && run.lease.is_none(), || format!("run {number} is remembered and has not ended"))?;
        hold(*number == run.sequence && state.run(*number).is_none(), || format!("run {number} is there twice"))?;
        hold(number + HISTORY_MAX > state.sequence, || format!("run {number} is remembered too long"))?;
        if let Some(date) = run.local_date {
            hold(dates.insert(date), || format!("{date} has two nightly runs"))?;
        }
    }
    check_saved(&state.saved, kept)?;
    let writes: BTreeMap<u64, Write> = all(kept, "write")?;
    check_counts(state, kept, &writes)?;
    check_order(state, kept, &writes)?;
    for write in writes.values() {
        let key = RecordKey::request(&write.request_id);
        let known: Option<RequestKey> = kept.0.get(&key).and_then(|value| records::decode(&key, value).ok());
        hold(known.is_some_and(|known| known.write == write.sequence), || {
            format!("write {} lost its key", write.sequence)
        })?;
        let body = kept.0.get(&RecordKey::body(write.sequence)).map_or(0, Vec::len);
        hold(body == write.bytes as usize, || format!("write {} lost its contents", write.sequence))?;
    }
    let first = kept.0.keys().filter(|key| key.kind() == "expire").filter_map(RecordKey::due).min();
    hold(first.is_none_or(|first| state.expires_at.is_some_and(|at| at <= first)), || "what is to go stays".to_owned())
}

/// Saved things are counted, within their bounds, and no two have the same version.
fn check_saved(saved: &SavedCounts, kept: &Kept) -> Result<(), Broken> {
    let mut counted = SavedCounts { version: saved.version, ..SavedCounts::default() };
    let mut versions = BTreeSet::new();
    for kind in SavedKind::ALL {
        let prefix = RecordKey::saved(*kind, "");
        let of_kind = kept.0.iter().filter(|(key, _)| key.as_str().starts_with(prefix.as_str()));
        let mut count = 0;
        for (key, value) in of_kind {
            let thing: SavedThing = records::decode(key, value).map_err(|damaged| Broken(damaged.to_string()))?;
            hold(*key == RecordKey::saved(*kind, &thing.id), || format!("{key:?} is out of place"))?;
            hold(thing.version <= saved.version, || format!("{key:?} has a version never given"))?;
            hold(versions.insert(thing.version), || format!("version {} was given twice", thing.version))?;
            hold(thing.body.len() <= BODY_MAX, || format!("{key:?} is too long"))?;
            counted.bytes += thing.body.len() as u64;
            count += 1;
        }
        if count > 0 {
            counted.kinds.push((*kind, count));
        }
    }
    hold(counted == *saved, || "saved things are miscounted".to_owned())?;
    let all = kept.0.keys().filter(|key| key.kind() == "saved").count();
    hold(all == versions.len(), || "a saved thing is of no kind".to_owned())
}

fn check_counts(state: &PracticeState, kept: &Kept, writes: &BTreeMap<u64, Write>) -> Result<(), Broken> {
    let outbox = &state.outbox;
    let count = |which: fn(&Write) -> bool| writes.values().filter(|write| which(write)).count();
    let said = |number: u32| number as usize; // 32 bits fit
    hold(count(Write::pending) == said(outbox.pending), || "writes that have not ended are miscounted".to_owned())?;
    hold(count(|w| w.phase == WritePhase::Held) == said(outbox.held), || "held writes are miscounted".to_owned())?;
    hold(count(|w| w.phase == WritePhase::DeadLetter) == said(outbox.parked), || {
        "dead letters are miscounted".to_owned()
    })?;
    let bytes: u64 = writes.values().filter(|write| write.pending()).map(|write| u64::from(write.bytes)).sum();
    hold(bytes == outbox.bytes, || "bytes of writes are miscounted".to_owned())?;
    let of = |phase| writes.values().filter(move |write| write.phase == phase).map(|write| write.sequence).collect();
    hold(numbers(kept, "held") == of(WritePhase::Held), || "the list of held writes is wrong".to_owned())?;
    hold(numbers(kept, "parked") == of(WritePhase::DeadLetter), || "the list of dead letters is wrong".to_owned())
}

/// Each patient's first write, and no other, is offered or leased.
fn check_order(state: &PracticeState, kept: &Kept, writes: &BTreeMap<u64, Write>) -> Result<(), Broken> {
    let mut first = BTreeMap::new();
    let mut placed = 0;
    for (key, value) in kept.0.iter().filter(|(key, _)| key.kind() == "patient") {
        let place: Place = records::decode(key, value).map_err(|damaged| Broken(damaged.to_string()))?;
        let write = writes.get(&place.write).ok_or_else(|| Broken(format!("{key:?}: no such write")))?;
        hold(*key == RecordKey::patient(&write.patient, write.place), || format!("{key:?} is out of place"))?;
        hold(write.phase.in_order(), || format!("{key:?} has a place and needs none"))?;
        placed += 1;
        first.entry(write.patient.clone()).or_insert(place.write);
    }
    let in_order = writes.values().filter(|write| write.phase.in_order()).count();
    hold(placed == in_order, || "a write has no place in its patient's order".to_owned())?;
    let leased: BTreeSet<u64> = state.outbox.claimed.iter().map(|claimed| claimed.write).collect();
    let offered = numbers(kept, "ready");
    let first: BTreeSet<u64> = first.into_values().collect();
    hold(leased.is_disjoint(&offered), || "a write is leased and offered".to_owned())?;
    let either: BTreeSet<u64> = leased.union(&offered).copied().collect();
    hold(either == first, || format!("first {first:?}, leased {leased:?}, offered {offered:?}"))?;
    for key in kept.0.keys().filter(|key| key.kind() == "ready") {
        let due_at = key.sequence().and_then(|number| writes.get(&number)).map(|write| write.due_at);
        hold(key.due() == due_at, || format!("{key:?} is offered at another time"))?;
        hold(state.outbox.ready_at.is_some_and(|at| Some(at) <= due_at), || format!("{key:?} waits unseen"))?;
    }
    Ok(())
}

/// What holds of a step's records: no write that was accepted disappears before its time, and none is taken out of its
/// patient's order.
///
/// # Errors
/// The first thing that does not.
pub fn check_kept_step(
    before: &PracticeState,
    kept: &Kept,
    after: &PracticeState,
    next: &Kept,
    now: Timestamp,
) -> Result<(), Broken> {
    let old: BTreeMap<u64, Write> = all(kept, "write")?;
    let new: BTreeMap<u64, Write> = all(next, "write")?;
    for (number, write) in &old {
        let over = write.ended_at.is_some_and(|ended| now.duration_since(ended) >= KEPT) && !write.pending();
        hold(new.contains_key(number) || over, || format!("write {number} disappeared"))?;
    }
    for claimed in after.outbox.claimed.iter().filter(|claimed| claimed.lease.epoch > before.epoch) {
        let Some(write) = old.get(&claimed.write) else { continue };
        let earlier = old.values().filter(|other| other.patient == write.patient && other.place < write.place);
        let waits = earlier.filter(|other| other.place > 0).map(|other| other.sequence).next();
        hold(waits.is_none(), || format!("write {} was taken before {waits:?}", claimed.write))?;
    }
    Ok(())
}
