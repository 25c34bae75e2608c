//! How fresh each feature is, computed from its datasets by the catalog: a feature is as fresh as its oldest dataset.

use chairsync_proto::{
    catalog::{self, FeatureRow},
    feature::{KeptFresh, Module, Need},
    sync::{Completeness, DatasetStatus, FeatureState, FeatureStatus, Freshness},
};
use jiff::Timestamp;
use mesh::calendar;

use super::{
    apply::next_night,
    dataset::{DatasetId, DatasetSet},
    run::{Late, Run, RunKind},
    state::{Accepted, PracticeState},
};
use crate::service::convert;

/// The status of every feature, in catalog order.
pub fn statuses(state: &PracticeState, now: Timestamp) -> Vec<FeatureStatus> {
    catalog::features().iter().map(|row| status(state, row, now)).collect()
}

/// The share of the initial sync that is done, 0 to 1.
pub fn share_done(state: &PracticeState) -> f64 {
    if state.initial_sync_at.is_some() {
        return 1.0;
    }
    let given_up = || state.given_up.as_ref().filter(|run| run.kind == RunKind::Initial).map(|run| run.rows);
    let (done, total) = state.initial_run().map(Run::rows).or_else(given_up).unwrap_or_default();
    // Not 1 before the run has ended, however well the rows were estimated.
    if total > 0 { (done as f64 / total as f64).clamp(0.0, 0.999) } else { 0.0 }
}

/// The freshness of one dataset as the nightly features have it.
pub fn of_dataset(state: &PracticeState, dataset: &str, now: Timestamp) -> Freshness {
    match DatasetId::named(dataset) {
        Some(dataset) => nightly(state, [dataset].into_iter().collect(), now),
        None => Freshness::default(),
    }
}

fn status(state: &PracticeState, row: &FeatureRow, now: Timestamp) -> FeatureStatus {
    let datasets = datasets_of(row);
    // Availability is engagement's but nightly: it is as old as its tables.
    let followed = row.module() == Module::Engagement && row.kept_fresh() != KeptFresh::Nightly;
    let freshness = if followed { streamed(state) } else { nightly(state, datasets, now) };
    let of = |name: &String| DatasetStatus {
        dataset: name.clone(),
        freshness: Some(if followed { streamed(state) } else { of_dataset(state, name, now) }),
        rows: state.accepted(name).map_or(0, |a| a.rows),
    };
    FeatureStatus {
        feature: row.feature.into(),
        state: feature_state(state, row, &freshness).into(),
        datasets: row.policy.datasets.iter().map(of).collect(),
        freshness: Some(freshness),
    }
}

/// The datasets that a feature is computed from.
pub fn datasets_of(row: &FeatureRow) -> DatasetSet {
    row.policy.datasets.iter().filter_map(|name| DatasetId::named(name)).collect()
}

fn feature_state(state: &PracticeState, row: &FeatureRow, freshness: &Freshness) -> FeatureState {
    if state.initial_sync_at.is_none() {
        FeatureState::InitialSync
    } else if state.settings.paused {
        FeatureState::Paused
    } else if row.needs(Need::AutomaticWriteBack) && !state.settings.automatic_write_back {
        FeatureState::Held
    } else if freshness.completeness() == Completeness::Stale {
        FeatureState::Stale
    } else {
        FeatureState::Ready
    }
}

/// Of features that are computed from accepted tables: as fresh as the oldest of them.
fn nightly(state: &PracticeState, datasets: DatasetSet, now: Timestamp) -> Freshness {
    let share_done = share_done(state);
    let found: Vec<Option<&Accepted>> = datasets.iter().map(|dataset| state.accepted.get(dataset)).collect();
    let missing = found.iter().any(Option::is_none);
    let all = || found.iter().flatten();
    let mut freshness = Freshness {
        synced_through: all().filter_map(|a| a.synced_through).min().map(calendar::to_proto),
        completed_at: all().map(|a| a.completed_at).min().map(calendar::to_proto),
        next_sync_at: None,
        completeness: Completeness::Complete.into(),
        run: all().map(|a| a.run).min().map(|run| convert::run_name(&state.id, run)).unwrap_or_default(),
        share_done,
        reason: String::new(),
    };
    if state.initial_sync_at.is_none() {
        freshness.completeness = Completeness::Partial.into();
        freshness.reason = initial_reason(state, share_done);
        return freshness;
    }
    if missing {
        freshness.completeness = Completeness::Partial.into();
        freshness.reason = "a dataset has not been read yet".to_owned();
    }
    if !state.settings.paused {
        freshness.next_sync_at = Some(calendar::to_proto(next_run(state, datasets, now)));
    }
    if let Some(reason) = overdue(state, datasets) {
        freshness.completeness = Completeness::Stale.into();
        freshness.reason = reason;
    }
    freshness
}

/// When the next run that brings these datasets starts or, where one waits or is under way, when it was due.
fn next_run(state: &PracticeState, datasets: DatasetSet, now: Timestamp) -> Timestamp {
    let waiting = state.runs.iter().filter(|run| owes(run, datasets)).map(|run| run.due_at).min();
    waiting.unwrap_or_else(|| next_night(state, now).due_at)
}

/// Whether a run has still to bring one of these as a whole.
fn owes(run: &Run, datasets: DatasetSet) -> bool {
    run.scope.whole() && run.missing().meets(datasets)
}

/// Why nightly data is older than it should be, if it is: a dataset failed, the last run was given up, one is being retried
/// or is late.
fn overdue(state: &PracticeState, datasets: DatasetSet) -> Option<String> {
    let failed = state.failed.iter().find(|(dataset, _)| datasets.contains(*dataset));
    if let Some((dataset, failure)) = failed {
        return Some(format!("the last sync of {dataset} failed: {}", failure.error.message));
    }
    let waiting = || state.runs.iter().filter(|run| owes(run, datasets));
    let retried = waiting().find_map(|run| run.error.as_ref());
    let given_up = state.given_up.as_ref().filter(|run| run.missing.meets(datasets));
    if let Some(error) = retried.or_else(|| given_up.map(|run| &run.error)) {
        return Some(format!("the last sync failed: {}", error.message));
    }
    let late = waiting().filter(|run| run.kind == RunKind::Nightly).find_map(|run| run.late)?;
    let why = match late {
        Late::Stopped => "sync-state was stopped during its window",
        Late::NoWorker => "no worker took it in its window",
        Late::Paused => "the practice was paused during its window",
        Late::ScheduleChanged => "its window or zone was changed",
        Late::Overlap => "another run took all of its window",
    };
    Some(format!("the nightly run is late: {why}"))
}

/// Of features that follow the change stream.
fn streamed(state: &PracticeState) -> Freshness {
    let share_done = share_done(state);
    let mut freshness = Freshness {
        synced_through: state.stream.synced_through.map(calendar::to_proto),
        completed_at: state.stream.completed_at.map(calendar::to_proto),
        completeness: Completeness::Complete.into(),
        share_done,
        ..Freshness::default()
    };
    if state.initial_sync_at.is_none() {
        freshness.completeness = Completeness::Partial.into();
        freshness.reason = initial_reason(state, share_done);
    } else if state.stream.cursor.is_empty() {
        freshness.completeness = Completeness::Stale.into();
        freshness.reason = "the live view is being filled".to_owned();
    } else if state.stream.lease.is_none() {
        freshness.completeness = Completeness::Stale.into();
        freshness.reason = "nobody follows the PMS's changes just now".to_owned();
    }
    freshness
}

fn initial_reason(state: &PracticeState, share_done: f64) -> String {
    let percent = (share_done * 100.0).floor();
    let given_up = || state.given_up.as_ref().map(|run| &run.error);
    match state.initial_run().map_or_else(given_up, |run| run.error.as_ref()) {
        Some(error) => format!("the initial sync ({percent} % done) is stuck: {}", error.message),
        None => format!("the initial sync is {percent} % done"),
    }
}
