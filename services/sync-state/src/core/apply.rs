//! The one function that changes a practice's state.

use jiff::Timestamp;

use super::{
    act::Act,
    asked,
    command::{Command, Outcome},
    leases, nightly, outbox, pause,
    records::{Reads, RecordChange, Records},
    refusal::Refusal,
    run::RunKind,
    runs, saved, schedule,
    shared::{Shared, Text},
    state::{FORMAT, PracticeState, Settings, Stream},
    stored, stream,
    write::Outbox,
};

/// What a command brought about.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The practice's next state.
    pub state: PracticeState,
    /// Changes of its records, each record at most once, to be saved with it.
    pub changes: Vec<RecordChange>,
    /// For whoever asked.
    pub outcome: Outcome,
    /// It must be on disk before it is acknowledged: what is lost of it cannot be read again from the PMS.
    pub durable: bool,
    /// Whether anything is to be saved at all.
    pub changed: bool,
}

/// Why a command was not applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// It is refused; nothing has changed.
    Refused(Refusal),
    /// It needs to see these records: read them, add them to those it was given, and apply it again.
    Read(Reads),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// A new practice, with its initial run queued.
pub fn create(id: &str, settings: Settings, now: Timestamp) -> PracticeState {
    let now = stored::cut(now);
    let state = PracticeState {
        format: FORMAT,
        id: Text::from(id),
        settings: Shared::new(settings),
        created_at: now,
        updated_at: now,
        revision: 1,
        edition: 1,
        epoch: 0,
        sequence: 0,
        runs: Vec::new(),
        initial_sync_at: None,
        last_night: None,
        since: None,
        accepted: Shared::default(),
        failed: Shared::default(),
        given_up: None,
        stream: Stream::default(),
        outbox: Outbox::default(),
        expires_at: None,
        saved: saved::SavedCounts::default(),
    };
    let records = Records::default();
    let mut act = Act::new(state, &records, now);
    runs::queue(&mut act, RunKind::Initial, super::run::Scope::everything(), now);
    act.state
}

/// Applies a command to a practice, given what was read of its records. The same arguments give the same answer.
///
/// # Errors
/// [`Stop`]: refused, or records are missing; nothing has changed then.
pub fn apply(state: &PracticeState, records: &Records, command: &Command, now: Timestamp) -> Result<Step, Stop> {
    let mut act = Act::new(state.clone(), records, stored::cut(now));
    let outcome = match command {
        Command::Update { settings, edition } => pause::update(&mut act, settings, *edition)?,
        Command::SetPaused { paused, note } => pause::set_paused(&mut act, *paused, note)?,
        Command::Tick => tick(&mut act)?,
        Command::StartSync { scope, request_id } => asked::start_sync(&mut act, scope, request_id)?,
        Command::RetryRun { run } => asked::retry(&mut act, *run)?,
        Command::ClaimRun { worker, duration, urgent_only } => runs::claim(&mut act, worker, *duration, *urgent_only)?,
        Command::ClaimStream { worker, duration } => stream::claim(&mut act, worker, *duration)?,
        Command::Heartbeat { resource, epoch, duration } => leases::heartbeat(&mut act, *resource, *epoch, *duration)?,
        Command::Release { resource, epoch } => leases::release(&mut act, *resource, *epoch)?,
        Command::SaveCheckpoints { run, epoch, checkpoints, start_position } => {
            runs::save_checkpoints(&mut act, *run, *epoch, checkpoints, start_position)?
        }
        Command::Accept { run, epoch, results } => runs::accept(&mut act, *run, *epoch, results)?,
        Command::FailDatasets { run, epoch, failures } => runs::fail_datasets(&mut act, *run, *epoch, failures)?,
        Command::FinishRun { run, epoch, jitter } => runs::finish(&mut act, *run, *epoch, *jitter)?,
        Command::FailRun { run, epoch, error, permanent, jitter } => {
            runs::fail(&mut act, *run, *epoch, error, *permanent, *jitter)?
        }
        Command::CancelRun { run } => runs::cancel(&mut act, *run)?,
        Command::SaveCursor { epoch, expected, cursor, synced_through, mode } => {
            stream::save_cursor(&mut act, *epoch, expected, cursor, *synced_through, mode)?
        }
        Command::EnqueueWrite { request_id, kind, patient, body, actor } => {
            outbox::enqueue(&mut act, request_id, *kind, patient, body, actor)?
        }
        Command::ClaimWrites { worker, duration, capacity } => outbox::claim(&mut act, worker, *duration, *capacity)?,
        Command::ReportWrite { write, epoch, report } => outbox::report(&mut act, *write, *epoch, report)?,
        Command::RetryWrite { write, actor, reason } => outbox::retry(&mut act, *write, actor, reason)?,
        Command::DropWrite { write, actor, reason } => outbox::drop(&mut act, *write, actor, reason)?,
        Command::PutSaved { put, body } => saved::put(&mut act, put, body)?,
        Command::DeleteSaved { kind, id, expected } => saved::delete(&mut act, *kind, id, *expected)?,
    };
    let changed = !act.changes.is_empty() || act.state != *state;
    if changed {
        act.state.revision = state.revision + 1;
    }
    Ok(Step { state: act.state, changes: act.changes, outcome, durable: act.durable && changed, changed })
}

/// Lets what is due by time happen.
fn tick(act: &mut Act<'_>) -> Result<Outcome, Stop> {
    schedule::tick(act);
    outbox::tick(act)?;
    Ok(Outcome::Done)
}

/// When the practice next needs a [`Command::Tick`]. Work that only waits for a worker is not in it: see
/// [`super::fair::offer`].
pub fn due_at(state: &PracticeState, now: Timestamp) -> Option<Timestamp> {
    [schedule::due_at(state, now), outbox::due_at(state, now)].into_iter().flatten().min()
}

/// The next nightly run.
pub fn next_night(state: &PracticeState, now: Timestamp) -> nightly::Night {
    nightly::next(&state.id, &state.settings, state.last_night, now)
}
