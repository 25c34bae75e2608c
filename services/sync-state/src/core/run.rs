//! Runs: what they do, where they stand, how far they are.

use std::{collections::HashSet, sync::LazyLock};

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use super::{
    dataset::{DatasetMap, DatasetSet},
    shared::{Shared, Text},
    state::Lease,
    stored::{self, stored_enum},
};

stored_enum! {
    /// What a run does.
    RunKind {
        /// Reads a new practice whole.
        Initial = 0 "initial",
        /// Once per local date.
        Nightly = 1 "nightly",
        /// Asked for by hand.
        Forced = 2 "forced",
        /// Reads a range of dates again.
        Backfill = 3 "backfill",
    }
}

stored_enum! {
    /// Where a run stands.
    RunPhase {
        /// Waits for its time or a worker.
        Queued = 0 "queued",
        /// A worker holds its lease and has not reported yet.
        Leased = 1 "leased",
        /// A worker holds its lease and has reported progress.
        Running = 2 "running",
        /// Done.
        Succeeded = 3 "succeeded",
        /// Given up: a dead letter.
        Failed = 4 "failed",
        /// Stopped by hand.
        Cancelled = 5 "cancelled",
        /// Another run took its place.
        Superseded = 6 "superseded",
    }
}

impl RunPhase {
    /// Whether nothing more happens to it by itself.
    pub fn ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled | Self::Superseded)
    }

    /// Whether a worker holds it.
    pub fn held(self) -> bool {
        matches!(self, Self::Leased | Self::Running)
    }
}

stored_enum! {
    /// How soon a run is claimed; the first is the soonest.
    Priority {
        /// Asked for by hand.
        Urgent = 0 "urgent",
        /// Initial and nightly work.
        Normal = 1 "normal",
        /// Backfill, and what is late anyway.
        Low = 2 "low",
    }
}

stored_enum! {
    /// Why a nightly run did not start inside its window.
    Late {
        /// sync-state itself was not running.
        Stopped = 0 "stopped",
        /// No worker took it.
        NoWorker = 1 "no_worker",
        /// The practice was paused.
        Paused = 2 "paused",
        /// The window or the zone was changed.
        ScheduleChanged = 3 "schedule_changed",
        /// It waited behind another run of the practice.
        Overlap = 4 "overlap",
    }
}

/// What a run reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// The datasets.
    pub datasets: DatasetSet,
    /// The patients; empty: all.
    pub patients: Vec<Text>,
    /// The first local date; none: all.
    #[serde(with = "stored::date_option")]
    pub from: Option<Date>,
    /// The last local date; none: all.
    #[serde(with = "stored::date_option")]
    pub until: Option<Date>,
}

static EVERYTHING: LazyLock<Shared<Scope>> =
    LazyLock::new(|| Shared::new(Scope { datasets: DatasetSet::all(), patients: Vec::new(), from: None, until: None }));
static NOTHING_YET: LazyLock<Shared<DatasetMap<Progress>>> = LazyLock::new(|| Shared::new(fresh(DatasetSet::all())));

fn fresh(datasets: DatasetSet) -> DatasetMap<Progress> {
    datasets.iter().map(|dataset| (dataset, Progress::default())).collect()
}

impl Scope {
    /// All datasets, patients and dates.
    pub fn everything() -> Shared<Self> {
        EVERYTHING.clone()
    }

    /// Whether its datasets are read whole.
    pub fn whole(&self) -> bool {
        self.patients.is_empty() && self.from.is_none() && self.until.is_none()
    }

    /// Whether whoever reads this has read all of `other`.
    pub fn covers(&self, other: &Self) -> bool {
        let all_of = || {
            let own: HashSet<&Text> = self.patients.iter().collect();
            !other.patients.is_empty() && other.patients.iter().all(|patient| own.contains(patient))
        };
        let patients = self.patients.is_empty() || all_of();
        let from = self.from.is_none_or(|from| other.from.is_some_and(|other| from <= other));
        let until = self.until.is_none_or(|until| other.until.is_some_and(|other| other <= until));
        self.datasets.covers(other.datasets) && patients && from && until
    }

    /// Nothing of any of these datasets yet.
    pub(super) fn nothing_yet(datasets: DatasetSet) -> Shared<DatasetMap<Progress>> {
        match datasets == DatasetSet::all() {
            true => NOTHING_YET.clone(),
            false => Shared::new(fresh(datasets)),
        }
    }
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its number within the practice.
    pub sequence: u64,
    /// Its fencing token in the sinks; see [`super::state::PracticeState::epoch`].
    pub fence: u64,
    /// What it does.
    pub kind: RunKind,
    /// Where it stands.
    pub phase: RunPhase,
    /// How soon it is claimed.
    pub priority: Priority,
    /// The local date of a nightly run.
    #[serde(with = "stored::date_option")]
    pub local_date: Option<Date>,
    /// When it may start.
    #[serde(with = "stored::moment")]
    pub due_at: Timestamp,
    /// When the window of a nightly run closes.
    #[serde(with = "stored::moment_option")]
    pub closes_at: Option<Timestamp>,
    /// When it was queued.
    #[serde(with = "stored::moment")]
    pub created_at: Timestamp,
    /// When the current attempt started.
    #[serde(with = "stored::moment_option")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(with = "stored::moment_option")]
    pub ended_at: Option<Timestamp>,
    /// How often it was started.
    pub attempt: u32,
    /// How often it failed or its worker was lost, since it was queued or retried by hand.
    pub failures: u32,
    /// Why it did not start inside its window, if it did not.
    pub late: Option<Late>,
    /// Who works on it.
    pub lease: Option<Lease>,
    /// What it reads.
    pub scope: Shared<Scope>,
    /// How far each dataset is. Of a run that has ended, only those that it began and did not bring.
    pub datasets: Shared<DatasetMap<Progress>>,
    /// Of a run that has ended: the datasets that it did not bring.
    pub missing: DatasetSet,
    /// Rows read and expected of datasets that are not listed any more.
    pub sums: (i64, i64),
    /// The source position from before its first chunk.
    pub start_position: Text,
    /// Why it failed or waits.
    pub error: Option<RunError>,
    /// The run that took its place.
    pub superseded_by: Option<u64>,
    /// When progress was last reported, and the rows by then: two points make a rate.
    pub pace: Shared<Vec<Pace>>,
}

/// How far a run was at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// When.
    #[serde(with = "stored::moment")]
    pub at: Timestamp,
    /// Rows by then.
    pub rows: i64,
}

/// Why a run failed or waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunError {
    /// The reason's number in the API.
    pub reason: i32,
    /// For people.
    pub message: Text,
    /// When it is tried again.
    #[serde(with = "stored::moment_option")]
    pub retry_at: Option<Timestamp>,
}

impl RunError {
    /// The same, at a length that a state can bear, without a time.
    pub(super) fn brief(&self) -> Self {
        Self { reason: self.reason, message: self.message.brief(), retry_at: None }
    }
}

/// How far a run is with a dataset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The connector's token.
    pub resume_token: Text,
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
    /// Why it failed in this attempt, and whether for good.
    pub failed: Option<(RunError, bool)>,
}

impl Run {
    /// Rows done and expected.
    pub fn rows(&self) -> (i64, i64) {
        self.datasets.values().fold(self.sums, |(done, total), p| (done + p.rows_done, total + p.rows_total))
    }

    /// Rows a second between the oldest and the newest remembered report.
    pub fn rows_per_second(&self) -> f64 {
        let (Some(first), Some(last)) = (self.pace.first(), self.pace.last()) else { return 0.0 };
        let seconds = last.at.duration_since(first.at).as_secs_f64();
        if !self.phase.held() || seconds <= 0.0 {
            return 0.0;
        }
        (last.rows - first.rows) as f64 / seconds
    }

    /// How often it may still fail; none for those that are retried for ever.
    pub fn attempts_left(&self) -> Option<u32> {
        (self.kind != RunKind::Initial).then(|| super::runs::FAILURES_MAX.saturating_sub(self.failures))
    }

    /// Whether it has read anything of the PMS.
    pub fn begun(&self) -> bool {
        !self.start_position.is_empty() || self.datasets.values().any(|p| p.rows_done > 0 || p.accepted.is_some())
    }

    /// The datasets that it has not brought.
    pub fn missing(&self) -> DatasetSet {
        match self.phase.ended() {
            true => self.missing,
            false => self.datasets.iter().filter(|(_, p)| p.accepted.is_none()).map(|(dataset, _)| dataset).collect(),
        }
    }
}
