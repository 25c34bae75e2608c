//! A server's services by name. A call's way to its own is one look into a table; what is not in the table (health,
//! reflection, routes that others built) goes through tonic's router, which costs more.

use std::{collections::HashMap, convert::Infallible, fmt, sync::Arc};

use tonic::{body::Body, codegen::BoxFuture, server::NamedService, service::Routes};
use tower::Service;

/// What a service answers.
pub(super) type Answer = BoxFuture<http::Response<Body>, Infallible>;

/// See the module's words.
#[derive(Clone, Default)]
pub struct Services {
    direct: Arc<HashMap<&'static str, Box<dyn Serve>>>,
    rest: Routes,
}

/// A service that is shared by all connections; each call clones what it needs of it.
trait Serve: Send + Sync {
    fn answer(&self, request: http::Request<Body>) -> Answer;
}

struct Shared<S>(S);

impl<S> Serve for Shared<S>
where
    S: Service<http::Request<Body>, Future = Answer> + Clone + Send + Sync,
{
    fn answer(&self, request: http::Request<Body>) -> Answer {
        self.0.clone().call(request) // generated servers are always ready
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.direct.keys()).finish()
    }
}

impl From<Routes> for Services {
    fn from(rest: Routes) -> Self {
        Self { direct: Arc::default(), rest: rest.prepare() }
    }
}

impl Services {
    /// Services from generated servers: `Services::of([Services::one(a), Services::one(b)])`.
    pub fn of(services: impl IntoIterator<Item = One>) -> Self {
        let direct = services.into_iter().map(|one| (one.name, one.serve)).collect();
        Self { direct: Arc::new(direct), rest: Routes::default() }
    }

    /// A generated server, to be put among [`Services::of`].
    pub fn one<S>(service: S) -> One
    where
        S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible, Future = Answer>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
    {
        One { name: S::NAME, serve: Box::new(Shared(service)) }
    }

    /// The same with more in tonic's router.
    pub(super) fn map_rest(self, change: impl FnOnce(Routes) -> Routes) -> Self {
        Self { rest: change(self.rest).prepare(), ..self }
    }

    pub(super) fn call(&mut self, request: http::Request<Body>) -> Answer {
        let path = request.uri().path();
        let service = path.get(1..).and_then(|rest| rest.split_once('/')).map(|(service, _)| service);
        match service.and_then(|service| self.direct.get(service)) {
            Some(direct) => direct.answer(request),
            None => Box::pin(self.rest.call(request)),
        }
    }
}

/// One service, see [`Services::one`].
pub struct One {
    name: &'static str,
    serve: Box<dyn Serve>,
}

impl fmt::Debug for One {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
