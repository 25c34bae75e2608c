//! Keeps a lease alive while a run is worked on, and says at once when it is lost.

use std::time::Duration;

use chairsync_proto::state::{HeartbeatRequest, Lease};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tonic::Code;

use super::reports::StateClient;

/// Beats per lease: two may be missed.
const BEATS: u32 = 3;

/// A lease that is kept until this is dropped.
pub(super) struct KeptLease {
    /// Cancelled when the lease is lost: by another epoch, a cancelled run, or silence.
    pub lost: CancellationToken,
    _beating: AbortOnDropHandle<()>,
}

/// Starts to keep a lease that lasts for `duration` without a beat.
pub(super) fn keep(client: StateClient, lease: &Lease, duration: Duration) -> KeptLease {
    let lost = CancellationToken::new();
    let beats = beat(client, lease.resource.clone(), lease.epoch, duration, lost.clone());
    KeptLease { lost, _beating: AbortOnDropHandle::new(tokio::spawn(beats)) }
}

async fn beat(mut client: StateClient, resource: String, epoch: u64, duration: Duration, lost: CancellationToken) {
    let pause = duration / BEATS;
    let mut expires = Instant::now() + duration;
    let mut next = Instant::now() + pause;
    while !lost.is_cancelled() {
        sleep_until(next.min(expires)).await;
        let left = expires.saturating_duration_since(Instant::now());
        if left.is_zero() {
            tracing::warn!(%resource, "the lease ran out: sync-state did not answer in time");
            lost.cancel();
            return;
        }
        let sent = Instant::now();
        let request = HeartbeatRequest {
            resource: resource.clone(),
            epoch,
            lease_duration: prost_types::Duration::try_from(duration).ok(),
        };
        match timeout(left.min(pause.max(Duration::from_secs(1))), client.heartbeat(request)).await {
            Ok(Ok(_)) => {
                expires = sent + duration;
                next = sent + pause;
            }
            Ok(Err(status)) if matches!(status.code(), Code::Aborted | Code::NotFound | Code::FailedPrecondition) => {
                tracing::info!(%resource, "the lease is lost");
                lost.cancel();
            }
            // It may have arrived or not: try again soon, until the lease has run out by our own clock.
            Ok(Err(_)) | Err(_) => next = Instant::now() + pause / 4,
        }
    }
}
