//! A panic in a handler is `INTERNAL` for its caller and counted; the process and every other call go on.

use std::{convert::Infallible, future::Future, panic::AssertUnwindSafe};

use futures::FutureExt as _;
use tonic::{Status, body::Body};

use crate::error::Refusal;

/// The answer, or that its handler panicked.
pub(super) async fn caught(
    answer: impl Future<Output = Result<http::Response<Body>, Infallible>>,
) -> http::Response<Body> {
    match AssertUnwindSafe(answer).catch_unwind().await {
        Ok(Ok(answer)) => answer,
        Err(_) => {
            metrics::counter!("chairsync_panics_total").increment(1);
            tracing::error!("a handler panicked");
            Status::from(Refusal::internal("a handler panicked")).into_http()
        }
    }
}
