//! What sync-state is told at its start.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context as _, bail};
use mesh::secret::Secret;

use crate::store::{Store, embedded::EmbeddedStore, redis::RedisStore};

/// Where the state is kept: exactly one of a Redis and a file.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Config {
    /// Keep the state in this Redis, e.g. redis://127.0.0.1:6379
    #[arg(long, env = "CHAIRSYNC_REDIS", hide_env_values = true)]
    pub redis: Option<Secret>,
    /// A file with the password of Redis
    #[arg(long, env = "CHAIRSYNC_REDIS_PASSWORD_FILE", requires = "redis")]
    pub redis_password_file: Option<PathBuf>,
    /// Keep the state in this file, for one process
    #[arg(long, env = "CHAIRSYNC_DATA", conflicts_with = "redis")]
    pub data: Option<PathBuf>,
}

impl Config {
    pub(crate) async fn open(&self) -> anyhow::Result<Arc<dyn Store>> {
        match (&self.redis, &self.data) {
            (Some(url), None) => {
                let password = match &self.redis_password_file {
                    Some(file) => {
                        let word = std::fs::read_to_string(file)
                            .with_context(|| format!("--redis-password-file {} cannot be read", file.display()))?;
                        Some(Secret::new(word.trim_end_matches(['\r', '\n'])))
                    }
                    None => None,
                };
                Ok(Arc::new(RedisStore::connect(url, password.as_ref()).await?))
            }
            (None, Some(file)) => Ok(Arc::new(EmbeddedStore::open(file)?)),
            _ => bail!("give either --redis redis://host:port or --data file: the state must be kept somewhere"),
        }
    }
}
