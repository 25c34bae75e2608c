//! A real MariaDB or MySQL.

use std::{path::PathBuf, process::Stdio};

use mysql_async::{Conn, Opts, prelude::Queryable};
use tempfile::TempDir;

use crate::{Brand, Killed, free_port, wait_until};

/// The kernel has only so many slots for asynchronous I/O, and every server of every test running takes hundreds.
const NO_KERNEL_AIO: &str = "--innodb-use-native-aio=0";

/// A server with an administrator `root` and a read-only user `reader`.
#[derive(Debug)]
pub struct SqlServer {
    brand: Brand,
    process: Killed,
    folder: TempDir,
    port: u16,
    extra: Vec<String>,
}

/// What most tests run on: what a practice most often has.
pub type MariaDb = SqlServer;

impl SqlServer {
    /// The administrator's password.
    pub const ROOT_PASSWORD: &'static str = "root-test-word-91c4";
    /// The read-only user's password.
    pub const READER_PASSWORD: &'static str = "reader-test-word-5d20";

    /// Starts a MariaDB.
    ///
    /// # Panics
    /// When it is not installed or does not start.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a MariaDB with further server arguments, e.g. `--log-bin --binlog-format=ROW`.
    ///
    /// # Panics
    /// As [`SqlServer::start`].
    pub async fn start_with(extra: &[&str]) -> Self {
        Self::start_brand(Brand::MariaDb, extra).await
    }

    /// Starts a server of a kind, with further server arguments.
    ///
    /// # Panics
    /// As [`SqlServer::start`].
    pub async fn start_brand(brand: Brand, extra: &[&str]) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let users = folder.path().join("users.sql");
        std::fs::write(&users, users_of(brand).join(";\n") + ";\n").expect("a file of users");
        brand.initialize(
            &[
                "--skip-name-resolve".to_owned(),
                "--innodb-log-file-size=16M".to_owned(),
                NO_KERNEL_AIO.to_owned(),
                format!("--datadir={}", data(&folder).display()),
                format!("--tmpdir={}", temporary(&folder).display()),
            ],
            &users,
        );
        let port = free_port();
        let extra: Vec<String> = extra.iter().map(|&s| s.to_owned()).collect();
        let process = spawn(brand, port, &folder, &extra);
        let mut server = Self { brand, process, folder, port, extra };
        if brand == Brand::MariaDb {
            server.ready("mysql://root@127.0.0.1").await;
            let mut conn = Conn::from_url(format!("mysql://root@127.0.0.1:{port}/mysql")).await.expect("root logs in");
            for statement in users_of(brand) {
                conn.query_drop(statement).await.expect("users are made");
            }
            conn.disconnect().await.expect("a clean goodbye");
        }
        server.ready(&format!("mysql://root:{}@127.0.0.1", Self::ROOT_PASSWORD)).await;
        server
    }

    /// Which kind it is.
    pub fn brand(&self) -> Brand {
        self.brand
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
    /// As [`SqlServer::start`].
    pub async fn restart(&mut self) {
        self.kill();
        self.process = spawn(self.brand, self.port, &self.folder, &self.extra);
        self.ready(&format!("mysql://root:{}@127.0.0.1", Self::ROOT_PASSWORD)).await;
    }

    /// Copies its files as they are when the power fails, and starts it again: a backup of the whole server.
    ///
    /// # Panics
    /// As [`SqlServer::start`].
    pub async fn back_up(&mut self) {
        self.kill();
        copy(&data(&self.folder), &self.folder.path().join("backup"));
        self.restart().await;
    }

    /// Puts the files of [`SqlServer::back_up`] back and starts it: the same server, as it was then.
    ///
    /// # Panics
    /// As [`SqlServer::start`], and when there is no backup.
    pub async fn restore(&mut self) {
        self.kill();
        copy(&self.folder.path().join("backup"), &data(&self.folder));
        self.restart().await;
    }

    async fn ready(&mut self, login: &str) {
        let url = format!("{login}:{}/mysql", self.port);
        let name = format!("{:?}", self.brand);
        wait_until(&name, &mut self.process, async || match Conn::from_url(&url).await {
            Ok(conn) => conn.disconnect().await.is_ok(),
            Err(_) => false,
        })
        .await;
    }
}

/// The statements that make the two users.
fn users_of(brand: Brand) -> Vec<String> {
    let (root, reader) = (SqlServer::ROOT_PASSWORD, SqlServer::READER_PASSWORD);
    let mut statements = vec![
        format!("CREATE USER 'reader'@'%' IDENTIFIED BY '{reader}'"),
        "GRANT SELECT, PROCESS ON *.* TO 'reader'@'%'".to_owned(),
        format!("CREATE USER IF NOT EXISTS 'root'@'127.0.0.1' IDENTIFIED BY '{root}'"),
        "GRANT ALL ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION".to_owned(),
    ];
    match brand {
        Brand::MariaDb => statements.extend([
            format!("SET PASSWORD FOR 'root'@'127.0.0.1' = PASSWORD('{root}')"),
            format!("SET PASSWORD FOR 'root'@'localhost' = PASSWORD('{root}')"),
        ]),
        Brand::MySql57 | Brand::MySql80 => {
            statements.push(format!("ALTER USER 'root'@'localhost' IDENTIFIED BY '{root}'"));
        }
    }
    statements
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

/// Replaces a folder by a copy of another.
fn copy(from: &std::path::Path, to: &std::path::Path) {
    if to.exists() {
        std::fs::remove_dir_all(to).expect("the old files go");
    }
    let copied = std::process::Command::new("cp").arg("-a").args([from, to]).status().expect("cp");
    assert!(copied.success(), "the files are copied");
}

fn spawn(brand: Brand, port: u16, folder: &TempDir, extra: &[String]) -> Killed {
    let mut command = brand.server();
    command.arg(format!("--datadir={}", data(folder).display()));
    command.arg(format!("--tmpdir={}", temporary(folder).display()));
    command.arg(format!("--port={port}")).arg("--bind-address=127.0.0.1");
    command.arg(format!("--socket={}", folder.path().join("sock").display()));
    command.arg(format!("--pid-file={}", folder.path().join("pid").display()));
    command.args(["--skip-name-resolve", "--innodb-buffer-pool-size=128M", "--innodb-log-file-size=64M"]);
    command.args([NO_KERNEL_AIO, "--innodb-flush-log-at-trx-commit=2", "--local-infile=1", "--max-allowed-packet=64M"]);
    command.args(extra).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Killed(command.spawn().unwrap_or_else(|e| panic!("{brand:?} is not installed ({e}); tests/install installs it")))
}
