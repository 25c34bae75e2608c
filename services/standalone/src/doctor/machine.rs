//! This machine: room on the disk, the clock, and the gateway's port.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use chairsync_proto::feature::{ListFeaturesRequest, catalog_service_client::CatalogServiceClient};
use mesh::transport::{self, Endpoint};
use tokio::{net::TcpListener, process::Command, time::timeout};

use super::{Finding, LIMIT};
use crate::{failure::Failure, up::data_dir::DataDir};

const MIB: u64 = 1 << 10; // in KiB, as df counts
/// Too little for a practice's tables.
const ROOM_MIN: u64 = 512 * MIB;
/// Tight: compaction writes tables anew before old files go.
const ROOM_GOOD: u64 = 5 * 1024 * MIB;

/// Whether the folder can be written to and has room; without one, the folder that the mesh in one process uses.
pub async fn disk(chosen: Option<PathBuf>) -> Vec<Finding> {
    let Some(folder) = chosen.or_else(DataDir::default_path) else {
        return vec![Finding::fail("disk", "there is no home folder; say where to keep data by --data-dir")];
    };
    let shown = folder.display();
    // What is not there yet is made in the nearest folder that is.
    let Some(there) = folder.ancestors().map(or_here).find(|place| place.exists()) else {
        return vec![Finding::fail("disk", format!("{shown} cannot be made; choose another folder by --data-dir"))];
    };
    if !there.is_dir() {
        let said = format!("{} is no folder; choose another by --data-dir", there.display());
        return vec![Finding::fail("disk", said)];
    }
    if probe(there).is_err() {
        let said = format!(
            "{} cannot be written to; give this user the right to, or choose another folder by --data-dir",
            there.display()
        );
        return vec![Finding::fail("disk", said)];
    }
    let free = output("df", &["-Pk".as_ref(), there.as_os_str()]).await;
    vec![match free.and_then(|free| free_kib(&free)) {
        None => Finding::warn("disk", format!("free space of {shown} cannot be told; see that it has 5 GiB or more")),
        Some(kib) if kib < ROOM_MIN => Finding::fail("disk", format!("{} MiB free in {shown}; make room", kib / MIB)),
        Some(kib) if kib < ROOM_GOOD => {
            Finding::warn("disk", format!("{} MiB free in {shown}; 5 GiB or more are advised", kib / MIB))
        }
        Some(kib) => Finding::ok("disk", format!("{} GiB free in {shown}", kib / MIB / 1024)),
    }]
}

/// The path itself; this folder for the empty one, which is what comes before a relative path.
fn or_here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

/// Makes a file with a name of its own and removes it.
fn probe(folder: &Path) -> std::io::Result<()> {
    let path = folder.join(format!(".chairsync-doctor-{}", std::process::id()));
    std::fs::OpenOptions::new().create_new(true).write(true).open(&path)?;
    std::fs::remove_file(path)
}

/// What a program of the system prints; `None` where it is not there or fails.
async fn output(program: &str, arguments: &[&OsStr]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    match timeout(LIMIT, command.output()).await {
        Ok(Ok(Output { status, stdout, .. })) if status.success() => {
            Some(String::from_utf8_lossy(&stdout).into_owned())
        }
        _ => None,
    }
}

/// Whether this machine's clock follows a time server, as far as the system tells. Named servers' clocks are compared
/// with it besides.
pub async fn clock() -> Finding {
    let told =
        output("timedatectl", &["show".as_ref(), "--property=NTPSynchronized".as_ref(), "--value".as_ref()]).await;
    synchronized(told.as_deref().map(str::trim))
}

fn synchronized(told: Option<&str>) -> Finding {
    match told {
        Some("yes") => Finding::ok("clock", "it follows a time server"),
        Some(_) => Finding::warn("clock", "it follows no time server: let it follow NTP, or freshness will be wrong"),
        None => Finding::ok(
            "clock",
            "the system does not tell whether it follows NTP; it is compared with that of --redis and --pms",
        ),
    }
}

/// The fourth column of the last line of `df -Pk`.
fn free_kib(output: &str) -> Option<u64> {
    output.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()
}

/// Whether a named gateway answers; without one, whether its default port is free.
pub async fn gateway(endpoint: Option<&Endpoint>) -> Vec<Finding> {
    let Some(endpoint) = endpoint else {
        let port = mesh::default_port("gateway");
        return vec![default_port(port).await];
    };
    vec![match catalog(endpoint).await {
        Ok(()) => Finding::ok("gateway", format!("{endpoint} answers")),
        Err(said) => Finding::fail("gateway", format!("{endpoint}: {said}; check the address and that it runs")),
    }]
}

async fn default_port(port: u16) -> Finding {
    if TcpListener::bind(("127.0.0.1", port)).await.is_ok() {
        return Finding::ok("port", format!("{port} is free for the gateway"));
    }
    match format!("http://127.0.0.1:{port}").parse() {
        Ok(endpoint) if catalog(&endpoint).await.is_ok() => {
            Finding::ok("port", format!("a gateway serves on {port}; another one needs --listen with another port"))
        }
        _ => {
            let said = format!("{port} is taken: start chairsync with --listen 127.0.0.1:0 or another port");
            Finding::warn("port", said)
        }
    }
}

/// Whether a gateway answers a call that needs nothing but itself and sync-state.
async fn catalog(endpoint: &Endpoint) -> Result<(), String> {
    let mut client = CatalogServiceClient::new(transport::connect(endpoint));
    match timeout(LIMIT, client.list_features(ListFeaturesRequest {})).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(status)) => Err(Failure::of(&status).to_string()),
        Err(_) => Err(format!("it does not answer in {} s", LIMIT.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn a_clock_that_follows_nothing_is_a_warning() {
        let levels = [Some("yes"), Some("no"), None].map(|told| synchronized(told).level);
        assert_eq!(levels, [Level::Ok, Level::Warn, Level::Ok]);
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_yet_is_judged_by_what_is() {
        let folder = tempfile::tempdir().unwrap();
        let findings = disk(Some(folder.path().join("not/there/yet"))).await;
        assert!(findings.iter().all(|finding| finding.level != Level::Fail), "{findings:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(disk(Some(file.join("data"))).await[0].level, Level::Fail);
    }

    #[test]
    fn df_is_read() {
        let output = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/a 100 40 60 40% /\n";
        assert_eq!(free_kib(output), Some(60));
        assert_eq!(free_kib("df: no such file\n"), None);
    }
}
