//! The five services as processes of their own, on free ports, with their logs in a folder.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use test_servers::{Redis, free_port};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

/// The services, in the order in which they are started.
pub const SERVICES: [&str; 5] = ["sync-state", "pms-connector", "analytics-sync", "engagement-sync", "gateway"];

/// The password of the Redis that a mesh of processes runs on.
pub const REDIS_PASSWORD: &str = "redis-test-word-77aa";

/// The five services as processes on a real Redis. Dropping it kills them.
#[derive(Debug)]
pub struct Processes {
    folder: TempDir,
    redis: Redis,
    ports: [u16; 5],
    children: [Option<Child>; 5],
    log: String,
    extra: Vec<(String, String)>,
}

impl Processes {
    /// Starts a Redis and the five services, and waits until the gateway serves.
    ///
    /// `credentials` are names and passwords that the connector shall know.
    ///
    /// # Panics
    /// When a binary is missing (`cargo build --workspace --bins`) or a service does not serve in a minute.
    pub async fn start(credentials: &[(&str, &str)]) -> Self {
        Self::start_with(credentials, "info", &[]).await
    }

    /// Starts them with a log filter and further environment variables; `service/NAME` sets one for that service alone.
    ///
    /// # Panics
    /// As [`Processes::start`].
    pub async fn start_with(credentials: &[(&str, &str)], log: &str, extra: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let secrets = folder.path().join("credentials");
        std::fs::create_dir_all(&secrets).expect("a folder for credentials");
        for (name, password) in credentials {
            std::fs::write(secrets.join(name), password).expect("a credential");
        }
        std::fs::write(folder.path().join("redis-password"), REDIS_PASSWORD).expect("the password file");
        let redis = Redis::start_with(Some(REDIS_PASSWORD), &[]).await;
        let extra = extra.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut processes = Self {
            folder,
            redis,
            ports: std::array::from_fn(|_| free_port()),
            children: [const { None }; 5],
            log: log.to_owned(),
            extra,
        };
        for service in SERVICES {
            processes.spawn(service);
        }
        processes.serving().await;
        processes
    }

    /// The Redis behind them.
    pub fn redis(&mut self) -> &mut Redis {
        &mut self.redis
    }

    /// `http://127.0.0.1:port` of a service.
    pub fn url(&self, service: &str) -> String {
        format!("http://{}", self.address(service))
    }

    /// `127.0.0.1:port` of a service.
    pub fn address(&self, service: &str) -> String {
        format!("127.0.0.1:{}", self.ports[index(service)])
    }

    /// A client channel to the gateway.
    pub fn gateway(&self) -> mesh::transport::Channel {
        mesh::transport::connect(&self.url("gateway").parse().expect("an endpoint"))
    }

    /// The folder with the Delta tables.
    pub fn tables(&self) -> PathBuf {
        self.folder.path().join("tables")
    }

    /// The process id of a service.
    ///
    /// # Panics
    /// When it is not running.
    pub fn pid(&self, service: &str) -> u32 {
        self.children[index(service)].as_ref().expect("it runs").id()
    }

    /// Kills a service as `kill -9` does.
    pub fn kill(&mut self, service: &str) {
        if let Some(mut child) = self.children[index(service)].take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts a killed service again, on its port.
    pub fn spawn(&mut self, service: &str) {
        let child = self.command(service).spawn().unwrap_or_else(|e| {
            panic!("{service} does not start ({e}); `tests/run` or `cargo build --workspace --bins` builds it")
        });
        self.children[index(service)] = Some(child);
    }

    /// All that the services have written to their logs so far.
    pub fn logs(&self) -> String {
        SERVICES.iter().map(|s| std::fs::read_to_string(self.log_file(s)).unwrap_or_default()).collect()
    }

    /// Waits until every service says that it serves.
    ///
    /// # Panics
    /// When that takes longer than a minute; the logs are printed.
    pub async fn serving(&mut self) {
        for service in SERVICES {
            let endpoint = self.url(service).parse().expect("an endpoint");
            let mut client = HealthClient::new(mesh::transport::connect(&endpoint));
            let wait = tokio::time::timeout(Duration::from_secs(60), async {
                loop {
                    let answer = client.check(HealthCheckRequest::default()).await;
                    if answer.is_ok_and(|a| a.into_inner().status() == ServingStatus::Serving) {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(30)).await;
                }
            });
            if wait.await.is_err() {
                panic!("{service} does not serve; logs:\n{}", self.logs());
            }
        }
    }

    fn command(&self, service: &str) -> Command {
        let log = File::options().create(true).append(true).open(self.log_file(service)).expect("a log file");
        let mut command = Command::new(binary(service));
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the same log"))
            .stderr(log)
            .env("CHAIRSYNC_LISTEN", self.address(service))
            .env("CHAIRSYNC_LOG", &self.log)
            .env("CHAIRSYNC_LOG_FORMAT", "json")
            .envs(self.extra.iter().filter(|(k, _)| !k.contains('/')).map(|(k, v)| (k, v)));
        let worker = format!("{service}-{}", self.ports[index(service)]);
        let redis = |command: &mut Command| {
            command
                .env("CHAIRSYNC_REDIS", format!("redis://127.0.0.1:{}", self.redis.port()))
                .env("CHAIRSYNC_REDIS_PASSWORD_FILE", self.folder.path().join("redis-password"));
        };
        match service {
            "sync-state" => redis(&mut command),
            "pms-connector" => {
                command.env("CHAIRSYNC_CREDENTIALS_DIR", self.folder.path().join("credentials"));
            }
            "analytics-sync" => {
                command.env("CHAIRSYNC_STORE", self.tables()).env("CHAIRSYNC_WORKER", worker);
            }
            "engagement-sync" => {
                redis(&mut command);
                command.env("CHAIRSYNC_WORKER", worker);
            }
            _ => {
                command.env("CHAIRSYNC_ANALYTICS_SYNC", self.url("analytics-sync"));
                command.env("CHAIRSYNC_ENGAGEMENT_SYNC", self.url("engagement-sync"));
            }
        }
        if service != "pms-connector" && service != "sync-state" {
            command.env("CHAIRSYNC_SYNC_STATE", self.url("sync-state"));
        }
        if service == "analytics-sync" || service == "engagement-sync" {
            command.env("CHAIRSYNC_PMS_CONNECTOR", self.url("pms-connector"));
        }
        for (key, value) in &self.extra {
            if let Some(name) = key.strip_prefix(service).and_then(|rest| rest.strip_prefix('/')) {
                command.env(name, value);
            }
        }
        command
    }

    fn log_file(&self, service: &str) -> PathBuf {
        self.folder.path().join(format!("{service}.log"))
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for service in SERVICES {
            self.kill(service);
        }
    }
}

/// The path of a workspace binary: beside this program, or one folder up from a test.
pub fn binary(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("the program's own path");
    let mut folders = this.ancestors().skip(1).take(2).map(|folder| folder.join(name));
    folders.find(|path| path.is_file()).unwrap_or_else(|| Path::new(name).to_owned())
}

fn index(service: &str) -> usize {
    SERVICES.iter().position(|s| *s == service).unwrap_or_else(|| panic!("no service {service}"))
}
