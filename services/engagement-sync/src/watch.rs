//! `EngagementService.Watch`: a snapshot of the live view, then its changes, each with a token to go on from.
//!
//! [`tail`] reads a practice's log once however many watch; [`watcher`] is one caller's stream; [`token`] signs where it
//! is; [`filter`] says what it gets.

mod filter;
mod tail;
mod token;
mod watcher;

use std::{sync::Arc, time::Duration};

use chairsync_proto::engagement::{WatchRequest, WatchResponse, engagement_service_server::EngagementService};
use mesh::{ErrorReason, Refusal, names};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Response, Status, codegen::BoxStream};

pub use self::{filter::Filter, tail::Tails, token::Tokens};
use self::{token::Place, watcher::Watcher};
use crate::{
    live_view::{Head, LiveView},
    states::States,
};

/// How long to wait for a view that is still being filled.
const FILL_RETRY: Duration = Duration::from_secs(5);

/// Serves watches.
#[derive(Debug)]
pub struct WatchService {
    view: Arc<dyn LiveView>,
    states: States,
    tails: Tails,
    tokens: Tokens,
    watchers: Arc<Semaphore>,
    stop: CancellationToken,
}

impl WatchService {
    /// A service on a live view; at most `watchers_max` watch at once; `stop` ends them all.
    ///
    /// # Errors
    /// When the store does not give the secret for tokens.
    pub async fn new(
        view: Arc<dyn LiveView>,
        states: States,
        watchers_max: usize,
        stop: CancellationToken,
    ) -> Result<Self, Refusal> {
        let tokens = Tokens::new(view.token_secret().await?);
        let tails = Tails::new(view.clone(), tail::RING_ENTRIES);
        Ok(Self { view, states, tails, tokens, watchers: Arc::new(Semaphore::new(watchers_max)), stop })
    }

    async fn open(&self, request: WatchRequest) -> Result<Watcher, Refusal> {
        let practice = names::practice("practice", &request.practice)?.to_owned();
        let filter = Filter::read(&request, &practice)?;
        let state = self.states.get(&practice).await?;
        let head = self.view.head(&practice).await?;
        let start = match request.resume_token.as_str() {
            "" => {
                if !head.filled {
                    return Err(still_filling());
                }
                Place::at(&head, request.include_snapshot)
            }
            token => resumed(self.tokens.read(token, &practice, filter.mark())?, &head)?,
        };
        let seat = self.watchers.clone().try_acquire_owned().map_err(|_| too_many())?;
        Ok(Watcher {
            practice,
            filter,
            start,
            resumed: !request.resume_token.is_empty(),
            state,
            states: self.states.clone(),
            view: self.view.clone(),
            tails: self.tails.clone(),
            tokens: self.tokens.clone(),
            stop: self.stop.clone(),
            seat,
        })
    }
}

/// Where a token goes on, if the log still reaches back to it.
fn resumed(place: Place, head: &Head) -> Result<Place, Refusal> {
    let kept = head.floor <= place.sequence && place.sequence <= head.sequence;
    if head.filled && head.incarnation == place.incarnation && kept {
        return Ok(place);
    }
    Err(resnapshot("the changes since this token are no longer kept; watch again without it and ask for a snapshot"))
}

fn resnapshot(message: &str) -> Refusal {
    Refusal::new(Code::OutOfRange, ErrorReason::ResnapshotRequired, message)
}

fn still_filling() -> Refusal {
    let message = "the live view of this practice is still being filled after its initial sync; try again shortly";
    Refusal::new(Code::FailedPrecondition, ErrorReason::InitialSyncIncomplete, message).retry_after(FILL_RETRY)
}

fn too_many() -> Refusal {
    let message = "this replica serves as many watches as it may; try again, or watch with wider filters on one stream";
    Refusal::new(Code::ResourceExhausted, ErrorReason::Overloaded, message).retry_after(Duration::from_secs(5))
}

#[tonic::async_trait]
impl EngagementService for WatchService {
    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<BoxStream<WatchResponse>>, Status> {
        let watcher = self.open(request.into_inner()).await?;
        Ok(Response::new(Box::pin(watcher.stream())))
    }
}
