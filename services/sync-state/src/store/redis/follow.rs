//! Passes on what other processes save, with what they saved: a follower that is told of a thousand saves needs no read.

use std::{collections::HashMap, sync::Arc, time::Duration};

use mesh::backoff::Backoff;
use redis::{
    Value,
    streams::{StreamId, StreamRangeReply, StreamReadReply},
};
use tokio::{sync::broadcast, time::Instant};
use tokio_util::task::AbortOnDropHandle;

use super::{
    failure::Failure,
    nodes::{Nodes, Purpose, Question},
};
use crate::store::{
    Event, StoreError, Version, codec,
    keys::{Keys, SHARDS},
};

/// How long one look waits for something to happen.
const LOOK: Duration = Duration::from_secs(1);
/// What else an answer may take.
const SLACK: Duration = Duration::from_secs(3);
/// How long events may gather between two looks: a look for each save would cost Redis more than the saves.
const GATHER: Duration = Duration::from_millis(2);
/// Events of a shard in one look.
const COUNT: usize = 1000;

/// An event as it is in a stream.
pub(super) struct Told {
    pub id: String,
    pub version: Version,
    pub origin: [u8; 4],
}

impl Told {
    /// Reads one. None: it is not ours.
    pub fn read(entry: &StreamId) -> Option<Self> {
        let bytes = |name: &str| -> Option<Vec<u8>> { entry.get(name) };
        Some(Self {
            id: entry.get("i")?,
            version: Version::from_be_bytes(bytes("v")?.try_into().ok()?),
            origin: bytes("o")?.try_into().ok()?,
        })
    }
}

/// Begins to follow from now on: one task for all shards, or one for each in a cluster, whose nodes answer for one slot
/// at a time.
pub(super) async fn start(
    nodes: &Arc<Nodes>,
    events: &broadcast::Sender<Event>,
    origin: [u8; 4],
    until: Instant,
) -> Result<Vec<AbortOnDropHandle<()>>, StoreError> {
    let all: Vec<Keys> = Keys::all().collect();
    let step = if nodes.is_cluster() { 1 } else { SHARDS as usize };
    let mut tasks = Vec::new();
    for shards in all.chunks(step) {
        let mut follower = Follower {
            nodes: nodes.clone(),
            events: events.clone(),
            origin,
            shards: shards.to_vec(),
            at: HashMap::new(),
        };
        follower.begin(until).await?;
        tasks.push(AbortOnDropHandle::new(tokio::spawn(follower.run())));
    }
    Ok(tasks)
}

struct Follower {
    nodes: Arc<Nodes>,
    events: broadcast::Sender<Event>,
    origin: [u8; 4],
    shards: Vec<Keys>,
    /// The last event of each stream that was seen.
    at: HashMap<String, String>,
}

impl Follower {
    fn first(&self) -> u32 {
        self.shards.first().map_or(0, |keys| keys.shard())
    }

    /// Notes where the streams are.
    async fn begin(&mut self, until: Instant) -> Result<(), Failure> {
        let commands: Vec<redis::Cmd> = self
            .shards
            .iter()
            .map(|keys| {
                let mut command = redis::cmd("XREVRANGE");
                command.arg(keys.events()).arg("+").arg("-").arg("COUNT").arg(1);
                command
            })
            .collect();
        let replies = self.ask(Purpose::Ask, &commands, SLACK, until).await?;
        for (keys, reply) in self.shards.iter().zip(replies) {
            let last: StreamRangeReply = redis::from_redis_value(reply).map_err(redis::RedisError::from)?;
            let last = last.ids.into_iter().next().map_or_else(|| "0-0".to_owned(), |entry| entry.id);
            self.at.insert(keys.events(), last);
        }
        Ok(())
    }

    async fn ask(
        &self,
        purpose: Purpose,
        commands: &[redis::Cmd],
        wait: Duration,
        until: Instant,
    ) -> Result<Vec<Value>, Failure> {
        let question = Question { shard: self.first(), purpose, commands, script: None, wait, until };
        self.nodes.ask(question).await.map(|answer| answer.replies).map_err(|failed| failed.failure)
    }

    async fn run(mut self) {
        let mut backoff = Backoff::forever(Duration::from_millis(50), Duration::from_secs(2));
        let mut lost = false;
        loop {
            let looked = match lost {
                false => self.look().await,
                // The server may be another one, or have gone back: its streams are begun anew.
                true => match self.begin(Instant::now() + SLACK).await {
                    Ok(()) => {
                        lost = false;
                        self.tell(Event::Reset);
                        Ok(())
                    }
                    Err(failure) => Err(failure),
                },
            };
            match looked {
                Ok(()) => backoff.reset(),
                Err(failure) => {
                    if !lost {
                        tracing::warn!(%failure, "what other processes save cannot be followed just now");
                    }
                    lost = true;
                    tokio::time::sleep(backoff.next().unwrap_or(LOOK)).await;
                }
            }
        }
    }

    /// Waits for events and passes them on.
    async fn look(&mut self) -> Result<(), Failure> {
        let streams: Vec<String> = self.shards.iter().map(|keys| keys.events()).collect();
        let positions: Vec<&str> = streams.iter().map(|s| self.at.get(s).map_or("0-0", String::as_str)).collect();
        let mut read = redis::cmd("XREAD");
        read.arg("COUNT").arg(COUNT).arg("BLOCK").arg(LOOK.as_millis() as u64).arg("STREAMS");
        read.arg(&streams).arg(&positions);
        // One try: what is lost is begun anew.
        let link = self.nodes.link(self.first(), Purpose::Follow(self.first()), Instant::now() + SLACK).await?;
        let reply = match link.ask(&[read], LOOK + SLACK).await {
            Ok(mut replies) => replies.pop().unwrap_or(Value::Nil),
            Err(failure) => {
                self.nodes.forget(&link);
                self.nodes.forget_place(self.first());
                return Err(failure);
            }
        };
        let found: Option<StreamReadReply> = redis::from_redis_value(reply).map_err(redis::RedisError::from)?;
        let Some(found) = found else { return Ok(()) };
        let mut gap = false;
        let mut saved: HashMap<String, Version> = HashMap::new();
        for stream in found.keys {
            gap |= stream.ids.len() >= COUNT && self.trimmed(&stream.key).await?;
            for entry in stream.ids {
                if let Some(told) = Told::read(&entry).filter(|told| told.origin != self.origin) {
                    let latest = saved.entry(told.id).or_default();
                    *latest = told.version.max(*latest);
                }
                self.at.insert(stream.key.clone(), entry.id);
            }
        }
        if gap {
            self.tell(Event::Reset);
        }
        self.pass_on(saved).await?;
        tokio::time::sleep(GATHER).await;
        Ok(())
    }

    /// Whether events after the one that was seen last may have been dropped before they were read.
    async fn trimmed(&self, stream: &str) -> Result<bool, Failure> {
        let Some(seen) = self.at.get(stream).filter(|seen| *seen != "0-0") else { return Ok(false) };
        let mut command = redis::cmd("XRANGE");
        command.arg(stream).arg("-").arg(seen).arg("COUNT").arg(1);
        let shard = self.shards.iter().find(|keys| keys.events() == stream).map_or(0, |keys| keys.shard());
        let commands = [command];
        let question = Question {
            shard,
            purpose: Purpose::Ask,
            commands: &commands,
            script: None,
            wait: SLACK,
            until: Instant::now() + SLACK,
        };
        let mut answer = self.nodes.ask(question).await.map_err(|failed| failed.failure)?;
        let left: StreamRangeReply =
            redis::from_redis_value(answer.replies.pop().unwrap_or(Value::Nil)).map_err(redis::RedisError::from)?;
        Ok(left.ids.is_empty())
    }

    /// Reads what was saved, a shard at a time, and tells followers.
    async fn pass_on(&self, saved: HashMap<String, Version>) -> Result<(), Failure> {
        if self.events.receiver_count() == 0 {
            return Ok(());
        }
        let mut by_shard: HashMap<u32, Vec<(String, Version)>> = HashMap::new();
        for (id, version) in saved {
            by_shard.entry(Keys::of(&id).shard()).or_default().push((id, version));
        }
        for (shard, saved) in by_shard {
            let Some(keys) = self.shards.iter().find(|keys| keys.shard() == shard) else { continue };
            let mut command = redis::cmd("HMGET");
            command.arg(keys.practices());
            for (id, _) in &saved {
                command.arg(id);
            }
            let commands = [command];
            let question = Question {
                shard,
                purpose: Purpose::Ask,
                commands: &commands,
                script: None,
                wait: SLACK,
                until: Instant::now() + SLACK,
            };
            let mut answer = self.nodes.ask(question).await.map_err(|failed| failed.failure)?;
            let values: Vec<Option<Vec<u8>>> =
                redis::from_redis_value(answer.replies.pop().unwrap_or(Value::Nil)).map_err(redis::RedisError::from)?;
            for ((id, version), value) in saved.into_iter().zip(values) {
                match value.map(|bytes| codec::decode(&bytes)) {
                    None => self.tell(Event::Deleted { id, version }),
                    Some(Ok(stored)) => self.tell(Event::Saved(stored)),
                    Some(Err(error)) => tracing::warn!(%error, practice = id, "a practice cannot be followed"),
                }
            }
        }
        Ok(())
    }

    fn tell(&self, event: Event) {
        drop(self.events.send(event)); // nobody may be following
    }
}
