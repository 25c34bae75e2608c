//! A proxy before a server that speaks S3, which does to chosen requests what networks and object stores do.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_util::task::AbortOnDropHandle;

/// What happens to the requests that are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// They pass.
    Nothing,
    /// They are answered with this status.
    Refuse(u16),
    /// They are not answered.
    Stall,
    /// They pass, and the connection ends before the answer.
    LoseAnswer,
}

/// A proxy on a loopback port; it ends when dropped.
#[derive(Debug)]
pub struct ObjectProxy {
    address: SocketAddr,
    rule: Arc<Rule>,
    _serving: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Rule {
    fault: Mutex<Fault>,
    struck: AtomicU64,
}

impl ObjectProxy {
    /// Starts one before the server on a loopback port.
    ///
    /// # Panics
    /// When there is no port.
    pub async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let address = listener.local_addr().expect("its address");
        let rule = Arc::new(Rule { fault: Mutex::new(Fault::Nothing), struck: AtomicU64::new(0) });
        let of_all = rule.clone();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass(stream, server, of_all.clone()));
            }
        });
        Self { address, rule, _serving: AbortOnDropHandle::new(serving) }
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What happens to the commits of tables from now on.
    pub fn commits(&self, fault: Fault) {
        *self.rule.fault.lock() = fault;
    }

    /// How many requests something was done to so far.
    pub fn struck(&self) -> u64 {
        self.rule.struck.load(SeqCst)
    }
}

/// Passes one request; the client asks for the next on another connection. Whoever goes away ends it.
async fn pass(mut client: TcpStream, server: u16, rule: Arc<Rule>) -> Option<()> {
    let mut request = Vec::new();
    let head = loop {
        if let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if client.read_buf(&mut request).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8_lossy(&request[..head]).into_owned();
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    while request.len() < head + length.unwrap_or(0) {
        if client.read_buf(&mut request).await.ok()? == 0 {
            return None;
        }
    }
    let commit = text.starts_with("PUT ") && text.lines().next().is_some_and(|line| line.contains("_delta_log"));
    let fault = if commit { *rule.fault.lock() } else { Fault::Nothing };
    if fault != Fault::Nothing {
        rule.struck.fetch_add(1, SeqCst);
    }
    match fault {
        Fault::Refuse(status) => {
            let answer = format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            return client.write_all(answer.as_bytes()).await.ok();
        }
        Fault::Stall => std::future::pending::<()>().await,
        Fault::Nothing | Fault::LoseAnswer => {}
    }
    let mut upstream = TcpStream::connect(("127.0.0.1", server)).await.ok()?;
    let (first, rest) = text.split_once("\r\n")?;
    upstream.write_all(format!("{first}\r\nConnection: close\r\n{rest}").as_bytes()).await.ok()?;
    upstream.write_all(&request[head..]).await.ok()?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer).await.ok()?;
    match fault {
        Fault::LoseAnswer => None,
        _ => client.write_all(&answer).await.ok(),
    }
}
