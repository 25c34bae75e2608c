//! The core's types as the API's.

use chairsync_proto::{
    feature::ErrorReason,
    practice::{NightlyWindow, OpenDentalSource, PmsSource, Practice, SampleSource, pms_source::Kind},
    state::{AcceptedDataset, DatasetCheckpoint, Lease as LeaseMessage, PracticeState as StateMessage, StreamState},
    sync::{
        DatasetProgress, Run as RunMessage, RunError as ErrorMessage, RunKind as KindMessage, RunProgress, RunState,
    },
};
use jiff::{SignedDuration, Timestamp};

use crate::core::{
    freshness,
    state::{Lease, PracticeState, Run, RunKind, RunPhase, Source},
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
    }
}

/// The etag of a practice: its incarnation and edition.
pub fn etag(state: &PracticeState) -> String {
    format!("{:x}-{:x}", state.created_at.as_microsecond(), state.edition)
}

/// A run.
pub fn run(state: &PracticeState, run: &Run) -> RunMessage {
    let datasets = run.checkpoints.iter().map(|(dataset, checkpoint)| DatasetProgress {
        dataset: dataset.clone(),
        rows_done: checkpoint.rows_done,
        rows_total: checkpoint.rows_total,
        finished: checkpoint.finished,
    });
    RunMessage {
        name: run_name(&state.id, run.sequence),
        kind: match run.kind {
            RunKind::Initial => KindMessage::Initial,
            RunKind::Nightly => KindMessage::Nightly,
            RunKind::Forced => KindMessage::Forced,
        }
        .into(),
        state: match run.phase {
            RunPhase::Queued => RunState::Queued,
            RunPhase::Running => RunState::Running,
            RunPhase::Succeeded => RunState::Succeeded,
            RunPhase::Failed => RunState::Failed,
            RunPhase::Cancelled => RunState::Cancelled,
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
        error: run.error.as_ref().map(|error| ErrorMessage {
            reason: error.reason,
            message: error.message.clone(),
            retry_at: error.retry_at.map(timestamp),
        }),
        late: run.late,
        worker: run.lease.as_ref().map(|lease| lease.owner.clone()).unwrap_or_default(),
    }
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
        owner: lease.owner.clone(),
        epoch: lease.epoch,
        expires_at: Some(timestamp(lease.expires_at)),
    }
}

/// The checkpoints of a run.
pub fn checkpoints(run: &Run) -> Vec<DatasetCheckpoint> {
    let message = |(dataset, c): (&String, &crate::core::state::Checkpoint)| DatasetCheckpoint {
        dataset: dataset.clone(),
        resume_token: c.resume_token.clone(),
        chunks: c.chunks,
        rows_done: c.rows_done,
        rows_total: c.rows_total,
        finished: c.finished,
        accepted_version: c.accepted,
    };
    run.checkpoints.iter().map(message).collect()
}

/// What a serving replica needs to know.
pub fn state(state: &PracticeState, now: Timestamp) -> StateMessage {
    let whole = RunProgress { share_done: 1.0, ..RunProgress::default() };
    let accepted = |dataset: &mesh::datasets::Dataset| {
        let found = state.accepted.get(dataset.name);
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
            (None, None) => RunProgress::default(),
            (Some(_), _) => whole,
        }),
        datasets: mesh::datasets::all().map(accepted).collect(),
        features: freshness::statuses(state, now),
        revision: state.revision,
        stream: state.stream.completed_at.map(|completed_at| StreamState {
            synced_through: state.stream.synced_through.map(timestamp),
            completed_at: Some(timestamp(completed_at)),
            mode: state.stream.mode.clone(),
            epoch: state.stream.epoch,
        }),
    }
}

/// The reason's number, for storing.
pub fn reason(number: i32) -> i32 {
    ErrorReason::try_from(number).map_or(ErrorReason::Internal as i32, |reason| reason as i32)
}
