//! What sync-state says of each practice: settings, initial sync, freshness. A local copy that follows its stream.

use std::{collections::HashMap, sync::Arc, time::Duration};

use chairsync_proto::{
    practice::Practice,
    state::{
        GetPracticeStateRequest, PracticeState, WatchPracticeStatesRequest, state_service_client::StateServiceClient,
        watch_practice_states_response::Event,
    },
};
use mesh::{Refusal, error::ErrorReason, transport::Channel};
use parking_lot::RwLock;
use rand::Rng as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};
use tracing::{info, warn};

const RETRY_MIN: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(10);
const ASK_LIMIT: Duration = Duration::from_secs(3);
/// Deleted practices waiting to be forgotten.
const DELETED_QUEUE: usize = 1_024;

/// The local copy. Cheap to clone.
#[derive(Debug, Clone)]
pub struct States {
    client: StateServiceClient<Channel>,
    practices: Arc<RwLock<Practices>>,
}

#[derive(Debug, Default)]
struct Practices {
    by_name: HashMap<String, Arc<PracticeState>>,
}

impl States {
    /// An empty copy; [`States::follow`] fills it.
    pub fn new(channel: Channel) -> Self {
        Self { client: StateServiceClient::new(channel), practices: Arc::default() }
    }

    /// Follows sync-state until `stop`. The ids of deleted practices come out of the receiver.
    pub fn follow(&self, follower: String, stop: CancellationToken) -> mpsc::Receiver<String> {
        let (deleted, receiver) = mpsc::channel(DELETED_QUEUE);
        let states = self.clone();
        tokio::spawn(async move {
            let follow = async {
                let mut wait = RETRY_MIN;
                loop {
                    match states.follow_once(&follower, &deleted).await {
                        Ok(()) => wait = RETRY_MIN,
                        Err(status) => warn!(code = ?status.code(), "practice states: sync-state does not answer"),
                    }
                    let jitter = rand::rng().random_range(0.5..1.0);
                    tokio::time::sleep(wait.mul_f64(jitter)).await;
                    wait = (wait * 2).min(RETRY_MAX);
                }
            };
            tokio::select! {
                () = follow => {}
                () = stop.cancelled() => {}
            }
        });
        receiver
    }

    async fn follow_once(&self, follower: &str, deleted: &mpsc::Sender<String>) -> Result<(), Status> {
        let request = WatchPracticeStatesRequest { follower: follower.to_owned() };
        let mut stream = self.client.clone().watch_practice_states(request).await?.into_inner();
        let mut seen = HashMap::new();
        while let Some(message) = stream.message().await? {
            match message.event {
                Some(Event::State(state)) => {
                    let name = state.practice.as_ref().map(|p| p.name.clone()).unwrap_or_default();
                    let state = Arc::new(state);
                    seen.insert(name.clone(), state.clone());
                    self.practices.write().by_name.insert(name, state);
                }
                Some(Event::Deleted(name)) => {
                    self.practices.write().by_name.remove(&name);
                    seen.remove(&name);
                    let _ = deleted.send(bare(&name).to_owned()).await;
                }
                Some(Event::CaughtUp(_)) => {
                    let mut practices = self.practices.write();
                    practices.by_name = std::mem::take(&mut seen);
                    info!(practices = practices.by_name.len(), "practice states caught up");
                }
                None => {}
            }
        }
        Ok(())
    }

    /// A practice's state if it is here.
    pub fn known(&self, practice: &str) -> Option<Arc<PracticeState>> {
        self.practices.read().by_name.get(&format!("practices/{practice}")).cloned()
    }

    /// A practice's state; asks sync-state for one that is not here (yet).
    ///
    /// # Errors
    /// `PRACTICE_NOT_FOUND`; `UPSTREAM_UNAVAILABLE` when it is not known here and sync-state does not answer.
    pub async fn get(&self, practice: &str) -> Result<Arc<PracticeState>, Refusal> {
        if let Some(state) = self.known(practice) {
            return Ok(state);
        }
        let name = format!("practices/{practice}");
        let mut request = tonic::Request::new(GetPracticeStateRequest { practice: name.clone() });
        request.set_timeout(ASK_LIMIT);
        match tokio::time::timeout(ASK_LIMIT, self.client.clone().get_practice_state(request)).await {
            Ok(Ok(answer)) => answer.into_inner().state.map(Arc::new).ok_or_else(|| Refusal::practice_not_found(&name)),
            Ok(Err(status)) if status.code() == Code::NotFound => Err(Refusal::practice_not_found(&name)),
            Ok(Err(_)) | Err(_) => Err(Refusal::new(
                Code::Unavailable,
                ErrorReason::UpstreamUnavailable,
                "sync-state does not answer and the practice is not known here yet; try again",
            )
            .retry_after(Duration::from_secs(1))),
        }
    }
}

/// The id in `practices/{practice}`.
pub fn bare(name: &str) -> &str {
    name.strip_prefix("practices/").unwrap_or(name)
}

/// The settings in a state.
///
/// # Errors
/// `INTERNAL` when sync-state left them out.
pub fn settings(state: &PracticeState) -> Result<&Practice, Refusal> {
    state.practice.as_ref().ok_or_else(|| Refusal::internal("a practice's state has no settings"))
}
