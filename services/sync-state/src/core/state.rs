//! What is kept of a practice.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

/// The version of the stored form. A store refuses others with a clear error.
pub const FORMAT: u32 = 1;
/// Ended runs that are remembered.
pub const HISTORY_MAX: usize = 50;

/// A practice: settings, runs, leases, accepted tables, change stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PracticeState {
    /// See [`FORMAT`].
    pub format: u32,
    /// The id in `practices/{id}`.
    pub id: String,
    /// What an operator set.
    pub settings: Settings,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When its settings were last changed.
    pub updated_at: Timestamp,
    /// Greater with each change of anything.
    pub revision: u64,
    /// Greater with each change of settings; the etag.
    pub edition: u64,
    /// The last fencing token that was given. It never goes back.
    pub epoch: u64,
    /// The number of the last run.
    pub sequence: u64,
    /// Runs that have not ended, by number.
    pub runs: BTreeMap<u64, Run>,
    /// Runs that have ended, oldest first, at most [`HISTORY_MAX`].
    pub history: Vec<Run>,
    /// When the initial sync was finished.
    pub initial_sync_at: Option<Timestamp>,
    /// The last local date that a nightly run was queued for.
    pub last_night: Option<Date>,
    /// The table version that readers see, by dataset.
    pub accepted: BTreeMap<String, Accepted>,
    /// The change stream.
    pub stream: Stream,
}

/// What an operator sets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// What people call it.
    pub display_name: String,
    /// An IANA zone, checked.
    pub time_zone: String,
    /// The nightly window opens, minutes after local midnight.
    pub window_start: u16,
    /// The nightly window closes, minutes after local midnight; later than it opens.
    pub window_end: u16,
    /// Where the PMS is.
    pub source: Source,
    /// Writes go to the PMS by themselves.
    pub automatic_write_back: bool,
    /// No runs start and no changes are followed.
    pub paused: bool,
    /// Why.
    pub pause_note: String,
    /// ISO 4217.
    pub currency_code: String,
}

/// Where a PMS is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// An Open Dental database.
    OpenDental {
        /// Without a password.
        uri: String,
        /// The name of the credential.
        credential: String,
    },
    /// A generated practice.
    Sample {
        /// The seed.
        seed: u64,
        /// Patients.
        patients: u32,
        /// Whether the day goes on.
        live: bool,
        /// Its date; empty: today.
        as_of_date: String,
        /// Years of history.
        years: u32,
    },
}

/// What a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    /// Reads a new practice whole.
    Initial,
    /// Once per local date.
    Nightly,
    /// Asked for by hand.
    Forced,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunPhase {
    /// Waits for its time or a worker.
    Queued,
    /// A worker holds its lease.
    Running,
    /// Done.
    Succeeded,
    /// Given up.
    Failed,
    /// Stopped by hand.
    Cancelled,
}

impl RunPhase {
    /// Whether nothing more can happen to it.
    pub fn ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its number within the practice.
    pub sequence: u64,
    /// What it does.
    pub kind: RunKind,
    /// Where it stands.
    pub phase: RunPhase,
    /// The local date of a nightly run.
    pub local_date: Option<Date>,
    /// When it may start.
    pub due_at: Timestamp,
    /// When it was queued.
    pub created_at: Timestamp,
    /// When the current attempt started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How often it was started.
    pub attempt: u32,
    /// Whether it started after its window.
    pub late: bool,
    /// Who works on it.
    pub lease: Option<Lease>,
    /// How far each dataset is.
    pub checkpoints: BTreeMap<String, Checkpoint>,
    /// The source position from before its first chunk.
    pub start_position: String,
    /// Why it failed or waits.
    pub error: Option<RunError>,
    /// When progress was last reported, and the rows by then: two points make a rate.
    pub pace: Vec<(Timestamp, i64)>,
}

/// Why a run failed or waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunError {
    /// The reason's number in the API.
    pub reason: i32,
    /// For people.
    pub message: String,
    /// When it is tried again.
    pub retry_at: Option<Timestamp>,
}

/// How far a run is with a dataset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The connector's token.
    pub resume_token: String,
    /// Chunks made durable.
    pub chunks: i64,
    /// Rows made durable.
    pub rows_done: i64,
    /// Rows expected.
    pub rows_total: i64,
    /// The last chunk is durable.
    pub finished: bool,
    /// The accepted table version.
    pub accepted: Option<i64>,
}

/// The right to work on something, for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Who.
    pub owner: String,
    /// The fencing token.
    pub epoch: u64,
    /// Until when without a word.
    pub expires_at: Timestamp,
    /// How long it was asked for.
    pub duration: SignedDuration,
}

impl Lease {
    /// Whether it still holds.
    pub fn live(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }
}

/// A dataset's accepted table version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The version.
    pub version: i64,
    /// Its rows.
    pub rows: i64,
    /// The PMS's time up to which its changes are in it.
    pub synced_through: Option<Timestamp>,
    /// When it was accepted.
    pub completed_at: Timestamp,
    /// The run that brought it.
    pub run: u64,
}

/// A change stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// Who follows it.
    pub lease: Option<Lease>,
    /// Where to go on; empty: the live view was never filled.
    pub cursor: String,
    /// The PMS's time up to which changes are in the live view.
    pub synced_through: Option<Timestamp>,
    /// When that was reported.
    pub completed_at: Option<Timestamp>,
    /// Where changes come from, for people.
    pub mode: String,
    /// The epoch that reported last.
    pub epoch: u64,
}

impl PracticeState {
    /// A run that has not ended or is remembered.
    pub fn run(&self, sequence: u64) -> Option<&Run> {
        self.runs.get(&sequence).or_else(|| self.history.iter().find(|run| run.sequence == sequence))
    }

    /// The initial run, as long as it is remembered.
    pub fn initial_run(&self) -> Option<&Run> {
        let all = self.runs.values().chain(&self.history);
        all.filter(|run| run.kind == RunKind::Initial).max_by_key(|run| run.sequence)
    }
}

impl Run {
    /// Rows done and expected.
    pub fn rows(&self) -> (i64, i64) {
        self.checkpoints.values().fold((0, 0), |(done, total), c| (done + c.rows_done, total + c.rows_total))
    }

    /// Rows a second between the oldest and the newest remembered report.
    pub fn rows_per_second(&self) -> f64 {
        let (Some(first), Some(last)) = (self.pace.first(), self.pace.last()) else { return 0.0 };
        let seconds = last.0.duration_since(first.0).as_secs_f64();
        if self.phase != RunPhase::Running || seconds <= 0.0 {
            return 0.0;
        }
        (last.1 - first.1) as f64 / seconds
    }
}
