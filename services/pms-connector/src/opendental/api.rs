//! Open Dental's REST API, the only way to write to it.
//!
//! [`keys`] are what it knows us by; [`exchange`] is one request over one connection; [`answer`] says what an answer means
//! for the write; [`breaker`], [`budget`] keep us from being a burden; [`ways`] are its addresses in the order in which they
//! are tried. [`Api`] puts them together.

mod answer;
mod breaker;
mod budget;
mod exchange;
mod keys;
mod ways;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use chairsync_proto::practice::OpenDentalApi;
use http::Method;
use mesh::{ErrorReason, Refusal, secret::Secret};
use parking_lot::Mutex;
use serde_json::Value;
use tonic::Code;

use self::{
    breaker::{Breaker, Verdict},
    budget::Budget,
    exchange::{Exchange, Tls},
    keys::Keys,
    ways::Ways,
};

/// Kept of a call's deadline for reading back.
const RESERVE: Duration = Duration::from_millis(500);

/// How the API is used.
#[derive(Debug, Clone)]
pub struct Manners {
    /// The longest wait for an answer. Afterwards it is not known whether the PMS has taken the write.
    pub answer_limit: Duration,
    /// The most requests a second to one practice; the vendor's cloud gets one.
    pub per_second: u32,
    /// Authorities that may have signed the API's certificate, instead of the system's.
    pub ca_file: Option<PathBuf>,
}

impl Default for Manners {
    fn default() -> Self {
        Self { answer_limit: Duration::from_secs(65), per_second: 20, ca_file: None }
    }
}

/// A request that changes something.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    /// POST or PUT.
    pub method: Method,
    /// Below the base, e.g. `/payments`.
    pub path: String,
    /// The body.
    pub body: Value,
}

impl Call {
    pub(super) fn post(path: impl Into<String>, body: Value) -> Self {
        Self { method: Method::POST, path: path.into(), body }
    }

    pub(super) fn put(path: impl Into<String>, body: Value) -> Self {
        Self { method: Method::PUT, path: path.into(), body }
    }
}

/// Why a call was not answered well.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Failure {
    /// The PMS has not got it for sure.
    NotTaken(Refusal),
    /// The PMS refuses it, and would again.
    Refused(Refusal),
    /// It may or may not have been done.
    Unknown,
}

/// The API of one practice.
pub(super) struct Api {
    keys: Keys,
    ways: Mutex<Ways>,
    breaker: Mutex<Breaker>,
    budget: Budget,
    cloud: Budget,
    tls: Option<Tls>,
    answer_limit: Duration,
}

impl Api {
    /// An API by its settings and the word of its credential.
    ///
    /// # Errors
    /// `INVALID_FIELD` for a malformed address; `CREDENTIAL_NOT_FOUND` for a malformed word.
    pub(super) fn new(settings: &OpenDentalApi, word: &Secret, manners: &Manners) -> Result<Self, Refusal> {
        let ways = Ways::new(settings)?;
        let tls = if ways.encrypted() { Some(Tls::new(manners.ca_file.as_deref())?) } else { None };
        Ok(Self {
            keys: Keys::new(word)?,
            ways: Mutex::new(ways),
            breaker: Mutex::new(Breaker::new()),
            budget: Budget::per_second(manners.per_second),
            cloud: Budget::one_at_a_time(Duration::from_secs(1)),
            tls,
            answer_limit: manners.answer_limit,
        })
    }

    /// Calls once, by the first way that can be reached.
    ///
    /// # Errors
    /// See [`Failure`].
    pub(super) async fn call(&self, call: &Call) -> Result<(), Failure> {
        if let Verdict::Paused(wait) = self.breaker.lock().ask(Instant::now()) {
            return Err(Failure::NotTaken(paused(wait)));
        }
        let answered = self.try_ways(call).await;
        let well = !matches!(&answered, Err(Failure::Unknown))
            && !matches!(&answered, Err(Failure::NotTaken(refusal)) if refusal.reason == ErrorReason::PmsUnreachable);
        self.breaker.lock().note(well, Instant::now());
        answered
    }

    async fn try_ways(&self, call: &Call) -> Result<(), Failure> {
        let body = bytes::Bytes::from(call.body.to_string());
        let ways = self.ways.lock().open(Instant::now());
        for way in ways {
            let budget = if way.throttled() { &self.cloud } else { &self.budget };
            let Some(limit) = self.limit() else { break };
            let Ok(turn) = tokio::time::timeout(limit, budget.turn()).await else {
                return Err(Failure::NotTaken(busy(Duration::from_secs(1))));
            };
            let Some(limit) = self.limit() else { break };
            let request = way.request(call, &self.keys, body.clone());
            let exchanged = exchange::once(&way, self.tls.as_ref(), request, limit).await;
            drop(turn);
            match exchanged {
                Exchange::NotSent => self.ways.lock().note_down(&way, Instant::now()),
                Exchange::Lost => return Err(Failure::Unknown),
                Exchange::Answered { status, retry_after, body } => {
                    return answer::meaning(status, retry_after, &body, way.throttled());
                }
            }
        }
        Err(Failure::NotTaken(unreachable()))
    }

    /// How long an answer may take now; none when the call has no time left.
    fn limit(&self) -> Option<Duration> {
        let left = mesh::deadline::current().map(|at| at.saturating_duration_since(tokio::time::Instant::now()));
        match left {
            None => Some(self.answer_limit),
            Some(left) => left.checked_sub(RESERVE).map(|left| left.min(self.answer_limit)),
        }
    }
}

fn unreachable() -> Refusal {
    let message = "the PMS's API does not answer at any of its addresses; check that its service runs and the address";
    Refusal::new(Code::Unavailable, ErrorReason::PmsUnreachable, message).retry_after(Duration::from_secs(5))
}

fn busy(wait: Duration) -> Refusal {
    let message = "the PMS's API takes no more requests now; it is tried again later";
    Refusal::new(Code::Unavailable, ErrorReason::Overloaded, message).retry_after(wait)
}

fn paused(wait: Duration) -> Refusal {
    let message = "the PMS's API failed several times in a row and is left alone for a while";
    Refusal::new(Code::Unavailable, ErrorReason::PmsApiPaused, message).retry_after(wait)
}
