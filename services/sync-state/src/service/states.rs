//! Practices' states as the services see them: a local copy for reads, compare-and-save for changes, and a clock.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chairsync_proto::feature::ErrorReason;
use jiff::Timestamp;
use mesh::{Refusal, backoff::Backoff};
use parking_lot::RwLock;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::{
    core::{
        apply::{Stop, apply, due_at},
        command::{Command, Outcome},
        records::{RecordKey, Records, Scan},
        state::PracticeState,
    },
    store::{Commit, Event, FOLLOW_BUFFER, Store, StoreError, Stored},
};

/// Tries at a change that others get in the way of.
const CONFLICT_TRIES: u32 = 30;
/// How often what is due is looked for.
const TICK: Duration = Duration::from_millis(200);
/// Due practices that are looked at in one tick.
const TICK_LIMIT: usize = 500;
/// How often everything is looked at again, in case an event was lost with a failed store.
const RELOAD: Duration = Duration::from_secs(30);

/// See the module's words.
pub struct States {
    store: Arc<dyn Store>,
    copy: RwLock<BTreeMap<String, Arc<PracticeState>>>,
    changed: broadcast::Sender<String>,
}

impl std::fmt::Debug for States {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("States")
    }
}

impl States {
    /// Reads every practice and begins to follow the store and the clock.
    ///
    /// # Errors
    /// When the store does not answer, or holds states of another version.
    pub async fn start(store: Arc<dyn Store>, shutdown: CancellationToken) -> Result<Arc<Self>, StoreError> {
        let events = store.follow();
        let changed = broadcast::Sender::new(FOLLOW_BUFFER);
        let states = Arc::new(Self { store, copy: RwLock::default(), changed });
        states.reload().await?;
        tokio::spawn(shutdown.clone().run_until_cancelled_owned(states.clone().follow(events)));
        tokio::spawn(shutdown.run_until_cancelled_owned(states.clone().tick()));
        Ok(states)
    }

    /// A practice, as last seen.
    pub fn get(&self, id: &str) -> Option<Arc<PracticeState>> {
        self.copy.read().get(id).cloned()
    }

    /// A practice, as last seen.
    ///
    /// # Errors
    /// `PRACTICE_NOT_FOUND`.
    pub fn practice(&self, id: &str) -> Result<Arc<PracticeState>, Refusal> {
        self.get(id).ok_or_else(|| Refusal::practice_not_found(&format!("practices/{id}")))
    }

    /// All practices, as last seen, by id.
    pub fn all(&self) -> Vec<Arc<PracticeState>> {
        self.copy.read().values().cloned().collect()
    }

    /// The ids of practices after they changed or went.
    pub fn changes(&self) -> broadcast::Receiver<String> {
        self.changed.subscribe()
    }

    /// Applies a command to a practice and saves the result.
    ///
    /// # Errors
    /// The command's refusal, `PRACTICE_NOT_FOUND`, or `STORE_UNAVAILABLE`.
    pub async fn execute(&self, id: &str, command: &Command) -> Result<(Arc<PracticeState>, Outcome), Refusal> {
        let mut backoff = conflict_backoff();
        loop {
            let stored = self.store.load(id).await.map_err(unavailable)?;
            let stored = stored.ok_or_else(|| Refusal::practice_not_found(&format!("practices/{id}")))?;
            let now = Timestamp::now();
            let step = self.decide(id, &stored, command, now).await?;
            if !step.changed {
                return Ok((stored.state, step.outcome));
            }
            let commit = Commit {
                version: stored.version,
                state: Some(&step.state),
                due_at: due_at(&step.state, now),
                changes: &step.changes,
                durable: step.durable,
            };
            match self.store.commit(id, commit).await {
                Ok(_) => {
                    let next = Arc::new(step.state);
                    self.remember(id, Some(next.clone()));
                    return Ok((next, step.outcome));
                }
                Err(StoreError::Conflict) => wait_for_turn(&mut backoff).await?,
                Err(error) => return Err(unavailable(error)),
            }
        }
    }

    /// Applies a command, reading the records that it asks for.
    async fn decide(
        &self,
        id: &str,
        stored: &Stored,
        command: &Command,
        now: Timestamp,
    ) -> Result<crate::core::apply::Step, Refusal> {
        let mut records = Records::default();
        loop {
            let reads = match apply(&stored.state, &records, command, now) {
                Ok(step) => return Ok(step),
                Err(Stop::Refused(refusal)) => return Err(refusal.into()),
                Err(Stop::Read(reads)) => reads,
            };
            let values = self.store.read(id, &reads.keys).await.map_err(unavailable)?;
            reads.keys.into_iter().zip(values).for_each(|(key, value)| records.add(key, value));
            for scan in reads.scans {
                let found = self.store.scan(id, &scan).await.map_err(unavailable)?;
                records.add_scan(scan, found);
            }
        }
    }

    /// A record of a practice.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn record(&self, id: &str, key: RecordKey) -> Result<Option<Vec<u8>>, Refusal> {
        let values = self.store.read(id, &[key]).await.map_err(unavailable)?;
        Ok(values.into_iter().next().flatten())
    }

    /// A range of a practice's records.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn scan(&self, id: &str, scan: &Scan) -> Result<Vec<(RecordKey, Vec<u8>)>, Refusal> {
        self.store.scan(id, scan).await.map_err(unavailable)
    }

    /// Saves a new practice. A practice that is there already is given back instead, for the caller to compare.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn create(&self, new: PracticeState) -> Result<Result<Arc<PracticeState>, Arc<PracticeState>>, Refusal> {
        let mut backoff = conflict_backoff();
        loop {
            if let Some(found) = self.store.load(&new.id).await.map_err(unavailable)? {
                return Ok(Err(found.state));
            }
            let due_at = due_at(&new, Timestamp::now());
            let commit = Commit { version: 0, state: Some(&new), due_at, changes: &[], durable: true };
            match self.store.commit(&new.id, commit).await {
                Ok(_) => {
                    let new = Arc::new(new);
                    self.remember(&new.id, Some(new.clone()));
                    return Ok(Ok(new));
                }
                Err(StoreError::Conflict) => wait_for_turn(&mut backoff).await?,
                Err(error) => return Err(unavailable(error)),
            }
        }
    }

    /// Deletes a practice; none there is fine.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn delete(&self, id: &str) -> Result<(), Refusal> {
        let mut backoff = conflict_backoff();
        while let Some(found) = self.store.load(id).await.map_err(unavailable)? {
            let commit = Commit { version: found.version, state: None, due_at: None, changes: &[], durable: true };
            match self.store.commit(id, commit).await {
                Ok(_) => break,
                Err(StoreError::Conflict) => wait_for_turn(&mut backoff).await?,
                Err(error) => return Err(unavailable(error)),
            }
        }
        self.remember(id, None);
        Ok(())
    }

    fn remember(&self, id: &str, state: Option<Arc<PracticeState>>) {
        {
            let mut copy = self.copy.write();
            match state {
                // Saves of this process and events of others race; the newer revision of the same practice stays.
                Some(new) => match copy.get(id) {
                    Some(old) if old.created_at == new.created_at && old.revision >= new.revision => return,
                    _ => drop(copy.insert(id.to_owned(), new)),
                },
                None => {
                    if copy.remove(id).is_none() {
                        return;
                    }
                }
            }
        }
        let _ = self.changed.send(id.to_owned()); // nobody may be listening
    }

    /// Looks at everything; what the store has is what is true, also when that is older than the copy.
    async fn reload(&self) -> Result<(), StoreError> {
        let ids = self.store.list().await?;
        let gone: Vec<String> = self.copy.read().keys().filter(|id| ids.binary_search(id).is_err()).cloned().collect();
        for id in gone {
            self.remember(&id, None);
        }
        for id in ids {
            self.refresh(&id).await?;
        }
        Ok(())
    }

    async fn refresh(&self, id: &str) -> Result<(), StoreError> {
        let stored = self.store.load(id).await?.map(|stored| stored.state);
        let lost_tail = match (&stored, self.get(id)) {
            (Some(new), Some(old)) => new.revision < old.revision && new.created_at == old.created_at,
            _ => false,
        };
        if lost_tail {
            // Only a store that lost its last writes goes back, or this load raced a save: look once more.
            let again = self.store.load(id).await?.map(|stored| stored.state);
            self.copy.write().remove(id);
            self.remember(id, again);
        } else {
            self.remember(id, stored);
        }
        Ok(())
    }

    async fn follow(self: Arc<Self>, mut events: broadcast::Receiver<Event>) {
        let mut again = tokio::time::interval(RELOAD);
        loop {
            let looked = tokio::select! {
                event = events.recv() => match event {
                    Ok(Event::Saved(stored)) => self.refresh(&stored.state.id).await,
                    Ok(Event::Deleted { id, .. }) => self.refresh(&id).await,
                    Ok(Event::Reset) | Err(broadcast::error::RecvError::Lagged(_)) => self.reload().await,
                    Err(broadcast::error::RecvError::Closed) => return,
                },
                _ = again.tick() => self.reload().await,
            };
            if let Err(error) = looked {
                tracing::warn!(%error, "the state store cannot be followed just now");
            }
        }
    }

    /// Lets what is due by time happen. Any number of replicas may do this: the save decides.
    async fn tick(self: Arc<Self>) {
        let mut every = tokio::time::interval(TICK);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            let due = match self.store.due(Timestamp::now(), TICK_LIMIT).await {
                Ok(due) => due,
                Err(error) => {
                    tracing::warn!(%error, "what is due cannot be seen just now");
                    continue;
                }
            };
            for id in due {
                if let Err(refusal) = self.execute(&id, &Command::Tick).await {
                    tracing::debug!(%refusal, "a tick was refused");
                }
            }
        }
    }
}

fn conflict_backoff() -> Backoff {
    Backoff::new(Duration::from_millis(1), Duration::from_millis(50), CONFLICT_TRIES)
}

async fn wait_for_turn(backoff: &mut Backoff) -> Result<(), Refusal> {
    match backoff.next() {
        Some(wait) => {
            tokio::time::sleep(wait).await;
            Ok(())
        }
        None => {
            let sentence = "the practice is being changed by too many at once; try again";
            Err(Refusal::new(Code::Unavailable, ErrorReason::Overloaded, sentence).retry_after(Duration::from_secs(1)))
        }
    }
}

/// What callers are told of a store's failure.
pub(super) fn unavailable(error: StoreError) -> Refusal {
    tracing::warn!(%error, "the state store failed");
    match error {
        StoreError::Format { .. } => {
            Refusal::new(Code::FailedPrecondition, ErrorReason::StoreVersion, error.to_string())
        }
        _ => Refusal::new(
            Code::Unavailable,
            ErrorReason::StoreUnavailable,
            "the state store does not answer; nothing was acknowledged, try again",
        )
        .retry_after(Duration::from_secs(1)),
    }
}
