//! The store of more than one process: Redis, or Valkey. Keys are in [`super::keys`].
//!
//! | Module | Does |
//! | --- | --- |
//! | [`address`] | reads the address: one server, Sentinels, a cluster |
//! | `nodes`, `link`, `tls` | finds the server of a shard and asks it until it answers |
//! | `failure` | says what an error means and what to do about it |
//! | `committer`, `commit.lua` | saves many practices with one script call |
//! | `settings` | looks at what the server promises, and waits for disks and replicas |
//! | `follow` | passes on what others save |
//! | `migrate` | moves keys of an older layout |

pub mod address;
mod committer;
mod failure;
mod follow;
mod link;
mod migrate;
mod nodes;
mod settings;
mod slots;
mod tls;

use std::{path::PathBuf, sync::Arc, time::Duration};

use ::redis::{Cmd, RedisConnectionInfo, Value};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use mesh::secret::Secret;
use tokio::{sync::broadcast, time::Instant};
use tokio_util::task::AbortOnDropHandle;

use self::{
    address::Address,
    committer::{Commit as Script, Committer, Save, Saved},
    link::Login,
    nodes::{Nodes, Purpose, Question},
    settings::Waits,
};
use super::{
    Commit, Event, FOLLOW_BUFFER, Store, StoreError, Stored, Version, codec,
    keys::{EVENTS_KEPT, Keys},
    version,
};
use crate::core::records::{RecordKey, Scan};

pub use self::settings::{Durability, Fsync, Settings};

/// From a read's begin until it is given up.
const READ_BUDGET: Duration = Duration::from_secs(5);
/// How long a server may take over one read.
const READ_WAIT: Duration = Duration::from_secs(3);
/// How long the first connection may take.
const CONNECT_BUDGET: Duration = Duration::from_secs(10);
/// Practices that are read at once.
const SCAN_COUNT: usize = 500;
/// Shards that are read at the same time.
const SHARDS_AT_ONCE: usize = 4;

/// Which Redis, and how to get in.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Its address, see [`address`].
    pub url: Secret,
    /// The password, instead of one in the address.
    pub password: Option<Secret>,
    /// The Sentinels' password; they have no user. None: they ask for none.
    pub sentinel_password: Option<Secret>,
    /// Authorities to trust instead of the system's, in PEM.
    pub ca_file: Option<PathBuf>,
    /// This client's certificate chain, in PEM.
    pub cert_file: Option<PathBuf>,
    /// Its key, in PEM.
    pub key_file: Option<PathBuf>,
    /// Replicas that a durable save waits for. None: one, where servers fail over and have a replica.
    pub wait_replicas: Option<u32>,
}

/// A Redis that keeps practices.
pub struct RedisStore {
    nodes: Arc<Nodes>,
    committer: Committer,
    waits: Arc<Waits>,
    events: broadcast::Sender<Event>,
    _followers: Vec<AbortOnDropHandle<()>>,
}

impl std::fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RedisStore")
    }
}

impl RedisStore {
    /// Connects with an address and perhaps a password, otherwise as by default.
    ///
    /// # Errors
    /// As [`RedisStore::open`].
    pub async fn connect(url: &Secret, password: Option<&Secret>) -> Result<Self, StoreError> {
        Self::open(Options { url: url.clone(), password: password.cloned(), ..Options::default() }).await
    }

    /// Connects, moves what an older version left, and warns about settings that can lose what was acknowledged.
    ///
    /// # Errors
    /// When the options make no sense, Redis does not answer or refuses the login, or what it holds is of a newer
    /// version.
    pub async fn open(options: Options) -> Result<Self, StoreError> {
        let until = Instant::now() + CONNECT_BUDGET;
        let nodes = Arc::new(nodes(&options)?);
        let waits = Arc::new(Waits::new(options.wait_replicas));
        let origin: [u8; 4] = rand::random();
        let store = Self {
            committer: Committer::start(nodes.clone(), Arc::new(Script::new(origin)), waits.clone()),
            events: broadcast::Sender::new(FOLLOW_BUFFER),
            _followers: Vec::new(),
            waits,
            nodes,
        };
        // The first question waits for a server that is only just starting; what it refuses is said at once.
        store.ask(0, vec![::redis::cmd("PING")], until).await?;
        store.waits.check(&store.nodes, Keys::all().map(Keys::shard), until).await?;
        migrate::run(&store).await?;
        let followers = follow::start(&store.nodes, &store.events, origin, until).await?;
        Ok(Self { _followers: followers, ..store })
    }

    /// What an acknowledged durable save survives; the weakest of the servers that were asked so far.
    pub fn durability(&self) -> Durability {
        self.waits.durability().unwrap_or(Durability::Memory)
    }

    /// Asks the server of a shard.
    async fn ask(&self, shard: u32, commands: Vec<Cmd>, until: Instant) -> Result<Vec<Value>, StoreError> {
        let question =
            Question { shard, purpose: Purpose::Ask, commands: &commands, script: None, wait: READ_WAIT, until };
        Ok(self.nodes.ask(question).await?.replies)
    }

    async fn ask_one<T: ::redis::FromRedisValue>(&self, shard: u32, command: Cmd) -> Result<T, StoreError> {
        let mut replies = self.ask(shard, vec![command], Instant::now() + READ_BUDGET).await?;
        ::redis::from_redis_value(replies.pop().unwrap_or(Value::Nil)).map_err(|_| unexpected())
    }

    /// Every practice of a shard. It is scanned so that Redis does something else in between, and a scan may give one twice.
    async fn load_shard(&self, keys: Keys) -> Result<Vec<Stored>, StoreError> {
        let mut cursor: u64 = 0;
        let mut decoding = Vec::new();
        loop {
            let mut command = ::redis::cmd("HSCAN");
            command.arg(keys.practices()).arg(cursor).arg("COUNT").arg(SCAN_COUNT);
            let (next, found): (u64, Vec<Vec<u8>>) = self.ask_one(keys.shard(), command).await?;
            // Decoded while the next ones are read.
            let values = found.into_iter().skip(1).step_by(2).collect();
            decoding.push(AbortOnDropHandle::new(tokio::spawn(codec::decode_all(values))));
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        let mut all = Vec::new();
        for part in decoding {
            all.extend(part.await.map_err(|_| unexpected())??);
        }
        all.sort_unstable_by(|a: &Stored, b| a.state.id.cmp(&b.state.id).then(b.version.cmp(&a.version)));
        all.dedup_by(|later, earlier| later.state.id == earlier.state.id);
        Ok(all)
    }

    /// Whether a save that another one followed was there before it: whether the events tell of it.
    async fn overtaken(&self, id: &str, saved: Version) -> Result<bool, StoreError> {
        let keys = Keys::of(id);
        let mut command = ::redis::cmd("XREVRANGE");
        command.arg(keys.events()).arg("+").arg("-").arg("COUNT").arg(2 * EVENTS_KEPT);
        let found: ::redis::streams::StreamRangeReply = self.ask_one(keys.shard(), command).await?;
        let told = |entry: &::redis::streams::StreamId| {
            follow::Told::read(entry).is_some_and(|told| told.id == id && told.version == saved)
        };
        if found.ids.iter().any(told) {
            return Ok(true);
        }
        // Only events from since well before it was sent can tell that it was not there.
        let oldest = found.ids.last().and_then(|entry| entry.id.split('-').next()?.parse::<i64>().ok());
        let before = Timestamp::now().as_millisecond() - 60_000;
        if found.ids.len() < EVENTS_KEPT || oldest.is_some_and(|oldest| oldest < before) {
            return Ok(false);
        }
        Err(StoreError::Unavailable("too much happened to know whether it was saved".to_owned()))
    }
}

/// The servers that the options describe.
fn nodes(options: &Options) -> Result<Nodes, StoreError> {
    let wrong = |words: String| StoreError::Unavailable(format!("the settings for Redis are wrong: {words}"));
    let mut address = Address::parse(&options.url).map_err(|e| wrong(e.to_string()))?;
    if let Some(password) = &options.password {
        address = address.with_password(password);
    }
    let files = tls::Files {
        ca: options.ca_file.as_deref(),
        certificate: options.cert_file.as_deref(),
        key: options.key_file.as_deref(),
    };
    let tls = match address.tls {
        true => Some(tls::connector(files).map_err(|e| wrong(format!("{e:#}")))?),
        false if files.ca.is_some() || files.certificate.is_some() || files.key.is_some() => {
            return Err(wrong("certificates are given, but the address does not begin with rediss".to_owned()));
        }
        false => None,
    };
    let login = |settings: RedisConnectionInfo| Login { settings: settings.set_skip_set_lib_name(), tls: tls.clone() };
    let sentinel = match &options.sentinel_password {
        Some(password) => RedisConnectionInfo::default().set_password(password.expose()),
        None => RedisConnectionInfo::default(),
    };
    Ok(Nodes::new(address.topology, login(address.login), login(sentinel)))
}

fn unexpected() -> StoreError {
    StoreError::Unavailable("Redis answered something else than was asked".to_owned())
}

#[async_trait::async_trait]
impl Store for RedisStore {
    async fn load(&self, id: &str) -> Result<Option<Stored>, StoreError> {
        let keys = Keys::of(id);
        let mut command = ::redis::cmd("HGET");
        command.arg(keys.practices()).arg(id);
        let found: Option<Vec<u8>> = self.ask_one(keys.shard(), command).await?;
        found.map(|bytes| codec::decode(&bytes)).transpose()
    }

    async fn load_all(&self) -> Result<Vec<Stored>, StoreError> {
        let shards = stream::iter(Keys::all().map(|keys| self.load_shard(keys))).buffer_unordered(SHARDS_AT_ONCE);
        shards.try_concat().await
    }

    async fn commit(&self, id: &str, commit: Commit<'_>) -> Result<Version, StoreError> {
        let next = version::next(commit.version);
        let (value, due, changes) = match commit.state {
            Some(state) => {
                let due = commit.due_at.map(Timestamp::as_millisecond);
                (codec::encode(state, next)?, due, commit.changes.to_vec())
            }
            None => Default::default(),
        };
        let save = Save { id: id.to_owned(), base: commit.version, next, value, due, changes };
        match self.committer.save(save, commit.durable).await? {
            Saved::Yes => Ok(next),
            Saved::Conflict => Err(StoreError::Conflict),
            Saved::Failed(words) => Err(StoreError::Unavailable(words)),
            Saved::ConflictOrOvertaken => match self.overtaken(id, next).await? {
                false => Err(StoreError::Conflict),
                true if commit.durable => Err(StoreError::Unavailable(
                    "saved and then changed by others; whether it is durable is not known".into(),
                )),
                true => Ok(next),
            },
        }
    }

    async fn read(&self, id: &str, records: &[RecordKey]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let keys = Keys::of(id);
        let mut command = ::redis::cmd("HMGET");
        command.arg(keys.records(id));
        for record in records {
            command.arg(record.as_str());
        }
        self.ask_one(keys.shard(), command).await
    }

    async fn scan(&self, id: &str, scan: &Scan) -> Result<Vec<(RecordKey, Vec<u8>)>, StoreError> {
        if scan.limit == 0 || scan.from >= scan.until {
            return Ok(Vec::new());
        }
        let keys = Keys::of(id);
        let (from, until) = (format!("[{}", scan.from.as_str()), format!("({}", scan.until.as_str()));
        let mut command = match scan.reverse {
            false => ::redis::cmd("ZRANGEBYLEX"),
            true => ::redis::cmd("ZREVRANGEBYLEX"),
        };
        let (first, last) = if scan.reverse { (until, from) } else { (from, until) };
        command.arg(keys.order(id)).arg(first).arg(last).arg("LIMIT").arg(0).arg(scan.limit);
        let found: Vec<String> = self.ask_one(keys.shard(), command).await?;
        let found: Vec<RecordKey> = found.iter().map(|key| RecordKey::stored(key)).collect();
        let values = self.read(id, &found).await?;
        // One that was removed between the two reads is not there; the commit sees that the version changed.
        Ok(found.into_iter().zip(values).filter_map(|(key, value)| Some((key, value?))).collect())
    }

    async fn list(&self) -> Result<Vec<String>, StoreError> {
        let mut ids = Vec::new();
        for keys in Keys::all() {
            let mut command = ::redis::cmd("HKEYS");
            command.arg(keys.practices());
            ids.extend(self.ask_one::<Vec<String>>(keys.shard(), command).await?);
        }
        ids.sort_unstable();
        Ok(ids)
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<String>, StoreError> {
        let shard = |keys: Keys| async move {
            let mut command = ::redis::cmd("ZRANGEBYSCORE");
            command.arg(keys.due()).arg("-inf").arg(now.as_millisecond()).arg("LIMIT").arg(0).arg(limit);
            self.ask_one::<Vec<String>>(keys.shard(), command).await
        };
        let shards: Vec<Vec<String>> =
            stream::iter(Keys::all().map(shard)).buffered(SHARDS_AT_ONCE).try_collect().await?;
        Ok(shards.into_iter().flatten().take(limit).collect())
    }

    fn follow(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.ask_one::<String>(0, ::redis::cmd("PING")).await.map(drop)
    }
}
