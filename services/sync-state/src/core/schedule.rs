//! What happens to runs and leases by time alone: nightly runs are queued, each local date once; silent leases are lost;
//! what did not start inside its window is late.

use jiff::{SignedDuration, Timestamp, civil::Date};
use mesh::calendar;

use super::{
    act::Act,
    nightly::{self, Night},
    records::RecordKey,
    run::{Late, Priority, Run, RunKind, RunPhase, Scope},
    runs,
    state::{Overlap, PracticeState, Turn},
};

/// Dates that passed without a run, of which the oldest are forgotten.
const MISSED_MAX: usize = 7;

/// Lets what is due by time happen to runs and the stream.
pub(super) fn tick(act: &mut Act<'_>) {
    runs::lose_silent(act);
    if act.state.stream.lease.as_ref().is_some_and(|lease| !lease.live(act.now)) {
        act.state.stream.lease = None;
    }
    mark_late(act);
    queue_nights(act);
}

/// When [`tick`] has something to do.
pub(super) fn due_at(state: &PracticeState, now: Timestamp) -> Option<Timestamp> {
    let leases = state.runs.iter().filter_map(|run| run.lease.as_ref()).chain(&state.stream.lease);
    let silent = leases.map(|lease| lease.expires_at).min();
    let nightly = !state.settings.paused && state.initial_sync_at.is_some();
    let night = nightly.then(|| due_night(state, now));
    let late = state.runs.iter().filter(|run| waits_in_window(run)).filter_map(|run| run.closes_at).min();
    [silent, night, late].into_iter().flatten().min()
}

/// When a nightly run is to be queued next; at once for a date that passed without one.
fn due_night(state: &PracticeState, now: Timestamp) -> Timestamp {
    let zone = nightly::zone(&state.settings);
    let today = calendar::date_at(now, &zone);
    match state.last_night {
        Some(last) if !missed(last, today, &zone).is_empty() => now,
        last => nightly::next(&state.id, &state.settings, last, now).due_at,
    }
}

fn waits_in_window(run: &Run) -> bool {
    run.phase == RunPhase::Queued && run.attempt == 0 && run.late.is_none() && run.closes_at.is_some()
}

/// Nightly runs whose window closed before anybody took them.
fn mark_late(act: &mut Act<'_>) {
    let now = act.now;
    let others = act.state.runs.iter().filter(|run| run.phase.held()).count();
    let paused = act.state.settings.paused;
    for run in act.state.runs.iter_mut().filter(|run| waits_in_window(run)) {
        if run.closes_at.is_some_and(|closes| now >= closes) {
            run.late = Some(match (paused, others) {
                (true, _) => Late::Paused,
                (false, 0) => Late::NoWorker,
                (false, _) => Late::Overlap,
            });
            if run.priority != Priority::Urgent {
                run.priority = Priority::Low;
            }
        }
    }
}

/// Queues the nightly runs of local dates that have none yet. A date that passed without one, because nobody looked, is
/// made up for by one late run; of several such dates, and where the day's own run is due as well, the newest run counts
/// for all and the others are recorded as superseded by it.
fn queue_nights(act: &mut Act<'_>) {
    let state = &act.state;
    let (Some(last), false) = (state.last_night, state.settings.paused) else { return };
    if state.initial_sync_at.is_none() {
        return;
    }
    let zone = nightly::zone(&state.settings);
    let today = calendar::date_at(act.now, &zone);
    if last >= today {
        return;
    }
    let mut dates = missed(last, today, &zone);
    if nightly::night(&state.id, &state.settings, today).due_at <= act.now {
        dates.push(today);
    }
    let Some((newest, older)) = dates.split_last() else { return };
    let nights: Vec<Night> =
        older.iter().map(|date| nightly::night(&act.state.id, &act.state.settings, *date)).collect();
    let night = nightly::night(&act.state.id, &act.state.settings, *newest);
    let passed: Vec<u64> = nights.iter().map(|night| queue_night(act, night)).collect();
    let sequence = queue_night(act, &night);
    act.state.last_night = Some(*newest);
    passed.into_iter().for_each(|old| runs::supersede(act, old, sequence));
    overlap(act, sequence);
}

/// Dates after `last` and before `today` that the zone has, the newest few.
fn missed(last: Date, today: Date, zone: &jiff::tz::TimeZone) -> Vec<Date> {
    let mut dates = Vec::new();
    let mut date = today;
    while dates.len() < MISSED_MAX
        && let Ok(before) = date.yesterday()
        && before > last
    {
        if !nightly::skipped(before, zone) {
            dates.push(before);
        }
        date = before;
    }
    dates.reverse();
    dates
}

fn queue_night(act: &mut Act<'_>, night: &Night) -> u64 {
    let sequence = runs::queue(act, RunKind::Nightly, Scope::everything(), night.due_at);
    let late = (act.now >= night.closes_at).then(|| why_late(&act.state, night));
    if let Some(run) = act.state.run_mut(sequence) {
        run.local_date = Some(night.date);
        run.closes_at = Some(night.closes_at);
        run.late = late;
        if late.is_some() {
            run.priority = Priority::Low;
        }
    }
    sequence
}

fn why_late(state: &PracticeState, night: &Night) -> Late {
    match state.since {
        // The turn came after the run would have been due.
        Some(since) if since.at > night.due_at && since.what == Turn::Resumed => Late::Paused,
        Some(since) if since.at > night.due_at && since.what == Turn::Rescheduled => Late::ScheduleChanged,
        _ => Late::Stopped,
    }
}

/// What the practice's other runs mean for a nightly run that was just queued, and the other way round.
fn overlap(act: &mut Act<'_>, new: u64) {
    // At most one night waits: the newer one brings all that the older would have.
    let waits = |run: &&Run| run.kind == RunKind::Nightly && run.sequence != new && !run.phase.held() && !run.begun();
    while let Some(old) = act.state.runs.iter().find(waits).map(|run| run.sequence) {
        runs::supersede(act, old, new);
    }
    let Some(held) = act.state.runs.iter().find(|run| run.phase.held()) else { return };
    let (held, kind) = (held.sequence, held.kind);
    match act.state.settings.overlap {
        Overlap::QueueOne => {}
        Overlap::Skip => runs::supersede(act, new, held),
        Overlap::Supersede if matches!(kind, RunKind::Nightly | RunKind::Forced) => runs::supersede(act, held, new),
        Overlap::Supersede => act.state.run_mut(held).into_iter().for_each(runs::requeue),
    }
}

/// Lets a record go some time from now.
pub(super) fn expire(act: &mut Act<'_>, key: &RecordKey, kept: SignedDuration) {
    let at = act.now.checked_add(kept).unwrap_or(Timestamp::MAX);
    act.put_bytes(RecordKey::expire(at, key), Vec::new());
    act.state.expires_at = Some(act.state.expires_at.map_or(at, |first| first.min(at)));
}
