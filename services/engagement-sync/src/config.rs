//! How engagement-sync is started.

use std::{path::PathBuf, time::Duration};

use mesh::{secret::Secret, transport::Endpoint};

/// The settings of engagement-sync. Exactly one of `redis` and `data` says where the live view is kept.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// Where sync-state is.
    #[arg(long, env = "CHAIRSYNC_SYNC_STATE", default_value = "http://127.0.0.1:50051")]
    pub sync_state: Endpoint,
    /// Where pms-connector is.
    #[arg(long, env = "CHAIRSYNC_PMS_CONNECTOR", default_value = "http://127.0.0.1:50054")]
    pub pms_connector: Endpoint,
    /// Redis for the live view, redis://[user:password@]host:port; shared by all replicas.
    #[arg(long, env = "CHAIRSYNC_REDIS", hide_env_values = true)]
    pub redis: Option<Secret>,
    /// A file with the password of Redis
    #[arg(long, env = "CHAIRSYNC_REDIS_PASSWORD_FILE", requires = "redis")]
    pub redis_password_file: Option<PathBuf>,
    /// A folder for the live view, for one process without Redis.
    #[arg(long, env = "CHAIRSYNC_DATA")]
    pub data: Option<PathBuf>,
    /// This worker's name, unique in the mesh. Default: a fresh one.
    #[arg(long, env = "CHAIRSYNC_WORKER")]
    pub worker: Option<String>,
    /// The most change streams that this process follows at once.
    #[arg(long, env = "CHAIRSYNC_CAPACITY", default_value_t = 200)]
    pub capacity: usize,
    /// How long a stream's lease lasts without a heartbeat, in seconds, 1 to 300.
    #[arg(long, env = "CHAIRSYNC_LEASE_SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=300))]
    pub lease_seconds: u64,
    /// How long the PMS may take for a patient card, in milliseconds.
    #[arg(long, env = "CHAIRSYNC_CARD_MILLISECONDS", default_value_t = 2_000)]
    pub card_milliseconds: u64,
    /// Changes kept of each practice, from which watches can resume.
    #[arg(long, env = "CHAIRSYNC_CHANGE_LOG", default_value_t = 20_000)]
    pub change_log: u64,
    /// Patient cards of each practice whose last ledger is kept for when the PMS does not answer.
    #[arg(long, env = "CHAIRSYNC_KEPT_CARDS", default_value_t = 2_000)]
    pub kept_cards: u64,
    /// The most watches that this process serves at once.
    #[arg(long, env = "CHAIRSYNC_WATCHERS", default_value_t = 20_000)]
    pub watchers: usize,
    /// The most writes to PMSs that this process has under way at once; 0: it does none.
    #[arg(long, env = "CHAIRSYNC_WRITES", default_value_t = 64, value_parser = clap::value_parser!(u16).range(0..=1_000))]
    pub writes: u16,
    /// How long a PMS may still be busy with a write whose answer never came, in milliseconds: it is not sent again before.
    #[arg(long, env = "CHAIRSYNC_WRITE_SETTLE_MS", default_value_t = 70_000)]
    pub write_settle_ms: u64,
}

impl Config {
    /// The defaults, with everything in this process but these.
    pub fn new(sync_state: Endpoint, pms_connector: Endpoint) -> Self {
        Self {
            sync_state,
            pms_connector,
            redis: None,
            redis_password_file: None,
            data: None,
            worker: None,
            capacity: 200,
            lease_seconds: 30,
            card_milliseconds: 2_000,
            change_log: 20_000,
            kept_cards: 2_000,
            watchers: 20_000,
            writes: 64,
            write_settle_ms: 70_000,
        }
    }

    pub(crate) fn lease(&self) -> Duration {
        Duration::from_secs(self.lease_seconds)
    }

    pub(crate) fn settle(&self) -> Duration {
        Duration::from_millis(self.write_settle_ms)
    }

    pub(crate) fn card_limit(&self) -> Duration {
        Duration::from_millis(self.card_milliseconds)
    }
}
