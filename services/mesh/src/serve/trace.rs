//! One span for each served call, a child of the caller's; and its rate, errors and duration as metrics.
//!
//! A span holds the method, the status and, where a layer below records it, the practice's id; never anything else of
//! what is in the messages.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service};
use tracing::{Instrument as _, Span, field::Empty};

use crate::telemetry;

/// See the module's words.
#[derive(Debug, Clone, Copy)]
pub struct TraceLayer {
    service: &'static str,
}

impl TraceLayer {
    /// Spans and metrics of the service `service`.
    pub fn new(service: &'static str) -> Self {
        Self { service }
    }
}

impl<S> Layer<S> for TraceLayer {
    type Service = Trace<S>;

    fn layer(&self, inner: S) -> Trace<S> {
        Trace { inner, service: self.service }
    }
}

/// See [`TraceLayer`].
#[derive(Debug, Clone)]
pub struct Trace<S> {
    inner: S,
    service: &'static str,
}

impl<S> Service<http::Request<Body>> for Trace<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let method = method_label(request.uri().path());
        // Health is asked every few seconds and by every probe: a span each would drown the rest.
        let span = match method.starts_with("grpc.health.") {
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
        telemetry::adopt(&span, request.headers());
        let call = Call { service: self.service, method, span: span.clone(), start: Instant::now(), over: false };
        let answer = span.in_scope(|| self.inner.call(request)).instrument(span);
        Box::pin(async move {
            let mut call = call;
            let answer = answer.await?;
            if let Some(status) = Status::from_header_map(answer.headers()) {
                call.end(status.code());
                return Ok(answer);
            }
            Ok(answer.map(|body| Body::new(Traced { body, call })))
        })
    }
}

/// The method as a label: only names that the descriptors know, so that a stranger cannot make metrics grow.
fn method_label(path: &str) -> &'static str {
    match chairsync_proto::catalog::methods().get(path) {
        Some(row) => row.path.trim_start_matches('/'),
        None if path.starts_with("/grpc.health.") => "grpc.health.v1.Health",
        None if path.starts_with("/grpc.reflection.") => "grpc.reflection.ServerReflection",
        None => "unknown",
    }
}

/// A call that is being counted; one that is dropped before its end was cancelled.
struct Call {
    service: &'static str,
    method: &'static str,
    span: Span,
    start: Instant,
    over: bool,
}

impl Call {
    fn end(&mut self, code: Code) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        let seconds = self.start.elapsed().as_secs_f64();
        let code = format!("{code:?}");
        self.span.record("rpc.status", code.as_str());
        self.span.in_scope(|| tracing::debug!(method = self.method, code, seconds, "served"));
        let labels = [("service", self.service), ("method", self.method)];
        metrics::histogram!("chairsync_rpc_seconds", &labels).record(seconds);
        let labels = [("service", self.service.to_owned()), ("method", self.method.to_owned()), ("code", code)];
        metrics::counter!("chairsync_rpc_total", &labels).increment(1);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

struct Traced {
    body: Body,
    call: Call,
}

impl http_body::Body for Traced {
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

fn code_of(trailers: &HeaderMap) -> Option<Code> {
    Status::from_header_map(trailers).map(|status| status.code())
}
