//! A sentence for methods that are part of the API but not built yet: the generated stubs say only that.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use chairsync_proto::feature::ErrorReason;
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service};

use crate::error::Refusal;

/// What the generated stubs answer.
const STUB: &str = "Not yet implemented";

/// See the module's words.
#[derive(Debug, Clone, Copy)]
pub(super) struct NotBuiltLayer;

impl<S> Layer<S> for NotBuiltLayer {
    type Service = NotBuilt<S>;

    fn layer(&self, inner: S) -> NotBuilt<S> {
        NotBuilt { inner }
    }
}

/// See [`NotBuiltLayer`].
#[derive(Debug, Clone)]
pub(super) struct NotBuilt<S> {
    inner: S,
}

impl<S> Service<http::Request<Body>> for NotBuilt<S>
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
        let path = request.uri().path().to_owned();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            let stub = Status::from_header_map(answer.headers())
                .is_some_and(|s| s.code() == Code::Unimplemented && s.message() == STUB);
            Ok(if stub { sentence(&path).into_http() } else { answer })
        })
    }
}

fn sentence(path: &str) -> Status {
    let method = path.trim_start_matches('/');
    let sentence = format!("{method} is part of the API but not built yet; the README says what is.");
    Refusal::new(Code::Unimplemented, ErrorReason::NotBuilt, sentence).into()
}
