//! Snapshots to Delta tables to the analytics features.
//!
//! [`runs`] claims due runs and brings the PMS's rows into [`tables`]; [`states`] follows what sync-state accepted of
//! them; [`huddle`] and [`finder`] compute on them; [`service`] answers. A run's way through these is in `docs/architecture.md`.

pub mod absent;
pub mod books;
pub mod cache;
pub mod collections;
pub mod confirmation;
pub mod figures;
pub mod finder;
pub mod goals;
pub mod group;
pub mod hours;
pub mod huddle;
pub mod metrics;
pub mod performance;
pub mod pulse;
pub mod question;
pub mod receivables;
pub mod refs;
pub mod reports;
pub mod runs;
pub mod saved;
pub mod schedule_analysis;
pub mod scorecards;
pub mod service;
pub mod states;
pub mod store;
pub mod tables;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]
mod testing;

use std::{sync::Arc, time::Duration};

use chairsync_proto::analytics::analytics_service_server::AnalyticsServiceServer;
use mesh::{
    serve::Services,
    transport::{self, Endpoint, Listener},
};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{
    runs::worker::Worker,
    service::Analytics,
    states::States,
    store::{ObjectStoreSettings, Store},
};

/// Finished runs whose features wait to be computed ahead of the first question.
const WARM_QUEUE: usize = 64;

/// How analytics-sync is set up.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// Where the tables are: a folder, or the URL of a folder or of an object store's prefix (file:///, s3://, gs://, az://,
    /// abfss://).
    #[arg(long, env = "CHAIRSYNC_STORE")]
    pub store: String,
    /// How an object store is reached.
    #[command(flatten)]
    pub object_store: ObjectStoreSettings,
    /// Where sync-state is.
    #[arg(long, env = "CHAIRSYNC_SYNC_STATE", default_value = "http://127.0.0.1:50051")]
    pub sync_state: Endpoint,
    /// Where the pms-connector is.
    #[arg(long, env = "CHAIRSYNC_PMS_CONNECTOR", default_value = "http://127.0.0.1:50054")]
    pub pms_connector: Endpoint,
    /// This worker's name, unique among all; default: a new one at each start.
    #[arg(long, env = "CHAIRSYNC_WORKER")]
    pub worker: Option<String>,
    /// The runs to work on at the same time, 1 to 100.
    #[arg(long, env = "CHAIRSYNC_CAPACITY", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub capacity: u16,
    /// How many seconds a run's lease lasts without a heartbeat, 1 to 300.
    #[arg(long, env = "CHAIRSYNC_LEASE_SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=300))]
    pub lease_seconds: u64,
}

/// Serves and works until `shutdown`; then gives leases back and drains calls.
///
/// # Errors
/// When the store's location is refused or the store fails at its first look, or the listener fails.
pub async fn run(config: Config, listener: Listener, shutdown: CancellationToken) -> anyhow::Result<()> {
    let store = Store::open(&config.store, &config.object_store)?;
    store.check().await?;
    let state = transport::connect(&config.sync_state);
    let name = config.worker.clone().unwrap_or_else(|| format!("analytics-{}", uuid::Uuid::new_v4().simple()));
    let states = States::new(state.clone());
    let following = spawn(states.clone().follow(name.clone(), store.clone(), shutdown.clone()));
    let connector = transport::connect(&config.pms_connector);
    let analytics = Analytics::new(states, store.clone(), connector.clone(), state.clone());
    let (finished, to_warm) = mpsc::channel(WARM_QUEUE);
    let worker = Worker {
        name,
        capacity: config.capacity.into(),
        lease: Duration::from_secs(config.lease_seconds),
        store,
        state,
        connector,
        refresh: Arc::new(analytics.clone()),
        finished,
    };
    let working = spawn(worker.run(shutdown.clone()));
    let warming = spawn(analytics.clone().keep_warm(to_warm, shutdown.clone()));
    let services = Services::of([Services::one(AnalyticsServiceServer::new(analytics))]);
    let served = mesh::serve::serve("analytics-sync", services, listener, shutdown.clone()).await;
    shutdown.cancel();
    let (worked, followed, warmed) = tokio::join!(working, following, warming);
    served?;
    warmed?;
    worked?;
    followed?;
    Ok(())
}

/// Tasks end with the service, also when it is dropped.
fn spawn(work: impl Future<Output = ()> + Send + 'static) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(work))
}
