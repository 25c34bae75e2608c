//! The one door: routes each call by the method's own annotations.
//!
//! The routing table is the descriptors (`chairsync_proto::catalog::methods`): no method is named here. Bytes pass
//! through undecoded in both directions, and so do metadata, trailers and errors; deadlines and trace context travel on.
//! The chain, outermost first:
//!
//! `trace → panics → deadline` (from [`mesh::serve`]) `→ route → practice → forward`
//!
//! Who may call is not checked yet: the gateway listens on loopback unless it is told `--insecure-listen`.

mod config;
mod forward;
mod health;
mod practice;
mod route;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use mesh::transport::Listener;

pub use config::Config;
pub use route::Router;

/// Serves until `shutdown`, then drains.
///
/// # Errors
/// When it would listen beyond loopback without being told so, or the listener breaks.
pub async fn run(config: Config, listener: Listener, shutdown: CancellationToken) -> anyhow::Result<()> {
    config.check_listener(listener.local_addr())?;
    let router = Router::new(&config.upstreams());
    let public = Router::public_services();
    let (reporter, health_service) = tonic_health::server::health_reporter();
    let mut routes = Routes::from(axum::Router::new().fallback_service(router)).add_service(health_service);
    let standard = ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"];
    let reflected: Vec<&str> = public.iter().copied().chain(standard).collect();
    for version in mesh::serve::reflection(Some(&reflected)).context("the public packages' reflection")? {
        routes = version.add_to(routes);
    }
    let watch = tokio::spawn(health::follow(config.upstreams(), reporter.clone(), shutdown.clone()));
    let stop = shutdown.clone();
    let served = mesh::serve::serve_routes("gateway", routes, listener, shutdown, async move {
        stop.cancelled().await;
    });
    let ended = served.await;
    watch.abort();
    ended
}
