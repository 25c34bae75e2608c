//! Runs on the wire.

use chairsync_proto::{
    feature::ErrorReason,
    state::DatasetCheckpoint,
    sync::{
        DatasetProgress, LateReason, Run as RunMessage, RunError as ErrorMessage, RunKind as KindMessage, RunPriority,
        RunProgress, RunScope, RunState,
    },
};
use jiff::SignedDuration;
use mesh::calendar;

use super::{duration, run_name};
use crate::core::{
    dataset::DatasetId,
    run::{Late, Priority, Progress, Run, RunError, RunKind, RunPhase, Scope},
};

/// A run of the practice `id`.
pub fn run(id: &str, run: &Run) -> RunMessage {
    let attempts_left = run.attempts_left();
    RunMessage {
        name: run_name(id, run.sequence),
        kind: match run.kind {
            RunKind::Initial => KindMessage::Initial,
            RunKind::Nightly => KindMessage::Nightly,
            RunKind::Forced => KindMessage::Forced,
            RunKind::Backfill => KindMessage::Backfill,
        }
        .into(),
        state: match run.phase {
            RunPhase::Queued => RunState::Queued,
            RunPhase::Leased => RunState::Leased,
            RunPhase::Running => RunState::Running,
            RunPhase::Succeeded => RunState::Succeeded,
            RunPhase::Failed => RunState::Failed,
            RunPhase::Cancelled => RunState::Cancelled,
            RunPhase::Superseded => RunState::Superseded,
        }
        .into(),
        local_date: run.local_date.map(|date| date.to_string()).unwrap_or_default(),
        due_at: Some(calendar::to_proto(run.due_at)),
        create_time: Some(calendar::to_proto(run.created_at)),
        start_time: run.started_at.map(calendar::to_proto),
        end_time: run.ended_at.map(calendar::to_proto),
        attempt: i32::try_from(run.attempt).unwrap_or(i32::MAX),
        datasets: in_order(run).map(|(dataset, progress)| of_dataset(dataset, progress)).collect(),
        progress: Some(progress(run)),
        error: run.error.as_ref().map(error),
        late: run.late.is_some(),
        worker: run.lease.as_ref().map(|lease| lease.owner.to_string()).unwrap_or_default(),
        scope: Some(scope(&run.scope)),
        priority: match run.priority {
            Priority::Urgent => RunPriority::Urgent,
            Priority::Normal => RunPriority::Normal,
            Priority::Low => RunPriority::Low,
        }
        .into(),
        late_reason: match run.late {
            None => LateReason::Unspecified,
            Some(Late::Stopped) => LateReason::Stopped,
            Some(Late::NoWorker) => LateReason::NoWorker,
            Some(Late::Paused) => LateReason::Paused,
            Some(Late::ScheduleChanged) => LateReason::ScheduleChanged,
            Some(Late::Overlap) => LateReason::Overlap,
        }
        .into(),
        superseded_by: run.superseded_by.map(|by| run_name(id, by)).unwrap_or_default(),
        attempts_left: attempts_left.map_or(0, |left| i32::try_from(left).unwrap_or(i32::MAX)),
        retried_for_ever: attempts_left.is_none(),
        window_closes_at: run.closes_at.map(calendar::to_proto),
    }
}

/// How far each dataset of a run is, in the order in which they are read.
fn in_order(run: &Run) -> impl Iterator<Item = (DatasetId, &Progress)> {
    run.scope.datasets.iter().filter_map(|dataset| Some((dataset, run.datasets.get(dataset)?)))
}

fn of_dataset(dataset: DatasetId, progress: &Progress) -> DatasetProgress {
    DatasetProgress {
        dataset: dataset.name().to_owned(),
        rows_done: progress.rows_done,
        rows_total: progress.rows_total,
        finished: progress.finished,
        accepted: progress.accepted.is_some(),
        error: progress.failed.as_ref().map(|(failed, _)| error(failed)),
    }
}

/// Why a run, or a dataset of it, failed or waits.
pub fn error(error: &RunError) -> ErrorMessage {
    ErrorMessage {
        reason: error.reason,
        message: error.message.to_string(),
        retry_at: error.retry_at.map(calendar::to_proto),
    }
}

/// The patients that a run is shown with; a list of runs is to stay within one message.
const PATIENTS_SHOWN: usize = 200;

fn scope(scope: &Scope) -> RunScope {
    RunScope {
        datasets: scope.datasets.iter().map(|dataset| dataset.name().to_owned()).collect(),
        patients: scope.patients.iter().take(PATIENTS_SHOWN).map(ToString::to_string).collect(),
        patient_count: i64::try_from(scope.patients.len()).unwrap_or(i64::MAX),
        from_date: scope.from.map(calendar::date_to_proto),
        until_date: scope.until.map(calendar::date_to_proto),
    }
}

/// How far a run is as a whole.
pub fn progress(run: &Run) -> RunProgress {
    let rate = run.rows_per_second();
    let mut progress = of_rows(run.rows(), run.phase == RunPhase::Succeeded);
    let left = (progress.rows_total - progress.rows_done).max(0);
    let eta = (rate > 0.0 && !run.phase.ended()).then(|| SignedDuration::from_secs_f64((left as f64 / rate).min(1e9)));
    progress.rows_per_second = rate;
    progress.eta = eta.map(duration);
    progress
}

/// How far something is by its rows, done and expected.
pub fn of_rows((rows_done, rows_total): (i64, i64), whole: bool) -> RunProgress {
    let share = if rows_total > 0 { rows_done as f64 / rows_total as f64 } else { 0.0 };
    let share_done = if whole { 1.0 } else { share.clamp(0.0, 0.999) };
    RunProgress { rows_done, rows_total, share_done, ..RunProgress::default() }
}

/// The checkpoints of a run.
pub fn checkpoints(run: &Run) -> Vec<DatasetCheckpoint> {
    let message = |(dataset, p): (DatasetId, &Progress)| DatasetCheckpoint {
        dataset: dataset.name().to_owned(),
        resume_token: p.resume_token.to_string(),
        chunks: p.chunks,
        rows_done: p.rows_done,
        rows_total: p.rows_total,
        finished: p.finished,
        accepted_version: p.accepted,
    };
    in_order(run).map(message).collect()
}

/// The reason's number, for storing.
pub fn reason(number: i32) -> i32 {
    ErrorReason::try_from(number).map_or(ErrorReason::Internal as i32, |reason| reason as i32)
}
