//! Which service answers a method: what the descriptors say, and nothing else.

use std::{
    collections::{BTreeSet, HashMap},
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use chairsync_proto::{
    catalog,
    feature::{ErrorReason, Server},
};
use mesh::{
    Refusal,
    transport::{Channel, Endpoint, connect},
};
use tonic::{Code, Status, body::Body};
use tower::Service;
use tracing::Span;

use crate::{forward::forward, practice};

/// Routes calls to the services behind the gateway.
#[derive(Debug, Clone)]
pub struct Router {
    routes: Arc<HashMap<&'static str, Channel>>,
}

impl Router {
    /// Makes the table: each public method's path to its service's channel.
    pub fn new(upstreams: &[(Server, Endpoint)]) -> Self {
        let channels: HashMap<Server, Channel> = upstreams.iter().map(|(s, at)| (*s, connect(at))).collect();
        let public = catalog::methods().values().filter(|row| !row.internal);
        let routes = public.filter_map(|row| Some((row.path.as_str(), channels.get(&row.server)?.clone())));
        Self { routes: Arc::new(routes.collect()) }
    }

    /// The full names of the services that callers may use.
    pub fn public_services() -> BTreeSet<&'static str> {
        catalog::methods().values().filter(|row| !row.internal).map(|row| row.service.as_str()).collect()
    }
}

impl<B> Service<http::Request<B>> for Router
where
    B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        match self.routes.get(request.uri().path()) {
            Some(channel) => {
                let noting = |body| practice::noting(Body::new(body), Span::current());
                Box::pin(forward(channel.clone(), request.map(noting)))
            }
            None => Box::pin(std::future::ready(Ok(unknown().into_http()))),
        }
    }
}

/// A method that is not there, or not for callers: the same words for both.
fn unknown() -> Status {
    let sentence = "the gateway knows no such method; `grpcurl … list` shows the services, `describe` their methods";
    Refusal::new(Code::Unimplemented, ErrorReason::MethodUnknown, sentence).into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Every public method has a route, no internal one has, and the table is all there is.
    #[test]
    fn the_table_is_the_descriptors() {
        let nowhere: Endpoint = "http://127.0.0.1:1".parse().unwrap();
        let servers = [Server::SyncState, Server::AnalyticsSync, Server::EngagementSync];
        let _runtime = tokio::runtime::Runtime::new().unwrap();
        let _entered = _runtime.enter();
        let router = Router::new(&servers.map(|s| (s, nowhere.clone())));
        for row in catalog::methods().values() {
            assert_eq!(router.routes.contains_key(row.path.as_str()), !row.internal, "{}", row.path);
        }
        assert!(Router::public_services().iter().all(|s| !s.contains(".state.") && !s.contains(".pms.")));
    }
}
