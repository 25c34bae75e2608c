//! HTTP: keys, throttling, faults, and the admin's switches under `/admin`.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::watch,
    time::{Instant, sleep},
};

use crate::{
    faults::{Fault, Faults},
    office::{Answer, Office, refused},
    throttle::Throttle,
};

/// The longest body, as the vendor says.
const BODY_MAX: usize = 16_800_000;
/// How long the vendor waits for an office before it answers 504.
const GATEWAY: Duration = Duration::from_secs(60);
/// How late a slow call is done.
const SLOW: Duration = Duration::from_millis(900);
/// How long nothing is taken while it restarts.
const DOWN: Duration = Duration::from_millis(300);

/// What answers.
pub(crate) struct Server {
    office: Office,
    faults: Faults,
    throttle: Option<Throttle>,
    authorization: String,
    restarted: watch::Sender<Instant>,
}

impl Server {
    pub(crate) fn new(office: Office, faults: Faults, throttle: Option<Throttle>, keys: &str) -> Self {
        let restarted = watch::Sender::new(Instant::now());
        Self { office, faults, throttle, authorization: format!("ODFHIR {keys}"), restarted }
    }
}

/// Serves until the process ends.
pub(crate) async fn serve(server: Arc<Server>, listen: SocketAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let mut restarted = server.restarted.subscribe();
        if *restarted.borrow_and_update() > Instant::now() {
            continue;
        }
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            let service = service_fn(move |request| handle(Arc::clone(&server), request));
            let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                // A client that goes away is its own affair.
                _ = serving => {}
                _ = restarted.changed() => {}
            }
        });
    }
}

type Reply = Response<Full<Bytes>>;

async fn handle(server: Arc<Server>, request: Request<Incoming>) -> Result<Reply, io::Error> {
    let (parts, body) = request.into_parts();
    let (path, method) = (parts.uri.path().to_owned(), parts.method.clone());
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let body = match Limited::new(body, BODY_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return Ok(reply(&refused(400, "The body is too long."))),
    };
    if let Some(switch) = path.strip_prefix("/admin/") {
        return Ok(admin(&server, &method, switch, &body));
    }
    let Some(path) = path.strip_prefix("/api/v1").map(str::to_owned) else {
        return Ok(reply(&refused(404, "The resource does not exist.")));
    };
    let sent = |name| parts.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
    if !sent(header::CONTENT_TYPE).starts_with("application/json") {
        return Ok(reply(&refused(400, "Content-Type must be application/json.")));
    }
    if sent(header::AUTHORIZATION) != server.authorization {
        return Ok(reply(&refused(401, "Invalid credentials.")));
    }
    if let Some(throttle) = &server.throttle
        && let Err(wait) = throttle.take()
    {
        return Ok(throttled(wait));
    }
    let given = match body.is_empty() {
        true => json!({}),
        false => match serde_json::from_slice(&body) {
            Ok(given) => given,
            Err(_) => return Ok(reply(&refused(400, "The body is not JSON."))),
        },
    };
    let fault = if method == Method::GET { None } else { server.faults.of(&path) };
    let answered = with_fault(Arc::clone(&server), method, path, query, given, fault).await;
    if let Some(throttle) = &server.throttle {
        throttle.ended();
    }
    answered
}

async fn with_fault(
    server: Arc<Server>,
    method: Method,
    path: String,
    query: String,
    given: Value,
    fault: Option<Fault>,
) -> Result<Reply, io::Error> {
    // In a task of its own: what was begun is finished, whoever still waits.
    let call = |wrong_row| {
        let (server, method, path) = (Arc::clone(&server), method.clone(), path.clone());
        let (query, given) = (query.clone(), given.clone());
        tokio::spawn(async move {
            if fault == Some(Fault::Slow) {
                sleep(SLOW).await;
            }
            server.office.call(&method, &path, &query, &given, wrong_row).await
        })
    };
    let closed = || Err(io::Error::other("closed as told"));
    let answer = match fault {
        Some(Fault::TimeoutBefore) => return Ok(never().await),
        Some(Fault::ErrorBefore) => return Ok(reply(&refused(500, "An error occurred."))),
        Some(Fault::DropBefore) => return closed(),
        Some(Fault::Throttled) => return Ok(throttled(Duration::from_millis(300))),
        Some(Fault::Refused) => return Ok(reply(&refused(400, "PatNum 4711 is invalid for Miller, Anna."))),
        Some(Fault::Restart) => {
            server.restarted.send_replace(Instant::now() + DOWN);
            return closed();
        }
        Some(Fault::Twice) => {
            // Whether the first one went well does not matter to a network that repeats.
            drop(call(false).await);
            call(false).await
        }
        Some(Fault::WrongRow) => call(true).await,
        _ => call(false).await,
    };
    let answer = answer.unwrap_or_else(|_| refused(500, "An error occurred."));
    match fault {
        Some(Fault::TimeoutAfter) => Ok(never().await),
        Some(Fault::ErrorAfter) => Ok(reply(&refused(500, "An error occurred."))),
        Some(Fault::DropAfter) => closed(),
        _ => Ok(reply(&answer)),
    }
}

async fn never() -> Reply {
    sleep(GATEWAY).await;
    reply(&refused(504, "The request did not complete in time."))
}

fn throttled(wait: Duration) -> Reply {
    let mut response = reply(&refused(429, "Too many requests."));
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

fn admin(server: &Server, method: &Method, switch: &str, body: &Bytes) -> Reply {
    let done = |value| reply(&Answer { status: 200, location: None, body: value });
    match (method, switch) {
        (&Method::POST, "chances") => match serde_json::from_slice(body) {
            Ok(chances) => {
                server.faults.by_chance(chances);
                done(json!({}))
            }
            Err(error) => reply(&refused(400, &error.to_string())),
        },
        (&Method::POST, "next") => match serde_json::from_slice(body) {
            Ok(next) => {
                server.faults.next(&next);
                done(json!({}))
            }
            Err(error) => reply(&refused(400, &error.to_string())),
        },
        (&Method::POST, "clear") => {
            server.faults.clear();
            done(json!({}))
        }
        (&Method::GET, "counted") => done(server.faults.counted()),
        _ => reply(&refused(404, "There is no such switch: chances, next, clear, counted.")),
    }
}

fn reply(answer: &Answer) -> Reply {
    let mut response = Response::new(Full::new(Bytes::from(answer.body.to_string())));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(location) = answer.location.as_ref().and_then(|l| HeaderValue::from_str(l).ok()) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}
