//! Holds the lease of a stream or of a write: heartbeats until told to stop, and says at once when the lease is lost.

use std::time::Duration;

use chairsync_proto::state::{HeartbeatRequest, Lease, ReleaseLeaseRequest, state_service_client::StateServiceClient};
use mesh::{ErrorReason, error::reason_of, transport::Channel};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Code, Request};
use tracing::warn;

const RELEASE_LIMIT: Duration = Duration::from_secs(2);

/// A lease that is kept alive while this exists.
#[derive(Debug)]
pub struct Held {
    lost: CancellationToken,
    _heartbeats: DropGuard,
}

impl Held {
    /// Starts the heartbeats.
    pub fn start(client: StateServiceClient<Channel>, lease: Lease, lasts: Duration) -> Self {
        let (lost, stop) = (CancellationToken::new(), CancellationToken::new());
        let beats = beat(client, lease, lasts);
        let (on_loss, stopped) = (lost.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = beats => on_loss.cancel(),
                () = stopped.cancelled() => {}
            }
        });
        Self { lost, _heartbeats: stop.drop_guard() }
    }

    /// Resolves when the lease is lost.
    pub async fn lost(&self) {
        self.lost.cancelled().await;
    }
}

/// Returns when the lease is lost: refused, or unanswered for as long as it lasts.
async fn beat(client: StateServiceClient<Channel>, lease: Lease, lasts: Duration) {
    let every = lasts / 3;
    let mut valid_until = Instant::now() + lasts;
    loop {
        tokio::time::sleep(every.min(valid_until.saturating_duration_since(Instant::now()))).await;
        let sent_at = Instant::now();
        if sent_at >= valid_until {
            warn!(stream = %lease.resource, "lease ran out: sync-state did not answer");
            return;
        }
        let mut request = Request::new(HeartbeatRequest {
            resource: lease.resource.clone(),
            epoch: lease.epoch,
            lease_duration: duration(lasts),
        });
        request.set_timeout(every);
        match tokio::time::timeout(every, client.clone().heartbeat(request)).await {
            // Counted from before the call: sync-state's clock for it started no earlier.
            Ok(Ok(_)) => valid_until = sent_at + lasts,
            Ok(Err(status)) if is_lost(&status) => {
                warn!(stream = %lease.resource, "lease lost");
                return;
            }
            Ok(Err(_)) | Err(_) => {}
        }
    }
}

/// Whether a report was refused because the lease is gone.
pub fn is_lost(status: &tonic::Status) -> bool {
    reason_of(status) == Some(ErrorReason::LeaseLost) || status.code() == Code::NotFound
}

/// A duration as it travels.
pub fn duration(of: Duration) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(of).ok()
}

/// Gives a lease back, so that another worker need not wait for its end.
pub async fn release(client: StateServiceClient<Channel>, lease: &Lease) {
    let mut request = Request::new(ReleaseLeaseRequest { resource: lease.resource.clone(), epoch: lease.epoch });
    request.set_timeout(RELEASE_LIMIT);
    let mut client = client;
    if !matches!(tokio::time::timeout(RELEASE_LIMIT, client.release_lease(request)).await, Ok(Ok(_))) {
        warn!(stream = %lease.resource, "lease not released; it ends by silence");
    }
}
