//! What sync-state is told at its start.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, bail};
use mesh::secret::Secret;

use crate::store::{
    Store,
    embedded::EmbeddedStore,
    redis::{Options, RedisStore},
};

/// Where the state is kept: exactly one of a Redis and a file.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Config {
    /// Keep the state in this Redis or Valkey: redis://host:6379, redis+sentinel://host:26379,host/service or
    /// redis+cluster://host:6379,host; rediss for TLS
    #[arg(long, env = "CHAIRSYNC_REDIS", hide_env_values = true)]
    pub redis: Option<Secret>,
    /// A file with the password of Redis
    #[arg(long, env = "CHAIRSYNC_REDIS_PASSWORD_FILE", requires = "redis")]
    pub redis_password_file: Option<PathBuf>,
    /// A file with the password of the Sentinels, where they ask for one
    #[arg(long, env = "CHAIRSYNC_REDIS_SENTINEL_PASSWORD_FILE", requires = "redis")]
    pub redis_sentinel_password_file: Option<PathBuf>,
    /// A PEM file with the authorities that Redis's certificate may be signed by, instead of the system's
    #[arg(long, env = "CHAIRSYNC_REDIS_CA_FILE", requires = "redis")]
    pub redis_ca_file: Option<PathBuf>,
    /// A PEM file with a certificate to show to Redis
    #[arg(long, env = "CHAIRSYNC_REDIS_CERT_FILE", requires = "redis_key_file")]
    pub redis_cert_file: Option<PathBuf>,
    /// A PEM file with that certificate's key
    #[arg(long, env = "CHAIRSYNC_REDIS_KEY_FILE", requires = "redis_cert_file")]
    pub redis_key_file: Option<PathBuf>,
    /// Replicas that must have settings and writes to the PMS before these are acknowledged [default: 1 with Sentinels or
    /// a cluster that has replicas, else 0]
    #[arg(long, env = "CHAIRSYNC_REDIS_WAIT_REPLICAS", requires = "redis")]
    pub redis_wait_replicas: Option<u32>,
    /// Keep the state in this file, for one process
    #[arg(long, env = "CHAIRSYNC_DATA", conflicts_with = "redis")]
    pub data: Option<PathBuf>,
    /// How much may be under way at the same time.
    #[command(flatten)]
    pub limits: crate::LimitArgs,
}

impl Config {
    pub(crate) async fn open(&self) -> anyhow::Result<Arc<dyn Store>> {
        match (&self.redis, &self.data) {
            (Some(url), None) => {
                let options = Options {
                    url: url.clone(),
                    password: word("--redis-password-file", self.redis_password_file.as_deref())?,
                    sentinel_password: word(
                        "--redis-sentinel-password-file",
                        self.redis_sentinel_password_file.as_deref(),
                    )?,
                    ca_file: self.redis_ca_file.clone(),
                    cert_file: self.redis_cert_file.clone(),
                    key_file: self.redis_key_file.clone(),
                    wait_replicas: self.redis_wait_replicas,
                };
                Ok(Arc::new(RedisStore::open(options).await?))
            }
            (None, Some(file)) => Ok(Arc::new(EmbeddedStore::open(file)?)),
            _ => bail!("give either --redis redis://host:port or --data file: the state must be kept somewhere"),
        }
    }
}

fn word(flag: &str, file: Option<&Path>) -> anyhow::Result<Option<Secret>> {
    let Some(file) = file else { return Ok(None) };
    let word = std::fs::read_to_string(file).with_context(|| format!("{flag} {} cannot be read", file.display()))?;
    Ok(Some(Secret::new(word.trim_end_matches(['\r', '\n']))))
}
