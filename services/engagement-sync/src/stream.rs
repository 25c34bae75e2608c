//! Follows practices' change streams into the live view.
//!
//! [`Worker`] claims streams and runs a [`session`] for each: fence, [`fill`] where the view is empty, then [`follow`].
//! Order is always: the live view first, then the cursor in sync-state; a stop anywhere only repeats work.

mod fill;
mod follow;
mod reconcile;
mod session;

use std::{collections::HashSet, sync::Arc, time::Duration};

use chairsync_proto::state::{ClaimStreamsRequest, state_service_client::StateServiceClient};
use mesh::transport::Channel;
use rand::Rng as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::Request;
use tracing::{info, warn};

use crate::{lease, live_view::LiveView, pms::Pms};

/// How long a claim waits at sync-state.
const CLAIM_WAIT: Duration = Duration::from_secs(20);
const CLAIM_LIMIT: Duration = Duration::from_secs(30);
const RETRY_MIN: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(15);
/// The same between claims. Short: a stream whose worker died is to be taken over within seconds.
const CLAIM_RETRY_MAX: Duration = Duration::from_secs(1);

/// Claims change streams and follows them.
#[derive(Debug, Clone)]
pub struct Worker {
    /// sync-state.
    pub state: StateServiceClient<Channel>,
    /// pms-connector.
    pub pms: Pms,
    /// The live view.
    pub view: Arc<dyn LiveView>,
    /// This worker's unique name.
    pub name: String,
    /// The most streams to follow at once.
    pub capacity: usize,
    /// How long a lease lasts without a heartbeat.
    pub lease: Duration,
}

impl Worker {
    /// Works until `stop`, then gives its leases back.
    pub async fn run(self, stop: CancellationToken) {
        let mut sessions: JoinSet<String> = JoinSet::new();
        let mut held: HashSet<String> = HashSet::new();
        let mut wait = RETRY_MIN;
        while !stop.is_cancelled() {
            while let Some(ended) = sessions.try_join_next() {
                note_end(ended, &mut held);
            }
            if held.len() >= self.capacity {
                tokio::select! {
                    Some(ended) = sessions.join_next() => note_end(ended, &mut held),
                    () = stop.cancelled() => break,
                }
                continue;
            }
            let claim = tokio::time::timeout(CLAIM_LIMIT, self.claim(self.capacity - held.len()));
            let claimed = tokio::select! {
                claimed = claim => claimed,
                Some(ended) = sessions.join_next() => {
                    note_end(ended, &mut held);
                    continue;
                }
                () = stop.cancelled() => break,
            };
            match claimed {
                Ok(Ok(streams)) => {
                    wait = RETRY_MIN;
                    for stream in streams {
                        let Some(lease) = stream.lease.clone() else { continue };
                        let resource = lease.resource.clone();
                        info!(stream = %resource, epoch = lease.epoch, "change stream claimed");
                        held.insert(resource.clone());
                        let session = session::Session::new(self.clone(), lease, stream);
                        let stop = stop.clone();
                        sessions.spawn(async move {
                            if let Some(session) = session {
                                session.run(stop).await;
                            }
                            resource
                        });
                    }
                }
                Ok(Err(status)) => {
                    warn!(code = ?status.code(), "claiming change streams failed");
                    pause(&mut wait, CLAIM_RETRY_MAX, &stop).await;
                }
                Err(_) => pause(&mut wait, CLAIM_RETRY_MAX, &stop).await,
            }
        }
        while sessions.join_next().await.is_some() {}
    }

    async fn claim(&self, capacity: usize) -> Result<Vec<chairsync_proto::state::ClaimedStream>, tonic::Status> {
        let mut request = Request::new(ClaimStreamsRequest {
            worker: self.name.clone(),
            capacity: i32::try_from(capacity.min(1_000)).unwrap_or(1_000),
            lease_duration: lease::duration(self.lease),
            wait: lease::duration(CLAIM_WAIT),
        });
        request.set_timeout(CLAIM_LIMIT);
        Ok(self.state.clone().claim_streams(request).await?.into_inner().streams)
    }
}

fn note_end(ended: Result<String, tokio::task::JoinError>, held: &mut HashSet<String>) {
    match ended {
        Ok(resource) => {
            held.remove(&resource);
        }
        Err(error) => warn!(panicked = error.is_panic(), "a change stream's session ended badly"),
    }
}

/// Waits with jitter, longer each time; ends early at `stop`.
async fn pause(wait: &mut Duration, longest: Duration, stop: &CancellationToken) {
    let jitter = rand::rng().random_range(0.5..1.0);
    tokio::select! {
        () = tokio::time::sleep(wait.mul_f64(jitter)) => {}
        () = stop.cancelled() => {}
    }
    *wait = (*wait * 2).min(longest);
}
