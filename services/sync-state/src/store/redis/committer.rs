//! Group commit: what waits to be saved goes to Redis together, as one script call and one wait for durability.
//!
//! There is a lane of saves for all shards, or one per shard in a cluster, where a script may touch only one slot; and as
//! many again for saves that wait until they are durable, on connections of their own, because a wait blocks its
//! connection. While a group is on its way the next one gathers.

use std::{sync::Arc, time::Duration};

use redis::Cmd;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::Instant,
};

use super::{
    nodes::{Nodes, Purpose, Question},
    settings::Waits,
};
use crate::{
    core::records::RecordChange,
    store::{
        StoreError, Version,
        keys::{EVENTS_KEPT, Keys, SHARDS},
    },
};

/// Saves that may wait in a lane. More are refused at once.
const QUEUE: usize = 8192;
/// Saves in one script call: Redis does nothing else meanwhile.
const GROUP: usize = 64;
/// Script calls that are sent together.
const CALLS: usize = 8;
/// About as many bytes are sent together at most.
const BYTES: usize = 4 << 20;
/// Groups of a lane that are on their way at the same time: Redis works on one while the next is made.
const IN_FLIGHT: usize = 2;
/// From when a save was handed over until it is given up.
pub(super) const BUDGET: Duration = Duration::from_secs(5);
/// How long a server may take over a group.
const WAIT: Duration = Duration::from_secs(3);

/// A save that waits for its turn.
pub(super) struct Save {
    pub id: String,
    /// What was read.
    pub base: Version,
    /// What it becomes.
    pub next: Version,
    /// What is stored; empty: the practice is deleted.
    pub value: Vec<u8>,
    /// In milliseconds.
    pub due: Option<i64>,
    pub changes: Vec<RecordChange>,
}

impl Save {
    fn bytes(&self) -> usize {
        let changes = self.changes.iter().map(|change| match change {
            RecordChange::Put(key, value) => key.as_str().len() + value.len(),
            RecordChange::Remove(key) => key.as_str().len(),
        });
        self.id.len() + self.value.len() + changes.sum::<usize>()
    }
}

/// What became of a save.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Saved {
    /// It is there.
    Yes,
    /// Another was there first.
    Conflict,
    /// Another is there, and this one may have been there before it.
    ConflictOrOvertaken,
    /// Nobody knows, or it is there and not as durable as it should be.
    Failed(String),
}

struct Waiting {
    save: Save,
    until: Instant,
    answer: oneshot::Sender<Saved>,
}

/// Gathers saves and sends them.
pub(super) struct Committer {
    nodes: Arc<Nodes>,
    plain: Vec<mpsc::Sender<Waiting>>,
    durable: Vec<mpsc::Sender<Waiting>>,
}

impl Committer {
    /// Starts the lanes. They end when this is dropped.
    pub fn start(nodes: Arc<Nodes>, script: Arc<Commit>, waits: Arc<Waits>) -> Self {
        let lanes = if nodes.is_cluster() { SHARDS } else { 1 };
        let start = |durable: bool| {
            (0..lanes)
                .map(|shard| {
                    let (sender, receiver) = mpsc::channel(QUEUE);
                    let lane = Lane {
                        nodes: nodes.clone(),
                        script: script.clone(),
                        waits: durable.then(|| waits.clone()),
                        shard,
                        purpose: if durable { Purpose::Durable(shard) } else { Purpose::Ask },
                    };
                    tokio::spawn(Arc::new(lane).run(receiver));
                    sender
                })
                .collect()
        };
        Self { plain: start(false), durable: start(true), nodes }
    }

    /// Saves one practice, together with whatever else waits.
    ///
    /// # Errors
    /// `Overloaded` when too many wait already.
    pub async fn save(&self, save: Save, durable: bool) -> Result<Saved, StoreError> {
        let lanes = if durable { &self.durable } else { &self.plain };
        let lane = if self.nodes.is_cluster() { Keys::of(&save.id).shard() as usize } else { 0 };
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { save, until: Instant::now() + BUDGET, answer };
        let lane = lanes.get(lane).ok_or_else(stopped)?;
        match lane.try_reserve() {
            Ok(place) => place.send(waiting),
            Err(mpsc::error::TrySendError::Full(())) => return Err(StoreError::Overloaded),
            Err(mpsc::error::TrySendError::Closed(())) => return Err(stopped()),
        }
        answered.await.map_err(|_| stopped())
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable("the store is being closed".to_owned())
}

struct Lane {
    nodes: Arc<Nodes>,
    script: Arc<Commit>,
    /// How to wait for durability; none: not at all.
    waits: Option<Arc<Waits>>,
    shard: u32,
    purpose: Purpose,
}

impl Lane {
    async fn run(self: Arc<Self>, mut waiting: mpsc::Receiver<Waiting>) {
        let free = Arc::new(Semaphore::new(IN_FLIGHT));
        let mut next: Option<Waiting> = None;
        loop {
            let Ok(permit) = free.clone().acquire_owned().await else { return };
            let first = match next.take() {
                Some(first) => first,
                None => match waiting.recv().await {
                    Some(first) => first,
                    None => return,
                },
            };
            let mut bytes = first.save.bytes();
            let mut group = vec![first];
            while group.len() < GROUP * CALLS {
                let Ok(more) = waiting.try_recv() else { break };
                bytes += more.save.bytes();
                if bytes > BYTES {
                    next = Some(more);
                    break;
                }
                group.push(more);
            }
            tokio::spawn(self.clone().send(group, permit));
        }
    }

    async fn send(self: Arc<Self>, group: Vec<Waiting>, _permit: OwnedSemaphorePermit) {
        let now = Instant::now();
        let mut saves = Vec::with_capacity(group.len());
        let mut answers = Vec::with_capacity(group.len());
        let mut until = now;
        for waiting in group {
            if waiting.answer.is_closed() {
                continue; // whoever asked has gone
            }
            if waiting.until <= now {
                let words = "the state store is too slow; nothing was saved";
                drop(waiting.answer.send(Saved::Failed(words.to_owned()))); // whoever asked has gone
                continue;
            }
            until = until.max(waiting.until);
            saves.push(waiting.save);
            answers.push(waiting.answer);
        }
        if saves.is_empty() {
            return;
        }
        let results =
            self.script.run(&self.nodes, self.purpose, self.shard, &saves, self.waits.as_deref(), until).await;
        for (answer, result) in answers.into_iter().zip(results) {
            drop(answer.send(result)); // whoever asked has gone
        }
    }
}

/// The script that saves, `commit.lua`.
pub(super) struct Commit {
    source: &'static str,
    digest: String,
    /// Tells this process's events from those of others.
    origin: [u8; 4],
}

impl Commit {
    pub fn new(origin: [u8; 4]) -> Self {
        let source = include_str!("commit.lua");
        Self { source, digest: redis::Script::new(source).get_hash().to_owned(), origin }
    }

    /// Saves all of them; each has its own answer.
    async fn run(
        &self,
        nodes: &Nodes,
        purpose: Purpose,
        shard: u32,
        saves: &[Save],
        waits: Option<&Waits>,
        until: Instant,
    ) -> Vec<Saved> {
        let all = |words: String| vec![Saved::Failed(words); saves.len()];
        let mut commands: Vec<Cmd> = saves.chunks(GROUP).map(|saves| self.call(saves)).collect();
        let calls = commands.len();
        // What to wait for is read from the server that will be asked; another one's answer fails its own check.
        let wait = match waits {
            Some(waits) => match waits.of(nodes, purpose, shard, until).await {
                Ok(wait) => Some(wait),
                Err(failure) => return all(failure.to_string()),
            },
            None => None,
        };
        commands.extend(wait.iter().flat_map(|wait| wait.commands()));
        let question = Question {
            shard,
            purpose,
            commands: &commands,
            script: Some(self.source),
            wait: WAIT + super::settings::WAIT,
            until,
        };
        let answer = match nodes.ask(question).await {
            Ok(answer) => answer,
            Err(failed) => {
                let known = if failed.asked_before { "it may have been saved" } else { "nothing was saved" };
                return all(format!("{}; {known}", failed.failure));
            }
        };
        let mut replies = answer.replies.into_iter();
        let codes: Vec<i64> = replies
            .by_ref()
            .take(calls)
            .flat_map(|reply| redis::from_redis_value::<Vec<i64>>(reply).unwrap_or_default())
            .collect();
        if codes.len() != saves.len() {
            return all("Redis answered something else than was asked; it may have been saved".to_owned());
        }
        let reached = wait.map_or(Ok(()), |wait| wait.check(replies));
        let outcome = |code: &i64| match (code, &reached, answer.asked_before) {
            (1, Ok(()), _) | (2, Ok(()), true) => Saved::Yes,
            (1, Err(words), _) | (2, Err(words), true) => Saved::Failed(words.clone()),
            // Without an earlier try it is somebody else's version that is the same by chance.
            (_, _, false) => Saved::Conflict,
            (_, _, true) => Saved::ConflictOrOvertaken,
        };
        codes.iter().map(outcome).collect()
    }

    fn call(&self, saves: &[Save]) -> Cmd {
        let mut keys: Vec<String> = Vec::new();
        let mut places = [0_usize; SHARDS as usize];
        // Keys count from one, as Lua does.
        let mut place_of = |save: &Save| -> (usize, usize) {
            let of = Keys::of(&save.id);
            let place = &mut places[of.shard() as usize % SHARDS as usize];
            if *place == 0 {
                *place = keys.len() + 1;
                keys.extend([of.practices(), of.due(), of.events()]);
            }
            let own = if save.changes.is_empty() && !save.value.is_empty() {
                0
            } else {
                keys.extend([of.records(&save.id), of.order(&save.id)]);
                keys.len() - 1
            };
            (*place, own)
        };
        let placed: Vec<(usize, usize)> = saves.iter().map(&mut place_of).collect();
        let mut call = redis::cmd("EVALSHA");
        call.arg(&self.digest).arg(keys.len()).arg(&keys).arg(&self.origin[..]).arg(EVENTS_KEPT);
        for (save, (shard, own)) in saves.iter().zip(placed) {
            call.arg(shard).arg(own).arg(&save.id);
            if save.base == 0 {
                call.arg(&b""[..]);
            } else {
                call.arg(&save.base.to_be_bytes()[..]);
            }
            call.arg(&save.next.to_be_bytes()[..]).arg(&save.value[..]);
            match save.due {
                Some(due) => call.arg(due),
                None => call.arg(&b""[..]),
            };
            call.arg(save.changes.len());
            for change in &save.changes {
                match change {
                    RecordChange::Put(key, value) => call.arg(key.as_str()).arg(1).arg(&value[..]),
                    RecordChange::Remove(key) => call.arg(key.as_str()).arg(0).arg(&b""[..]),
                };
            }
        }
        call
    }
}
