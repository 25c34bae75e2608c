//! Practices' states as the services see them: a local copy for reads, compare-and-save for changes, and a clock.
//!
//! A command is applied to the local copy first, without asking the store: where the copy was not the newest, the save is
//! refused, and it is applied again to what is. What would only be answered, a refusal or that nothing changes, is never
//! answered from a copy that the store was not asked about. Commands of one practice wait for one another here instead of
//! conflicting there. Several processes may share a store: each follows what the others save.

mod abandoned;
mod clock;
mod due;
mod follow;
mod followers;
mod slot;
mod work;

use std::{
    collections::{BTreeSet, HashMap},
    ops::Bound,
    sync::Arc,
    time::Duration,
};

use chairsync_proto::feature::ErrorReason;
use jiff::Timestamp;
use mesh::{Refusal, backoff::Backoff};
use parking_lot::RwLock;
use tokio_util::sync::CancellationToken;
use tonic::Code;

pub use crate::core::fair::Limits;
pub use followers::Follower;
pub use work::Kind;

use crate::{
    core::{
        apply::{Step, Stop, apply, due_at},
        command::{Command, Outcome},
        fair::Offer,
        records::{Reads, RecordChange, RecordKey, Records, Scan},
        shared::Text,
        state::PracticeState,
    },
    store::{Commit, Store, StoreError, Stored, Version},
};
use abandoned::Abandoned;
use due::Due;
use followers::Followers;
use slot::{Slot, crowded};
use work::Work;

/// Tries at a change that others get in the way of.
const CONFLICT_TRIES: u32 = 30;
/// How often a command may ask for more records; each asks for a few kinds at most.
const READ_ROUNDS: u32 = 16;

/// See the module's words.
pub struct States {
    store: Arc<dyn Store>,
    copy: RwLock<Known>,
    due: Due,
    work: Work,
    followers: Followers,
    /// Lets the replicas of a fleet do what is due by time one after another instead of all at once.
    nonce: u64,
}

/// What this process knows of.
#[derive(Default)]
struct Known {
    slots: HashMap<Text, Arc<Slot>>,
    /// Those that exist, in order.
    ids: BTreeSet<Text>,
}

/// A command that was done.
#[derive(Debug)]
pub struct Done {
    /// The practice's state after it.
    pub state: Arc<PracticeState>,
    /// What it brought about.
    pub outcome: Outcome,
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
    pub async fn start(
        store: Arc<dyn Store>,
        limits: Limits,
        shutdown: CancellationToken,
    ) -> Result<Arc<Self>, StoreError> {
        let events = store.follow();
        let states = Arc::new(Self {
            store,
            copy: RwLock::default(),
            due: Due::default(),
            work: Work::new(limits),
            followers: Followers::default(),
            nonce: rand::random(),
        });
        for stored in states.store.load_all().await? {
            states.learn(&stored.state.id, stored.version, Some(stored.state.clone()), false);
        }
        tokio::spawn(shutdown.clone().run_until_cancelled_owned(states.clone().follow_store(events)));
        tokio::spawn(shutdown.run_until_cancelled_owned(states.clone().run_clock()));
        Ok(states)
    }

    /// A practice, as last seen.
    pub fn get(&self, id: &str) -> Option<Arc<PracticeState>> {
        self.slot(id)?.state()
    }

    /// A practice, as last seen.
    ///
    /// # Errors
    /// `PRACTICE_NOT_FOUND`.
    pub fn practice(&self, id: &str) -> Result<Arc<PracticeState>, Refusal> {
        self.get(id).ok_or_else(|| not_found(id))
    }

    /// Practices by id, as last seen: those after `after`, at most `limit`.
    pub fn page(&self, after: Option<&str>, limit: usize) -> Vec<Arc<PracticeState>> {
        let copy = self.copy.read();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let ids = copy.ids.range::<str, _>((from, Bound::Unbounded));
        ids.filter_map(|id| copy.slots.get(id)?.state()).take(limit).collect()
    }

    /// The ids of all practices, in order.
    pub fn ids(&self) -> Vec<Text> {
        self.copy.read().ids.iter().cloned().collect()
    }

    /// Follows all practices, from now on.
    pub fn follow(&self) -> Arc<Follower> {
        self.followers.follow()
    }

    /// A practice's states: as it is, then after each change, until it is deleted, which is told as `PRACTICE_NOT_FOUND`. A
    /// slow reader sees fewer of them, and always the last.
    pub fn follow_one(
        self: &Arc<Self>,
        id: &str,
    ) -> impl futures::Stream<Item = Result<Arc<PracticeState>, Refusal>> + Send + use<> {
        let (slot, id) = (self.slot(id), id.to_owned());
        async_stream::try_stream! {
            let slot = slot.ok_or_else(|| not_found(&id))?;
            loop {
                let changed = slot.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                yield slot.state().ok_or_else(|| not_found(&id))?;
                changed.await;
            }
        }
    }

    /// Applies a command to a practice and saves the result.
    ///
    /// # Errors
    /// The command's refusal, `PRACTICE_NOT_FOUND`, `OVERLOADED` or `STORE_UNAVAILABLE`.
    pub async fn execute(self: &Arc<Self>, id: &str, command: &Command) -> Result<Done, Refusal> {
        let slot = self.known_slot(id).await?;
        let turn = slot.turn().await?;
        let (mut stored, mut newest) = match slot.stored() {
            Some(stored) => (stored, false),
            // It was deleted; perhaps another process has just made it again.
            None => (self.reload(&slot).await?.ok_or_else(|| not_found(id))?, true),
        };
        let mut records = Records::default();
        let (mut backoff, mut rounds) = (conflict_backoff(), 0);
        loop {
            let step = match apply(&stored.state, &records, command, Timestamp::now()) {
                Ok(step) => step,
                Err(Stop::Read(reads)) if rounds < READ_ROUNDS => {
                    rounds += 1;
                    self.read_into(id, &reads, &mut records).await?;
                    continue;
                }
                Err(Stop::Read(_)) => return Err(Refusal::internal("a command asks for ever more records")),
                Err(Stop::Refused(refusal)) if newest => return Err(refusal.into()),
                Err(Stop::Refused(_)) => {
                    stored = self.newer(&slot, stored, &mut records).await?.ok_or_else(|| not_found(id))?;
                    newest = true;
                    continue;
                }
            };
            if !step.changed && !newest {
                stored = self.newer(&slot, stored, &mut records).await?.ok_or_else(|| not_found(id))?;
                newest = true;
                continue;
            }
            if !step.changed && !must_be_durable(command) {
                return Ok(Done { state: stored.state, outcome: step.outcome });
            }
            // What must be durable is acknowledged only after a save that was: the one that made it so may have failed.
            let durable = step.durable || !step.changed;
            match self.save(&slot, stored.version, step, durable).await {
                Ok(done) => {
                    drop(turn);
                    return Ok(done);
                }
                Err(StoreError::Conflict) => {
                    stored = self.reload(&slot).await?.ok_or_else(|| not_found(id))?;
                    newest = true;
                    records = Records::default();
                    wait_for_turn(&mut backoff).await?;
                }
                Err(error) => return Err(unavailable(error)),
            }
        }
    }

    /// Saves a new practice with its records. A practice that is there already is given back instead, for the caller to
    /// compare; what is answered is durable either way.
    ///
    /// # Errors
    /// `OVERLOADED` or `STORE_UNAVAILABLE`.
    pub async fn create(
        self: &Arc<Self>,
        new: PracticeState,
        records: Vec<RecordChange>,
    ) -> Result<Result<Arc<PracticeState>, Arc<PracticeState>>, Refusal> {
        let id = new.id.clone();
        let slot = self.slot(&id).unwrap_or_else(|| self.new_slot(&id));
        let _turn = slot.turn().await?;
        let mut backoff = conflict_backoff();
        let step = Step { state: new, changes: records, outcome: Outcome::Done, durable: true, changed: true };
        loop {
            let saved = match self.reload(&slot).await? {
                Some(found) => {
                    let same = Step { state: (*found.state).clone(), changes: Vec::new(), ..step.clone() };
                    self.save(&slot, found.version, same, true).await.map(|done| Err(done.state))
                }
                None => self.save(&slot, 0, step.clone(), true).await.map(|done| Ok(done.state)),
            };
            match saved {
                Ok(answer) => return Ok(answer),
                Err(StoreError::Conflict) => wait_for_turn(&mut backoff).await?,
                Err(error) => return Err(unavailable(error)),
            }
        }
    }

    /// Deletes a practice and its records; none there is fine.
    ///
    /// # Errors
    /// `OVERLOADED` or `STORE_UNAVAILABLE`.
    pub async fn delete(self: &Arc<Self>, id: &str) -> Result<(), Refusal> {
        let Some(slot) = self.slot(id) else {
            return match self.store.load(id).await.map_err(unavailable)? {
                None => Ok(()),
                Some(found) => {
                    self.learn(id, found.version, Some(found.state), false);
                    Box::pin(self.delete(id)).await
                }
            };
        };
        let _turn = slot.turn().await?;
        let mut backoff = conflict_backoff();
        while let Some(found) = self.reload(&slot).await? {
            let commit = Commit { version: found.version, state: None, due_at: None, changes: &[], durable: true };
            let watch = Abandoned::watch(self, &slot);
            let deleted = self.store.commit(id, commit).await;
            watch.over_if(!matches!(deleted, Err(StoreError::Unavailable(_))));
            match deleted {
                Ok(version) => {
                    self.learn(id, version, None, false);
                    break;
                }
                Err(StoreError::Conflict) => wait_for_turn(&mut backoff).await?,
                Err(error) => return Err(unavailable(error)),
            }
        }
        Ok(())
    }

    /// Due runs to be claimed: at most `capacity`, and beyond that at most `urgent` of those that were asked for by hand. No
    /// other claim gets them until the answer is dropped.
    pub fn take_runs(self: &Arc<Self>, capacity: usize, urgent: usize) -> Taken {
        let taken = self.work.take_runs(Timestamp::now(), capacity, urgent, |id| self.get(id));
        let (ids, offers) = taken.into_iter().unzip();
        Taken { states: self.clone(), ids, offers }
    }

    /// At most `limit` practices with free streams or due writes. No other claim gets them until the answer is dropped.
    pub fn take(self: &Arc<Self>, kind: Kind, limit: usize) -> Taken {
        let ids = self.work.take(kind, Timestamp::now(), limit, |id| self.get(id));
        Taken { states: self.clone(), ids, offers: Vec::new() }
    }

    /// Waits for work of a kind; who is woken and takes some must [`States::pass_on`].
    pub async fn wait_for(&self, kind: Kind) {
        self.work.wait(kind).await;
    }

    /// Wakes the next of those that wait, where there is more work for it.
    pub fn pass_on(&self, kind: Kind) {
        self.work.pass_on(kind);
    }

    /// Reads one record of a practice.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn record(&self, id: &str, key: RecordKey) -> Result<Option<Vec<u8>>, Refusal> {
        let found = self.store.read(id, std::slice::from_ref(&key)).await.map_err(unavailable)?;
        Ok(found.into_iter().next().flatten())
    }

    /// Reads a range of a practice's records.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn records(&self, id: &str, scan: &Scan) -> Result<Vec<(RecordKey, Vec<u8>)>, Refusal> {
        self.store.scan(id, scan).await.map_err(unavailable)
    }

    /// A practice as the store has it.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn load(&self, id: &str) -> Result<Option<Stored>, Refusal> {
        self.store.load(id).await.map_err(unavailable)
    }

    fn slot(&self, id: &str) -> Option<Arc<Slot>> {
        self.copy.read().slots.get(id).cloned()
    }

    /// The slot of a practice that is there, or was. Names that were made up leave nothing behind.
    async fn known_slot(&self, id: &str) -> Result<Arc<Slot>, Refusal> {
        if let Some(slot) = self.slot(id) {
            return Ok(slot);
        }
        // Perhaps another process has just made it.
        let found = self.store.load(id).await.map_err(unavailable)?.ok_or_else(|| not_found(id))?;
        self.learn(id, found.version, Some(found.state), false);
        self.slot(id).ok_or_else(|| not_found(id))
    }

    fn new_slot(&self, id: &str) -> Arc<Slot> {
        let id = Text::from(id);
        self.copy.write().slots.entry(id.clone()).or_insert_with(|| Arc::new(Slot::new(id))).clone()
    }

    /// Saves a step over `version`. Who holds the practice's turn calls this.
    async fn save(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        version: Version,
        step: Step,
        durable: bool,
    ) -> Result<Done, StoreError> {
        let due_at = due_at(&step.state, Timestamp::now());
        let commit = Commit { version, state: Some(&step.state), due_at, changes: &step.changes, durable };
        let watch = Abandoned::watch(self, slot);
        let saved = self.store.commit(&slot.id, commit).await;
        watch.over_if(!matches!(saved, Err(StoreError::Unavailable(_))));
        let version = saved?;
        let state = Arc::new(step.state);
        self.take_in(slot, version, Some(state.clone()), due_at, false);
        Ok(Done { state, outcome: step.outcome })
    }

    /// The practice as the store has it, if that is not what was held; what was read of its records is no good then.
    async fn newer(&self, slot: &Slot, held: Stored, records: &mut Records) -> Result<Option<Stored>, Refusal> {
        let found = self.reload(slot).await?;
        if found.as_ref().is_none_or(|found| found.version != held.version) {
            *records = Records::default();
            return Ok(found);
        }
        Ok(Some(held))
    }

    /// Looks at what the store has, which is what is true, also when it is older than the copy: a store may lose its tail.
    /// Who holds the practice's turn calls this.
    async fn reload(&self, slot: &Slot) -> Result<Option<Stored>, Refusal> {
        let found = self.store.load(&slot.id).await.map_err(unavailable)?;
        match &found {
            Some(found) => self.learn(&slot.id, found.version, Some(found.state.clone()), true),
            None if slot.state().is_some() => self.learn(&slot.id, 0, None, true),
            None => {}
        }
        Ok(found)
    }

    async fn read_into(&self, id: &str, reads: &Reads, records: &mut Records) -> Result<(), Refusal> {
        if !reads.keys.is_empty() {
            let found = self.store.read(id, &reads.keys).await.map_err(unavailable)?;
            reads.keys.iter().zip(found).for_each(|(key, value)| records.add(key.clone(), value));
        }
        for scan in &reads.scans {
            let found = self.records(id, scan).await?;
            records.add_scan(scan.clone(), found);
        }
        Ok(())
    }

    /// Takes in what a practice is. Older news than what is known are left, unless they are `certain`.
    fn learn(&self, id: &str, version: Version, state: Option<Arc<PracticeState>>, certain: bool) {
        let slot = self.slot(id).unwrap_or_else(|| self.new_slot(id));
        let due_at = state.as_deref().and_then(|state| due_at(state, Timestamp::now()));
        self.take_in(&slot, version, state, due_at, certain);
    }

    fn take_in(
        &self,
        slot: &Slot,
        version: Version,
        state: Option<Arc<PracticeState>>,
        due_at: Option<Timestamp>,
        certain: bool,
    ) {
        {
            let mut seen = slot.seen.write();
            if version == seen.version || (version < seen.version && !certain) {
                return;
            }
            self.due.set(&slot.id, due_at.map(|at| clock::one_after_another(at, &slot.id, self.nonce)));
            self.work.set(&slot.id, state.as_deref());
            if seen.state.is_some() != state.is_some() {
                let mut copy = self.copy.write();
                match state.is_some() {
                    true => copy.ids.insert(slot.id.clone()),
                    false => copy.ids.remove(&slot.id),
                };
            }
            (seen.version, seen.state) = (version, state);
        }
        slot.changed.notify_waiters();
        self.followers.tell(&slot.id);
    }
}

/// Practices with work that was set aside for a claim.
pub struct Taken {
    states: Arc<States>,
    /// Which.
    pub ids: Vec<Text>,
    /// The runs that they offer, where runs were asked for.
    pub offers: Vec<Offer>,
}

impl Taken {
    /// How many.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.states.work.put_back(&self.ids, |id| self.states.get(id));
    }
}

/// Commands whose repeat must not be acknowledged before what it repeats is durable.
fn must_be_durable(command: &Command) -> bool {
    matches!(
        command,
        Command::Update { .. }
            | Command::SetPaused { .. }
            | Command::StartSync { .. }
            | Command::RetryRun { .. }
            | Command::EnqueueWrite { .. }
            | Command::ReportWrite { .. }
            | Command::RetryWrite { .. }
            | Command::DropWrite { .. }
            | Command::PutSaved { .. }
            | Command::DeleteSaved { .. }
    )
}

fn not_found(id: &str) -> Refusal {
    Refusal::practice_not_found(&format!("practices/{id}"))
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
        None => Err(crowded()),
    }
}

/// What callers are told of a store's failure.
pub(super) fn unavailable(error: StoreError) -> Refusal {
    tracing::warn!(%error, "the state store failed");
    let (code, reason, sentence) = match error {
        StoreError::Format { .. } => {
            return Refusal::new(Code::FailedPrecondition, ErrorReason::StoreVersion, error.to_string());
        }
        StoreError::Overloaded => (
            Code::ResourceExhausted,
            ErrorReason::Overloaded,
            "too much waits to be saved; nothing was saved, try again",
        ),
        StoreError::Conflict | StoreError::Unavailable(_) => (
            Code::Unavailable,
            ErrorReason::StoreUnavailable,
            "the state store does not answer; nothing was acknowledged, try again",
        ),
    };
    Refusal::new(code, reason, sentence).retry_after(Duration::from_secs(1))
}
