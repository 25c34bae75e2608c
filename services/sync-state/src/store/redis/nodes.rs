//! Which server has a shard just now, the connections to it, and tries until it answers.

use std::{collections::HashMap, sync::Arc, time::Duration};

use mesh::backoff::Backoff;
use parking_lot::{Mutex, RwLock};
use redis::{Cmd, Value};
use tokio::time::{Instant, timeout_at};

use super::{
    address::{Node, Topology},
    failure::Failure,
    link::{Link, Login},
};
use crate::store::keys::SHARDS;

/// How long a server may take over a question about who is where.
const TOPOLOGY_WAIT: Duration = Duration::from_secs(1);
/// The first wait between two tries is at most this.
const FIRST_RETRY: Duration = Duration::from_millis(10);
/// And a later one at most this.
const LONGEST_RETRY: Duration = Duration::from_millis(250);

/// What a connection is for. What blocks has its own, so that nothing else waits behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Purpose {
    /// Reads and saves.
    Ask,
    /// Saves of a lane that wait until they are durable.
    Durable(u32),
    /// The event streams from this shard on.
    Follow(u32),
}

/// What is asked of a shard. It must have the same effect when it is done twice.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub shard: u32,
    pub purpose: Purpose,
    /// Sent as one piece.
    pub commands: &'a [Cmd],
    /// The script that they call, for a server that has forgotten it.
    pub script: Option<&'a str>,
    /// How long one try may take.
    pub wait: Duration,
    /// When to give up.
    pub until: Instant,
}

/// What the next try does differently.
#[derive(Default)]
struct Detour {
    /// Goes to the node that is being given the slot.
    asking: Option<Node>,
    /// Brings the script along.
    load: bool,
}

/// The answer to a question, and whether it was perhaps asked before: a try whose answer was lost may have been done.
pub(super) struct Answer {
    pub replies: Vec<Value>,
    pub asked_before: bool,
}

/// The servers.
pub(super) struct Nodes {
    topology: Topology,
    login: Login,
    /// Who is asked about the topology; Sentinels may want another password.
    sentinel_login: Login,
    /// The server of each shard as far as known; none: ask.
    places: RwLock<Vec<Option<Node>>>,
    links: Mutex<HashMap<(Node, Purpose), Arc<Link>>>,
    /// One asks, the others wait for what it finds.
    asking: tokio::sync::Mutex<()>,
}

impl Nodes {
    pub fn new(topology: Topology, login: Login, sentinel_login: Login) -> Self {
        Self {
            topology,
            login,
            sentinel_login,
            places: RwLock::new(vec![None; SHARDS as usize]),
            links: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
        }
    }

    /// Whether a script may touch several shards.
    pub fn is_cluster(&self) -> bool {
        matches!(self.topology, Topology::Cluster(_))
    }

    /// Whether another server may take over by itself.
    pub fn fails_over(&self) -> bool {
        !matches!(self.topology, Topology::Standalone(_))
    }

    /// Asks the server of a shard, again and again until it answers or the time is up.
    pub async fn ask(&self, question: Question<'_>) -> Result<Answer, Failed> {
        let mut backoff = Backoff::forever(FIRST_RETRY, LONGEST_RETRY);
        let mut asked_before = false;
        let mut detour = Detour::default();
        loop {
            let failure = match self.once(&question, &detour, &mut asked_before).await {
                Ok(replies) => return Ok(Answer { replies, asked_before }),
                Err(Failure::Moved(_) | Failure::Ask(_)) if !self.is_cluster() => {
                    let words = "this Redis is a cluster; write its address as redis+cluster://";
                    return Err(Failed { failure: Failure::Refused(words.to_owned()), asked_before });
                }
                Err(failure) => failure,
            };
            let mut pause = backoff.next().unwrap_or(LONGEST_RETRY);
            match &failure {
                Failure::Ask(node) => {
                    detour.asking = Some(node.clone());
                    pause = Duration::ZERO;
                }
                Failure::NoScript if question.script.is_some() && !detour.load => {
                    detour.load = true;
                    pause = Duration::ZERO;
                }
                Failure::Moved(node) => {
                    detour = Detour::default();
                    self.put(question.shard, Some(node.clone()));
                }
                Failure::Lost(_) | Failure::Later(_) => {
                    detour = Detour::default();
                    self.put(question.shard, None);
                }
                Failure::NoScript | Failure::Refused(_) => return Err(Failed { failure, asked_before }),
            }
            if Instant::now() + pause >= question.until {
                return Err(Failed { failure, asked_before });
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn once(
        &self,
        question: &Question<'_>,
        detour: &Detour,
        asked_before: &mut bool,
    ) -> Result<Vec<Value>, Failure> {
        let until = question.until;
        let link = match &detour.asking {
            Some(node) => self.link_to(node, question.purpose, until).await?,
            None => self.link(question.shard, question.purpose, until).await?,
        };
        let mut commands = Vec::with_capacity(question.commands.len() + 1);
        if let Some(script) = question.script.filter(|_| detour.load) {
            let mut load = redis::cmd("SCRIPT");
            load.arg("LOAD").arg(script);
            commands.push(load);
        }
        let extra = commands.len();
        // A node that is being given a slot serves it only to who says ASKING, command by command.
        let step = if detour.asking.is_some() { 2 } else { 1 };
        for command in question.commands {
            if step == 2 {
                commands.push(redis::cmd("ASKING"));
            }
            commands.push(command.clone());
        }
        let wait = question.wait.min(until.saturating_duration_since(Instant::now()));
        let asked = link.ask(&commands, wait).await;
        if let Err(failure) = &asked {
            // Commands before the one that failed may have been done.
            *asked_before |= matches!(failure, Failure::Lost(_)) || question.commands.len() > 1;
            if failure.breaks_connection() {
                self.forget(&link);
            }
        }
        asked.map(|replies| replies.into_iter().skip(extra + step - 1).step_by(step).collect())
    }

    /// A connection to the server of a shard.
    pub async fn link(&self, shard: u32, purpose: Purpose, until: Instant) -> Result<Arc<Link>, Failure> {
        let node = self.place(shard, until).await?;
        self.link_to(&node, purpose, until).await
    }

    async fn link_to(&self, node: &Node, purpose: Purpose, until: Instant) -> Result<Arc<Link>, Failure> {
        let key = (node.clone(), purpose);
        if let Some(link) = self.links.lock().get(&key) {
            return Ok(link.clone());
        }
        let opened = Link::open(node, &self.login, until).await?;
        // Two may have opened at the same time; one connection stays.
        Ok(self.links.lock().entry(key).or_insert(opened).clone())
    }

    /// Drops a connection that failed. Whoever still waits on it is told so.
    pub fn forget(&self, link: &Arc<Link>) {
        self.links.lock().retain(|_, kept| !Arc::ptr_eq(kept, link));
    }

    /// Asks anew where a shard is before the next question.
    pub fn forget_place(&self, shard: u32) {
        self.put(shard, None);
    }

    fn put(&self, shard: u32, node: Option<Node>) {
        if let Some(place) = self.places.write().get_mut(shard as usize) {
            *place = node;
        }
    }

    fn known(&self, shard: u32) -> Option<Node> {
        self.places.read().get(shard as usize).cloned().flatten()
    }

    /// Where a shard is.
    async fn place(&self, shard: u32, until: Instant) -> Result<Node, Failure> {
        if let Topology::Standalone(node) = &self.topology {
            return Ok(node.clone());
        }
        if let Some(node) = self.known(shard) {
            return Ok(node);
        }
        let late = || Failure::Lost("nobody tells in time which Redis is the primary".to_owned());
        let _one = timeout_at(until, self.asking.lock()).await.map_err(|_| late())?;
        if let Some(node) = self.known(shard) {
            return Ok(node);
        }
        match &self.topology {
            Topology::Standalone(node) => Ok(node.clone()),
            Topology::Sentinel { sentinels, service } => {
                let primary = self.primary(sentinels, service, until).await?;
                self.places.write().fill(Some(primary.clone()));
                Ok(primary)
            }
            Topology::Cluster(seeds) => {
                let found = self.slots(seeds, until).await?;
                let place = found.get(shard as usize).cloned().flatten();
                *self.places.write() = found;
                place.ok_or_else(|| Failure::Later("the cluster has slots that no node serves; assign them".to_owned()))
            }
        }
    }

    /// The primary that a Sentinel names and that says itself that it is one.
    async fn primary(&self, sentinels: &[Node], service: &str, until: Instant) -> Result<Node, Failure> {
        let mut failure = Failure::Lost("no Sentinel answers; are they running at the given addresses?".to_owned());
        let mut command = redis::cmd("SENTINEL");
        command.arg("GET-MASTER-ADDR-BY-NAME").arg(service);
        for sentinel in sentinels {
            let link = match Link::open(sentinel, &self.sentinel_login, until).await {
                Ok(link) => link,
                Err(error) => {
                    failure = error;
                    continue;
                }
            };
            let asked = link.ask(std::slice::from_ref(&command), TOPOLOGY_WAIT).await;
            let named: Option<(String, u16)> = match asked {
                Ok(mut replies) => replies.pop().and_then(|reply| redis::from_redis_value(reply).ok()),
                Err(error) => {
                    failure = error;
                    continue;
                }
            };
            let Some((host, port)) = named else {
                failure = Failure::Refused(
                    "the Sentinels do not know the service that the address of Redis ends with; name one they watch"
                        .to_owned(),
                );
                continue;
            };
            let node = Node { host, port };
            // A Sentinel may not have heard of a failover yet: what it names may be down, or a replica by now.
            match self.is_primary(&node, until).await {
                Ok(true) => return Ok(node),
                Ok(false) => {
                    failure =
                        Failure::Later("the Redis that the Sentinels name is a replica; a failover goes on".into());
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn is_primary(&self, node: &Node, until: Instant) -> Result<bool, Failure> {
        let link = self.link_to(node, Purpose::Ask, until).await?;
        let asked = link.ask(&[redis::cmd("ROLE")], TOPOLOGY_WAIT).await;
        let primary = match &asked {
            Ok(replies) => matches!(
                replies.first(),
                Some(Value::Array(role)) if matches!(role.first(), Some(Value::BulkString(name)) if name == b"master")
            ),
            Err(_) => false,
        };
        if !primary {
            self.forget(&link);
        }
        asked.map(|_| primary)
    }

    /// Each shard's node, from whichever node of the cluster answers first.
    async fn slots(&self, seeds: &[Node], until: Instant) -> Result<Vec<Option<Node>>, Failure> {
        let mut nodes: Vec<Node> = self.places.read().iter().flatten().cloned().collect();
        nodes.extend(self.links.lock().keys().map(|(node, _)| node.clone()));
        nodes.sort_unstable();
        nodes.dedup();
        nodes.extend_from_slice(seeds);
        let mut failure =
            Failure::Lost("no node of the cluster answers; are they running at the given addresses?".into());
        for node in nodes {
            let link = match self.link_to(&node, Purpose::Ask, until).await {
                Ok(link) => link,
                Err(error) => {
                    failure = error;
                    continue;
                }
            };
            let mut command = redis::cmd("CLUSTER");
            command.arg("SLOTS");
            match link.ask(std::slice::from_ref(&command), TOPOLOGY_WAIT).await {
                Ok(mut replies) => {
                    let ranges = replies.pop().map(|reply| ranges(reply, &node)).unwrap_or_default();
                    return Ok((0..SHARDS).map(|shard| owner(&ranges, super::slots::of_shard(shard))).collect());
                }
                Err(error) => {
                    self.forget(&link);
                    failure = error;
                }
            }
        }
        Err(failure)
    }
}

/// Why a question was given up.
pub(super) struct Failed {
    pub failure: Failure,
    /// Whether it may have been done all the same.
    pub asked_before: bool,
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self { failure, asked_before: false }
    }
}

impl From<Failed> for crate::store::StoreError {
    fn from(failed: Failed) -> Self {
        failed.failure.into()
    }
}

/// First slot, last slot, primary.
type Range = (u16, u16, Node);

/// Reads `CLUSTER SLOTS`. A node that does not know its own address is the one that was asked.
fn ranges(reply: Value, asked: &Node) -> Vec<Range> {
    let Value::Array(rows) = reply else { return Vec::new() };
    let row = |row: Value| -> Option<Range> {
        let Value::Array(row) = row else { return None };
        let mut fields = row.into_iter();
        let first = redis::from_redis_value(fields.next()?).ok()?;
        let last = redis::from_redis_value(fields.next()?).ok()?;
        let Value::Array(primary) = fields.next()? else { return None };
        let mut fields = primary.into_iter();
        let host: Option<String> = redis::from_redis_value(fields.next()?).ok()?;
        let port = redis::from_redis_value(fields.next()?).ok()?;
        let host = host.filter(|host| !host.is_empty() && host != "?").unwrap_or_else(|| asked.host.clone());
        Some((first, last, Node { host, port }))
    };
    rows.into_iter().filter_map(row).collect()
}

fn owner(ranges: &[Range], slot: u16) -> Option<Node> {
    ranges.iter().find(|(first, last, _)| (*first..=*last).contains(&slot)).map(|(_, _, node)| node.clone())
}
