//! A real MariaDB.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use mysql_async::{Conn, Opts, prelude::Queryable};
use tempfile::TempDir;

use crate::{Killed, free_port, wait_until};

/// The kernel has only so many slots for asynchronous I/O, and every server of every test running takes hundreds.
const NO_KERNEL_AIO: &str = "--innodb-use-native-aio=0";

/// A MariaDB with an administrator `root` and a read-only user `reader`.
#[derive(Debug)]
pub struct MariaDb {
    process: Killed,
    folder: TempDir,
    port: u16,
    extra: Vec<String>,
}

impl MariaDb {
    /// The administrator's password.
    pub const ROOT_PASSWORD: &'static str = "root-test-word-91c4";
    /// The read-only user's password.
    pub const READER_PASSWORD: &'static str = "reader-test-word-5d20";

    /// Starts one.
    ///
    /// # Panics
    /// When `mariadbd` is not installed or does not start.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts one with further server arguments, e.g. `--log-bin --binlog-format=ROW`.
    ///
    /// # Panics
    /// As [`MariaDb::start`].
    pub async fn start_with(extra: &[&str]) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let made = Command::new("mariadb-install-db")
            .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
            .args(["--skip-name-resolve", "--innodb-log-file-size=16M", NO_KERNEL_AIO])
            .arg(format!("--datadir={}", data(&folder).display()))
            .arg(format!("--tmpdir={}", temporary(&folder).display()))
            .args(run_as())
            .stdin(Stdio::null())
            .output()
            .expect("mariadb-install-db is installed (tests/run installs it)");
        let said = || [&made.stdout[..], &made.stderr[..]].map(|b| String::from_utf8_lossy(b).into_owned()).join("");
        assert!(made.status.success(), "mariadb-install-db: {}", said());
        let port = free_port();
        let extra: Vec<String> = extra.iter().map(|&s| s.to_owned()).collect();
        let process = spawn(port, &folder, &extra);
        let mut server = Self { process, folder, port, extra };
        server.ready("mysql://root@127.0.0.1").await;
        let mut conn = Conn::from_url(format!("mysql://root@127.0.0.1:{port}/mysql")).await.expect("root logs in");
        let (root, reader) = (Self::ROOT_PASSWORD, Self::READER_PASSWORD);
        for statement in [
            format!("CREATE USER 'reader'@'%' IDENTIFIED BY '{reader}'"),
            "GRANT SELECT, PROCESS ON *.* TO 'reader'@'%'".to_owned(),
            format!("CREATE USER IF NOT EXISTS 'root'@'127.0.0.1' IDENTIFIED BY '{root}'"),
            "GRANT ALL ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION".to_owned(),
            format!("SET PASSWORD FOR 'root'@'127.0.0.1' = PASSWORD('{root}')"),
            format!("SET PASSWORD FOR 'root'@'localhost' = PASSWORD('{root}')"),
        ] {
            conn.query_drop(statement).await.expect("users are made");
        }
        conn.disconnect().await.expect("a clean goodbye");
        server
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The administrator's URL for a database, password included.
    pub fn root_url(&self, database: &str) -> String {
        format!("mysql://root:{}@127.0.0.1:{}/{database}", Self::ROOT_PASSWORD, self.port)
    }

    /// The read-only user's URL for a database, without the password: what a practice's settings hold.
    pub fn url(&self, database: &str) -> String {
        format!("mysql://reader@127.0.0.1:{}/{database}", self.port)
    }

    /// The read-only user's URL for a database, password included.
    pub fn reader_url(&self, database: &str) -> String {
        format!("mysql://reader:{}@127.0.0.1:{}/{database}", Self::READER_PASSWORD, self.port)
    }

    /// A connection as administrator. An empty name connects to no database.
    ///
    /// # Panics
    /// When the server does not answer.
    pub async fn root(&self, database: &str) -> Conn {
        Conn::new(Opts::from_url(&self.root_url(database)).expect("a url")).await.expect("root logs in")
    }

    /// Makes an empty database.
    ///
    /// # Panics
    /// When it exists.
    pub async fn create_database(&self, database: &str) {
        let mut conn = self.root("").await;
        conn.query_drop(format!("CREATE DATABASE `{database}`")).await.expect("a new database");
        conn.disconnect().await.expect("a clean goodbye");
    }

    /// Kills it as `kill -9` does; its files stay.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same port and files.
    ///
    /// # Panics
    /// As [`MariaDb::start`].
    pub async fn restart(&mut self) {
        self.kill();
        self.process = spawn(self.port, &self.folder, &self.extra);
        self.ready(&format!("mysql://root:{}@127.0.0.1", Self::ROOT_PASSWORD)).await;
    }

    async fn ready(&mut self, login: &str) {
        let url = format!("{login}:{}/mysql", self.port);
        wait_until("mariadbd", &mut self.process, async || match Conn::from_url(&url).await {
            Ok(conn) => conn.disconnect().await.is_ok(),
            Err(_) => false,
        })
        .await;
    }
}

/// A starting server removes every temporary table in its folder: servers that share one break each other's queries.
fn temporary(folder: &TempDir) -> PathBuf {
    let path = folder.path().join("tmp");
    std::fs::create_dir_all(&path).expect("a folder for temporary tables");
    path
}

fn data(folder: &TempDir) -> PathBuf {
    folder.path().join("data")
}

/// The server refuses to run as root unless told.
fn run_as() -> Option<String> {
    let root = std::fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0);
    root.then(|| "--user=root".to_owned())
}

fn spawn(port: u16, folder: &TempDir, extra: &[String]) -> Killed {
    let server = ["/usr/sbin/mariadbd", "/usr/libexec/mariadbd"].iter().find(|p| std::path::Path::new(p).exists());
    let mut command = Command::new(server.copied().unwrap_or("mariadbd"));
    command.arg("--no-defaults").arg(format!("--datadir={}", data(folder).display())).args(run_as());
    command.arg(format!("--tmpdir={}", temporary(folder).display()));
    command.arg(format!("--port={port}")).arg("--bind-address=127.0.0.1");
    command.arg(format!("--socket={}", folder.path().join("sock").display()));
    command.arg(format!("--pid-file={}", folder.path().join("pid").display()));
    command.args(["--skip-name-resolve", "--innodb-buffer-pool-size=128M", "--innodb-log-file-size=64M"]);
    command.args([NO_KERNEL_AIO, "--innodb-flush-log-at-trx-commit=2", "--local-infile=1", "--max-allowed-packet=64M"]);
    command.args(extra).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Killed(command.spawn().expect("mariadbd is installed (tests/run installs it)"))
}
