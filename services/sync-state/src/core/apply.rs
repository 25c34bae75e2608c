//! The one function that changes a practice's state.

use std::collections::BTreeMap;

use chairsync_proto::feature::ErrorReason;
use jiff::{SignedDuration, Timestamp};
use mesh::{calendar, datasets};

use super::{
    command::{Command, Outcome},
    nightly,
    refusal::Refusal,
    state::{
        Accepted, Checkpoint, FORMAT, HISTORY_MAX, Lease, PracticeState, Run, RunError, RunKind, RunPhase, Settings,
        Stream,
    },
};

/// Attempts of a run before it is given up.
pub const ATTEMPTS_MAX: u32 = 12;
const BACKOFF_FIRST: SignedDuration = SignedDuration::from_secs(1);
const BACKOFF_LONGEST: SignedDuration = SignedDuration::from_secs(300);
/// How far back progress is remembered for the rate.
const PACE_WINDOW: SignedDuration = SignedDuration::from_secs(30);
const PACE_POINTS: usize = 16;

/// A new practice, with its initial run queued.
pub fn create(id: &str, settings: Settings, now: Timestamp) -> PracticeState {
    let mut state = PracticeState {
        format: FORMAT,
        id: id.to_owned(),
        settings,
        created_at: now,
        updated_at: now,
        revision: 1,
        edition: 1,
        epoch: 0,
        sequence: 0,
        runs: BTreeMap::new(),
        history: Vec::new(),
        initial_sync_at: None,
        last_night: None,
        accepted: BTreeMap::new(),
        stream: Stream::default(),
    };
    queue(&mut state, RunKind::Initial, now);
    state
}

/// Applies a command. The state is taken and given back changed; a refusal leaves the caller's copy as it was.
///
/// # Errors
/// A [`Refusal`]; nothing has changed then.
pub fn apply(state: &PracticeState, command: &Command, now: Timestamp) -> Result<(PracticeState, Outcome), Refusal> {
    let mut next = state.clone();
    let outcome = match command {
        Command::Update { settings, edition } => update(&mut next, settings, *edition, now)?,
        Command::Tick => tick(&mut next, now),
        Command::StartSync => start_sync(&mut next, now)?,
        Command::ClaimRun { worker, duration } => claim_run(&mut next, worker, *duration, now),
        Command::ClaimStream { worker, duration } => claim_stream(&mut next, worker, *duration, now),
        Command::Heartbeat { run, epoch, duration } => heartbeat(&mut next, *run, *epoch, *duration, now)?,
        Command::Release { run, epoch } => release(&mut next, *run, *epoch, now)?,
        Command::SaveCheckpoints { run, epoch, checkpoints, start_position } => {
            save_checkpoints(&mut next, *run, *epoch, checkpoints, start_position, now)?
        }
        Command::Accept { run, epoch, dataset, accepted } => accept(&mut next, *run, *epoch, dataset, accepted, now)?,
        Command::FinishRun { run, epoch } => finish(&mut next, *run, *epoch, now)?,
        Command::FailRun { run, epoch, reason, message, permanent, jitter } => {
            let error = RunError { reason: *reason, message: message.clone(), retry_at: None };
            fail(&mut next, *run, *epoch, error, *permanent, *jitter, now)?
        }
        Command::CancelRun { run } => cancel(&mut next, *run, now)?,
        Command::SaveCursor { epoch, expected, cursor, synced_through, mode } => {
            save_cursor(&mut next, *epoch, expected, cursor, now)?;
            next.stream.synced_through = synced_through.or(next.stream.synced_through);
            next.stream.mode.clone_from(mode);
            Outcome::Done
        }
    };
    if next != *state {
        next.revision = state.revision + 1;
    }
    Ok((next, outcome))
}

/// When the practice next needs a [`Command::Tick`] or has a run to claim; none while it is paused and idle.
pub fn due_at(state: &PracticeState, now: Timestamp) -> Option<Timestamp> {
    if state.settings.paused {
        return None;
    }
    let runs = state.runs.values().map(|run| match &run.lease {
        Some(lease) => lease.expires_at,
        None => run.due_at,
    });
    let night = state.initial_sync_at.filter(|_| state.runs.is_empty()).map(|_| next_night(state, now).due_at);
    runs.chain(night).min()
}

/// The next nightly run.
pub fn next_night(state: &PracticeState, now: Timestamp) -> nightly::Night {
    nightly::next(&state.id, &state.settings, state.last_night, now)
}

fn queue(state: &mut PracticeState, kind: RunKind, due_at: Timestamp) -> u64 {
    state.sequence += 1;
    let checkpoints = datasets::all().map(|d| (d.name.to_owned(), Checkpoint::default())).collect();
    let run = Run {
        sequence: state.sequence,
        kind,
        phase: RunPhase::Queued,
        local_date: None,
        due_at,
        created_at: due_at,
        started_at: None,
        ended_at: None,
        attempt: 0,
        late: false,
        lease: None,
        checkpoints,
        start_position: String::new(),
        error: None,
        pace: Vec::new(),
    };
    state.runs.insert(run.sequence, run);
    state.sequence
}

fn update(
    state: &mut PracticeState,
    settings: &Settings,
    edition: Option<u64>,
    now: Timestamp,
) -> Result<Outcome, Refusal> {
    if edition.is_some_and(|edition| edition != state.edition) {
        return Err(Refusal::EtagMismatch);
    }
    if settings != &state.settings {
        if settings.paused {
            // Whoever works on it notices at the next report.
            state.runs.values_mut().for_each(requeue);
            state.stream.lease = None;
        }
        state.settings = settings.clone();
        state.edition += 1;
        state.updated_at = now;
    }
    Ok(Outcome::Done)
}

fn requeue(run: &mut Run) {
    run.lease = None;
    run.pace.clear();
    if run.phase == RunPhase::Running {
        run.phase = RunPhase::Queued;
    }
}

fn tick(state: &mut PracticeState, now: Timestamp) -> Outcome {
    for run in state.runs.values_mut() {
        if run.lease.as_ref().is_some_and(|lease| !lease.live(now)) {
            requeue(run);
        }
    }
    if state.stream.lease.as_ref().is_some_and(|lease| !lease.live(now)) {
        state.stream.lease = None;
    }
    if state.settings.paused || state.initial_sync_at.is_none() || !state.runs.is_empty() {
        return Outcome::Nothing;
    }
    let night = next_night(state, now);
    if now < night.due_at {
        return Outcome::Nothing;
    }
    let sequence = queue(state, RunKind::Nightly, night.due_at);
    state.last_night = Some(night.date);
    if let Some(run) = state.runs.get_mut(&sequence) {
        run.local_date = Some(night.date);
        run.created_at = now;
        run.late = now >= night.closes_at;
    }
    Outcome::Run(sequence)
}

fn start_sync(state: &mut PracticeState, now: Timestamp) -> Result<Outcome, Refusal> {
    if state.settings.paused {
        return Err(Refusal::Paused);
    }
    if let Some(run) = state.runs.values_mut().next() {
        if run.phase == RunPhase::Queued {
            run.due_at = run.due_at.min(now);
        }
        return Ok(Outcome::Run(run.sequence));
    }
    let kind = if state.initial_sync_at.is_some() { RunKind::Forced } else { RunKind::Initial };
    Ok(Outcome::Run(queue(state, kind, now)))
}

fn claim_run(state: &mut PracticeState, worker: &str, duration: SignedDuration, now: Timestamp) -> Outcome {
    tick(state, now);
    if state.settings.paused {
        return Outcome::Nothing;
    }
    let due = state.runs.values_mut().find(|run| run.phase == RunPhase::Queued && run.due_at <= now);
    let Some(run) = due else { return Outcome::Nothing };
    state.epoch += 1;
    run.lease = Some(lease(worker, state.epoch, duration, now));
    run.phase = RunPhase::Running;
    run.attempt += 1;
    run.started_at = Some(now);
    run.error = None;
    run.pace = vec![(now, run.rows().0)];
    Outcome::Run(run.sequence)
}

fn claim_stream(state: &mut PracticeState, worker: &str, duration: SignedDuration, now: Timestamp) -> Outcome {
    tick(state, now);
    if state.settings.paused || state.initial_sync_at.is_none() || state.stream.lease.is_some() {
        return Outcome::Nothing;
    }
    state.epoch += 1;
    state.stream.lease = Some(lease(worker, state.epoch, duration, now));
    Outcome::Done
}

fn lease(worker: &str, epoch: u64, duration: SignedDuration, now: Timestamp) -> Lease {
    Lease { owner: worker.to_owned(), epoch, expires_at: now + duration, duration }
}

/// The lease in question, if `epoch` is the one that holds it and it has not run out.
fn held(slot: &mut Option<Lease>, epoch: u64, now: Timestamp) -> Result<&mut Lease, Refusal> {
    slot.as_mut().filter(|lease| lease.epoch == epoch && lease.live(now)).ok_or(Refusal::LeaseLost)
}

/// The run in question, if `epoch` holds its lease; renews the lease.
fn held_run(state: &mut PracticeState, run: u64, epoch: u64, now: Timestamp) -> Result<&mut Run, Refusal> {
    if !state.runs.contains_key(&run) {
        return Err(if state.run(run).is_some() { Refusal::RunFinished } else { Refusal::RunNotFound });
    }
    let run = state.runs.get_mut(&run).ok_or(Refusal::RunNotFound)?;
    let lease = held(&mut run.lease, epoch, now)?;
    lease.expires_at = now + lease.duration;
    Ok(run)
}

fn heartbeat(
    state: &mut PracticeState,
    run: Option<u64>,
    epoch: u64,
    duration: Option<SignedDuration>,
    now: Timestamp,
) -> Result<Outcome, Refusal> {
    let lease = match run {
        // A run that ended, cancelled for example, is a lease that was lost.
        Some(run) => &mut state.runs.get_mut(&run).ok_or(Refusal::LeaseLost)?.lease,
        None => &mut state.stream.lease,
    };
    let lease = held(lease, epoch, now)?;
    lease.duration = duration.unwrap_or(lease.duration);
    lease.expires_at = now + lease.duration;
    Ok(Outcome::Done)
}

fn release(state: &mut PracticeState, run: Option<u64>, epoch: u64, now: Timestamp) -> Result<Outcome, Refusal> {
    match run {
        Some(run) => {
            let run = state.runs.get_mut(&run).ok_or(Refusal::LeaseLost)?;
            held(&mut run.lease, epoch, now)?;
            requeue(run);
        }
        None => {
            held(&mut state.stream.lease, epoch, now)?;
            state.stream.lease = None;
        }
    }
    Ok(Outcome::Done)
}

fn save_checkpoints(
    state: &mut PracticeState,
    run: u64,
    epoch: u64,
    checkpoints: &[(String, Checkpoint)],
    start_position: &str,
    now: Timestamp,
) -> Result<Outcome, Refusal> {
    let run = held_run(state, run, epoch, now)?;
    for (dataset, new) in checkpoints {
        let old = run.checkpoints.get_mut(dataset).ok_or(Refusal::CheckpointMismatch)?;
        if new.chunks < old.chunks || new.rows_done < old.rows_done {
            return Err(Refusal::CheckpointMismatch);
        }
        *old = Checkpoint {
            // What is there is what was expected, at the latest when all of it is there.
            rows_total: if new.finished { new.rows_done } else { new.rows_total.max(new.rows_done) },
            accepted: old.accepted,
            ..new.clone()
        };
    }
    if run.start_position.is_empty() {
        start_position.clone_into(&mut run.start_position);
    }
    let done = run.rows().0;
    run.pace.push((now, done));
    while run.pace.len() > 2 && (run.pace.len() > PACE_POINTS || now.duration_since(run.pace[0].0) > PACE_WINDOW) {
        run.pace.remove(0);
    }
    Ok(Outcome::Run(run.sequence))
}

fn accept(
    state: &mut PracticeState,
    run: u64,
    epoch: u64,
    dataset: &str,
    accepted: &Accepted,
    now: Timestamp,
) -> Result<Outcome, Refusal> {
    let run = held_run(state, run, epoch, now)?;
    let checkpoint = run.checkpoints.get_mut(dataset).ok_or(Refusal::CheckpointMismatch)?;
    if !checkpoint.finished {
        return Err(Refusal::CheckpointMismatch);
    }
    checkpoint.accepted = Some(accepted.version);
    let sequence = run.sequence;
    let accepted = Accepted { completed_at: now, run: sequence, ..accepted.clone() };
    state.accepted.insert(dataset.to_owned(), accepted);
    Ok(Outcome::Run(sequence))
}

fn finish(state: &mut PracticeState, run: u64, epoch: u64, now: Timestamp) -> Result<Outcome, Refusal> {
    if state.history.iter().any(|ended| ended.sequence == run && ended.phase == RunPhase::Succeeded) {
        return Ok(Outcome::Run(run));
    }
    let kind = {
        let run = held_run(state, run, epoch, now)?;
        if run.checkpoints.values().any(|c| c.accepted.is_none()) {
            return Err(Refusal::NotAllAccepted);
        }
        run.kind
    };
    end(state, run, RunPhase::Succeeded, now);
    if kind == RunKind::Initial {
        state.initial_sync_at = Some(now);
        // The night of the day on which a practice was read whole has nothing left to do.
        let today = calendar::date_at(now, &nightly::zone(&state.settings));
        state.last_night = Some(state.last_night.map_or(today, |last| last.max(today)));
    }
    Ok(Outcome::Run(run))
}

fn end(state: &mut PracticeState, run: u64, phase: RunPhase, now: Timestamp) {
    if let Some(mut run) = state.runs.remove(&run) {
        run.phase = phase;
        run.ended_at = Some(now);
        run.lease = None;
        run.pace.clear();
        run.checkpoints.values_mut().for_each(|c| c.resume_token.clear());
        state.history.push(run);
        let over = state.history.len().saturating_sub(HISTORY_MAX);
        state.history.drain(..over);
    }
}

fn fail(
    state: &mut PracticeState,
    run: u64,
    epoch: u64,
    error: RunError,
    permanent: bool,
    jitter: f64,
    now: Timestamp,
) -> Result<Outcome, Refusal> {
    let over = {
        let run = held_run(state, run, epoch, now)?;
        run.error = Some(error);
        requeue(run);
        // A source that changed makes what was read so far worthless.
        if run.error.as_ref().is_some_and(|e| e.reason == ErrorReason::SourceChanged as i32) {
            run.checkpoints.values_mut().for_each(|c| *c = Checkpoint::default());
            run.start_position.clear();
        }
        // The initial run has no budget: a practice whose server is off for a weekend is read when it is back.
        let over = permanent || (run.kind != RunKind::Initial && run.attempt >= ATTEMPTS_MAX);
        if !over {
            run.due_at = now + backoff(run.attempt, jitter);
            let retry_at = run.due_at;
            run.error.iter_mut().for_each(|e| e.retry_at = Some(retry_at));
        }
        over
    };
    if over {
        end(state, run, RunPhase::Failed, now);
    }
    Ok(Outcome::Run(run))
}

/// Exponential with full jitter, at least a tenth of a second.
fn backoff(attempt: u32, jitter: f64) -> SignedDuration {
    let longest = (BACKOFF_FIRST * (1_i32 << attempt.clamp(1, 9).saturating_sub(1))).min(BACKOFF_LONGEST);
    SignedDuration::from_secs_f64((longest.as_secs_f64() * jitter.clamp(0.0, 1.0)).max(0.1))
}

fn cancel(state: &mut PracticeState, run: u64, now: Timestamp) -> Result<Outcome, Refusal> {
    if state.run(run).is_none() {
        return Err(Refusal::RunNotFound);
    }
    end(state, run, RunPhase::Cancelled, now);
    Ok(Outcome::Run(run))
}

fn save_cursor(
    state: &mut PracticeState,
    epoch: u64,
    expected: &str,
    cursor: &str,
    now: Timestamp,
) -> Result<(), Refusal> {
    let lease = held(&mut state.stream.lease, epoch, now)?;
    lease.expires_at = now + lease.duration;
    if state.stream.cursor != expected {
        return Err(Refusal::CursorMismatch);
    }
    cursor.clone_into(&mut state.stream.cursor);
    state.stream.completed_at = Some(now);
    state.stream.epoch = epoch;
    Ok(())
}
