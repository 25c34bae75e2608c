//! The core's types as the API's.

mod runs;
mod saved;
mod writes;

use chairsync_proto::{
    practice::{
        NightlyWindow, OpenDentalApi, OpenDentalSource, OverlapPolicy, PmsSource, Practice, SampleSource,
        pms_source::Kind,
    },
    state::{AcceptedDataset, Lease as LeaseMessage, PracticeState as StateMessage, StreamState},
    sync::RunProgress,
};
use jiff::{SignedDuration, Timestamp};
use mesh::calendar;

pub use runs::{checkpoints, error, of_rows, progress, reason, run};
pub use saved::saved;
pub use writes::{audit, kind_of, outbox, phase, write};

use crate::core::{
    command::Resource,
    freshness,
    run::RunKind,
    state::{Lease, Overlap, PracticeState, Source},
};

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

/// `practices/{id}/writes/{sequence}`.
pub fn write_name(id: &str, sequence: u64) -> String {
    format!("practices/{id}/writes/{sequence}")
}

/// What a lease of a practice is for, by name.
pub fn resource_name(id: &str, resource: Resource) -> String {
    match resource {
        Resource::Run(sequence) => run_name(id, sequence),
        Resource::Stream => format!("practices/{id}/stream"),
        Resource::Write(sequence) => write_name(id, sequence),
    }
}

/// A practice's settings.
pub fn practice(state: &PracticeState) -> Practice {
    let settings = &state.settings;
    let kind = match &settings.source {
        Source::OpenDental { uri, credential, api } => Kind::OpenDental(OpenDentalSource {
            uri: uri.clone(),
            credential: credential.clone(),
            api: api.as_ref().map(|api| OpenDentalApi {
                service_url: api.service_url.clone(),
                local_url: api.local_url.clone(),
                remote_url: api.remote_url.clone(),
                credential: api.credential.clone(),
            }),
        }),
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
        create_time: Some(calendar::to_proto(state.created_at)),
        update_time: Some(calendar::to_proto(state.updated_at)),
        initial_sync_time: state.initial_sync_at.map(calendar::to_proto),
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

/// A lease of a practice.
pub fn lease(resource: String, lease: &Lease) -> LeaseMessage {
    LeaseMessage {
        resource,
        owner: lease.owner.to_string(),
        epoch: lease.epoch,
        expires_at: Some(calendar::to_proto(lease.expires_at)),
    }
}

/// How far a practice's initial sync is.
fn initial_progress(state: &PracticeState) -> RunProgress {
    if state.initial_sync_at.is_some() {
        return of_rows((0, 0), true);
    }
    match (state.initial_run(), &state.given_up) {
        (Some(run), _) => progress(run),
        (None, Some(given_up)) if given_up.kind == RunKind::Initial => of_rows(given_up.rows, false),
        (None, _) => RunProgress::default(),
    }
}

/// What a serving replica needs to know.
pub fn state(state: &PracticeState, now: Timestamp) -> StateMessage {
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
        initial_progress: Some(initial_progress(state)),
        datasets: mesh::datasets::all().map(accepted).collect(),
        features: freshness::statuses(state, now),
        revision: state.revision,
        stream: state.stream.completed_at.map(|completed_at| StreamState {
            synced_through: state.stream.synced_through.map(calendar::to_proto),
            completed_at: Some(calendar::to_proto(completed_at)),
            mode: state.stream.mode.to_string(),
            epoch: state.stream.epoch,
        }),
        outbox: Some(outbox(&state.outbox)),
        saved_version: state.saved.version,
    }
}
