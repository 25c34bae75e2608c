//! sync-state: what is synced, due, running and how fresh.
//!
//! All rules are in [`core`], a pure function; a [`store`] keeps what it returns; [`service`] is the API. "Nightly, once
//! per local date" stands in [`core::nightly`], freshness in [`core::freshness`].

mod config;
pub mod core;
mod limits;
pub mod service;
pub mod store;

use std::sync::Arc;

use anyhow::Context as _;
use mesh::transport::Listener;
use tokio_util::sync::CancellationToken;

pub use config::Config;
pub use limits::LimitArgs;

/// Serves until `shutdown`, then drains.
///
/// # Errors
/// When the store cannot be opened or the listener breaks.
pub async fn run(config: Config, listener: Listener, shutdown: CancellationToken) -> anyhow::Result<()> {
    let store: Arc<dyn store::Store> = config.open().await.context("the state store cannot be opened")?;
    let states = service::states::States::start(store, config.limits.into(), shutdown.clone()).await?;
    let routes = service::routes(states, shutdown.clone());
    mesh::serve::serve("sync-state", routes, listener, shutdown).await
}
