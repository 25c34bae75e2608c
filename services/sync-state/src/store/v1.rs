//! What the first layout stored, before the first release: a practice with all its runs in one JSON text.
//!
//! Runs under way go on where they were: they are queued, with what they have read, and claimed anew.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, civil::Date};
use serde::Deserialize;

use super::StoreError;
use crate::core::{
    dataset::{DatasetId, DatasetMap, DatasetSet},
    records::{self, RecordChange, RecordKey},
    run::{Pace, Priority, Progress, Run, RunError, RunKind, RunPhase, Scope},
    shared::{Shared, Text},
    state::{Accepted, FORMAT, Overlap, PracticeState, Settings, Source, Stream},
};

/// The format that was written.
const FORMAT_V1: u64 = 1;

/// A practice as this version keeps it.
pub(super) struct Moved {
    pub state: PracticeState,
    /// Its ended runs.
    pub changes: Vec<RecordChange>,
}

/// Reads a practice of the first layout.
///
/// # Errors
/// `Format` when it is of another one, `Unavailable` when it is damaged.
pub(super) fn read(text: &str) -> Result<Moved, StoreError> {
    #[derive(Deserialize)]
    struct Head {
        format: u64,
    }
    let damaged = |e: serde_json::Error| {
        let place = format!("line {}, column {}", e.line(), e.column());
        StoreError::Unavailable(format!(
            "a practice of an older version is damaged ({place}); restore it from a backup"
        ))
    };
    let head: Head = serde_json::from_str(text).map_err(damaged)?;
    if head.format != FORMAT_V1 {
        return Err(StoreError::Format { found: head.format });
    }
    Ok(serde_json::from_str::<OldState>(text).map_err(damaged)?.moved())
}

#[derive(Deserialize)]
struct OldState {
    id: String,
    settings: OldSettings,
    created_at: Timestamp,
    updated_at: Timestamp,
    revision: u64,
    edition: u64,
    epoch: u64,
    sequence: u64,
    runs: BTreeMap<u64, OldRun>,
    history: Vec<OldRun>,
    initial_sync_at: Option<Timestamp>,
    last_night: Option<Date>,
    accepted: BTreeMap<String, OldAccepted>,
    stream: OldStream,
}

#[derive(Deserialize)]
struct OldSettings {
    display_name: String,
    time_zone: String,
    window_start: u16,
    window_end: u16,
    source: OldSource,
    automatic_write_back: bool,
    paused: bool,
    pause_note: String,
    currency_code: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum OldSource {
    OpenDental { uri: String, credential: String },
    Sample { seed: u64, patients: u32, live: bool, as_of_date: String, years: u32 },
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum OldKind {
    Initial,
    Nightly,
    Forced,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "snake_case")]
enum OldPhase {
    Queued,
    Running,
    Succeeded,
    Failed,
    Cancelled,
}

#[derive(Deserialize)]
struct OldRun {
    sequence: u64,
    kind: OldKind,
    phase: OldPhase,
    local_date: Option<Date>,
    due_at: Timestamp,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    attempt: u32,
    checkpoints: BTreeMap<String, OldCheckpoint>,
    start_position: String,
    error: Option<OldError>,
    pace: Vec<(Timestamp, i64)>,
}

#[derive(Deserialize)]
struct OldError {
    reason: i32,
    message: String,
    retry_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct OldCheckpoint {
    resume_token: String,
    chunks: i64,
    rows_done: i64,
    rows_total: i64,
    finished: bool,
    accepted: Option<i64>,
}

#[derive(Deserialize)]
struct OldAccepted {
    version: i64,
    rows: i64,
    synced_through: Option<Timestamp>,
    completed_at: Timestamp,
    run: u64,
}

#[derive(Deserialize)]
struct OldStream {
    cursor: String,
    synced_through: Option<Timestamp>,
    completed_at: Option<Timestamp>,
    mode: String,
    epoch: u64,
}

impl OldState {
    fn moved(self) -> Moved {
        let fences: BTreeMap<u64, u64> =
            self.runs.values().chain(&self.history).map(|run| (run.sequence, run.fence())).collect();
        let accepted: DatasetMap<Accepted> = self
            .accepted
            .into_iter()
            .filter_map(|(name, old)| {
                let fence = fences.get(&old.run).copied().unwrap_or_else(|| fence(old.completed_at));
                let accepted = Accepted {
                    version: old.version,
                    rows: old.rows,
                    synced_through: old.synced_through,
                    completed_at: old.completed_at,
                    run: old.run,
                    fence,
                };
                Some((DatasetId::named(&name)?, accepted))
            })
            .collect();
        let changes = self
            .history
            .into_iter()
            .map(|run| RecordChange::Put(RecordKey::run(run.sequence), records::encode(&run.ended())))
            .collect();
        let state = PracticeState {
            format: FORMAT,
            id: Text::from(self.id),
            settings: Shared::new(self.settings.moved()),
            created_at: self.created_at,
            updated_at: self.updated_at,
            revision: self.revision + 1,
            edition: self.edition,
            epoch: fences.values().copied().max().unwrap_or(0).max(self.epoch).max(self.stream.epoch),
            sequence: self.sequence,
            runs: self.runs.into_values().map(OldRun::waiting).collect(),
            initial_sync_at: self.initial_sync_at,
            last_night: self.last_night,
            since: None,
            accepted: Shared::new(accepted),
            failed: Shared::default(),
            given_up: None,
            stream: self.stream.moved(),
            outbox: Default::default(),
            expires_at: None,
            saved: Default::default(),
        };
        Moved { state, changes }
    }
}

impl OldSettings {
    fn moved(self) -> Settings {
        let source = match self.source {
            OldSource::OpenDental { uri, credential } => Source::OpenDental { uri, credential, api: None },
            OldSource::Sample { seed, patients, live, as_of_date, years } => {
                Source::Sample { seed, patients, live, as_of_date, years }
            }
        };
        Settings {
            display_name: self.display_name,
            time_zone: self.time_zone,
            window_start: self.window_start,
            window_end: self.window_end,
            source,
            automatic_write_back: self.automatic_write_back,
            paused: self.paused,
            pause_note: self.pause_note,
            currency_code: self.currency_code,
            group: String::new(),
            overlap: Overlap::QueueOne,
        }
    }
}

impl OldStream {
    fn moved(self) -> Stream {
        Stream {
            lease: None,
            cursor: Text::from(self.cursor),
            synced_through: self.synced_through,
            completed_at: self.completed_at,
            mode: Text::from(self.mode),
            epoch: self.epoch,
        }
    }
}

/// Fences are at least the time in milliseconds; those of before were small counts.
fn fence(at: Timestamp) -> u64 {
    u64::try_from(at.as_millisecond()).unwrap_or(0)
}

impl OldRun {
    fn fence(&self) -> u64 {
        fence(self.created_at).saturating_add(self.sequence)
    }

    /// A run that has not ended, waiting to be claimed again.
    fn waiting(self) -> Run {
        let mut run = self.common(Priority::Normal);
        run.phase = RunPhase::Queued;
        run
    }

    /// A run that has ended, as it is remembered: what it did not bring, and the sums of the rest.
    fn ended(self) -> Run {
        let phase = match self.phase {
            OldPhase::Failed => RunPhase::Failed,
            OldPhase::Cancelled => RunPhase::Cancelled,
            _ => RunPhase::Succeeded,
        };
        let mut run = self.common(Priority::Normal);
        run.phase = phase;
        let (left, brought): (Vec<_>, Vec<_>) = run
            .datasets
            .iter()
            .map(|(dataset, progress)| (dataset, progress.clone()))
            .partition(|(_, progress)| phase != RunPhase::Succeeded && progress.accepted.is_none());
        run.sums = brought.iter().fold((0, 0), |(done, total), (_, p)| (done + p.rows_done, total + p.rows_total));
        run.missing = left.iter().map(|(dataset, _)| *dataset).collect();
        run.datasets =
            Shared::new(left.into_iter().filter(|(_, progress)| progress.chunks > 0).collect::<DatasetMap<Progress>>());
        run
    }

    fn common(self, priority: Priority) -> Run {
        let fence = self.fence();
        let mut datasets: DatasetMap<Progress> =
            DatasetSet::all().iter().map(|dataset| (dataset, Progress::default())).collect();
        for (name, old) in self.checkpoints {
            let Some(dataset) = DatasetId::named(&name) else { continue };
            let progress = Progress {
                resume_token: Text::from(old.resume_token),
                chunks: old.chunks,
                rows_done: old.rows_done,
                rows_total: old.rows_total,
                finished: old.finished,
                accepted: old.accepted,
                failed: None,
            };
            datasets.insert(dataset, progress);
        }
        Run {
            sequence: self.sequence,
            fence,
            kind: match self.kind {
                OldKind::Initial => RunKind::Initial,
                OldKind::Nightly => RunKind::Nightly,
                OldKind::Forced => RunKind::Forced,
            },
            phase: RunPhase::Queued,
            priority: if matches!(self.kind, OldKind::Forced) { Priority::Urgent } else { priority },
            local_date: self.local_date,
            due_at: self.due_at,
            // A night's window is its start and its length at most; the old layout did not keep it.
            closes_at: self.local_date.map(|_| self.due_at + SignedDuration::from_hours(4)),
            created_at: self.created_at,
            started_at: self.started_at,
            ended_at: self.ended_at,
            attempt: self.attempt,
            failures: 0,
            late: None,
            lease: None,
            scope: Scope::everything(),
            datasets: Shared::new(datasets),
            missing: DatasetSet::default(),
            sums: (0, 0),
            start_position: Text::from(self.start_position),
            error: self.error.map(|error| RunError {
                reason: error.reason,
                message: Text::from(error.message),
                retry_at: error.retry_at,
            }),
            superseded_by: None,
            pace: Shared::new(self.pace.into_iter().map(|(at, rows)| Pace { at, rows }).collect()),
        }
    }
}
