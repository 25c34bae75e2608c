//! Real servers for tests: each on a free loopback port in a temporary folder, gone when dropped.
#![allow(clippy::unwrap_used, clippy::expect_used)] // only tests use it: a server that does not start fails them

mod mariadb;
mod redis_server;

use std::{
    net::TcpListener,
    process::Child,
    time::{Duration, Instant},
};

pub use mariadb::MariaDb;
pub use redis_server::Redis;

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
