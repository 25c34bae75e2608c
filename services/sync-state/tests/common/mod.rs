//! Settings, practices in memory, and random commands, for tests of the core and the stores.
#![allow(dead_code)] // each test binary uses a part

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use sync_state::core::{
    apply::{Step, Stop, apply, create},
    command::{Command, DatasetFailure, DatasetResult, Outcome, Report, Resource},
    dataset::{DatasetId, DatasetSet},
    records::{Kept, Records},
    refusal::Refusal,
    run::{Progress, Run, RunError, Scope},
    saved::{Put, SavedKind},
    shared::{Shared, Text},
    state::{Overlap, PracticeState, Settings, Source},
    write::{WriteError, WriteKind},
};

/// Settings of a sample practice in a zone.
pub fn settings(zone: &str) -> Settings {
    Settings {
        display_name: "Test".to_owned(),
        time_zone: zone.to_owned(),
        window_start: 60,
        window_end: 300,
        source: Source::Sample { seed: 1, patients: 10, live: false, as_of_date: String::new(), years: 1 },
        automatic_write_back: false,
        paused: false,
        pause_note: String::new(),
        currency_code: "USD".to_owned(),
        group: String::new(),
        overlap: Overlap::QueueOne,
    }
}

/// Applies a command to a practice whose records are in memory, and reads what it asks for; saves nothing.
pub fn decide(state: &PracticeState, kept: &Kept, command: &Command, at: Timestamp) -> Result<Step, Refusal> {
    let mut records = Records::default();
    for _ in 0..10 {
        match apply(state, &records, command, at) {
            Ok(step) => return Ok(step),
            Err(Stop::Refused(refusal)) => return Err(refusal),
            Err(Stop::Read(reads)) => {
                assert!(!(reads.keys.is_empty() && reads.scans.is_empty()), "{command:?} asks for nothing");
                kept.read(&reads, &mut records);
            }
        }
    }
    panic!("{command:?} never has what it needs");
}

/// A practice in memory.
#[derive(Debug, Clone)]
pub struct Practice {
    /// Its state.
    pub state: PracticeState,
    /// Its records.
    pub kept: Kept,
    /// The time.
    pub at: Timestamp,
}

impl Practice {
    /// A new one.
    pub fn new(settings: Settings, at: Timestamp) -> Self {
        Self { state: create("a", settings, at), kept: Kept::default(), at }
    }

    /// One whose initial sync is finished.
    pub fn synced(settings: Settings, at: Timestamp) -> Self {
        let mut practice = Self::new(settings, at);
        let run = practice.claim("w").expect("the initial run is due");
        practice.carry_out(&run);
        practice
    }

    /// Lets time pass.
    pub fn wait(&mut self, time: SignedDuration) -> &mut Self {
        self.at += time;
        self
    }

    /// Asks for something and saves what comes of it.
    pub fn ask(&mut self, command: &Command) -> Result<Outcome, Refusal> {
        let step = decide(&self.state, &self.kept, command, self.at)?;
        self.kept.save(&step.changes);
        self.state = step.state;
        Ok(step.outcome)
    }

    /// Asks for something that is not refused.
    pub fn must(&mut self, command: &Command) -> Outcome {
        self.ask(command).unwrap_or_else(|refusal| panic!("{command:?}: {refusal}"))
    }

    /// Claims the run that comes first.
    pub fn claim(&mut self, worker: &str) -> Option<Run> {
        let duration = SignedDuration::from_secs(10);
        let claim = Command::ClaimRun { worker: worker.into(), duration, urgent_only: false };
        self.must(&claim).run().cloned()
    }

    /// Brings a dataset under a run's lease.
    pub fn bring(&mut self, run: &Run, dataset: DatasetId) {
        let (run, epoch) = (run.sequence, run.lease.as_ref().expect("a claimed run").epoch);
        let progress = Progress { rows_done: 3, rows_total: 4, chunks: 1, finished: true, ..Progress::default() };
        let checkpoints = vec![(dataset, progress)];
        self.must(&Command::SaveCheckpoints { run, epoch, checkpoints, start_position: "p".into() });
        let result = DatasetResult { dataset, version: 1, rows: 3, synced_through: Some(self.at) };
        self.must(&Command::Accept { run, epoch, results: vec![result] });
    }

    /// Carries a claimed run through to its end.
    pub fn carry_out(&mut self, run: &Run) {
        for dataset in self.state.run(run.sequence).expect("a run under way").missing().iter() {
            self.bring(run, dataset);
        }
        let epoch = run.lease.as_ref().expect("a claimed run").epoch;
        self.must(&Command::FinishRun { run: run.sequence, epoch, jitter: 0.5 });
    }

    /// A run that has ended.
    pub fn ended(&self, sequence: u64) -> Option<Run> {
        let key = sync_state::core::records::RecordKey::run(sequence);
        self.kept.0.get(&key).map(|value| sync_state::core::records::decode(&key, value).expect("a run"))
    }
}

/// What is to be read, by names.
pub fn scope(datasets: &[&str]) -> Scope {
    let datasets: DatasetSet = datasets.iter().filter_map(|name| DatasetId::named(name)).collect();
    Scope { datasets, patients: Vec::new(), from: None, until: None }
}

/// A run's error.
pub fn error(reason: i32, message: &str) -> RunError {
    RunError { reason, message: message.into(), retry_at: None }
}

/// A command and the seconds that pass before it. Its numbers stand for others: see [`Planned::aimed`].
#[derive(Debug, Clone)]
pub struct Planned {
    /// Seconds since the step before.
    pub seconds: i64,
    /// What is asked.
    pub command: Command,
}

impl Planned {
    /// The command with real numbers. Epochs: 0 stands for that of the lease in question, 1 for one before it, 2 for one
    /// that was never given. Runs and writes: mostly one that is leased, else one of the last few. Versions of saved things:
    /// the last one given.
    pub fn aimed(&self, state: &PracticeState) -> Command {
        let mut command = self.command.clone();
        let recent = |last: u64, back: u64| last.saturating_sub(back.saturating_sub(1)).max(1);
        let held = state.runs.iter().find(|run| run.phase.held()).map(|run| run.sequence);
        let run = |number: &mut u64, report: bool| {
            let leased = held.filter(|_| report && *number < 5);
            *number = leased.unwrap_or(recent(state.sequence, *number));
        };
        let claimed = &state.outbox.claimed;
        let write = |number: &mut u64, report: bool| {
            let leased = claimed.get(*number as usize % claimed.len().max(1)).filter(|_| report && *number < 5);
            *number = leased.map_or(recent(state.outbox.last, *number), |claimed| claimed.write);
        };
        let aim = |epoch: &mut u64, resource: &Resource| {
            let lease = match resource {
                Resource::Run(run) => state.run(*run).and_then(|run| run.lease.as_ref()),
                Resource::Stream => state.stream.lease.as_ref(),
                Resource::Write(write) => state.outbox.lease(*write),
            };
            let held = lease.map_or(state.epoch, |lease| lease.epoch);
            *epoch = match *epoch {
                0 => held,
                1 => held.saturating_sub(1),
                _ => state.epoch + 1_000,
            };
        };
        match &mut command {
            Command::Heartbeat { resource, epoch, .. } | Command::Release { resource, epoch } => {
                match resource {
                    Resource::Run(number) => run(number, true),
                    Resource::Write(number) => write(number, true),
                    Resource::Stream => {}
                }
                aim(epoch, resource);
            }
            Command::SaveCheckpoints { run: number, epoch, .. }
            | Command::Accept { run: number, epoch, .. }
            | Command::FailDatasets { run: number, epoch, .. }
            | Command::FinishRun { run: number, epoch, .. }
            | Command::FailRun { run: number, epoch, .. } => {
                run(number, true);
                aim(epoch, &Resource::Run(*number));
            }
            Command::RetryRun { run: number } | Command::CancelRun { run: number } => run(number, false),
            Command::SaveCursor { epoch, .. } => aim(epoch, &Resource::Stream),
            Command::ReportWrite { write: number, epoch, .. } => {
                write(number, true);
                aim(epoch, &Resource::Write(*number));
            }
            Command::RetryWrite { write: number, .. } | Command::DropWrite { write: number, .. } => {
                write(number, false);
            }
            Command::PutSaved { put: Put { expected: Some(version), .. }, .. }
            | Command::DeleteSaved { expected: Some(version), .. }
                if *version > 0 =>
            {
                *version = state.saved.version;
            }
            _ => {}
        }
        command
    }
}

/// Sequences of at most `longest` commands, with few runs, writes and datasets, so that they meet.
pub fn commands(longest: usize) -> impl Strategy<Value = Vec<Planned>> {
    let seconds = prop_oneof![
        8 => 0_i64..5,
        4 => 5_i64..60,
        2 => 3_600_i64..90_000,
        1 => 86_400_i64..(40 * 86_400),
    ];
    let step = (seconds, command()).prop_map(|(seconds, command)| Planned { seconds, command });
    proptest::collection::vec(step, 1..longest)
}

/// The same, mostly of writes.
pub fn write_commands(longest: usize) -> impl Strategy<Value = Vec<Planned>> {
    let seconds = prop_oneof![8 => 0_i64..5, 4 => 5_i64..60, 1 => 86_400_i64..(40 * 86_400)];
    let set = any::<bool>().prop_map(|automatic_write_back| Command::Update {
        settings: Settings { automatic_write_back, ..settings("UTC") },
        edition: None,
    });
    let command = prop_oneof![12 => of_writes(), 1 => set, 2 => Just(Command::Tick), 1 => of_practices()];
    let step = (seconds, command).prop_map(|(seconds, command)| Planned { seconds, command });
    proptest::collection::vec(step, 1..longest)
}

/// The same, of runs that get far.
pub fn run_commands(longest: usize) -> impl Strategy<Value = Vec<Planned>> {
    let seconds = prop_oneof![6 => 0_i64..2, 2 => 2_i64..40, 1 => 80_000_i64..90_000];
    let claim = (worker(), 1_i64..6).prop_map(|(worker, seconds)| Command::ClaimRun {
        worker,
        duration: SignedDuration::from_secs(seconds),
        urgent_only: false,
    });
    let finish = Just(Command::FinishRun { run: 1, epoch: 0, jitter: 0.1 });
    let command = prop_oneof![
        4 => claim,
        2 => Just(read_all(1, 0)),
        2 => Just(accept_all(1, 0)),
        2 => finish,
        2 => of_runs(),
        1 => Just(Command::Tick),
    ];
    let step = (seconds, command).prop_map(|(seconds, command)| Planned { seconds, command });
    proptest::collection::vec(step, 1..longest)
}

/// Everything is read.
fn read_all(run: u64, epoch: u64) -> Command {
    let whole = Progress { chunks: 9, rows_done: 99, rows_total: 99, finished: true, ..Progress::default() };
    let checkpoints = DatasetId::all().map(|dataset| (dataset, whole.clone())).collect();
    Command::SaveCheckpoints { run, epoch, checkpoints, start_position: "p".into() }
}

/// Everything becomes visible.
fn accept_all(run: u64, epoch: u64) -> Command {
    let result = |dataset| DatasetResult { dataset, version: 2, rows: 9, synced_through: None };
    Command::Accept { run, epoch, results: DatasetId::all().map(result).collect() }
}

fn dataset() -> impl Strategy<Value = DatasetId> {
    prop_oneof![Just("patient"), Just("procedure")].prop_map(|name| DatasetId::named(name).expect("canonical"))
}

fn epoch() -> impl Strategy<Value = u64> {
    prop_oneof![12 => Just(0_u64), 1 => Just(1_u64), 1 => Just(2_u64)]
}

fn run_error() -> impl Strategy<Value = RunError> {
    prop_oneof![4 => Just(11), 1 => Just(16)].prop_map(|reason| error(reason, "m"))
}

fn any_scope() -> impl Strategy<Value = Shared<Scope>> {
    prop_oneof![
        3 => Just(Scope::everything()),
        2 => Just(Shared::new(scope(&["patient"]))),
        1 => Just(Shared::new(scope(&["patient", "procedure"]))),
        1 => Just(Shared::new(Scope { patients: vec![Text::from("7")], ..scope(&["patient"]) })),
        1 => Just(Shared::new(Scope {
            from: Some(jiff::civil::date(2025, 1, 1)),
            until: Some(jiff::civil::date(2025, 2, 1)),
            ..scope(&["procedure"])
        })),
        1 => Just(Shared::new(scope(&[]))),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![4 => of_runs(), 2 => of_writes(), 2 => of_practices(), 1 => of_saved()]
}

fn worker() -> impl Strategy<Value = Text> {
    prop_oneof![Just("one"), Just("two")].prop_map(Text::from)
}

fn duration() -> impl Strategy<Value = SignedDuration> {
    (1_i64..40).prop_map(SignedDuration::from_secs)
}

fn of_practices() -> impl Strategy<Value = Command> {
    let resource = prop_oneof![
        3 => (1_u64..5).prop_map(Resource::Run),
        1 => Just(Resource::Stream),
        2 => (1_u64..6).prop_map(Resource::Write),
    ];
    let set = (0_usize..3, 0_u16..1000, any::<bool>(), any::<bool>(), 0_usize..3);
    prop_oneof![
        4 => Just(Command::Tick),
        2 => (worker(), duration()).prop_map(|(worker, duration)| Command::ClaimStream { worker, duration }),
        2 => (resource.clone(), epoch(), proptest::option::of(duration()))
            .prop_map(|(resource, epoch, duration)| Command::Heartbeat { resource, epoch, duration }),
        1 => (resource, epoch()).prop_map(|(resource, epoch)| Command::Release { resource, epoch }),
        2 => (epoch(), 0_i32..3, 0_i32..3).prop_map(|(epoch, a, b)| Command::SaveCursor {
            epoch,
            expected: if a == 0 { Text::default() } else { a.to_string().into() },
            cursor: b.to_string().into(),
            synced_through: None,
            mode: Text::default(),
        }),
        1 => set.prop_map(|(zone, start, paused, back, overlap)| {
            let mut settings = settings(["America/Chicago", "Asia/Tokyo", "Pacific/Apia"][zone]);
            settings.window_start = start;
            settings.window_end = start + 200;
            settings.paused = paused;
            settings.automatic_write_back = back;
            settings.overlap = Overlap::ALL[overlap];
            Command::Update { settings, edition: None }
        }),
        1 => prop_oneof![1 => Just(true), 3 => Just(false)]
            .prop_map(|paused| Command::SetPaused { paused, note: "n".to_owned() }),
    ]
}

fn of_runs() -> impl Strategy<Value = Command> {
    let run = 1_u64..6;
    let progress = (0_i64..6, 0_i64..60, any::<bool>()).prop_map(|(chunks, rows_done, finished)| Progress {
        resume_token: format!("t{chunks}").into(),
        chunks,
        rows_done,
        rows_total: 100,
        finished,
        ..Progress::default()
    });
    let few = |run, epoch| Command::SaveCheckpoints {
        run,
        epoch,
        start_position: "p".into(),
        checkpoints: vec![(
            DatasetId::named("patient").expect("canonical"),
            Progress { chunks: 9, rows_done: 99, rows_total: 99, finished: true, ..Progress::default() },
        )],
    };
    prop_oneof![
        2 => (any_scope(), prop_oneof![3 => Just(""), 1 => Just("r1"), 1 => Just("r2")])
            .prop_map(|(scope, id)| Command::StartSync { scope, request_id: id.into() }),
        1 => run.clone().prop_map(|run| Command::RetryRun { run }),
        6 => (worker(), duration(), prop_oneof![4 => Just(false), 1 => Just(true)])
            .prop_map(|(worker, duration, urgent_only)| Command::ClaimRun { worker, duration, urgent_only }),
        2 => (run.clone(), epoch(), dataset(), progress).prop_map(|(run, epoch, dataset, progress)| {
            Command::SaveCheckpoints { run, epoch, checkpoints: vec![(dataset, progress)], start_position: "p".into() }
        }),
        4 => (run.clone(), epoch()).prop_map(|(run, epoch)| read_all(run, epoch)),
        2 => (run.clone(), epoch()).prop_map(move |(run, epoch)| few(run, epoch)),
        4 => (run.clone(), epoch()).prop_map(|(run, epoch)| accept_all(run, epoch)),
        3 => (run.clone(), epoch(), dataset()).prop_map(|(run, epoch, dataset)| Command::Accept {
            run,
            epoch,
            results: vec![DatasetResult { dataset, version: 1, rows: 1, synced_through: None }],
        }),
        2 => (run.clone(), epoch(), dataset(), any::<bool>()).prop_map(|(run, epoch, dataset, permanent)| {
            let failures = vec![DatasetFailure { dataset, error: error(11, "f"), permanent }];
            Command::FailDatasets { run, epoch, failures }
        }),
        3 => (run.clone(), epoch(), 0.0..1.0).prop_map(|(run, epoch, jitter)| Command::FinishRun { run, epoch, jitter }),
        2 => (run.clone(), epoch(), run_error(), prop_oneof![4 => Just(false), 1 => Just(true)], 0.0..1.0).prop_map(
            |(run, epoch, error, permanent, jitter)| Command::FailRun { run, epoch, error, permanent, jitter }
        ),
        1 => run.prop_map(|run| Command::CancelRun { run }),
    ]
}

fn of_saved() -> impl Strategy<Value = Command> {
    let kind = prop_oneof![Just(SavedKind::Scorecard), Just(SavedKind::Goal)];
    let expected = prop_oneof![2 => Just(None), 2 => Just(Some(0_u64)), 3 => Just(Some(1_u64))];
    let key = prop_oneof![2 => Just(""), 1 => Just("s1"), 1 => Just("s2")];
    prop_oneof![
        4 => (kind.clone(), 0_u8..3, expected.clone(), key, 0_u8..3).prop_map(|(kind, id, expected, key, byte)| {
            let expected = if key.is_empty() { expected } else { Some(0) };
            let put = Put { kind, id: format!("t{id}").into(), expected, request_id: key.into(), asked: Vec::new() };
            Command::PutSaved { put, body: Shared::new(vec![byte; usize::from(byte)]) }
        }),
        1 => (kind, 0_u8..3, expected)
            .prop_map(|(kind, id, expected)| Command::DeleteSaved { kind, id: format!("t{id}").into(), expected }),
    ]
}

fn of_writes() -> impl Strategy<Value = Command> {
    let write = 1_u64..6;
    let by = || Text::from("somebody");
    let why = || WriteError { reason: 11, message: "w".into() };
    let report = prop_oneof![
        4 => Just(Report::Sending),
        3 => Just(Report::Sent { pms_key: "k".into() }),
        2 => Just(Report::Verified { pms_key: Text::default() }),
        2 => Just(Report::Conflict(why())),
        2 => Just(Report::Rejected(why())),
        2 => (any::<bool>(), 0.0..1.0).prop_map(move |(not_applied, jitter)| Report::Retry {
            error: why(), at: None, not_applied, jitter
        }),
    ];
    let kind = prop_oneof![Just(WriteKind::Payment), Just(WriteKind::Commlog)];
    prop_oneof![
        4 => (0_u32..8, kind, 0_u32..2, 0_u8..2).prop_map(move |(id, kind, patient, byte)| Command::EnqueueWrite {
            request_id: format!("w{id}").into(),
            kind,
            patient: patient.to_string().into(),
            body: Shared::new(vec![byte]),
            actor: by(),
        }),
        4 => (worker(), duration(), 1_usize..4)
            .prop_map(|(worker, duration, capacity)| Command::ClaimWrites { worker, duration, capacity }),
        6 => (write.clone(), epoch(), report)
            .prop_map(|(write, epoch, report)| Command::ReportWrite { write, epoch, report }),
        2 => write.clone().prop_map(move |write| Command::RetryWrite { write, actor: by(), reason: Text::default() }),
        1 => write.prop_map(move |write| Command::DropWrite { write, actor: by(), reason: "r".into() }),
    ]
}
