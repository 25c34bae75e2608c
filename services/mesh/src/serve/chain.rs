//! What every served call goes through, composed as one future: a call allocates it once, not once a step.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Instant;
use tonic::body::Body;
use tower::Service;

use super::{
    not_built, panics,
    services::Services,
    trace::{Call, Meters},
};
use crate::deadline::{self, Bounded};

/// Taken off each hop, so that the hop that knows why answers before the transport gives up.
const MARGIN: Duration = Duration::from_millis(5);

/// The chain that [`super`] explains, around a server's services.
#[derive(Debug, Clone)]
pub(super) struct Chain {
    services: Services,
    meters: Meters,
    /// The deadline of unary calls that name none.
    unary: Duration,
}

impl Chain {
    pub fn new(name: &'static str, services: Services, unary: Duration) -> Self {
        Self { services, meters: Meters::of(name), unary }
    }
}

impl Service<http::Request<Body>> for Chain {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(())) // as all services of a server are: see `Services`
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let mut call = Call::start(&self.meters, request.uri().path(), request.headers());
        let asked = deadline::read(request.headers()).map(|left| left.saturating_sub(MARGIN));
        let left = asked.or((!call.streams()).then_some(self.unary));
        let deadline = left.map(|left| Instant::now() + left);
        // Handlers' futures are made here; from their first line on they see the span and the deadline.
        let answer = call.scope(|| deadline::sync_scope(deadline, || self.services.call(request)));
        let answer = call.instrument(panics::caught(deadline::within(deadline, answer)));
        Box::pin(async move {
            let answer = not_built::explained(answer.await, call.method());
            if call.ended_in(answer.headers()) {
                return Ok(answer);
            }
            Ok(match deadline {
                Some(deadline) => answer.map(|body| Body::new(call.through(Bounded::new(body, deadline)))),
                None => answer.map(|body| Body::new(call.through(body))),
            })
        })
    }
}
