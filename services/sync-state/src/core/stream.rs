//! The change stream: who follows it, and how far it is.

use jiff::{SignedDuration, Timestamp};

use super::{act::Act, apply::Stop, command::Outcome, leases, refusal::Refusal, schedule, shared::Text, state::Lease};

pub(super) fn claim(act: &mut Act<'_>, worker: &Text, duration: SignedDuration) -> Result<Outcome, Stop> {
    schedule::tick(act);
    let state = &mut act.state;
    if state.settings.paused || state.initial_sync_at.is_none() || state.stream.lease.is_some() {
        return Ok(Outcome::Nothing);
    }
    let epoch = state.next_epoch(act.now);
    let lease = Lease::new(worker, epoch, duration, act.now);
    state.stream.lease = Some(lease.clone());
    Ok(Outcome::Lease(lease))
}

pub(super) fn save_cursor(
    act: &mut Act<'_>,
    epoch: u64,
    expected: &str,
    cursor: &Text,
    synced_through: Option<Timestamp>,
    mode: &Text,
) -> Result<Outcome, Stop> {
    let latest = act.state.epoch;
    let stream = &mut act.state.stream;
    let lease = leases::held(stream.lease.as_mut(), epoch, latest, act.now)?;
    lease.renew(act.now);
    let lease = lease.clone();
    if &*stream.cursor != expected {
        return Err(Refusal::CursorMismatch.into());
    }
    if stream.cursor != *cursor {
        stream.cursor = cursor.clone();
    }
    stream.synced_through = synced_through.map(super::stored::cut).or(stream.synced_through);
    stream.completed_at = Some(act.now);
    stream.mode = mode.clone();
    stream.epoch = epoch;
    Ok(Outcome::Lease(lease))
}
