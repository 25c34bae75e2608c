//! A primary, its replicas, and three Sentinels that watch them.

use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::{Killed, Program, Redis, free_port, wait_for, wait_until};

/// The name under which the Sentinels watch the primary.
const SERVICE: &str = "chairsync";

/// Servers that fail over.
#[derive(Debug)]
pub struct Sentinels {
    /// The first one is the primary at the start, the others are its replicas.
    pub servers: Vec<Redis>,
    sentinels: Vec<(Killed, u16, TempDir)>,
}

impl Sentinels {
    /// Starts a primary with `replicas` replicas.
    ///
    /// # Panics
    /// When a server does not start, or they do not find each other.
    pub async fn start(program: Program, replicas: usize) -> Self {
        let primary = Redis::start_program(program, None, &[]).await;
        let port = primary.port().to_string();
        let mut servers = vec![primary];
        for _ in 0..replicas {
            servers.push(Redis::start_program(program, None, &["--replicaof", "127.0.0.1", &port]).await);
        }
        wait_for("replicas that follow", async || {
            servers[0].tell::<String>("INFO replication").await.matches("state=online").count() == replicas
        })
        .await;
        let sentinels = (0..3).map(|_| sentinel(program, servers[0].port())).collect();
        let mut all = Self { servers, sentinels };
        all.ready(replicas).await;
        all
    }

    /// The address of the service.
    pub fn url(&self) -> String {
        let sentinels: Vec<String> = self.sentinels.iter().map(|(_, port, _)| format!("127.0.0.1:{port}")).collect();
        format!("redis+sentinel://{}/{SERVICE}", sentinels.join(","))
    }

    /// Which server the Sentinels call the primary.
    ///
    /// # Panics
    /// When they do not answer.
    pub async fn primary(&self) -> usize {
        let place = named(self.sentinels[0].1).await.expect("a Sentinel knows the primary");
        self.servers.iter().position(|server| server.port() == place).expect("it is one of ours")
    }

    /// Kills the primary and waits until the Sentinels have made another.
    ///
    /// # Panics
    /// When they do not.
    pub async fn fail_over(&mut self) -> usize {
        let old = self.primary().await;
        self.servers[old].kill();
        wait_for("a failover", async || self.primary().await != old).await;
        self.primary().await
    }

    async fn ready(&mut self, replicas: usize) {
        for (process, port, _) in &mut self.sentinels {
            let port = *port;
            wait_until("a Sentinel that knows all others", process, async || {
                let Some(found) = ask::<std::collections::HashMap<String, String>>(port, "MASTER").await else {
                    return false;
                };
                let number = |name: &str| found.get(name).and_then(|n| n.parse::<usize>().ok()).unwrap_or(0);
                number("num-slaves") == replicas && number("num-other-sentinels") == 2
            })
            .await;
        }
    }
}

async fn named(port: u16) -> Option<u16> {
    ask::<(String, u16)>(port, "GET-MASTER-ADDR-BY-NAME").await.map(|(_, port)| port)
}

async fn ask<T: redis::FromRedisValue>(port: u16, what: &str) -> Option<T> {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).ok()?;
    let mut connection = client.get_multiplexed_async_connection().await.ok()?;
    redis::cmd("SENTINEL").arg(what).arg(SERVICE).query_async(&mut connection).await.ok()
}

fn sentinel(program: Program, primary: u16) -> (Killed, u16, TempDir) {
    let folder = TempDir::new().expect("a temporary folder");
    let port = free_port();
    let file = folder.path().join("sentinel.conf");
    let settings = format!(
        "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor {SERVICE} 127.0.0.1 {primary} 2\n\
         sentinel down-after-milliseconds {SERVICE} 800\nsentinel failover-timeout {SERVICE} 5000\n\
         sentinel parallel-syncs {SERVICE} 1\n",
        folder.path().display()
    );
    std::fs::write(&file, settings).expect("its settings are written");
    let program = match program {
        Program::Redis => "redis-server",
        Program::Valkey => "valkey-server",
    };
    let mut command = Command::new(program);
    command.arg(&file).arg("--sentinel").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    (Killed(command.spawn().expect("it is installed (tests/install does)")), port, folder)
}
