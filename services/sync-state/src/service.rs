//! The API of sync-state over its store.

mod catalog;
pub mod convert;
mod practices;
mod runs;
pub mod states;
mod validate;
mod workers;

use std::sync::Arc;

use chairsync_proto::{
    feature::catalog_service_server::CatalogServiceServer, practice::practice_service_server::PracticeServiceServer,
    state::state_service_server::StateServiceServer, sync::sync_service_server::SyncServiceServer,
};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

/// All services that sync-state answers.
pub fn routes(states: Arc<states::States>, shutdown: CancellationToken) -> Routes {
    Routes::new(CatalogServiceServer::new(catalog::Catalog))
        .add_service(PracticeServiceServer::new(practices::Practices::new(states.clone())))
        .add_service(SyncServiceServer::new(runs::Runs::new(states.clone(), shutdown.clone())))
        .add_service(StateServiceServer::new(workers::Workers::new(states, shutdown)))
}
