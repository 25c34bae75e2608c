//! How every service serves: health, reflection, deadlines, traces, metrics, panics caught, and an orderly end.
//!
//! The chain, outermost first. Tracing comes first so that every refusal below it is seen; panics are caught inside it,
//! so that one is a status like any other; the deadline is inside both, so that what it cuts off is counted; the
//! sentence for methods that are not built comes last, as it only rewrites what the generated stubs say.
//!
//! `trace → panics → deadline → not built → routes`

mod chain;
mod not_built;
mod panics;
mod services;
mod trace;

use std::time::Duration;

use anyhow::Context as _;
use futures::StreamExt as _;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_util::sync::CancellationToken;
use tonic::{service::Routes, transport::Server};
use tonic_health::ServingStatus;

use crate::transport::{CONNECTION_WINDOW, Listener, STREAM_WINDOW};

pub use services::{One, Services};

/// The deadline of a unary call that names none.
pub const UNARY_DEADLINE: Duration = Duration::from_secs(30);
/// How long calls may take to end after the server was told to stop.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Requests' headers, all of a call together.
const HEADER_BYTES: u32 = 16 << 10;

/// Serves `services` until `shutdown`, then drains. Health is `SERVING` while it accepts calls.
///
/// Handlers of long streams should end them when `shutdown` is cancelled; those that do not are cut off after a while.
///
/// # Errors
/// When the listener breaks.
pub async fn serve(
    name: &'static str,
    services: impl Into<Services>,
    listener: Listener,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let (health, health_service) = tonic_health::server::health_reporter();
    let versions = reflection(None)?;
    let routed = services.into().map_rest(|routes| {
        versions.into_iter().fold(routes.add_service(health_service), |routes, version| version.add_to(routes))
    });
    let services = served_by(name);
    let serving = async {
        health.set_service_status("", ServingStatus::Serving).await;
        for service in &services {
            health.set_service_status(*service, ServingStatus::Serving).await;
        }
    };
    let draining = {
        let (shutdown, health, services) = (shutdown.clone(), health.clone(), services.clone());
        async move {
            shutdown.cancelled().await;
            health.set_service_status("", ServingStatus::NotServing).await;
            for service in services {
                health.set_service_status(service, ServingStatus::NotServing).await;
            }
        }
    };
    health.set_service_status("", ServingStatus::NotServing).await;
    serving.await;
    serve_all(name, routed, listener, shutdown, draining).await
}

/// The same for routes that bring their own health and reflection, as the gateway's do.
///
/// # Errors
/// When the listener breaks.
pub async fn serve_routes(
    name: &'static str,
    routes: Routes,
    listener: Listener,
    shutdown: CancellationToken,
    draining: impl Future<Output = ()> + Send,
) -> anyhow::Result<()> {
    serve_all(name, routes.into(), listener, shutdown, draining).await
}

async fn serve_all(
    name: &'static str,
    services: Services,
    listener: Listener,
    shutdown: CancellationToken,
    draining: impl Future<Output = ()> + Send,
) -> anyhow::Result<()> {
    let chain = chain::Chain::new(name, services, UNARY_DEADLINE);
    let server = Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keepalive_interval(Some(KEEP_ALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT))
        .http2_max_header_list_size(HEADER_BYTES);
    match listener.local_addr() {
        Some(address) => tracing::info!(%address, "serving"),
        None => tracing::debug!("serving in this process"),
    }
    let run = async {
        match listener {
            Listener::Tcp(listener) => {
                let incoming = TcpListenerStream::new(listener).inspect(|stream| {
                    if let Ok(stream) = stream {
                        let _ = stream.set_nodelay(true); // slower, not wrong, where it is refused
                    }
                });
                server.serve_with_incoming_shutdown(chain, incoming, draining).await
            }
            Listener::InProcess(accept) => {
                let incoming = ReceiverStream::new(accept).map(Ok::<_, std::io::Error>);
                server.serve_with_incoming_shutdown(chain, incoming, draining).await
            }
        }
    };
    let cut_off = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN_LIMIT).await;
    };
    tokio::select! {
        served = run => served.with_context(|| format!("{name} stopped serving")),
        () = cut_off => {
            tracing::warn!(limit = ?DRAIN_LIMIT, "calls that did not end were cut off");
            Ok(())
        }
    }
}

/// The full names of the API services that a service of the mesh answers.
fn served_by(name: &str) -> Vec<&'static str> {
    let mut services: Vec<&str> = chairsync_proto::catalog::methods()
        .values()
        .filter(|row| row.server.as_str_name().trim_start_matches("SERVER_").to_lowercase().replace('_', "-") == name)
        .map(|row| row.service.as_str())
        .collect();
    services.dedup();
    services
}

/// A version of the reflection service.
pub struct Reflection(Box<dyn FnOnce(Routes) -> Routes + Send>);

impl std::fmt::Debug for Reflection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reflection")
    }
}

impl Reflection {
    /// Adds it to routes.
    pub fn add_to(self, routes: Routes) -> Routes {
        (self.0)(routes)
    }
}

/// Reflection, v1 and v1alpha, of the named services; of all that the descriptors hold when none are named.
///
/// Where services are named, only the files that they are made of are there: others can be neither listed nor described.
///
/// # Errors
/// When the descriptors cannot be read; they are compiled in.
pub fn reflection(services: Option<&[&str]>) -> anyhow::Result<[Reflection; 2]> {
    let descriptors = services.map_or_else(|| chairsync_proto::DESCRIPTORS.to_vec(), descriptors_of);
    let builder = || {
        let mut builder = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(&descriptors)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // So that clients by reflection can read the details of errors.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET);
        for service in services.into_iter().flatten() {
            builder = builder.with_service_name(*service);
        }
        builder
    };
    let v1 = builder().build_v1().context("reflection v1")?;
    let v1alpha = builder().build_v1alpha().context("reflection v1alpha")?;
    Ok([
        Reflection(Box::new(|routes| routes.add_service(v1))),
        Reflection(Box::new(|routes| routes.add_service(v1alpha))),
    ])
}

/// An encoded set of the files of the named services and of all that they import, comments and options included.
fn descriptors_of(services: &[&str]) -> Vec<u8> {
    let pool = chairsync_proto::catalog::pool();
    let mut open: Vec<_> = services
        .iter()
        .filter_map(|name| pool.get_service_by_name(name))
        .map(|service| service.parent_file())
        .collect();
    let mut files = std::collections::BTreeMap::new();
    while let Some(file) = open.pop() {
        if files.insert(file.name().to_owned(), file.encode_to_vec()).is_none() {
            open.extend(file.dependencies());
        }
    }
    let mut set = Vec::new();
    for file in files.values() {
        // `FileDescriptorSet.file`; decoding the files to build one would lose their options.
        prost::encoding::bytes::encode(1, file, &mut set);
    }
    set
}
