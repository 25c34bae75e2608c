//! Which database server, and where its programs are.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

/// A kind of database server that practices run, in the version that tests run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Brand {
    /// MariaDB as the system has it.
    MariaDb,
    /// MySQL 5.7, which logs in by the old handshake.
    MySql57,
    /// MySQL 8.0, with its own sign-in, roles and data dictionary.
    MySql80,
}

impl Brand {
    /// Whether its programs are there. MariaDB always is: `tests/install` sees to it. MySQL only where Maven can fetch it.
    pub fn is_installed(self) -> bool {
        self.home().is_none_or(|home| home.join("bin/mysqld").is_file())
    }

    /// What MySQL was unpacked into; none for MariaDB, which is installed as a package.
    fn home(self) -> Option<PathBuf> {
        let folder = match self {
            Brand::MariaDb => return None,
            Brand::MySql57 => "mysql-5.7",
            Brand::MySql80 => "mysql-8.0",
        };
        let tools = std::env::var_os("CHAIRSYNC_TOOLS").map(PathBuf::from).unwrap_or_else(|| {
            PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/chairsync/tools")
        });
        Some(tools.join(folder))
    }

    /// The server's program, with the arguments that only this kind knows.
    pub(crate) fn server(self) -> Command {
        let Some(home) = self.home() else {
            let places = ["/usr/sbin/mariadbd", "/usr/libexec/mariadbd"];
            let found = places.into_iter().find(|place| std::path::Path::new(place).exists());
            let mut command = Command::new(found.unwrap_or("mariadbd"));
            command.arg("--no-defaults").args(run_as());
            return command;
        };
        let mut command = Command::new(home.join("bin/mysqld"));
        command.arg("--no-defaults").arg(format!("--basedir={}", home.display())).args(run_as());
        match self {
            // Its second protocol would want a port of its own, and its binlog is on unless told.
            Brand::MySql80 => command.args(["--mysqlx=OFF", "--skip-log-bin"]),
            Brand::MySql57 | Brand::MariaDb => &mut command,
        };
        command
    }

    /// Fills a new data folder: with `arguments`, and users by a file of `statements` where the kind takes one.
    ///
    /// # Panics
    /// When that fails.
    pub(crate) fn initialize(self, arguments: &[String], statements: &std::path::Path) {
        let mut command = match self {
            Brand::MariaDb => {
                let mut command = Command::new("mariadb-install-db");
                command.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
                command.args(run_as());
                command
            }
            Brand::MySql57 | Brand::MySql80 => {
                let mut command = self.server();
                command.arg("--initialize-insecure").arg(format!("--init-file={}", statements.display()));
                command
            }
        };
        let made = command.args(arguments).stdin(Stdio::null()).output();
        let made = made.unwrap_or_else(|e| panic!("{self:?} is not installed ({e}); tests/install installs it"));
        let said = || [&made.stdout[..], &made.stderr[..]].map(|b| String::from_utf8_lossy(b).into_owned()).join("");
        assert!(made.status.success(), "{self:?}: {}", said());
    }
}

/// The server refuses to run as root unless told.
fn run_as() -> Option<String> {
    let root = std::fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0);
    root.then(|| "--user=root".to_owned())
}
