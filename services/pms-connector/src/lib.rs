//! The only room that knows a PMS: it reads practices' databases in the canonical columns of `mesh::datasets`.
//!
//! [`connector`] is what every kind of PMS can do; [`opendental`] does it on a MariaDB or MySQL, [`sample`] in memory.
//! [`sources`] opens the one that a practice names, [`service`] serves it as `chairsync.pms.v1`. The SQL session is
//! read-only; what is written goes through the PMS's own API.

pub mod connector;
pub mod convert;
pub mod opendental;
pub mod sample;
pub mod service;
pub mod sources;

use std::{collections::HashMap, path::PathBuf, time::Duration};

use chairsync_proto::pms::pms_connector_service_server::PmsConnectorServiceServer;
use mesh::{secret::Secret, transport::Listener};
use tokio_util::sync::CancellationToken;

pub use service::Service;
pub use sources::Sources;

/// The largest request: 64 selectors of 10,000 values.
const REQUEST_BYTES: usize = 16 << 20;
/// How often idle connections are looked for.
const SWEEP: Duration = Duration::from_secs(60);

/// What the connector is told at its start.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// The folder with one file for each credential: its name is the credential's, its contents the password
    #[arg(long, env = "CHAIRSYNC_CREDENTIALS_DIR")]
    pub credentials_dir: Option<PathBuf>,
    /// Credentials of a process that holds them itself; they come before the folder's
    #[clap(skip)]
    pub credentials: HashMap<String, Secret>,
    /// How often changes are polled for, in milliseconds
    #[arg(long, env = "CHAIRSYNC_POLL_INTERVAL_MS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(10..=600_000))]
    pub poll_interval_ms: u64,
    /// How often keys are compared to find deletes, in milliseconds
    #[arg(long, env = "CHAIRSYNC_RECONCILE_INTERVAL_MS", default_value_t = 30_000, value_parser = clap::value_parser!(u64).range(10..=86_400_000))]
    pub reconcile_interval_ms: u64,
    /// The most rows of a snapshot's chunk; within it chunks are as large as the server gives in half a second
    #[arg(long, env = "CHAIRSYNC_CHUNK_ROWS", default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(500..=50_000))]
    pub chunk_rows: u32,
    /// How long the PMS's API may take for a write, in milliseconds; afterwards it is not known whether it has it
    #[arg(long, env = "CHAIRSYNC_API_ANSWER_MS", default_value_t = 65_000, value_parser = clap::value_parser!(u64).range(100..=120_000))]
    pub api_answer_ms: u64,
    /// The most requests a second to one practice's API; the vendor's cloud gets one
    #[arg(long, env = "CHAIRSYNC_API_REQUESTS_PER_SECOND", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub api_requests_per_second: u32,
    /// Authorities that may have signed the API's certificate, instead of the system's
    #[arg(long, env = "CHAIRSYNC_API_CA_FILE")]
    pub api_ca_file: Option<PathBuf>,
}

impl Config {
    /// How a PMS's API is used.
    pub(crate) fn manners(&self) -> opendental::Manners {
        opendental::Manners {
            answer_limit: Duration::from_millis(self.api_answer_ms),
            per_second: self.api_requests_per_second,
            ca_file: self.api_ca_file.clone(),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            credentials_dir: None,
            credentials: HashMap::new(),
            poll_interval_ms: 1_000,
            reconcile_interval_ms: 30_000,
            chunk_rows: 50_000,
            api_answer_ms: 65_000,
            api_requests_per_second: 20,
            api_ca_file: None,
        }
    }
}

/// Serves `chairsync.pms.v1` until `shutdown`, then drains.
///
/// # Errors
/// When the listener breaks.
pub async fn run(config: Config, listener: Listener, shutdown: CancellationToken) -> anyhow::Result<()> {
    let sources = Sources::new(config);
    let sweeper = {
        let (sources, shutdown) = (sources.clone(), shutdown.clone());
        tokio::spawn(async move {
            while tokio::time::timeout(SWEEP, shutdown.cancelled()).await.is_err() {
                sources.close_idle();
            }
        })
    };
    let service = PmsConnectorServiceServer::new(Service::new(sources, shutdown.clone()))
        .max_decoding_message_size(REQUEST_BYTES)
        .max_encoding_message_size(mesh::transport::BULK_MESSAGE_BYTES);
    let routes = tonic::service::Routes::new(service);
    let served = mesh::serve::serve("pms-connector", routes, listener, shutdown).await;
    sweeper.abort();
    served
}
