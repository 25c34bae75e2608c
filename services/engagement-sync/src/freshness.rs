//! How fresh an answer from here is: what sync-state says of the practice, and where the live view stands.

use chairsync_proto::{
    state::PracticeState,
    sync::{Completeness, Freshness},
};
use jiff::{SignedDuration, Timestamp};
use mesh::calendar::to_proto;

use crate::live_view::Head;

/// A stream that was not heard of for longer than this is late.
const LATE_AFTER: SignedDuration = SignedDuration::from_secs(120);

/// The freshness of the live view.
pub fn of_view(state: &PracticeState, head: &Head) -> Freshness {
    let paused = state.practice.as_ref().is_some_and(|practice| practice.paused);
    let share_done = state.initial_progress.as_ref().map_or(0.0, |progress| progress.share_done);
    let share_done = if state.initial_sync_finished { 1.0 } else { share_done };
    let late = head.marked_at.is_none_or(|at| Timestamp::now().duration_since(at) > LATE_AFTER);
    let (completeness, reason) = if !head.filled {
        let nothing = !state.initial_sync_finished && head.sequence == 0;
        let completeness = if nothing { Completeness::None } else { Completeness::Partial };
        (completeness, "the live view is filled once the initial sync is finished")
    } else if paused {
        (Completeness::Stale, "the practice is paused: changes are not followed")
    } else if late {
        (Completeness::Stale, "the practice's changes have not been heard of for two minutes")
    } else {
        (Completeness::Complete, "")
    };
    Freshness {
        synced_through: head.synced_through.map(to_proto),
        completed_at: head.marked_at.map(to_proto),
        next_sync_at: None,
        completeness: completeness.into(),
        run: String::new(),
        share_done,
        reason: reason.to_owned(),
    }
}

/// The freshness of what the PMS gave just now.
pub fn of_pms(at: Timestamp) -> Freshness {
    Freshness {
        synced_through: Some(to_proto(at)),
        completed_at: Some(to_proto(Timestamp::now())),
        completeness: Completeness::Complete.into(),
        share_done: 1.0,
        ..Freshness::default()
    }
}

/// The older of two; its completeness says `STALE` and why.
pub fn stale(at: Option<Timestamp>, reason: &str) -> Freshness {
    Freshness {
        synced_through: at.map(to_proto),
        completed_at: at.map(to_proto),
        completeness: Completeness::Stale.into(),
        share_done: 1.0,
        reason: reason.to_owned(),
        ..Freshness::default()
    }
}
