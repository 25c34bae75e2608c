//! The API of sync-state over its store.

mod catalog;
mod claims;
pub mod convert;
mod fleet;
mod outbox;
mod practices;
mod read;
mod runs;
mod saved;
pub mod states;
mod transfer;
mod validate;
mod watch;
mod workers;

use std::sync::Arc;

use chairsync_proto::{
    feature::catalog_service_server::CatalogServiceServer,
    practice::practice_service_server::PracticeServiceServer,
    state::state_service_server::StateServiceServer,
    sync::{outbox_service_server::OutboxServiceServer, sync_service_server::SyncServiceServer},
};
use mesh::serve::Services;
use tokio_util::sync::CancellationToken;

/// All services that sync-state answers.
pub fn routes(states: Arc<states::States>, shutdown: CancellationToken) -> Services {
    Services::of([
        Services::one(CatalogServiceServer::new(catalog::Catalog)),
        Services::one(PracticeServiceServer::new(practices::Practices::new(states.clone()))),
        Services::one(OutboxServiceServer::new(outbox::Outbox::new(states.clone()))),
        Services::one(SyncServiceServer::new(runs::Runs::new(states.clone(), shutdown.clone()))),
        Services::one(StateServiceServer::new(workers::Workers::new(states, shutdown))),
    ])
}
