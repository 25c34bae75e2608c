//! What a Redis promises, and what a save must wait for to be durable.

use std::{collections::HashMap, time::Duration};

use mesh::backoff::Backoff;
use parking_lot::Mutex;
use redis::{Cmd, Value};
use tokio::time::Instant;

use super::{
    address::Node,
    failure::Failure,
    link::Link,
    nodes::{Nodes, Purpose},
};
use crate::store::keys::Keys;

/// How long a save waits for disks and replicas. `everysec` takes up to two seconds over it.
pub(super) const WAIT: Duration = Duration::from_secs(4);
/// How long a server may take to tell its settings.
const ASK: Duration = Duration::from_secs(2);
/// The longest wait between two tries.
const LONGEST_RETRY: Duration = Duration::from_millis(250);
/// For how long what a server told is believed.
const FRESH: Duration = Duration::from_secs(30);

/// When an append-only file reaches the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fsync {
    /// Before a save is answered.
    Always,
    /// Each second.
    EverySecond,
    /// When the system likes to.
    No,
}

/// How long a wait for the disk is too short to be true, right after another one, when the file is written each second.
const TOO_SHORT: Duration = Duration::from_millis(100);
/// Waits that must all be too short before a server is not believed.
const PROBES: usize = 3;

/// What a server tells of itself. None: it does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Whether `WAITAOF` is there, Redis 7.2 and Valkey have it, and has not been seen to answer before the disk.
    pub waitaof: bool,
    /// Whether there is an append-only file.
    pub aof: Option<bool>,
    /// When it reaches the disk.
    pub fsync: Option<Fsync>,
    /// Whether nothing is evicted.
    pub noeviction: Option<bool>,
    /// Replicas that follow and are up to date.
    pub replicas: u32,
}

/// What an acknowledged durable save survives, by the settings of the server and of chairsync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// It is in memory only.
    Memory,
    /// It may be lost with the machine within about a second or two.
    EverySecond,
    /// It is on disk.
    Disk,
}

impl Settings {
    /// How durable a save is when its waits are met.
    pub fn durability(&self) -> Durability {
        match (self.aof, self.fsync) {
            (Some(false), _) => Durability::Memory,
            (_, Some(Fsync::Always)) => Durability::Disk,
            (Some(true), _) if self.waitaof => Durability::Disk,
            (_, Some(Fsync::EverySecond) | None) => Durability::EverySecond,
            (_, Some(Fsync::No)) => Durability::Memory,
        }
    }

    /// What to say to an operator.
    fn warnings(&self) -> Vec<&'static str> {
        let mut warnings = Vec::new();
        match self.aof {
            Some(true) => {}
            Some(false) => warnings.push(
                "Redis has appendonly no: a restart of Redis loses every practice's state, settings and outbox included; \
                 set appendonly yes",
            ),
            None => warnings.push("Redis does not tell its appendonly; it must be yes, or a restart loses everything"),
        }
        match self.noeviction {
            Some(true) => {}
            Some(false) => warnings.push(
                "Redis has a maxmemory-policy that throws practices' states away when its memory is full; set \
                 maxmemory-policy noeviction",
            ),
            None => warnings.push("Redis does not tell its maxmemory-policy; it must be noeviction"),
        }
        if self.aof != Some(false) && self.durability() != Durability::Disk {
            warnings.push(
                "this Redis has appendfsync not always, and no WAITAOF (before 7.2) or one that answers before the disk \
                 has it: up to about two seconds of acknowledged settings and writes to the PMS are lost when its machine \
                 stops; set appendfsync always",
            );
        }
        warnings
    }
}

/// Asks a server.
pub(super) async fn settings(link: &Link) -> Result<Settings, Failure> {
    let mut replies = link.ask(&[redis::cmd("INFO")], ASK).await?;
    let info: String = replies.pop().and_then(|reply| redis::from_redis_value(reply).ok()).unwrap_or_default();
    let field = |name: &str| {
        info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim).unwrap_or_default()
    };
    // One that is only just reading the whole file is connected and takes nothing yet.
    let online = info.lines().filter(|line| line.starts_with("slave") && line.contains("state=online")).count();
    let mut numbers = field("redis_version").split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    // CONFIG is often not allowed; INFO tells all but when the file reaches the disk.
    let mut config = redis::cmd("CONFIG");
    config.arg("GET").arg("appendfsync");
    let fsync = match link.ask(&[config], ASK).await {
        Ok(mut replies) => {
            let pair: Option<HashMap<String, String>> = replies.pop().and_then(|r| redis::from_redis_value(r).ok());
            match pair.unwrap_or_default().get("appendfsync").map(String::as_str) {
                Some("always") => Some(Fsync::Always),
                Some("everysec") => Some(Fsync::EverySecond),
                Some("no") => Some(Fsync::No),
                _ => None,
            }
        }
        Err(Failure::Refused(_)) => None,
        Err(failure) => return Err(failure),
    };
    Ok(Settings {
        waitaof: version >= (7, 2),
        aof: match field("aof_enabled") {
            "1" => Some(true),
            "0" => Some(false),
            _ => None,
        },
        fsync,
        noeviction: match field("maxmemory_policy") {
            "" => None,
            policy => Some(policy == "noeviction"),
        },
        replicas: online.min(u32::MAX as usize) as u32,
    })
}

/// Whether `WAITAOF` waits. A disk that is written each second cannot take two writes one right after the other; Valkey
/// 9.1 says that it did.
async fn waits_for_disk(link: &Link, shard: u32) -> Result<bool, Failure> {
    let key = Keys::of_shard(shard).probe();
    let mut set = redis::cmd("SET");
    set.arg(key).arg(1).arg("PX").arg(60_000);
    let mut wait = redis::cmd("WAITAOF");
    wait.arg(1).arg(0).arg(WAIT.as_millis() as u64 / 2);
    let commands = [set, wait];
    link.ask(&commands, WAIT).await?;
    for _ in 0..PROBES {
        let begun = Instant::now();
        let replies = link.ask(&commands, WAIT).await?;
        let taken = matches!(replies.last(), Some(Value::Array(n)) if matches!(n.first(), Some(Value::Int(1))));
        if !taken || begun.elapsed() >= TOO_SHORT {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What a group of saves waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wait {
    /// Until it is on the primary's disk.
    disk: bool,
    /// Until so many replicas have it.
    replicas: u32,
}

impl Wait {
    /// To be sent on the saves' own connection, after them.
    pub fn commands(&self) -> Vec<Cmd> {
        let limit = WAIT.as_millis() as u64 / 2;
        let mut commands = Vec::new();
        if self.disk {
            let mut command = redis::cmd("WAITAOF");
            command.arg(1).arg(0).arg(limit);
            commands.push(command);
        }
        if self.replicas > 0 {
            let mut command = redis::cmd("WAIT");
            command.arg(self.replicas).arg(limit);
            commands.push(command);
        }
        commands
    }

    /// Looks at the numbers: both commands answer also when what they waited for did not come.
    pub fn check(&self, mut replies: impl Iterator<Item = Value>) -> Result<(), String> {
        if self.disk {
            let (local, _): (i64, i64) =
                replies.next().and_then(|r| redis::from_redis_value(r).ok()).unwrap_or_default();
            if local < 1 {
                return Err(
                    "saved, but Redis's disk did not take it in time; it may be lost when its machine stops".into()
                );
            }
        }
        if self.replicas > 0 {
            let reached: u32 = replies.next().and_then(|r| redis::from_redis_value(r).ok()).unwrap_or_default();
            if reached < self.replicas {
                return Err(format!(
                    "saved, but only {reached} of {} replicas took it in time; it may be lost in a failover: bring the \
                     replicas back, or lower --redis-wait-replicas",
                    self.replicas
                ));
            }
        }
        Ok(())
    }
}

/// What each server promises, and what an operator wants waited for.
pub(super) struct Waits {
    /// None: one replica where servers fail over and have one.
    replicas: Option<u32>,
    known: Mutex<HashMap<Node, (Instant, Settings)>>,
}

impl Waits {
    pub fn new(replicas: Option<u32>) -> Self {
        Self { replicas, known: Mutex::default() }
    }

    /// What to wait for at the server of a shard, tried until it answers or `until` is past.
    pub async fn of(&self, nodes: &Nodes, purpose: Purpose, shard: u32, until: Instant) -> Result<Wait, Failure> {
        let mut backoff = Backoff::forever(Duration::from_millis(10), LONGEST_RETRY);
        loop {
            let failure = match self.look(nodes, purpose, shard, until).await {
                Ok(wait) => return Ok(wait),
                Err(failure @ Failure::Refused(_)) => return Err(failure),
                Err(failure) => failure,
            };
            nodes.forget_place(shard);
            let pause = backoff.next().unwrap_or(LONGEST_RETRY);
            if Instant::now() + pause >= until {
                return Err(failure);
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn look(&self, nodes: &Nodes, purpose: Purpose, shard: u32, until: Instant) -> Result<Wait, Failure> {
        let link = nodes.link(shard, purpose, until).await?;
        let known = self.known.lock().get(&link.node).copied();
        let settings = match known {
            Some((at, settings)) if at.elapsed() < FRESH => settings,
            _ => match settings(&link).await {
                Ok(mut settings) => {
                    settings.waitaof &= known.is_none_or(|(_, before)| before.waitaof);
                    self.remember(&link.node, settings);
                    settings
                }
                Err(failure) => {
                    nodes.forget(&link);
                    nodes.forget_place(shard);
                    return Err(failure);
                }
            },
        };
        Ok(self.wait(nodes, &settings))
    }

    fn wait(&self, nodes: &Nodes, settings: &Settings) -> Wait {
        let disk = settings.waitaof && settings.aof == Some(true) && settings.fsync != Some(Fsync::Always);
        let replicas = self.replicas.unwrap_or(u32::from(nodes.fails_over() && settings.replicas > 0));
        Wait { disk, replicas }
    }

    /// Asks every server once and warns of what can be lost.
    pub async fn check(&self, nodes: &Nodes, shards: impl Iterator<Item = u32>, until: Instant) -> Result<(), Failure> {
        let mut warned: Vec<&str> = Vec::new();
        for shard in shards {
            let link = nodes.link(shard, Purpose::Ask, until).await?;
            if self.known.lock().contains_key(&link.node) {
                continue;
            }
            let mut settings = settings(&link).await?;
            if settings.waitaof && settings.aof == Some(true) && settings.fsync == Some(Fsync::EverySecond) {
                let link = nodes.link(shard, Purpose::Durable(shard), until).await?;
                settings.waitaof = waits_for_disk(&link, shard).await?;
            }
            self.remember(&link.node, settings);
            let mut warnings = settings.warnings();
            if nodes.fails_over() && self.wait(nodes, &settings).replicas == 0 {
                warnings.push(
                    "durable saves wait for no replica: a failover may lose acknowledged settings and writes to the PMS; \
                     add a replica, or set --redis-wait-replicas 1",
                );
            }
            for warning in warnings {
                if !warned.contains(&warning) {
                    warned.push(warning);
                    tracing::warn!("{warning}");
                }
            }
        }
        Ok(())
    }

    /// The weakest durability among the servers that were asked.
    pub fn durability(&self) -> Option<Durability> {
        let rank = |durability: &Durability| match durability {
            Durability::Memory => 0,
            Durability::EverySecond => 1,
            Durability::Disk => 2,
        };
        self.known.lock().values().map(|(_, settings)| settings.durability()).min_by_key(rank)
    }

    fn remember(&self, node: &Node, settings: Settings) {
        self.known.lock().insert(node.clone(), (Instant::now(), settings));
    }
}
