//! Claims due runs, as many as there are hands, and works on each under its lease.

use std::{sync::Arc, time::Duration};

use chairsync_proto::{
    pms::pms_connector_service_client::PmsConnectorServiceClient,
    state::{ClaimRunsRequest, ClaimedRun, state_service_client::StateServiceClient},
    sync::RunState,
};
use mesh::{
    backoff::Backoff,
    transport::{BULK_MESSAGE_BYTES, Channel},
};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};
use tracing::Instrument;

use super::{
    Refresh, Stop,
    lease::{self, KeptLease},
    reports::{Reports, StateClient},
    transfer::{ConnectorClient, Transfer},
};
use crate::store::Store;

/// How long a claim waits for a run to be due.
const CLAIM_WAIT: Duration = Duration::from_secs(20);
/// What a claim may take beyond its wait.
const CLAIM_GRACE: Duration = Duration::from_secs(10);
/// The same while all hands are busy but the one that is kept for what is asked for by hand: others may be free sooner.
const CLAIM_WAIT_URGENT: Duration = Duration::from_secs(1);
/// The pauses after claims that failed. Short: work of a worker that died is to be taken over within seconds.
const CLAIM_PAUSE: Duration = Duration::from_millis(100);
const CLAIM_PAUSE_MAX: Duration = Duration::from_secs(1);

/// Works on runs until it is stopped or dropped.
pub struct Worker {
    /// Its unique name.
    pub name: String,
    /// The runs that it works on at the same time. One more is worked on where that was asked for by hand.
    pub capacity: usize,
    /// How long its leases last without a heartbeat.
    pub lease: Duration,
    /// Where the tables are.
    pub store: Store,
    /// sync-state.
    pub state: Channel,
    /// The pms-connector.
    pub connector: Channel,
    /// Reads single patients again.
    pub refresh: Arc<dyn Refresh>,
    /// Told the id of each practice whose run has finished; a full queue misses some.
    pub finished: mpsc::Sender<String>,
}

impl Worker {
    /// Claims and works until `shutdown`; then gives its leases back. Dropping it stops everything at once, as a kill
    /// would: leases run out, files stay.
    pub async fn run(self, shutdown: CancellationToken) {
        let hands = Arc::new(Semaphore::new(self.capacity.max(1)));
        let spare = Arc::new(Semaphore::new(1));
        let mut working = JoinSet::new();
        let mut pauses = Backoff::forever(CLAIM_PAUSE, CLAIM_PAUSE_MAX);
        loop {
            // Only this loop takes hands; whoever works gives them back.
            let (free, urgent) = (hands.available_permits(), spare.available_permits());
            if free + urgent == 0 {
                tokio::select! {
                    _ = shutdown.cancelled() => break,
                    Some(ended) = working.join_next() => report_panic(ended),
                }
                continue;
            }
            while let Some(ended) = working.try_join_next() {
                report_panic(ended);
            }
            let claimed = tokio::select! {
                _ = shutdown.cancelled() => break,
                claimed = self.claim(free, urgent) => claimed,
            };
            match claimed {
                Ok(runs) => {
                    pauses.reset();
                    for run in runs {
                        let hand = match hands.clone().try_acquire_owned() {
                            Ok(hand) => hand,
                            Err(_) => match spare.clone().try_acquire_owned() {
                                Ok(hand) => hand,
                                Err(_) => break, // more than was asked for; its lease runs out
                            },
                        };
                        let work = self.attempt(run, shutdown.clone());
                        working.spawn(async move {
                            work.await;
                            drop(hand);
                        });
                    }
                }
                Err(status) => {
                    tracing::warn!(code = ?status.code(), "runs cannot be claimed");
                    tokio::select! {
                        _ = shutdown.cancelled() => break,
                        _ = tokio::time::sleep(pauses.next().unwrap_or(CLAIM_PAUSE_MAX)) => {}
                    }
                }
            }
        }
        while let Some(ended) = working.join_next().await {
            report_panic(ended);
        }
    }

    fn client(&self) -> StateClient {
        StateServiceClient::new(self.state.clone())
    }

    async fn claim(&self, free: usize, urgent: usize) -> Result<Vec<ClaimedRun>, Status> {
        let number = |n: usize| i32::try_from(n).unwrap_or(i32::MAX).min(100);
        let wait = if free > 0 { CLAIM_WAIT } else { CLAIM_WAIT_URGENT };
        let mut request = Request::new(ClaimRunsRequest {
            worker: self.name.clone(),
            capacity: number(free),
            urgent_capacity: number(urgent),
            lease_duration: prost_types::Duration::try_from(self.lease).ok(),
            wait: prost_types::Duration::try_from(wait).ok(),
        });
        request.set_timeout(wait + CLAIM_GRACE);
        Ok(self.client().claim_runs(request).await?.into_inner().runs)
    }

    /// Works on one run; owns all it needs.
    fn attempt(&self, run: ClaimedRun, shutdown: CancellationToken) -> impl Future<Output = ()> + Send + 'static {
        let lease = run.lease.clone().unwrap_or_default();
        let reports = Reports::new(self.client(), &lease);
        let kept = lease::keep(self.client(), &lease, self.lease);
        let connector: ConnectorClient =
            PmsConnectorServiceClient::new(self.connector.clone()).max_decoding_message_size(BULK_MESSAGE_BYTES);
        let refresh = self.refresh.clone();
        let transfer = Transfer::new(self.store.clone(), connector, reports.clone(), refresh, run);
        let span = tracing::info_span!("run", run = %lease.resource, epoch = lease.epoch);
        let finished = self.finished.clone();
        async move {
            if work(transfer, reports, kept, shutdown).await
                && let Ok(practice) = mesh::names::practice_of("run", &lease.resource)
            {
                let _ = finished.try_send(practice.to_owned()); // who listens is ahead of the first question at best
            }
        }
        .instrument(span)
    }
}

/// Whether the attempt came to its end: readers may see something new.
async fn work(mut transfer: Transfer, reports: Reports, kept: KeptLease, shutdown: CancellationToken) -> bool {
    tracing::info!("run started");
    let ended = tokio::select! {
        biased;
        _ = kept.lost.cancelled() => Err(Stop::LeaseLost),
        _ = shutdown.cancelled() => {
            reports.release().await;
            tracing::info!("run given back: shutting down");
            return false;
        }
        ended = transfer.drive() => ended,
    };
    let finished = ended.is_ok();
    match ended {
        Ok(RunState::Succeeded) => {
            tracing::info!("run finished");
            transfer.sweep().await;
        }
        Ok(state) => tracing::info!(?state, "attempt finished; some datasets are missing"),
        Err(Stop::LeaseLost) => tracing::info!("run left: the lease is lost"),
        Err(Stop::Failed(failure)) => {
            tracing::warn!(reason = ?failure.reason, permanent = failure.permanent, "run failed");
            tokio::select! {
                _ = kept.lost.cancelled() => {}
                reported = reports.fail(failure) => {
                    if reported.is_err() {
                        tracing::warn!("the failure could not be reported; the lease will run out");
                    }
                }
            }
        }
    }
    finished
}

fn report_panic(ended: Result<(), tokio::task::JoinError>) {
    if ended.is_err_and(|e| e.is_panic()) {
        tracing::error!("work on a run panicked; its lease will run out");
        metrics::counter!("chairsync_panics_total").increment(1);
    }
}
