//! Brings what is owed to the PMS there: claims writes from sync-state's outbox, and sees each through an [`attempt`].
//!
//! The outbox keeps the order of each patient's writes; SENDING is durable there before the PMS is called, so that whoever
//! takes a write over looks for it first.

mod attempt;
mod verdict;

use std::time::Duration;

use chairsync_proto::state::{ClaimWritesRequest, ClaimedWrite, state_service_client::StateServiceClient};
use mesh::{backoff::Backoff, transport::Channel};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};
use tracing::warn;

use crate::{lease, pms::Pms};

/// How long a claim waits at sync-state. Short: a claim is not given up in the middle, or what it leased would be lost.
const CLAIM_WAIT: Duration = Duration::from_secs(2);
const CLAIM_LIMIT: Duration = Duration::from_secs(10);
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(1);
/// Writes of one claim.
const CLAIM_MAX: usize = 100;

/// Claims writes and does them.
#[derive(Debug, Clone)]
pub struct Worker {
    /// sync-state.
    pub state: StateServiceClient<Channel>,
    /// pms-connector.
    pub pms: Pms,
    /// This worker's unique name.
    pub name: String,
    /// The most writes under way at once.
    pub capacity: usize,
    /// How long a write's lease lasts without a heartbeat.
    pub lease: Duration,
    /// How long a PMS may still be busy with a write whose answer never came.
    pub settle: Duration,
}

impl Worker {
    /// Works until `stop`. What has not been sent is given back then, what is on its way is seen through.
    pub async fn run(self, stop: CancellationToken) {
        let mut attempts: JoinSet<()> = JoinSet::new();
        let mut waits = Backoff::forever(RETRY_MIN, RETRY_MAX);
        while !stop.is_cancelled() && self.capacity > 0 {
            while attempts.len() >= self.capacity {
                tokio::select! {
                    Some(ended) = attempts.join_next() => note_end(ended),
                    () = stop.cancelled() => break,
                }
            }
            if stop.is_cancelled() {
                break;
            }
            while let Some(ended) = attempts.try_join_next() {
                note_end(ended);
            }
            match tokio::time::timeout(CLAIM_LIMIT, self.claim(self.capacity - attempts.len())).await {
                Ok(Ok(writes)) => {
                    waits.reset();
                    for write in writes {
                        attempts.spawn(attempt::run(self.clone(), write, stop.clone()));
                    }
                }
                failed => {
                    if let Ok(Err(status)) = failed {
                        warn!(code = ?status.code(), "claiming writes failed");
                    }
                    let wait = waits.next().unwrap_or(RETRY_MAX);
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = stop.cancelled() => {}
                    }
                }
            }
        }
        while let Some(ended) = attempts.join_next().await {
            note_end(ended);
        }
    }

    async fn claim(&self, capacity: usize) -> Result<Vec<ClaimedWrite>, Status> {
        let mut request = Request::new(ClaimWritesRequest {
            worker: self.name.clone(),
            capacity: i32::try_from(capacity.min(CLAIM_MAX)).unwrap_or(1),
            lease_duration: lease::duration(self.lease),
            wait: lease::duration(CLAIM_WAIT),
        });
        request.set_timeout(CLAIM_LIMIT);
        Ok(self.state.clone().claim_writes(request).await?.into_inner().writes)
    }
}

fn note_end(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        warn!(panicked = error.is_panic(), "an attempt at a write ended badly");
    }
}
