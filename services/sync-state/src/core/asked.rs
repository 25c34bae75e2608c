//! Runs that are asked for by hand: started, found waiting, queued again.

use jiff::SignedDuration;

use super::{
    act::Act,
    apply::Stop,
    command::Outcome,
    dataset::DatasetSet,
    digest,
    records::RecordKey,
    refusal::Refusal,
    run::{Priority, Run, RunKind, RunPhase, Scope},
    runs::{PATIENTS_MAX, RUNS_MAX, queue},
    schedule,
    shared::{Shared, Text},
    write::StartKey,
};

/// How long a caller's key of a run is remembered.
const START_KEPT: SignedDuration = SignedDuration::from_hours(24);

pub(super) fn start_sync(act: &mut Act<'_>, scope: &Shared<Scope>, request_id: &Text) -> Result<Outcome, Stop> {
    act.durable = true;
    check_scope(scope)?;
    let digest = digest::of(&**scope);
    if !request_id.is_empty()
        && let Some(known) = act.get::<StartKey>(&RecordKey::start(request_id))?
    {
        return if known.digest == digest { found(act, known.run) } else { Err(Refusal::RequestIdReused.into()) };
    }
    if act.state.settings.paused {
        return Err(Refusal::Paused.into());
    }
    let outcome = coalesce(act, scope);
    let outcome = match outcome {
        Some(sequence) => found(act, sequence)?,
        None if act.state.initial_sync_at.is_none() => {
            let sequence = queue(act, RunKind::Initial, Scope::everything(), act.now);
            started(act, sequence)?
        }
        None if act.state.runs.len() >= RUNS_MAX => return Err(Refusal::TooManyRuns.into()),
        None => {
            let kind = if scope.from.is_some() || scope.until.is_some() { RunKind::Backfill } else { RunKind::Forced };
            let sequence = queue(act, kind, scope.clone(), act.now);
            started(act, sequence)?
        }
    };
    if let (Some(run), false) = (outcome.run(), request_id.is_empty()) {
        let key = RecordKey::start(request_id);
        act.put(key.clone(), &StartKey { run: run.sequence, digest });
        schedule::expire(act, &key, START_KEPT);
    }
    Ok(outcome)
}

fn check_scope(scope: &Scope) -> Result<(), Refusal> {
    let invalid = |field, fault| Err(Refusal::Invalid { field, fault });
    if scope.datasets.is_empty() {
        return invalid("datasets", "must name a dataset or a feature that is computed from one");
    }
    if scope.patients.len() > PATIENTS_MAX {
        return invalid("patients", "must be at most 10,000; leave it empty for all");
    }
    if scope.from.is_some() != scope.until.is_some() {
        return invalid("until_date", "must come with from_date, and from_date with it");
    }
    if scope.from > scope.until {
        return invalid("until_date", "must not be before from_date");
    }
    Ok(())
}

/// A run that waits, or has not begun to read, and reads all of `scope`; it becomes as urgent as what is asked for.
fn coalesce(act: &mut Act<'_>, scope: &Scope) -> Option<u64> {
    let (now, initial) = (act.now, act.state.initial_sync_at.is_none());
    let by_hand = scope.from.is_none();
    let run = act.state.runs.iter_mut().find(|run| initial || run.scope.covers(scope) && !run.begun())?;
    if run.phase == RunPhase::Queued {
        run.due_at = run.due_at.min(now);
        if by_hand && run.kind != RunKind::Initial {
            run.priority = Priority::Urgent;
        }
    }
    Some(run.sequence)
}

fn started(act: &Act<'_>, sequence: u64) -> Result<Outcome, Stop> {
    let run = act.state.run(sequence).ok_or(Refusal::RunNotFound)?;
    Ok(Outcome::Run(Box::new(run.clone())))
}

/// A run that is there, or is remembered.
pub(super) fn found(act: &Act<'_>, sequence: u64) -> Result<Outcome, Stop> {
    if let Some(run) = act.state.run(sequence) {
        return Ok(Outcome::Found(Box::new(run.clone())));
    }
    let run: Option<Run> = act.get(&RecordKey::run(sequence))?;
    Ok(Outcome::Found(Box::new(run.ok_or(Refusal::RunNotFound)?)))
}

pub(super) fn retry(act: &mut Act<'_>, sequence: u64) -> Result<Outcome, Stop> {
    act.durable = true;
    if act.state.run(sequence).is_some() {
        return found(act, sequence);
    }
    let key = RecordKey::run(sequence);
    let mut run: Run = act.get(&key)?.ok_or(Refusal::RunNotFound)?;
    if !matches!(run.phase, RunPhase::Failed | RunPhase::Cancelled) {
        return Err(Refusal::RunNotRetryable.into());
    }
    let initial = act.state.initial_sync_at.is_none();
    if (run.kind == RunKind::Initial) != initial || initial && !act.state.runs.is_empty() {
        return Err(Refusal::RunNotRetryable.into());
    }
    if act.state.settings.paused {
        return Err(Refusal::Paused.into());
    }
    if act.state.runs.len() >= RUNS_MAX {
        return Err(Refusal::TooManyRuns.into());
    }
    act.remove(key);
    run.datasets = Scope::nothing_yet(run.missing);
    run.missing = DatasetSet::default();
    run.phase = RunPhase::Queued;
    run.priority = match run.kind {
        RunKind::Backfill => Priority::Low,
        RunKind::Initial => Priority::Normal,
        RunKind::Nightly | RunKind::Forced => Priority::Urgent,
    };
    (run.failures, run.error, run.ended_at) = (0, None, None);
    run.due_at = act.now;
    // What it left in the sinks may be gone or overtaken: it begins anew there.
    run.fence = act.state.next_epoch(act.now);
    run.start_position = Text::default();
    if act.state.given_up.as_ref().is_some_and(|given_up| given_up.run == sequence) {
        act.state.given_up = None;
    }
    let place = act.state.runs.partition_point(|other| other.sequence < sequence);
    act.state.runs.insert(place, run);
    started(act, sequence)
}
