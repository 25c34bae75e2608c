//! One span for each served call, a child of the caller's; and its rate, errors and duration as metrics.
//!
//! A span holds the method, the status and, where a layer below records it, the practice's id; never anything else of
//! what is in the messages. Metrics' handles are looked up once a method, not once a call.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use metrics::{Counter, Histogram};
use tonic::{Code, Status};
use tracing::{Instrument as _, Span, field::Empty, instrument::Instrumented};

use crate::telemetry;

/// The methods of a server with their metrics.
#[derive(Debug, Clone)]
pub(super) struct Meters {
    methods: Arc<HashMap<&'static str, Arc<Meter>>>,
    health: Arc<Meter>,
    reflection: Arc<Meter>,
    unknown: Arc<Meter>,
}

/// A method as metrics and spans name it, and its metrics. Only names that the descriptors know: a stranger cannot make
/// metrics grow.
struct Meter {
    service: &'static str,
    method: &'static str,
    streams: bool,
    seconds: OnceLock<Histogram>,
    calls: [OnceLock<Counter>; CODES.len()],
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.method)
    }
}

/// gRPC's codes by number, as labels.
const CODES: [&str; 17] = [
    "Ok",
    "Cancelled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

impl Meters {
    /// Those of the server `service`.
    pub fn of(service: &'static str) -> Self {
        let meter = |method, streams| {
            let calls = std::array::from_fn(|_| OnceLock::new());
            Arc::new(Meter { service, method, streams, seconds: OnceLock::new(), calls })
        };
        let known = chairsync_proto::catalog::methods().values();
        Self {
            methods: Arc::new(
                known
                    .map(|row| {
                        let path = row.path.as_str();
                        (path, meter(path.trim_start_matches('/'), row.server_streaming))
                    })
                    .collect(),
            ),
            health: meter("grpc.health.v1.Health", true),
            reflection: meter("grpc.reflection.ServerReflection", true),
            unknown: meter("unknown", true),
        }
    }

    fn get(&self, path: &str) -> &Arc<Meter> {
        match self.methods.get(path) {
            Some(meter) => meter,
            None if path.starts_with("/grpc.health.") => &self.health,
            None if path.starts_with("/grpc.reflection.") => &self.reflection,
            None => &self.unknown,
        }
    }
}

impl Meter {
    fn count(&self, code: Code, seconds: f64) {
        let labels = [("service", self.service), ("method", self.method)];
        self.seconds.get_or_init(|| metrics::histogram!("chairsync_rpc_seconds", &labels)).record(seconds);
        let (name, slot) = (CODES[code as usize], &self.calls[code as usize]);
        let labels = [("service", self.service), ("method", self.method), ("code", name)];
        slot.get_or_init(|| metrics::counter!("chairsync_rpc_total", &labels)).increment(1);
    }
}

/// A call that is being counted; one that is dropped before its end was cancelled.
#[derive(Debug)]
pub(super) struct Call {
    meter: Arc<Meter>,
    span: Span,
    start: Instant,
    over: bool,
}

impl Call {
    /// Begins to count a call.
    pub fn start(meters: &Meters, path: &str, headers: &HeaderMap) -> Self {
        let meter = meters.get(path).clone();
        let method = meter.method;
        // Health is asked every few seconds and by every probe: a span each would drown the rest.
        let span = match Arc::ptr_eq(&meter, &meters.health) {
            true => tracing::trace_span!(
                "rpc",
                otel.name = method,
                otel.kind = "server",
                practice = Empty,
                rpc.status = Empty
            ),
            false => tracing::debug_span!(
                "rpc",
                otel.name = method,
                otel.kind = "server",
                practice = Empty,
                rpc.status = Empty
            ),
        };
        if !span.is_disabled() {
            telemetry::adopt(&span, headers);
        }
        Self { meter, span, start: Instant::now(), over: false }
    }

    /// Whether the method answers with a stream, or is not one of the API.
    pub fn streams(&self) -> bool {
        self.meter.streams
    }

    /// The method, `package.Service/Method`.
    pub fn method(&self) -> &'static str {
        self.meter.method
    }

    /// Does something within the span.
    pub fn scope<T>(&self, work: impl FnOnce() -> T) -> T {
        self.span.in_scope(work)
    }

    /// A future within the span.
    pub fn instrument<F>(&self, work: F) -> Instrumented<F> {
        work.instrument(self.span.clone())
    }

    /// Whether the call has ended with the answer's headers, as refused ones do.
    pub fn ended_in(&mut self, headers: &HeaderMap) -> bool {
        let code = code_of(headers);
        code.into_iter().for_each(|code| self.end(code));
        code.is_some()
    }

    /// The answer's body, which ends the call.
    pub fn through<B>(self, body: B) -> Traced<B> {
        Traced { body, call: self }
    }

    fn end(&mut self, code: Code) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        let seconds = self.start.elapsed().as_secs_f64();
        self.meter.count(code, seconds);
        let (method, code) = (self.meter.method, CODES[code as usize]);
        self.span.record("rpc.status", code);
        self.span.in_scope(|| tracing::debug!(method, code, seconds, "served"));
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

/// A body that ends its call when it ends.
pub(super) struct Traced<B> {
    body: B,
    call: Call,
}

impl<B> http_body::Body for Traced<B>
where
    B: http_body::Body<Data = Bytes, Error = Status> + Unpin,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        let entered = this.call.span.clone();
        let _entered = entered.enter();
        let frame = Pin::new(&mut this.body).poll_frame(cx);
        match &frame {
            Poll::Ready(None) => this.call.end(Code::Ok),
            Poll::Ready(Some(Err(status))) => this.call.end(status.code()),
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(code) = frame.trailers_ref().and_then(code_of) {
                    this.call.end(code);
                }
            }
            Poll::Pending => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

/// The status in headers or trailers; reading all of it would copy them.
pub(super) fn code_of(headers: &HeaderMap) -> Option<Code> {
    headers.get("grpc-status").map(|code| Code::from_bytes(code.as_bytes()))
}
