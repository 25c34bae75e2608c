//! How fresh each feature is, computed from its datasets by the catalog: a feature is as fresh as its oldest dataset.

use chairsync_proto::{
    catalog::{self, FeatureRow},
    feature::{KeptFresh, Module, Need},
    sync::{Completeness, DatasetStatus, FeatureState, FeatureStatus, Freshness},
};
use jiff::Timestamp;

use super::{
    apply::next_night,
    state::{Accepted, PracticeState, RunPhase},
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
    let (done, total) = state.initial_run().map_or((0, 0), |run| run.rows());
    // Not 1 before the run has ended, however well the rows were estimated.
    if total > 0 { (done as f64 / total as f64).clamp(0.0, 0.999) } else { 0.0 }
}

/// The freshness of one dataset as the nightly features have it.
pub fn of_dataset(state: &PracticeState, dataset: &str, now: Timestamp) -> Freshness {
    nightly(state, &[state.accepted.get(dataset)], now)
}

fn status(state: &PracticeState, row: &FeatureRow, now: Timestamp) -> FeatureStatus {
    let datasets: Vec<Option<&Accepted>> = row.policy.datasets.iter().map(|d| state.accepted.get(d)).collect();
    // Availability is engagement's but nightly: it is as old as its tables.
    let followed = row.module() == Module::Engagement && row.kept_fresh() != KeptFresh::Nightly;
    let freshness = if followed { streamed(state) } else { nightly(state, &datasets, now) };
    let of = |(name, accepted): (&String, &Option<&Accepted>)| DatasetStatus {
        dataset: name.clone(),
        freshness: Some(if followed { streamed(state) } else { nightly(state, &[*accepted], now) }),
        rows: accepted.map_or(0, |a| a.rows),
    };
    FeatureStatus {
        feature: row.feature.into(),
        state: feature_state(state, row, &freshness).into(),
        datasets: row.policy.datasets.iter().zip(&datasets).map(of).collect(),
        freshness: Some(freshness),
    }
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

/// Of features that are computed from accepted tables.
fn nightly(state: &PracticeState, datasets: &[Option<&Accepted>], now: Timestamp) -> Freshness {
    let share_done = share_done(state);
    let missing = datasets.iter().any(Option::is_none);
    let all = || datasets.iter().flatten();
    let mut freshness = Freshness {
        synced_through: all().filter_map(|a| a.synced_through).min().map(convert::timestamp),
        completed_at: all().map(|a| a.completed_at).min().map(convert::timestamp),
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
        freshness.next_sync_at = Some(convert::timestamp(next_run(state, now)));
    }
    if let Some(reason) = overdue(state) {
        freshness.completeness = Completeness::Stale.into();
        freshness.reason = reason;
    }
    freshness
}

/// When the next run starts or, where one waits or runs, when it was due.
fn next_run(state: &PracticeState, now: Timestamp) -> Timestamp {
    let waiting = state.runs.values().map(|run| run.due_at).min();
    waiting.unwrap_or_else(|| next_night(state, now).due_at)
}

/// Why nightly data is older than it should be, if it is: the last run failed, or one is being retried.
fn overdue(state: &PracticeState) -> Option<String> {
    let retried = state.runs.values().find_map(|run| run.error.as_ref());
    let last = state.history.iter().max_by_key(|run| run.sequence).filter(|run| run.phase == RunPhase::Failed);
    let error = retried.or_else(|| last.and_then(|run| run.error.as_ref()))?;
    Some(format!("the last sync failed: {}", error.message))
}

/// Of features that follow the change stream.
fn streamed(state: &PracticeState) -> Freshness {
    let share_done = share_done(state);
    let mut freshness = Freshness {
        synced_through: state.stream.synced_through.map(convert::timestamp),
        completed_at: state.stream.completed_at.map(convert::timestamp),
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
    match state.initial_run().and_then(|run| run.error.as_ref()) {
        Some(error) => format!("the initial sync ({percent} % done) is stuck: {}", error.message),
        None => format!("the initial sync is {percent} % done"),
    }
}
