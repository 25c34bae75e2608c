//! The core's types as the API's.

use chairsync_proto::{
    feature::ErrorReason,
    google_type::Date as DateMessage,
    practice::{NightlyWindow, OpenDentalSource, OverlapPolicy, PmsSource, Practice, SampleSource, pms_source::Kind},
    state::{AcceptedDataset, DatasetCheckpoint, Lease as LeaseMessage, PracticeState as StateMessage, StreamState},
    sync::{
        DatasetProgress, LateReason, OutboxSummary, Run as RunMessage, RunError as ErrorMessage,
        RunKind as KindMessage, RunPriority, RunProgress, RunScope, RunState,
    },
};
use jiff::{SignedDuration, Timestamp, civil::Date};

use crate::core::{
    dataset::DatasetId,
    freshness,
    run::{Late, Priority, Progress, Run, RunError, RunKind, RunPhase, Scope},
    state::{Lease, Overlap, PracticeState, Source},
};

/// A moment on the wire.
pub fn timestamp(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() }
}

/// A moment off the wire; none when it is out of range.
pub fn moment(at: &prost_types::Timestamp) -> Option<Timestamp> {
    Timestamp::new(at.seconds, at.nanos).ok()
}

/// A length of time on the wire.
pub fn duration(length: SignedDuration) -> prost_types::Duration {
    prost_types::Duration { seconds: length.as_secs(), nanos: length.subsec_nanos() }
}

/// `practices/{id}`.
pub fn practice_name(id: &str) -> String {
    format!("practices/{id}")
}

/// `practices/{id}/runs/{sequence}`.
pub fn run_name(id: &str, sequence: u64) -> String {
    format!("practices/{id}/runs/{sequence}")
}

/// `practices/{id}/stream`.
pub fn stream_name(id: &str) -> String {
    format!("practices/{id}/stream")
}

/// A practice's settings.
pub fn practice(state: &PracticeState) -> Practice {
    let settings = &state.settings;
    let kind = match &settings.source {
        Source::OpenDental { uri, credential } => {
            Kind::OpenDental(OpenDentalSource { uri: uri.clone(), credential: credential.clone() })
        }
        Source::Sample { seed, patients, live, as_of_date, years } => Kind::Sample(SampleSource {
            seed: *seed,
            patients: *patients,
            live: *live,
            as_of_date: as_of_date.clone(),
            years: *years,
        }),
    };
    Practice {
        name: practice_name(&state.id),
        display_name: settings.display_name.clone(),
        time_zone: settings.time_zone.clone(),
        nightly_window: Some(NightlyWindow {
            start_minute: settings.window_start.into(),
            end_minute: settings.window_end.into(),
        }),
        source: Some(PmsSource { kind: Some(kind) }),
        automatic_write_back: settings.automatic_write_back,
        paused: settings.paused,
        pause_note: settings.pause_note.clone(),
        currency_code: settings.currency_code.clone(),
        create_time: Some(timestamp(state.created_at)),
        update_time: Some(timestamp(state.updated_at)),
        initial_sync_time: state.initial_sync_at.map(timestamp),
        etag: etag(state),
        group: settings.group.clone(),
        overlap_policy: match settings.overlap {
            Overlap::QueueOne => OverlapPolicy::QueueOne,
            Overlap::Skip => OverlapPolicy::Skip,
            Overlap::Supersede => OverlapPolicy::Supersede,
        }
        .into(),
    }
}

/// The etag of a practice: its incarnation and edition.
pub fn etag(state: &PracticeState) -> String {
    format!("{:x}-{:x}", state.created_at.as_microsecond(), state.edition)
}

/// A run.
pub fn run(state: &PracticeState, run: &Run) -> RunMessage {
    let datasets = run.datasets.iter().map(|(dataset, progress)| DatasetProgress {
        dataset: dataset.name().to_owned(),
        rows_done: progress.rows_done,
        rows_total: progress.rows_total,
        finished: progress.finished,
        accepted: progress.accepted.is_some(),
        error: progress.failed.as_ref().map(|(error, _)| run_error(error)),
    });
    RunMessage {
        name: run_name(&state.id, run.sequence),
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
        due_at: Some(timestamp(run.due_at)),
        create_time: Some(timestamp(run.created_at)),
        start_time: run.started_at.map(timestamp),
        end_time: run.ended_at.map(timestamp),
        attempt: i32::try_from(run.attempt).unwrap_or(i32::MAX),
        datasets: datasets.collect(),
        progress: Some(progress(run)),
        error: run.error.as_ref().map(run_error),
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
        superseded_by: run.superseded_by.map(|by| run_name(&state.id, by)).unwrap_or_default(),
        attempts_left: run.attempts_left().map_or(0, |left| i32::try_from(left).unwrap_or(i32::MAX)),
        retried_for_ever: run.attempts_left().is_none(),
        window_closes_at: run.closes_at.map(timestamp),
    }
}

fn run_error(error: &RunError) -> ErrorMessage {
    ErrorMessage { reason: error.reason, message: error.message.to_string(), retry_at: error.retry_at.map(timestamp) }
}

fn scope(scope: &Scope) -> RunScope {
    RunScope {
        datasets: scope.datasets.iter().map(|dataset| dataset.name().to_owned()).collect(),
        patients: scope.patients.iter().map(|patient| patient.to_string()).collect(),
        from_date: scope.from.map(date),
        until_date: scope.until.map(date),
    }
}

fn date(date: Date) -> DateMessage {
    DateMessage { year: date.year().into(), month: date.month().into(), day: date.day().into() }
}

/// How far a run is as a whole.
pub fn progress(run: &Run) -> RunProgress {
    let (rows_done, rows_total) = run.rows();
    let rate = run.rows_per_second();
    let left = (rows_total - rows_done).max(0);
    let eta = (rate > 0.0 && !run.phase.ended()).then(|| SignedDuration::from_secs_f64((left as f64 / rate).min(1e9)));
    let share = if rows_total > 0 { rows_done as f64 / rows_total as f64 } else { 0.0 };
    RunProgress {
        rows_done,
        rows_total,
        share_done: if run.phase == RunPhase::Succeeded { 1.0 } else { share.clamp(0.0, 0.999) },
        rows_per_second: rate,
        eta: eta.map(duration),
    }
}

/// A lease.
pub fn lease(resource: String, lease: &Lease) -> LeaseMessage {
    LeaseMessage {
        resource,
        owner: lease.owner.to_string(),
        epoch: lease.epoch,
        expires_at: Some(timestamp(lease.expires_at)),
    }
}

/// The checkpoints of a run.
pub fn checkpoints(run: &Run) -> Vec<DatasetCheckpoint> {
    let order = run.scope.datasets.iter();
    order.filter_map(|dataset| run.datasets.get(dataset).map(|progress| checkpoint(dataset, progress))).collect()
}

fn checkpoint(dataset: DatasetId, progress: &Progress) -> DatasetCheckpoint {
    DatasetCheckpoint {
        dataset: dataset.name().to_owned(),
        resume_token: progress.resume_token.to_string(),
        chunks: progress.chunks,
        rows_done: progress.rows_done,
        rows_total: progress.rows_total,
        finished: progress.finished,
        accepted_version: progress.accepted,
    }
}

/// What a serving replica needs to know.
pub fn state(state: &PracticeState, now: Timestamp) -> StateMessage {
    let whole = RunProgress { share_done: 1.0, ..RunProgress::default() };
    let accepted = |dataset: &mesh::datasets::Dataset| {
        let found = state.accepted(dataset.name);
        AcceptedDataset {
            dataset: dataset.name.to_owned(),
            version: found.map(|a| a.version),
            freshness: Some(freshness::of_dataset(state, dataset.name, now)),
            rows: found.map_or(0, |a| a.rows),
        }
    };
    StateMessage {
        practice: Some(practice(state)),
        initial_sync_finished: state.initial_sync_at.is_some(),
        initial_progress: Some(match (state.initial_sync_at, state.initial_run()) {
            (None, Some(run)) => progress(run),
            (None, None) => RunProgress { share_done: freshness::share_done(state), ..RunProgress::default() },
            (Some(_), _) => whole,
        }),
        datasets: mesh::datasets::all().map(accepted).collect(),
        features: freshness::statuses(state, now),
        revision: state.revision,
        stream: state.stream.completed_at.map(|completed_at| StreamState {
            synced_through: state.stream.synced_through.map(timestamp),
            completed_at: Some(timestamp(completed_at)),
            mode: state.stream.mode.to_string(),
            epoch: state.stream.epoch,
        }),
        outbox: Some(OutboxSummary {
            pending: count(state.outbox.pending),
            held: count(state.outbox.held),
            dead_letters: count(state.outbox.parked),
        }),
    }
}

fn count(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// The reason's number, for storing.
pub fn reason(number: i32) -> i32 {
    ErrorReason::try_from(number).map_or(ErrorReason::Internal as i32, |reason| reason as i32)
}
