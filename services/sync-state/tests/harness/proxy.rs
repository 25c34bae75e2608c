//! A TCP connection in two halves, so that a test can cut it in the middle of anything.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU16, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::broadcast,
};

/// Passes connections on to a port of this machine until they are cut.
pub struct Proxy {
    pub port: u16,
    target: Arc<AtomicU16>,
    open: Arc<AtomicBool>,
    cut: broadcast::Sender<()>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// Starts one before a port.
    pub async fn start(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (target, open) = (Arc::new(AtomicU16::new(target)), Arc::new(AtomicBool::new(true)));
        let cut = broadcast::Sender::new(1);
        let accepting = tokio::spawn(accept(listener, target.clone(), open.clone(), cut.clone()));
        Self { port, target, open, cut, accepting }
    }

    /// Ends every connection at once, whatever is under way on it.
    pub fn cut(&self) {
        let _ = self.cut.send(()); // nobody may be connected
    }

    /// Takes no connections for a while, and ends those that are there.
    pub async fn cut_for(&self, time: Duration) {
        self.open.store(false, Ordering::SeqCst);
        self.cut();
        tokio::time::sleep(time).await;
        self.open.store(true, Ordering::SeqCst);
    }

    /// Leads to another port from now on.
    pub fn lead_to(&self, target: u16) {
        self.target.store(target, Ordering::SeqCst);
        self.cut();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, target: Arc<AtomicU16>, open: Arc<AtomicBool>, cut: broadcast::Sender<()>) {
    while let Ok((mut near, _)) = listener.accept().await {
        if !open.load(Ordering::SeqCst) {
            continue;
        }
        let (target, mut cut) = (target.load(Ordering::SeqCst), cut.subscribe());
        tokio::spawn(async move {
            let passed = async {
                let mut far = TcpStream::connect(("127.0.0.1", target)).await?;
                near.set_nodelay(true)?;
                far.set_nodelay(true)?;
                tokio::io::copy_bidirectional(&mut near, &mut far).await
            };
            tokio::select! {
                _ = passed => {}
                _ = cut.recv() => {}
            }
        });
    }
}
