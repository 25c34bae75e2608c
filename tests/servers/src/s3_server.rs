//! A server that speaks S3, with its objects in memory: moto's.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{Killed, free_port, wait_until};

/// A server that speaks S3 on a loopback port.
#[derive(Debug)]
pub struct S3 {
    _process: Killed,
    port: u16,
}

impl S3 {
    /// Starts one with a bucket; none where `tests/install` could not install it.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(bucket: &str) -> Option<Self> {
        let packages = packages();
        if !packages.join("moto").is_dir() {
            return None;
        }
        let port = free_port();
        let child = Command::new("python3")
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()])
            .env("PYTHONPATH", packages)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("python3 starts");
        let mut process = Killed(child);
        let request =
            format!("PUT /{bucket} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        wait_until("moto", &mut process, async || {
            let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else { return false };
            let mut answer = Vec::new();
            stream.write_all(request.as_bytes()).await.is_ok()
                && stream.read_to_end(&mut answer).await.is_ok()
                && answer.starts_with(b"HTTP/1.1 200")
        })
        .await;
        Some(Self { _process: process, port })
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// Where `tests/install` puts it.
fn packages() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/chairsync/tools");
    std::env::var_os("CHAIRSYNC_TOOLS").map_or_else(home, PathBuf::from).join("s3")
}
