//! Passes one call on, bytes undecoded, and its answer back.

use std::convert::Infallible;

use http::header::{CONNECTION, HOST};
use mesh::transport::Channel;
use tonic::body::Body;
use tower::ServiceExt as _;

/// Sends `request` to the service behind `channel`. An error of the way there is a status in the answer; an error of the
/// service itself passes as it is. Dropping the answer cancels the call on the other side.
pub(crate) async fn forward(
    channel: Channel,
    mut request: http::Request<Body>,
) -> Result<http::Response<Body>, Infallible> {
    // These belong to the caller's connection; the next hop has its own.
    request.headers_mut().remove(HOST);
    request.headers_mut().remove(CONNECTION);
    Ok(channel.oneshot(request).await.unwrap_or_else(|status| status.into_http()))
}
