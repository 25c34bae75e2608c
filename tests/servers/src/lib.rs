//! Real servers for tests: each on a free loopback port in a temporary folder, gone when dropped.
#![allow(clippy::unwrap_used, clippy::expect_used)] // only tests use it: a server that does not start fails them

mod brand;
mod certificates;
mod redis_cluster;
mod redis_sentinel;
mod redis_server;
mod s3_server;
mod sql_server;

use std::{
    net::TcpListener,
    process::Child,
    time::{Duration, Instant},
};

pub use brand::Brand;
pub use certificates::Certificates;
pub use redis_cluster::RedisCluster;
pub use redis_sentinel::Sentinels;
pub use redis_server::{Program, Redis};
pub use s3_server::S3;
pub use sql_server::{MariaDb, SqlServer};

/// How long a server may take to start on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a loopback port").port()
}

/// A process that is killed when dropped.
#[derive(Debug)]
struct Killed(Child);

impl Killed {
    fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Repeats `ready` until it is true.
///
/// # Panics
/// When that takes longer than a server may need to start, or the process has ended.
async fn wait_until<F: AsyncFnMut() -> bool>(what: &str, process: &mut Killed, mut ready: F) {
    let start = Instant::now();
    while !ready().await {
        if let Some(status) = process.0.try_wait().expect("its status") {
            panic!("{what} ended while starting: {status}");
        }
        assert!(start.elapsed() < START_LIMIT, "{what} did not start in {START_LIMIT:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Repeats `ready` until it is true.
///
/// # Panics
/// When that takes longer than servers may need to find each other.
pub async fn wait_for<F: AsyncFnMut() -> bool>(what: &str, mut ready: F) {
    let start = Instant::now();
    while !ready().await {
        assert!(start.elapsed() < START_LIMIT, "{what} did not come in {START_LIMIT:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
