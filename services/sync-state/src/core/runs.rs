//! Runs: queued, claimed, reported on, ended.
//!
//! One run of a practice is held at a time: its server is somebody's practice. What was asked for by hand takes the place
//! of nightly work that is under way, which goes on afterwards where it stopped. A run retries only what it has not
//! brought, and what a later run brought meanwhile counts for it too.

use std::time::Duration;

use chairsync_proto::feature::ErrorReason;
use jiff::{SignedDuration, Timestamp};
use mesh::calendar;

use super::{
    act::Act,
    apply::Stop,
    asked,
    command::{DatasetFailure, DatasetResult, Outcome},
    dataset::{DatasetId, DatasetSet},
    leases, nightly,
    records::RecordKey,
    refusal::Refusal,
    run::{Pace, Priority, Progress, Run, RunError, RunKind, RunPhase, Scope},
    schedule,
    shared::{Shared, Text},
    state::{Accepted, Failure, GivenUp, Lease},
};

/// Failures of a run before it is given up.
pub const FAILURES_MAX: u32 = 12;
/// Ended runs that are remembered: those of the last so many numbers.
pub const HISTORY_MAX: u64 = 50;
/// Runs of a practice that wait or are under way, before more are refused.
pub const RUNS_MAX: usize = 16;
/// Patients in a run's scope.
pub const PATIENTS_MAX: usize = 10_000;
/// Lost workers after which a run waits before it is offered again.
const LOST_AT_ONCE: u32 = 2;
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
const BACKOFF_LONGEST: Duration = Duration::from_secs(300);
/// How far back progress is remembered for the rate.
const PACE_WINDOW: SignedDuration = SignedDuration::from_secs(30);
const PACE_POINTS: usize = 16;

/// Queues a run and answers its number.
pub(super) fn queue(act: &mut Act<'_>, kind: RunKind, scope: Shared<Scope>, due_at: Timestamp) -> u64 {
    let fence = act.state.next_epoch(act.now);
    act.state.sequence += 1;
    let sequence = act.state.sequence;
    let priority = match kind {
        RunKind::Forced => Priority::Urgent,
        RunKind::Initial | RunKind::Nightly => Priority::Normal,
        RunKind::Backfill => Priority::Low,
    };
    act.state.runs.push(Run {
        sequence,
        fence,
        kind,
        phase: RunPhase::Queued,
        priority,
        local_date: None,
        due_at,
        closes_at: None,
        created_at: act.now,
        started_at: None,
        ended_at: None,
        attempt: 0,
        failures: 0,
        late: None,
        lease: None,
        datasets: Scope::nothing_yet(scope.datasets),
        scope,
        missing: DatasetSet::default(),
        sums: (0, 0),
        start_position: Text::default(),
        error: None,
        superseded_by: None,
        pace: Shared::default(),
    });
    if let Some(old) = sequence.checked_sub(HISTORY_MAX).filter(|old| *old > 0) {
        act.remove(RecordKey::run(old));
    }
    sequence
}

/// Takes a run's lease away; what it has brought stays.
pub(super) fn requeue(run: &mut Run) {
    run.lease = None;
    run.pace = Shared::default();
    if run.phase.held() {
        run.phase = RunPhase::Queued;
    }
}

/// The run that a claim would get now, if there is one: the most urgent, and of those the one that waits longest.
pub(super) fn claimable(runs: &[Run], now: Timestamp) -> Option<&Run> {
    let due = runs.iter().filter(|run| run.phase == RunPhase::Queued && run.due_at <= now);
    let first = due.min_by_key(|run| (run.priority, run.due_at, run.sequence))?;
    let in_the_way = runs.iter().find(|run| run.phase.held());
    in_the_way.is_none_or(|held| first.priority == Priority::Urgent && gives_way(held)).then_some(first)
}

/// Whether a held run makes room for what was asked for by hand.
fn gives_way(held: &Run) -> bool {
    held.priority != Priority::Urgent && held.kind != RunKind::Initial
}

pub(super) fn claim(
    act: &mut Act<'_>,
    worker: &Text,
    duration: SignedDuration,
    urgent_only: bool,
) -> Result<Outcome, Stop> {
    schedule::tick(act);
    if act.state.settings.paused {
        return Ok(Outcome::Nothing);
    }
    let Some(first) = claimable(&act.state.runs, act.now) else { return Ok(Outcome::Nothing) };
    if urgent_only && first.priority != Priority::Urgent {
        return Ok(Outcome::Nothing);
    }
    let sequence = first.sequence;
    act.state.runs.iter_mut().filter(|run| run.phase.held()).for_each(requeue);
    let epoch = act.state.next_epoch(act.now);
    let now = act.now;
    let run = act.state.run_mut(sequence).ok_or(Refusal::RunNotFound)?;
    run.lease = Some(Lease::new(worker, epoch, duration, now));
    run.phase = RunPhase::Leased;
    run.attempt += 1;
    run.started_at = Some(now);
    run.error = None;
    if run.datasets.values().any(|progress| progress.failed.is_some()) {
        run.datasets.to_mut().iter_mut().for_each(|(_, progress)| progress.failed = None);
    }
    run.pace = Shared::new(vec![Pace { at: now, rows: run.rows().0 }]);
    Ok(Outcome::Run(Box::new(run.clone())))
}

/// The run in question, if `epoch` holds its lease; renews the lease.
fn held<'a>(act: &'a mut Act<'_>, sequence: u64, epoch: u64) -> Result<&'a mut Run, Stop> {
    let (now, latest) = (act.now, act.state.epoch);
    if act.state.run(sequence).is_none() {
        // An epoch of a run that is over tells nothing; say which it is.
        return Err(match act.bytes(&RecordKey::run(sequence))? {
            Some(_) => Refusal::RunFinished.into(),
            None => Refusal::RunNotFound.into(),
        });
    }
    let run = act.state.run_mut(sequence).ok_or(Refusal::RunNotFound)?;
    leases::held(run.lease.as_mut(), epoch, latest, now)?.renew(now);
    Ok(run)
}

fn lease_of(run: &Run) -> Outcome {
    run.lease.clone().map_or(Outcome::Done, Outcome::Lease)
}

pub(super) fn save_checkpoints(
    act: &mut Act<'_>,
    sequence: u64,
    epoch: u64,
    checkpoints: &[(DatasetId, Progress)],
    start_position: &Text,
) -> Result<Outcome, Stop> {
    let now = act.now;
    let run = held(act, sequence, epoch)?;
    if !checkpoints.is_empty() {
        let datasets = run.datasets.to_mut();
        for (dataset, new) in checkpoints {
            let old = datasets.get_mut(*dataset).ok_or(Refusal::CheckpointMismatch)?;
            let back = new.chunks < old.chunks || new.rows_done < old.rows_done || old.finished && !new.finished;
            if back || old.accepted.is_some() && *new != (Progress { accepted: None, failed: None, ..old.clone() }) {
                return Err(Refusal::CheckpointMismatch.into());
            }
            if old.accepted.is_some() {
                continue;
            }
            *old = Progress {
                // What is there is what was expected, at the latest when all of it is there.
                rows_total: if new.finished { new.rows_done } else { new.rows_total.max(new.rows_done) },
                accepted: None,
                failed: None,
                ..new.clone()
            };
        }
    }
    if run.start_position.is_empty() && !start_position.is_empty() {
        run.start_position = start_position.clone();
    }
    run.phase = RunPhase::Running;
    let done = run.rows().0;
    let pace = run.pace.to_mut();
    pace.push(Pace { at: now, rows: done });
    while pace.len() > 2 && (pace.len() > PACE_POINTS || now.duration_since(pace[0].at) > PACE_WINDOW) {
        pace.remove(0);
    }
    Ok(lease_of(run))
}

pub(super) fn accept(act: &mut Act<'_>, sequence: u64, epoch: u64, results: &[DatasetResult]) -> Result<Outcome, Stop> {
    let now = act.now;
    if results.is_empty() {
        return Err(Refusal::Invalid { field: "datasets", fault: "must name at least one" }.into());
    }
    let run = held(act, sequence, epoch)?;
    run.phase = RunPhase::Running;
    let (fence, whole) = (run.fence, run.scope.whole());
    let of_patients = !run.scope.patients.is_empty();
    let answer = lease_of(run);
    let datasets = run.datasets.to_mut();
    let mut brought = Vec::with_capacity(results.len());
    for result in results {
        let progress = datasets.get_mut(result.dataset).ok_or(Refusal::CheckpointMismatch)?;
        // A repeat, or a later run has brought it meanwhile: what is accepted stays.
        if progress.accepted.is_some() {
            continue;
        }
        if !progress.finished {
            return Err(Refusal::CheckpointMismatch.into());
        }
        progress.accepted = Some(result.version);
        progress.failed = None;
        brought.push(*result);
    }
    if of_patients {
        // Those patients were read beside the tables, which are as they were.
        return Ok(answer);
    }
    for result in &brought {
        let synced_through = result.synced_through.map(super::stored::cut);
        let old = act.state.accepted.get(result.dataset);
        let new = match old.filter(|_| !whole) {
            // Some dates of it are newer now; as a whole it is as old as it was.
            Some(old) => Accepted { version: result.version, rows: result.rows, fence, ..*old },
            None => Accepted {
                version: result.version,
                rows: result.rows,
                synced_through,
                completed_at: now,
                run: sequence,
                fence,
            },
        };
        act.state.accepted.to_mut().insert(result.dataset, new);
        if whole && act.state.failed.get(result.dataset).is_some() {
            act.state.failed.to_mut().remove(result.dataset);
        }
    }
    if !brought.is_empty() {
        tell_older(act, sequence, whole, &brought);
    }
    Ok(answer)
}

/// What a later run has brought, an older one need not and, because the sinks are ahead of it, cannot bring.
fn tell_older(act: &mut Act<'_>, by: u64, whole: bool, brought: &[DatasetResult]) {
    let Some(fence) = act.state.run(by).map(|run| run.fence) else { return };
    let mut done = Vec::new();
    for place in 0..act.state.runs.len() {
        let run = &act.state.runs[place];
        let concerns = |d: &DatasetResult| run.datasets.get(d.dataset).is_some_and(|p| p.accepted.is_none());
        if run.fence >= fence || run.sequence == by || !brought.iter().any(concerns) {
            continue;
        }
        if !whole {
            // It has to bring them still, and must be newer in the sinks for that.
            let fence = act.state.next_epoch(act.now);
            act.state.runs[place].fence = fence;
            continue;
        }
        let run = &mut act.state.runs[place];
        let datasets = run.datasets.to_mut();
        for result in brought {
            if let Some(progress) = datasets.get_mut(result.dataset).filter(|p| p.accepted.is_none()) {
                *progress = Progress {
                    chunks: progress.chunks,
                    rows_done: result.rows.max(progress.rows_done),
                    rows_total: result.rows.max(progress.rows_done),
                    finished: true,
                    accepted: Some(result.version),
                    ..Progress::default()
                };
            }
        }
        if run.phase == RunPhase::Queued && run.missing().is_empty() {
            done.push(run.sequence);
        }
    }
    for sequence in done {
        supersede(act, sequence, by);
    }
}

pub(super) fn fail_datasets(
    act: &mut Act<'_>,
    sequence: u64,
    epoch: u64,
    failures: &[DatasetFailure],
) -> Result<Outcome, Stop> {
    if failures.is_empty() {
        return Err(Refusal::Invalid { field: "failures", fault: "must name at least one dataset" }.into());
    }
    let run = held(act, sequence, epoch)?;
    run.phase = RunPhase::Running;
    let whole = run.scope.whole();
    let answer = lease_of(run);
    let datasets = run.datasets.to_mut();
    let mut failed = Vec::with_capacity(failures.len());
    for failure in failures {
        let progress = datasets.get_mut(failure.dataset).ok_or(Refusal::CheckpointMismatch)?;
        if progress.accepted.is_none() {
            let error = failure.error.brief();
            progress.failed = Some((error.clone(), failure.permanent));
            failed.push((failure.dataset, Failure { run: sequence, error }));
        }
    }
    // A run of some patients says nothing of the whole.
    if whole {
        failed.into_iter().for_each(|(dataset, failure)| act.state.failed.to_mut().insert(dataset, failure));
    }
    Ok(answer)
}

pub(super) fn finish(act: &mut Act<'_>, sequence: u64, epoch: u64, jitter: f64) -> Result<Outcome, Stop> {
    if act.state.run(sequence).is_none()
        && let Some(run) = act.get::<Run>(&RecordKey::run(sequence))?
        && run.phase == RunPhase::Succeeded
    {
        return Ok(Outcome::Found(Box::new(run)));
    }
    let run = held(act, sequence, epoch)?;
    let mut first: Option<(DatasetId, RunError)> = None;
    let mut permanent = true;
    for (dataset, progress) in run.datasets.iter().filter(|(_, progress)| progress.accepted.is_none()) {
        let Some((error, for_good)) = &progress.failed else { return Err(Refusal::NotAllAccepted.into()) };
        permanent &= for_good;
        first.get_or_insert((dataset, error.clone()));
    }
    let Some((dataset, error)) = first else { return Ok(succeed(act, sequence)) };
    let message = Text::from(format!("{dataset}: {}", error.message));
    Ok(attempt_failed(act, sequence, RunError { message, ..error }, permanent, jitter))
}

fn succeed(act: &mut Act<'_>, sequence: u64) -> Outcome {
    let ended = end(act, sequence, RunPhase::Succeeded, None);
    let Some(run) = ended else { return Outcome::Nothing };
    let (now, state) = (act.now, &mut act.state);
    if run.kind == RunKind::Initial {
        state.initial_sync_at = Some(now);
        // The night of the day on which a practice was read whole has nothing left to do.
        let today = calendar::date_at(now, &nightly::zone(&state.settings));
        state.last_night = Some(state.last_night.map_or(today, |last| last.max(today)));
    }
    let brings = |given_up: &GivenUp| given_up.run < sequence && run.scope.datasets.covers(given_up.missing);
    if run.scope.whole() && state.given_up.as_ref().is_some_and(|given_up| brings(given_up)) {
        state.given_up = None;
    }
    Outcome::Run(Box::new(run))
}

pub(super) fn fail(
    act: &mut Act<'_>,
    sequence: u64,
    epoch: u64,
    error: &RunError,
    permanent: bool,
    jitter: f64,
) -> Result<Outcome, Stop> {
    held(act, sequence, epoch)?;
    if error.reason == ErrorReason::SourceChanged as i32 {
        // What was read so far is worthless, also what the sinks took of it: it begins anew there.
        let fence = act.state.next_epoch(act.now);
        let run = held(act, sequence, epoch)?;
        run.datasets = Scope::nothing_yet(run.datasets.keys().collect());
        run.start_position = Text::default();
        run.fence = fence;
    }
    Ok(attempt_failed(act, sequence, error.clone(), permanent, jitter))
}

/// Ends an attempt: the run is queued again or given up.
fn attempt_failed(act: &mut Act<'_>, sequence: u64, error: RunError, permanent: bool, jitter: f64) -> Outcome {
    let now = act.now;
    let error = error.brief();
    let Some(run) = act.state.run_mut(sequence) else { return Outcome::Nothing };
    requeue(run);
    run.failures += 1;
    // The initial run has no budget: a practice whose server is off for a weekend is read when it is back.
    let over = permanent || run.attempts_left() == Some(0);
    if over {
        run.error = Some(error);
        return end(act, sequence, RunPhase::Failed, None).map_or(Outcome::Nothing, |run| Outcome::Run(Box::new(run)));
    }
    run.due_at = now + backoff(run.failures, jitter);
    run.error = Some(RunError { retry_at: Some(run.due_at), ..error });
    Outcome::Run(Box::new(run.clone()))
}

/// Exponential with full jitter, at least a tenth of a second, in whole milliseconds.
pub(super) fn backoff(failures: u32, jitter: f64) -> SignedDuration {
    let longest = (BACKOFF_FIRST * (1 << failures.clamp(1, 10).saturating_sub(1))).min(BACKOFF_LONGEST);
    let jitter = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 1.0 };
    let millis = (longest.as_secs_f64() * jitter * 1000.0).max(100.0);
    SignedDuration::from_millis(millis as i64) // at most 300,000
}

/// Leases that fell silent are lost. A run whose workers keep dying is given up like one that keeps failing.
pub(super) fn lose_silent(act: &mut Act<'_>) {
    let now = act.now;
    let silent = |run: &Run| run.lease.as_ref().filter(|lease| !lease.live(now)).map(|l| (run.sequence, l.epoch));
    // One run is held at a time.
    let Some((sequence, epoch)) = act.state.runs.iter().find_map(silent) else { return };
    let Some(run) = act.state.run_mut(sequence) else { return };
    let reason = ErrorReason::WorkerLost as i32;
    let message = Text::from("its worker fell silent and lost the lease");
    let error = RunError { reason, message, retry_at: None };
    if run.failures < LOST_AT_ONCE {
        requeue(run);
        run.failures += 1;
        run.due_at = now;
        run.error = Some(RunError { retry_at: Some(now), ..error });
    } else {
        // No randomness here; the epoch is different for each practice and loss.
        let jitter = (nightly::hash(&epoch.to_string()) % 1000) as f64 / 1000.0;
        attempt_failed(act, sequence, error, false, jitter);
    }
}

pub(super) fn cancel(act: &mut Act<'_>, sequence: u64) -> Result<Outcome, Stop> {
    act.durable = true;
    if act.state.run(sequence).is_none() {
        return asked::found(act, sequence);
    }
    let ended = end(act, sequence, RunPhase::Cancelled, None);
    Ok(ended.map_or(Outcome::Nothing, |run| Outcome::Run(Box::new(run))))
}

/// Ends a run because another takes its place.
pub(super) fn supersede(act: &mut Act<'_>, sequence: u64, by: u64) {
    end(act, sequence, RunPhase::Superseded, Some(by));
}

/// Moves a run to the records and answers it as it ended.
fn end(act: &mut Act<'_>, sequence: u64, phase: RunPhase, by: Option<u64>) -> Option<Run> {
    let place = act.state.runs.iter().position(|run| run.sequence == sequence)?;
    let mut run = act.state.runs.remove(place);
    run.missing = run.missing();
    run.phase = phase;
    run.ended_at = Some(act.now);
    run.superseded_by = by;
    run.lease = None;
    run.pace = Shared::default();
    compact(&mut run);
    if phase == RunPhase::Failed {
        let error = run.error.clone();
        let error = error.unwrap_or_else(|| RunError {
            reason: ErrorReason::Internal as i32,
            message: Text::default(),
            retry_at: None,
        });
        if run.scope.whole() {
            // A run of some patients says nothing of the whole.
            give_up(act, &run, error);
        }
    }
    if sequence + HISTORY_MAX > act.state.sequence {
        act.put(RecordKey::run(sequence), &run);
    }
    Some(run)
}

/// Remembers why the datasets that a run did not bring are older than they should be.
fn give_up(act: &mut Act<'_>, run: &Run, error: RunError) {
    if run.scope.datasets == DatasetSet::all() {
        let (kind, rows, missing) = (run.kind, run.rows(), run.missing);
        act.state.given_up = Some(Shared::new(GivenUp { run: run.sequence, kind, error, rows, missing }));
        return;
    }
    let failure = Failure { run: run.sequence, error };
    for dataset in run.missing.iter() {
        if act.state.failed.get(dataset).is_none() {
            act.state.failed.to_mut().insert(dataset, failure.clone());
        }
    }
}

/// Keeps of an ended run what is asked for still: sums, and the datasets that it began and did not bring.
fn compact(run: &mut Run) {
    let rows = run.rows();
    let kept = |p: &Progress| p.accepted.is_none() && (p.rows_done > 0 || p.failed.is_some());
    let mut left: Vec<_> = run.datasets.iter().filter(|(_, p)| kept(p)).map(|(d, p)| (d, p.clone())).collect();
    left.iter_mut().for_each(|(_, progress)| progress.resume_token = Text::default());
    let listed = left.iter().fold((0, 0), |(done, total), (_, p)| (done + p.rows_done, total + p.rows_total));
    run.datasets = Shared::new(left.into_iter().collect());
    run.sums = (rows.0 - listed.0, rows.1 - listed.1);
}
