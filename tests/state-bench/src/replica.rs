//! sync-state as a process of its own, as a cluster runs it.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use test_servers::{Redis, free_port};
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

/// How long a replica may take to serve before the benchmark gives up.
const START_LIMIT: Duration = Duration::from_secs(120);

/// A replica of sync-state; killed when dropped.
#[derive(Debug)]
pub struct Replica {
    process: Child,
    port: u16,
}

impl Replica {
    /// Starts one on a Redis, and waits until it serves.
    ///
    /// # Panics
    /// When it does not serve.
    pub async fn start(redis: &Redis) -> Self {
        let replica = Self::spawn(redis);
        replica.serving().await;
        replica
    }

    /// Starts one, and does not wait.
    ///
    /// # Panics
    /// When its program is missing.
    pub fn spawn(redis: &Redis) -> Self {
        let port = free_port();
        let process = Command::new(binary("sync-state"))
            .env("CHAIRSYNC_LISTEN", format!("127.0.0.1:{port}"))
            .env("CHAIRSYNC_REDIS", redis.url())
            .env("CHAIRSYNC_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("sync-state is built beside this program");
        Self { process, port }
    }

    /// Waits until it says that it serves, and returns how long that took.
    ///
    /// # Panics
    /// When it does not.
    pub async fn serving(&self) -> Duration {
        let start = Instant::now();
        let mut client = HealthClient::new(self.channel());
        loop {
            let answer = client.check(HealthCheckRequest::default()).await;
            if answer.is_ok_and(|answer| answer.into_inner().status() == ServingStatus::Serving) {
                return start.elapsed();
            }
            assert!(start.elapsed() < START_LIMIT, "sync-state does not serve");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A connection of its own.
    ///
    /// # Panics
    /// Never: the address is one.
    pub fn channel(&self) -> Channel {
        connect(&self.url())
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Kills it as `kill -9` does.
    pub fn kill(&mut self) {
        let _ = self.process.kill(); // it may have ended
        let _ = self.process.wait();
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A connection, made when first used.
///
/// # Panics
/// When the address is none.
pub fn connect(url: &str) -> Channel {
    let endpoint = Endpoint::from_shared(url.to_owned()).expect("an address");
    endpoint.tcp_nodelay(true).connect_timeout(Duration::from_secs(1)).connect_lazy()
}

fn binary(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("the program's own path");
    this.parent().unwrap_or(Path::new(".")).join(name)
}
