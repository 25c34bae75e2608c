//! This machine: room on the disk, and the gateway's port.

use std::path::Path;

use chairsync_proto::feature::{ListFeaturesRequest, catalog_service_client::CatalogServiceClient};
use mesh::transport::{self, Endpoint};
use tokio::{net::TcpListener, process::Command, time::timeout};

use super::{Finding, LIMIT};
use crate::failure::Failure;

const MIB: u64 = 1 << 10; // in KiB, as df counts
/// Too little for a practice's tables.
const ROOM_MIN: u64 = 512 * MIB;
/// Tight: compaction writes tables anew before old files go.
const ROOM_GOOD: u64 = 5 * 1024 * MIB;

/// Whether the folder has room.
pub async fn check(folder: &Path) -> Vec<Finding> {
    let mut command = Command::new("df");
    command.arg("-Pk").arg(folder).kill_on_drop(true);
    let free = match timeout(LIMIT, command.output()).await {
        Ok(Ok(output)) if output.status.success() => free_kib(&String::from_utf8_lossy(&output.stdout)),
        _ => None,
    };
    let shown = folder.display();
    vec![match free {
        None => Finding::warn("disk", format!("free space of {shown} cannot be told; name a folder that exists")),
        Some(kib) if kib < ROOM_MIN => Finding::fail("disk", format!("{} MiB free in {shown}; make room", kib / MIB)),
        Some(kib) if kib < ROOM_GOOD => {
            Finding::warn("disk", format!("{} MiB free in {shown}; 5 GiB or more are advised", kib / MIB))
        }
        Some(kib) => Finding::ok("disk", format!("{} GiB free in {shown}", kib / MIB / 1024)),
    }]
}

/// The fourth column of the last line of `df -Pk`.
fn free_kib(output: &str) -> Option<u64> {
    output.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()
}

/// Whether a named gateway answers; without one, whether its default port is free.
pub async fn gateway(endpoint: Option<&Endpoint>) -> Vec<Finding> {
    let Some(endpoint) = endpoint else {
        let port = mesh::default_port("gateway");
        return vec![match TcpListener::bind(("127.0.0.1", port)).await {
            Ok(_) => Finding::ok("port", format!("{port} is free for the gateway")),
            Err(_) => Finding::warn(
                "port",
                format!("{port} is taken: start chairsync with --listen 127.0.0.1:0 or another port"),
            ),
        }];
    };
    let mut client = CatalogServiceClient::new(transport::connect(endpoint));
    vec![match timeout(LIMIT, client.list_features(ListFeaturesRequest {})).await {
        Ok(Ok(_)) => Finding::ok("gateway", format!("{endpoint} answers")),
        Ok(Err(status)) => Finding::fail("gateway", format!("{endpoint}: {}", Failure::of(&status))),
        Err(_) => Finding::fail("gateway", format!("{endpoint} does not answer; check that it runs")),
    }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn df_is_read() {
        let output = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/a 100 40 60 40% /\n";
        assert_eq!(free_kib(output), Some(60));
        assert_eq!(free_kib("df: no such file\n"), None);
    }
}
