//! What sync-state says of each practice: settings, accepted table versions, freshness. Followed, so that a read asks
//! nobody.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use chairsync_proto::state::{
    GetPracticeStateRequest, PracticeState, WatchPracticeStatesRequest, state_service_client::StateServiceClient,
    watch_practice_states_response::Event,
};
use mesh::{backoff::Backoff, transport::Channel};
use parking_lot::RwLock;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};

use crate::{runs::registration, store::Store};

/// How long a practice that is not known yet may be asked for.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);
const BACKOFF: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// The practices' states, by id. Clones share them.
#[derive(Clone)]
pub struct States {
    known: Arc<RwLock<HashMap<String, Arc<PracticeState>>>>,
    /// Whether all practices were sent once.
    whole: Arc<AtomicBool>,
    channel: Channel,
}

impl States {
    /// Knows nothing yet; [`States::follow`] fills it.
    pub fn new(channel: Channel) -> Self {
        Self { known: Arc::default(), whole: Arc::default(), channel }
    }

    /// The state of a practice, by id. One that is not known yet is asked for.
    ///
    /// # Errors
    /// sync-state's own: `PRACTICE_NOT_FOUND`, or that it does not answer.
    pub async fn get(&self, practice: &str) -> Result<Arc<PracticeState>, Status> {
        let known = self.known.read().get(practice).cloned();
        match known {
            Some(state) => Ok(state),
            None => self.ask(practice).await,
        }
    }

    /// The ids of the practices whose settings name a group, in order; none while not all practices are known.
    pub fn of_group(&self, group: &str) -> Option<Vec<String>> {
        if !self.whole.load(Relaxed) {
            return None;
        }
        let known = self.known.read();
        let in_group = |state: &PracticeState| state.practice.as_ref().is_some_and(|practice| practice.group == group);
        let mut ids: Vec<String> =
            known.iter().filter(|(_, state)| in_group(state)).map(|(id, _)| id.clone()).collect();
        ids.sort();
        Some(ids)
    }

    /// The state of a practice, by id, as sync-state has it now, past what is followed.
    ///
    /// # Errors
    /// As for [`States::get`].
    pub async fn ask(&self, practice: &str) -> Result<Arc<PracticeState>, Status> {
        let mut request = Request::new(GetPracticeStateRequest { practice: format!("practices/{practice}") });
        request.set_timeout(ASK_TIMEOUT);
        let answer = StateServiceClient::new(self.channel.clone()).get_practice_state(request).await?.into_inner();
        answer.state.map(Arc::new).ok_or_else(|| Status::internal("sync-state answered without a state"))
    }

    /// Follows until `shutdown`, reconnecting whenever the stream ends. The tables of a practice that is deleted go with
    /// it.
    pub async fn follow(self, follower: String, store: Store, shutdown: CancellationToken) {
        let mut pauses = Backoff::forever(BACKOFF, BACKOFF_MAX);
        while !shutdown.is_cancelled() {
            let followed = tokio::select! {
                _ = shutdown.cancelled() => return,
                followed = self.follow_once(&follower, &store) => followed,
            };
            match followed {
                Ok(()) => pauses.reset(),
                Err(status) => {
                    tracing::warn!(code = ?status.code(), "sync-state cannot be followed; answers stay as they are");
                }
            }
            tokio::select! {
                _ = shutdown.cancelled() => return,
                _ = tokio::time::sleep(pauses.next().unwrap_or(BACKOFF_MAX)) => {}
            }
        }
    }

    async fn follow_once(&self, follower: &str, store: &Store) -> Result<(), Status> {
        let request = WatchPracticeStatesRequest { follower: follower.to_owned() };
        let mut events =
            StateServiceClient::new(self.channel.clone()).watch_practice_states(request).await?.into_inner();
        // Until all were sent once, what was known stays; then what was not sent is gone.
        let mut first = Some(HashMap::new());
        while let Some(event) = events.message().await? {
            match event.event {
                Some(Event::State(state)) => {
                    let Some(id) = id_of(&state) else { continue };
                    let state = Arc::new(state);
                    if let Some(first) = &mut first {
                        first.insert(id.clone(), state.clone());
                    }
                    self.known.write().insert(id, state);
                }
                Some(Event::Deleted(name)) => {
                    let Ok(id) = mesh::names::practice("practice", &name) else { continue };
                    if let Some(first) = &mut first {
                        first.remove(id);
                    }
                    let gone = self.known.write().remove(id);
                    remove_tables(store, id, gone.as_deref());
                }
                Some(Event::CaughtUp(_)) => {
                    if let Some(all) = first.take() {
                        self.whole.store(true, Relaxed);
                        let before = std::mem::replace(&mut *self.known.write(), all.clone());
                        for (id, state) in before {
                            if !all.contains_key(&id) {
                                remove_tables(store, &id, Some(&state));
                            }
                        }
                    }
                }
                None => {}
            }
        }
        Ok(())
    }
}

fn id_of(state: &PracticeState) -> Option<String> {
    let practice = state.practice.as_ref()?;
    mesh::names::practice("practice", &practice.name).ok().map(str::to_owned)
}

/// Removes the tables of the registration that was deleted, and not of one that came after it.
fn remove_tables(store: &Store, id: &str, gone: Option<&PracticeState>) {
    let Some(registered) = gone.and_then(|state| state.practice.as_ref()).map(registration) else { return };
    let (store, id) = (store.clone(), id.to_owned());
    tokio::task::spawn_blocking(move || {
        if store.belongs_to(&id, &registered)
            && let Err(error) = store.remove(&id)
        {
            tracing::warn!(kind = ?error.kind(), "the tables of a deleted practice were not all removed");
        }
    });
}
