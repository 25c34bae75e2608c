//! Leases: the right to work on something, fenced by an epoch, kept by heartbeats, lost by silence.

use jiff::{SignedDuration, Timestamp};

use super::{
    act::Act,
    apply::Stop,
    command::{Outcome, Resource},
    outbox,
    refusal::Refusal,
    runs,
    state::Lease,
};

/// The lease in question, if `epoch` is the one that holds it and it has not run out. `latest` is the last epoch that was
/// given.
pub(super) fn held(lease: Option<&mut Lease>, epoch: u64, latest: u64, now: Timestamp) -> Result<&mut Lease, Refusal> {
    match lease {
        Some(lease) if lease.epoch == epoch && lease.live(now) => Ok(lease),
        _ if epoch > latest => Err(Refusal::EpochAhead),
        _ => Err(Refusal::LeaseLost),
    }
}

fn slot<'a>(act: &'a mut Act<'_>, resource: Resource) -> Option<&'a mut Lease> {
    match resource {
        // A run that ended, cancelled for example, is a lease that was lost.
        Resource::Run(run) => act.state.run_mut(run)?.lease.as_mut(),
        Resource::Stream => act.state.stream.lease.as_mut(),
        Resource::Write(write) => {
            let claimed = act.state.outbox.claimed.iter_mut().find(|claimed| claimed.write == write)?;
            Some(&mut claimed.lease)
        }
    }
}

pub(super) fn heartbeat(
    act: &mut Act<'_>,
    resource: Resource,
    epoch: u64,
    duration: Option<SignedDuration>,
) -> Result<Outcome, Stop> {
    let (now, latest) = (act.now, act.state.epoch);
    let lease = held(slot(act, resource), epoch, latest, now)?;
    if let Some(duration) = duration {
        lease.duration_ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    }
    lease.renew(now);
    Ok(Outcome::Lease(lease.clone()))
}

pub(super) fn release(act: &mut Act<'_>, resource: Resource, epoch: u64) -> Result<Outcome, Stop> {
    let (now, latest) = (act.now, act.state.epoch);
    held(slot(act, resource), epoch, latest, now)?;
    match resource {
        Resource::Run(run) => act.state.run_mut(run).into_iter().for_each(runs::requeue),
        Resource::Stream => act.state.stream.lease = None,
        Resource::Write(write) => outbox::release(act, write)?,
    }
    Ok(Outcome::Done)
}
