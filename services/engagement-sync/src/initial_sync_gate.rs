//! Refuses what needs a finished initial sync while that is not finished. Driven by the catalog: any method whose feature
//! asks for `NEED_INITIAL_SYNC_FINISHED`, with no word about single methods.
//!
//! The practice is read off field 1 of the request's bytes, as every request has it there; the rest is not decoded.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use chairsync_proto::{catalog, feature::Need, state::PracticeState};
use http_body::Frame;
use http_body_util::BodyExt as _;
use mesh::{ErrorReason, Refusal, names};
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service};

use crate::states::States;

/// When the run's end cannot be told.
const RETRY_DEFAULT: Duration = Duration::from_secs(60);
const RETRY_MIN: Duration = Duration::from_secs(1);
/// The frame's flag and length before a message.
const FRAME_HEADER: usize = 5;
/// Requests of these methods are small; a longer one is not read to its end.
const REQUEST_MAX: usize = 4 << 20;

/// Puts the gate before a service.
#[derive(Debug, Clone)]
pub struct GateLayer {
    states: States,
}

impl GateLayer {
    /// A gate that knows what sync-state says.
    pub fn new(states: States) -> Self {
        Self { states }
    }
}

impl<S> Layer<S> for GateLayer {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Gate<S> {
        Gate { states: self.states.clone(), inner }
    }
}

/// A service behind the gate.
#[derive(Debug, Clone)]
pub struct Gate<S> {
    states: States,
    inner: S,
}

impl<S, B, R> Service<http::Request<B>> for Gate<S>
where
    S: Service<http::Request<Body>, Response = http::Response<R>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    R: Default + Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = S::Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let waiting = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, waiting);
        if !is_gated(request.uri().path()) {
            return Box::pin(ready.call(request.map(Body::new)));
        }
        let states = self.states.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            match checked(&states, Body::new(body)).await {
                Ok(body) => ready.call(http::Request::from_parts(head, body)).await,
                Err(refusal) => Ok(Status::from(refusal).into_http()),
            }
        })
    }
}

/// Whether a method's feature needs a finished initial sync.
fn is_gated(path: &str) -> bool {
    let feature = catalog::methods().get(path).and_then(|method| method.feature).and_then(catalog::feature);
    feature.is_some_and(|feature| feature.needs(Need::InitialSyncFinished))
}

/// Reads the first message, checks its practice, and gives back a body as it was.
async fn checked(states: &States, mut body: Body) -> Result<Body, Refusal> {
    let mut read = BytesMut::new();
    while message(&read).is_none() && read.len() <= REQUEST_MAX {
        let Some(frame) = body.frame().await else { break };
        let frame = frame.map_err(|_| Refusal::invalid("request", "the message ended before its length"))?;
        if let Ok(data) = frame.into_data() {
            read.extend_from_slice(&data);
        }
    }
    let name = message(&read).and_then(first_field).unwrap_or_default();
    let practice = names::practice_of("practice", &name)?;
    let state = states.get(practice).await?;
    if !state.initial_sync_finished {
        return Err(incomplete(&state));
    }
    let rest = Prefixed { first: Some(read.freeze()), rest: body };
    Ok(Body::new(rest))
}

/// Says when the initial sync will be done, as far as its run can tell.
fn incomplete(state: &PracticeState) -> Refusal {
    let progress = state.initial_progress.as_ref();
    let eta = progress.and_then(|p| p.eta).and_then(|eta| Duration::try_from(eta).ok()).unwrap_or(RETRY_DEFAULT);
    let done = progress.map_or(0.0, |p| p.share_done * 100.0);
    let paused = state.practice.as_ref().is_some_and(|practice| practice.paused);
    let way_out = match paused {
        true => "it waits because the practice is paused: `PracticeService/UpdatePractice` lets it go on",
        false => "`SyncService/WatchRun` shows its progress",
    };
    let message = format!(
        "the practice's initial sync is not finished ({done:.0} % done); Online Scheduling opens when it is: {way_out}"
    );
    Refusal::new(Code::FailedPrecondition, ErrorReason::InitialSyncIncomplete, message).retry_after(eta.max(RETRY_MIN))
}

/// The first gRPC message, once it is all there.
fn message(mut read: &[u8]) -> Option<&[u8]> {
    if read.len() < FRAME_HEADER {
        return None;
    }
    read.advance(1);
    let length = read.get_u32() as usize;
    read.get(..length)
}

/// Field 1 of a message, where it is text.
fn first_field(mut message: &[u8]) -> Option<String> {
    while message.has_remaining() {
        let tag = varint(&mut message)?;
        match (tag >> 3, tag & 7) {
            (1, 2) => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                return String::from_utf8(message.get(..length)?.to_vec()).ok();
            }
            (_, 0) => {
                varint(&mut message)?;
            }
            (_, kind @ (1 | 2 | 5)) => {
                let length = match kind {
                    1 => 8,
                    5 => 4,
                    _ => usize::try_from(varint(&mut message)?).ok()?,
                };
                message = message.get(length..)?;
            }
            _ => return None,
        }
    }
    None
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    prost::encoding::decode_varint(bytes).ok()
}

/// A body whose beginning was read already.
struct Prefixed {
    first: Option<Bytes>,
    rest: Body,
}

impl http_body::Body for Prefixed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(Ok(Frame::data(first)))),
            None => Pin::new(&mut self.rest).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use chairsync_proto::{feature::Server, practice::Practice, sync::RunProgress};
    use proptest::prelude::*;
    use prost::Message as _;

    #[test]
    fn only_online_scheduling_is_gated() {
        for method in catalog::methods().values().filter(|method| method.server == Server::EngagementSync) {
            let online_scheduling = method.service.ends_with(".OnlineSchedulingService");
            assert_eq!(is_gated(&method.path), online_scheduling, "{}", method.path);
        }
    }

    #[test]
    fn the_refusal_says_when_to_try_again_and_what_it_waits_for() {
        let eta = Some(prost_types::Duration { seconds: 90, nanos: 0 });
        let progress = RunProgress { share_done: 0.42, eta, ..RunProgress::default() };
        let mut state = PracticeState { initial_progress: Some(progress), ..PracticeState::default() };
        let refusal = incomplete(&state);
        assert_eq!(refusal.retry_after, Some(Duration::from_secs(90)));
        assert!(refusal.message.contains("42 %") && refusal.message.contains("WatchRun"), "{refusal}");
        state.practice = Some(Practice { paused: true, ..Practice::default() });
        assert!(incomplete(&state).message.contains("paused"));
        state.initial_progress = None;
        assert_eq!(incomplete(&state).retry_after, Some(RETRY_DEFAULT));
    }

    #[test]
    fn the_practice_is_read_off_the_bytes() {
        let request = chairsync_proto::engagement::OpenPatientCardRequest {
            name: "practices/a/patients/7".into(),
            parts: vec![1, 2],
        };
        let bytes = request.encode_to_vec();
        assert_eq!(first_field(&bytes).unwrap(), request.name);
        let framed = [&[0, 0, 0, 0, u8::try_from(bytes.len()).unwrap()], bytes.as_slice()].concat();
        assert_eq!(message(&framed).unwrap(), bytes);
        assert!(message(&framed[..framed.len() - 1]).is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = message(&bytes).and_then(first_field);
            let _ = first_field(&bytes);
        }
    }
}
