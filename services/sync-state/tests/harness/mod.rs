//! What the fault tests share: replicas of sync-state, connections that can be cut, and histories that can be judged.
#![allow(dead_code)] // each test binary uses a part

pub mod linear;
pub mod proxy;

use std::time::{Duration, Instant};

use mesh::{
    secret::Secret,
    transport::{Endpoint, Listener},
};
use tokio_util::sync::CancellationToken;
use tonic_types::StatusExt as _;

/// A replica of sync-state in this process, on a Redis. It stops when dropped.
pub struct Replica {
    pub port: u16,
    stop: CancellationToken,
}

impl Replica {
    /// Starts one on a free port.
    pub async fn start(redis: &str) -> Self {
        let listener = Listener::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let config = sync_state::Config { redis: Some(Secret::new(redis)), ..sync_state::Config::default() };
        let stop = CancellationToken::new();
        let serving = stop.clone();
        tokio::spawn(async move {
            // A Redis that is just being killed refuses the start; a supervisor would try again, too.
            if let Err(error) = sync_state::run(config, listener, serving).await {
                panic!("the replica ended: {error:#}");
            }
        });
        Self { port, stop }
    }

    /// Where it is.
    pub fn endpoint(&self) -> Endpoint {
        endpoint(self.port)
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The endpoint at a loopback port.
pub fn endpoint(port: u16) -> Endpoint {
    format!("http://127.0.0.1:{port}").parse().unwrap()
}

/// The reason in a refusal, e.g. `LEASE_LOST`; none where the call itself failed, so that nobody knows what it did.
pub fn reason(status: &tonic::Status) -> Option<String> {
    let reason = status.get_details_error_info()?.reason;
    let failed = ["STORE_UNAVAILABLE", "UPSTREAM_UNAVAILABLE", "DEADLINE_EXCEEDED", "OVERLOADED", "INTERNAL"];
    (!failed.contains(&reason.as_str())).then_some(reason)
}

/// Repeats `holds` until it does.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < Duration::from_secs(60), "{what} did not come about in a minute");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The seed of a test's random choices: `CHAIRSYNC_SEED`, or a new one. It is printed, so that a failure can be repeated.
pub fn seed() -> u64 {
    let given = std::env::var("CHAIRSYNC_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(rand::random);
    eprintln!("CHAIRSYNC_SEED={seed}");
    seed
}

/// How much longer than in CI a test goes on: `CHAIRSYNC_TEST_LONG`, 1 where it is not set.
pub fn long() -> usize {
    std::env::var("CHAIRSYNC_TEST_LONG").ok().and_then(|times| times.parse().ok()).unwrap_or(1)
}
