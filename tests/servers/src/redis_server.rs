//! A real Redis.

use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::{Killed, free_port, wait_until};

/// A Redis with an append-only file and no eviction, as chairsync expects it.
#[derive(Debug)]
pub struct Redis {
    process: Killed,
    folder: TempDir,
    port: u16,
    password: Option<String>,
    extra: Vec<String>,
}

impl Redis {
    /// Starts one.
    ///
    /// # Panics
    /// When `redis-server` is not installed or does not start.
    pub async fn start() -> Self {
        Self::start_with(None, &[]).await
    }

    /// Starts one with a password and further arguments, e.g. `--appendonly no`.
    ///
    /// # Panics
    /// As [`Redis::start`].
    pub async fn start_with(password: Option<&str>, extra: &[&str]) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let port = free_port();
        let password = password.map(str::to_owned);
        let extra: Vec<String> = extra.iter().map(|&s| s.to_owned()).collect();
        let process = spawn(port, &folder, password.as_deref(), &extra);
        let mut redis = Self { process, folder, port, password, extra };
        redis.ready().await;
        redis
    }

    /// `redis://127.0.0.1:port`, with the password where there is one.
    pub fn url(&self) -> String {
        match &self.password {
            Some(password) => format!("redis://:{password}@127.0.0.1:{}", self.port),
            None => format!("redis://127.0.0.1:{}", self.port),
        }
    }

    /// The folder with its files.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills it as `kill -9` does; its files stay.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same port and files.
    ///
    /// # Panics
    /// As [`Redis::start`].
    pub async fn restart(&mut self) {
        self.kill();
        self.process = spawn(self.port, &self.folder, self.password.as_deref(), &self.extra);
        self.ready().await;
    }

    async fn ready(&mut self) {
        let client = redis::Client::open(self.url()).expect("a redis url");
        wait_until("redis-server", &mut self.process, async || {
            let Ok(mut connection) = client.get_multiplexed_async_connection().await else { return false };
            redis::cmd("PING").query_async::<String>(&mut connection).await.is_ok()
        })
        .await;
    }
}

fn spawn(port: u16, folder: &TempDir, password: Option<&str>, extra: &[String]) -> Killed {
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
    command.args(["--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction"]);
    command.arg("--dir").arg(folder.path());
    if let Some(password) = password {
        command.args(["--requirepass", password]);
    }
    command.args(extra).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Killed(command.spawn().expect("redis-server is installed (tests/run installs it)"))
}
