//! How services reach one another: over TCP, or in memory when they share a process.
//!
//! Servers accept a [`Listener`], clients dial an [`Endpoint`]; neither knows which kind it has. A [`Channel`] is what
//! generated clients wrap: it connects when first used, reconnects by itself, forwards what is left of the current
//! call's deadline and the trace context, and never waits longer than that deadline, queueing and connecting included.

use std::{
    fmt,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    str::FromStr,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use hyper_util::rt::TokioIo;
use tokio::{io::DuplexStream, net::TcpListener, sync::mpsc};
use tonic::{Status, body::Body};
use tower::Service;

use crate::{deadline, error::Refusal, telemetry};

/// Bytes that an in-memory connection holds in each direction before its writer waits.
const DUPLEX_BYTES: usize = 1 << 20;
/// Connections that may wait to be accepted in memory.
const BACKLOG: usize = 64;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Flow-control windows: bulk rows need more than HTTP/2's 64 KiB, and an unread stream may not hold much more.
pub(crate) const STREAM_WINDOW: u32 = 2 << 20;
pub(crate) const CONNECTION_WINDOW: u32 = 8 << 20;

/// The largest message that a client of bulk rows should accept: `client.max_decoding_message_size(BULK_MESSAGE_BYTES)`.
pub const BULK_MESSAGE_BYTES: usize = 64 << 20;

/// Where a service is.
#[derive(Clone)]
pub enum Endpoint {
    /// `http://host:port`.
    Tcp(Arc<str>),
    /// In this process.
    InProcess(InProcess),
}

/// A handle to a service in this process.
#[derive(Clone)]
pub struct InProcess {
    name: Arc<str>,
    dial: mpsc::Sender<DuplexStream>,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(uri) => f.write_str(uri),
            Self::InProcess(target) => write!(f, "in-process:{}", target.name),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Endpoint {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let uri = text.parse::<http::Uri>().ok().filter(|uri| uri.scheme_str() == Some("http"));
        match uri.and_then(|uri| uri.authority().map(|a| a.port_u16().is_some())) {
            Some(true) => Ok(Self::Tcp(text.trim_end_matches('/').into())),
            _ => Err(Refusal::invalid("endpoint", "must be http://host:port")),
        }
    }
}

/// Where a service accepts calls.
#[derive(Debug)]
pub enum Listener {
    /// A TCP socket.
    Tcp(TcpListener),
    /// Calls from this process.
    InProcess(mpsc::Receiver<DuplexStream>),
}

impl Listener {
    /// Binds a TCP socket; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address is taken or not this machine's.
    pub async fn bind(address: SocketAddr) -> std::io::Result<Self> {
        Ok(Self::Tcp(TcpListener::bind(address).await?))
    }

    /// The address of a TCP socket.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::InProcess(_) => None,
        }
    }
}

/// Makes an endpoint and a listener that are connected in memory.
pub fn in_process(name: &str) -> (Endpoint, Listener) {
    let (dial, accept) = mpsc::channel(BACKLOG);
    (Endpoint::InProcess(InProcess { name: name.into(), dial }), Listener::InProcess(accept))
}

/// A connection to a service, shared by all clones.
#[derive(Clone)]
pub struct Channel {
    inner: tonic::transport::Channel,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Channel")
    }
}

/// Connects to a service, when first used.
///
/// # Panics
/// Never: an [`Endpoint`] holds only URIs that were parsed.
pub fn connect(endpoint: &Endpoint) -> Channel {
    let inner = match endpoint {
        Endpoint::Tcp(uri) => match tonic::transport::Endpoint::from_shared(uri.to_string()) {
            Ok(target) => configured(target).connect_lazy(),
            Err(_) => unreachable!("the endpoint was parsed"),
        },
        Endpoint::InProcess(target) => {
            let dial = target.dial.clone();
            let connector = tower::service_fn(move |_: http::Uri| dial_in_process(dial.clone()));
            configured(tonic::transport::Endpoint::from_static("http://in.process"))
                .connect_with_connector_lazy(connector)
        }
    };
    Channel { inner }
}

async fn dial_in_process(dial: mpsc::Sender<DuplexStream>) -> std::io::Result<TokioIo<DuplexStream>> {
    let (ours, theirs) = tokio::io::duplex(DUPLEX_BYTES);
    let gone = |_| std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "the service has stopped");
    dial.send(theirs).await.map_err(gone)?;
    Ok(TokioIo::new(ours))
}

fn configured(endpoint: tonic::transport::Endpoint) -> tonic::transport::Endpoint {
    endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
}

impl Service<http::Request<Body>> for Channel {
    type Response = http::Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    /// Always ready: the wait for the connection is part of the call, so that the call's deadline covers it.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let deadline = deadline::forward(request.headers_mut());
        telemetry::inject(request.headers_mut());
        let mut inner = self.inner.clone();
        Box::pin(async move {
            let call = async {
                std::future::poll_fn(|cx| inner.poll_ready(cx)).await.map_err(unanswered)?;
                inner.call(request).await.map_err(unanswered)
            };
            match deadline {
                None => call.await,
                Some(deadline) => {
                    let answer = tokio::time::timeout_at(deadline, call).await.map_err(|_| deadline::exceeded())??;
                    Ok(answer.map(|body| deadline::bounded(body, deadline)))
                }
            }
        })
    }
}

/// What a call that got no answer is told. The transport keeps a timer of its own from the same `grpc-timeout`; where
/// that one rings first, the call has expired just the same, and the service is not to blame.
fn unanswered(error: tonic::transport::Error) -> Status {
    let causes = std::iter::successors(Some(&error as &(dyn std::error::Error + 'static)), |cause| cause.source());
    if causes.into_iter().any(|cause| cause.is::<tonic::TimeoutExpired>()) {
        return deadline::exceeded();
    }
    tracing::debug!(%error, "a service of the mesh does not answer");
    Refusal::upstream_unavailable("a service of the mesh does not answer; try again").into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use hyper_util::rt::TokioExecutor;
    use tonic::Code;
    use tower::ServiceExt as _;

    use super::*;

    fn call_within(left: Duration) -> http::Request<Body> {
        let mut request = http::Request::post("/a.Service/Method").body(Body::empty()).unwrap();
        deadline::write(request.headers_mut(), left);
        request
    }

    /// A peer that takes every call and answers none, and knows no deadlines.
    async fn silent(mut accept: mpsc::Receiver<DuplexStream>) {
        while let Some(stream) = accept.recv().await {
            let never = hyper::service::service_fn(|_| std::future::pending::<Result<http::Response<Body>, Status>>());
            let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(connection.serve_connection(TokioIo::new(stream), never));
        }
    }

    #[tokio::test]
    async fn a_silent_peer_is_an_expired_call_whichever_timer_rings_first() {
        let (endpoint, Listener::InProcess(accept)) = in_process("silent") else { unreachable!() };
        tokio::spawn(silent(accept));
        let channel = connect(&endpoint);
        for millis in 1..40 {
            let status = channel.clone().oneshot(call_within(Duration::from_millis(millis))).await.unwrap_err();
            assert_eq!(status.code(), Code::DeadlineExceeded, "{millis} ms: {status}");
        }
    }

    #[tokio::test]
    async fn the_deadline_covers_connecting() {
        let (endpoint, _accepts_nobody) = in_process("busy");
        let status = connect(&endpoint).oneshot(call_within(Duration::from_millis(20))).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded);
    }

    #[tokio::test]
    async fn a_service_that_has_stopped_is_unavailable() {
        let (endpoint, listener) = in_process("stopped");
        drop(listener);
        let status = connect(&endpoint).oneshot(call_within(Duration::from_secs(20))).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
    }

    #[test]
    fn an_endpoint_needs_scheme_host_and_port() {
        for good in ["http://127.0.0.1:50051", "http://sync-state:50051/", "http://[::1]:1"] {
            assert!(good.parse::<Endpoint>().is_ok(), "{good}");
        }
        for bad in ["", "sync-state:50051", "https://a:1", "http://a", "http://"] {
            assert_eq!(bad.parse::<Endpoint>().unwrap_err().field.unwrap().0, "endpoint", "{bad}");
        }
    }
}
