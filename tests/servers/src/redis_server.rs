//! A real Redis or Valkey.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::{Killed, free_port, wait_until};

/// Which program serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `redis-server`.
    Redis,
    /// `valkey-server`.
    Valkey,
}

impl Program {
    fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis-server",
            Self::Valkey => "valkey-server",
        }
    }

    /// Whether it is installed. Valkey is not to be had everywhere.
    pub fn is_installed(self) -> bool {
        Command::new(self.name()).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    }
}

/// A Redis with an append-only file and no eviction, as chairsync expects it.
#[derive(Debug)]
pub struct Redis {
    process: Killed,
    folder: TempDir,
    port: u16,
    password: Option<String>,
    program: Program,
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
        Self::start_program(Program::Redis, password, extra).await
    }

    /// Starts either program.
    ///
    /// # Panics
    /// When it is not installed or does not start.
    pub async fn start_program(program: Program, password: Option<&str>, extra: &[&str]) -> Self {
        let extra = extra.iter().map(|&s| s.to_owned()).collect();
        let mut redis = Self::spawn_only(program, free_port(), password, extra);
        redis.ready().await;
        redis
    }

    /// Starts it without waiting until it serves.
    pub(crate) fn spawn_only(program: Program, port: u16, password: Option<&str>, extra: Vec<String>) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let password = password.map(str::to_owned);
        let process = spawn(program, port, folder.path(), password.as_deref(), &extra);
        Self { process, folder, port, password, program, extra }
    }

    /// `redis://127.0.0.1:port`, with the password where there is one.
    pub fn url(&self) -> String {
        match &self.password {
            Some(password) => format!("redis://:{password}@127.0.0.1:{}", self.port),
            None => format!("redis://127.0.0.1:{}", self.port),
        }
    }

    /// The folder with its files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process, for a test that stops it for a while.
    pub fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// A connection.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn connection(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(self.url()).expect("a redis url");
        let config = redis::AsyncConnectionConfig::new().set_response_timeout(Some(crate::START_LIMIT));
        client.get_multiplexed_async_connection_with_config(&config).await.expect("it answers")
    }

    /// One command, as text split at spaces.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn tell<T: redis::FromRedisValue>(&self, command: &str) -> T {
        let mut words = command.split(' ');
        let mut cmd = redis::cmd(words.next().unwrap_or_default());
        for word in words {
            cmd.arg(word);
        }
        cmd.query_async(&mut self.connection().await).await.unwrap_or_else(|error| panic!("{command}: {error}"))
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
        self.restart_unready();
        self.ready().await;
    }

    /// Starts it again and does not wait until it has loaded its files.
    pub fn restart_unready(&mut self) {
        self.kill();
        self.process = spawn(self.program, self.port, self.folder.path(), self.password.as_deref(), &self.extra);
    }

    /// Waits until it serves.
    ///
    /// # Panics
    /// When it does not.
    pub async fn ready(&mut self) {
        let client = redis::Client::open(self.url()).expect("a redis url");
        wait_until(self.program.name(), &mut self.process, async || {
            let Ok(mut connection) = client.get_multiplexed_async_connection().await else { return false };
            redis::cmd("PING").query_async::<String>(&mut connection).await.is_ok()
        })
        .await;
    }
}

fn spawn(program: Program, port: u16, folder: &Path, password: Option<&str>, extra: &[String]) -> Killed {
    let mut command = Command::new(program.name());
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
    command.args(["--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction"]);
    command.arg("--dir").arg(folder);
    if let Some(password) = password {
        command.args(["--requirepass", password]);
    }
    command.args(extra).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Killed(command.spawn().unwrap_or_else(|e| panic!("{} is installed (tests/install does): {e}", program.name())))
}
