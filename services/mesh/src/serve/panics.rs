//! A panic in a handler is `INTERNAL` for its caller and counted; the process and every other call go on.

use std::{
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    task::{Context, Poll},
};

use futures::FutureExt as _;
use tonic::{Status, body::Body};
use tower::{Layer, Service};

use crate::error::Refusal;

/// See the module's words.
#[derive(Debug, Clone, Copy)]
pub(super) struct PanicLayer;

impl<S> Layer<S> for PanicLayer {
    type Service = Panics<S>;

    fn layer(&self, inner: S) -> Panics<S> {
        Panics { inner }
    }
}

/// See [`PanicLayer`].
#[derive(Debug, Clone)]
pub(super) struct Panics<S> {
    inner: S,
}

impl<S> Service<http::Request<Body>> for Panics<S>
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
        let answer = AssertUnwindSafe(self.inner.call(request)).catch_unwind();
        Box::pin(async move {
            answer.await.unwrap_or_else(|_| {
                metrics::counter!("chairsync_panics_total").increment(1);
                tracing::error!("a handler panicked");
                Ok(Status::from(Refusal::internal("a handler panicked")).into_http())
            })
        })
    }
}
