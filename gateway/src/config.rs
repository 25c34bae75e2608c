//! What the gateway is told at its start.

use std::net::SocketAddr;

use anyhow::bail;
use chairsync_proto::feature::Server;
use mesh::transport::Endpoint;

/// Where the services behind the gateway are, and whether it may listen beyond loopback.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// Where sync-state is
    #[arg(long, env = "CHAIRSYNC_SYNC_STATE", default_value = "http://127.0.0.1:50051")]
    pub sync_state: Endpoint,
    /// Where analytics-sync is
    #[arg(long, env = "CHAIRSYNC_ANALYTICS_SYNC", default_value = "http://127.0.0.1:50052")]
    pub analytics_sync: Endpoint,
    /// Where engagement-sync is
    #[arg(long, env = "CHAIRSYNC_ENGAGEMENT_SYNC", default_value = "http://127.0.0.1:50053")]
    pub engagement_sync: Endpoint,
    /// Listen beyond loopback although no caller's identity is checked yet
    #[arg(long, env = "CHAIRSYNC_INSECURE_LISTEN", action = clap::ArgAction::Set, num_args = 0..=1,
          default_value_t = false, default_missing_value = "true")]
    pub insecure_listen: bool,
}

impl Config {
    /// The services behind the gateway.
    pub(crate) fn upstreams(&self) -> [(Server, Endpoint); 3] {
        [
            (Server::SyncState, self.sync_state.clone()),
            (Server::AnalyticsSync, self.analytics_sync.clone()),
            (Server::EngagementSync, self.engagement_sync.clone()),
        ]
    }

    /// Refuses an address that others can reach, unless told.
    pub(crate) fn check_listener(&self, address: Option<SocketAddr>) -> anyhow::Result<()> {
        match address {
            Some(address) if !address.ip().is_loopback() && !self.insecure_listen => bail!(
                "{address} can be reached from other machines and callers are not identified yet: listen on \
                 127.0.0.1, or say --insecure-listen to let everybody in"
            ),
            Some(address) if !address.ip().is_loopback() => {
                tracing::warn!(%address, "everybody who can reach this address can see every practice");
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
