//! The yardstick of transitions: a bare script in Redis that saves a state as sync-state does (compare the version, write
//! the state, the due index and the event stream), called by `EVALSHA` from clients that do nothing else. It shows what
//! the machine and its Redis give to anybody; everything that sync-state adds (gRPC, checks, rules) costs from here on.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::callers::Caller;

const SCRIPT: &str = r"
local version = redis.call('HGET', KEYS[1], 'v')
if version ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'v', ARGV[2], 's', ARGV[3])
redis.call('ZADD', KEYS[2], ARGV[4], ARGV[5])
redis.call('XADD', KEYS[3], 'MAXLEN', '~', 10000, '*', 'id', ARGV[5], 'v', ARGV[2])
return 1
";

/// Calls the script for `measure` after `warm_up`, from `clients` connections with one call under way each, and returns
/// the calls a second. Each client goes around its share of `practices`; a state has `bytes`.
///
/// # Panics
/// When Redis does not do as told.
pub fn rate(port: u16, clients: usize, practices: usize, bytes: usize, warm_up: Duration, measure: Duration) -> f64 {
    let calls = move || {
        // A thread of its own with a small runtime: the least that a client can cost.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(run(port, clients, practices, bytes, warm_up, measure))
    };
    std::thread::spawn(calls).join().expect("the yardstick runs")
}

async fn run(port: u16, clients: usize, practices: usize, bytes: usize, warm_up: Duration, measure: Duration) -> f64 {
    let mut first = Client::connect(port).await;
    let sha = first.load().await;
    let (counted, start) = (AtomicU64::new(0), Instant::now());
    let from = start + warm_up;
    let until = from + measure;
    let state = state_of(bytes);
    let work = (0..clients).map(|client| {
        let (sha, state, counted) = (&sha, &state, &counted);
        async move {
            let mut connection = Client::connect(port).await;
            let mine: Vec<usize> = (client..practices).step_by(clients).collect();
            for practice in &mine {
                connection.create(*practice).await;
            }
            for version in 0_u64.. {
                for practice in &mine {
                    connection.save(sha, *practice, version, state).await;
                    let now = Instant::now();
                    if now >= until {
                        return;
                    }
                    if now >= from {
                        counted.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        }
    });
    futures::future::join_all(work).await;
    counted.load(Ordering::Relaxed) as f64 / measure.as_secs_f64()
}

/// Calls the script in turns for its share of the practices.
pub struct Saver {
    connection: Client,
    sha: String,
    state: Vec<u8>,
    practices: Vec<usize>,
    next: usize,
    version: u64,
}

/// Such clients with a connection each, their practices begun anew.
///
/// # Panics
/// When Redis does not do as told.
pub async fn savers(port: u16, clients: usize, practices: usize, bytes: usize) -> Vec<Saver> {
    let sha = Client::connect(port).await.load().await;
    let mut savers = Vec::new();
    for client in 0..clients {
        let mut connection = Client::connect(port).await;
        let practices: Vec<usize> = (client..practices).step_by(clients).collect();
        for practice in &practices {
            connection.create(*practice).await;
        }
        savers.push(Saver { connection, sha: sha.clone(), state: state_of(bytes), practices, next: 0, version: 0 });
    }
    savers
}

impl Caller for Saver {
    async fn call(&mut self) {
        self.connection.save(&self.sha, self.practices[self.next], self.version, &self.state).await;
        self.next = (self.next + 1) % self.practices.len();
        if self.next == 0 {
            self.version += 1;
        }
    }
}

fn state_of(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|n| b'a' + (n % 26) as u8).collect() // below 26
}

struct Client {
    stream: TcpStream,
    request: Vec<u8>,
}

impl Client {
    async fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("Redis is there");
        stream.set_nodelay(true).expect("no delay");
        Self { stream, request: Vec::new() }
    }

    async fn load(&mut self) -> String {
        self.write(&[b"SCRIPT", b"LOAD", SCRIPT.as_bytes()]).await;
        let mut reply = [0; 47]; // $40, the hash
        self.stream.read_exact(&mut reply).await.expect("an answer");
        String::from_utf8_lossy(&reply[5..45]).into_owned()
    }

    async fn create(&mut self, practice: usize) {
        let key = format!("{{yardstick}}:practice:{practice}");
        self.write(&[b"HSET", key.as_bytes(), b"v", b"0"]).await;
        let mut reply = [0; 4]; // :1 for a new one, :0 for one that was there
        self.stream.read_exact(&mut reply).await.expect("an answer");
    }

    async fn save(&mut self, sha: &str, practice: usize, version: u64, state: &[u8]) {
        let id = format!("practice-{practice:06}");
        let key = format!("{{yardstick}}:practice:{practice}");
        let (expected, next) = (version.to_string(), (version + 1).to_string());
        let due = (1_800_000_000_000 + version).to_string();
        self.write(&[
            b"EVALSHA",
            sha.as_bytes(),
            b"3",
            key.as_bytes(),
            b"{yardstick}:due",
            b"{yardstick}:events",
            expected.as_bytes(),
            next.as_bytes(),
            state,
            due.as_bytes(),
            id.as_bytes(),
        ])
        .await;
        let mut reply = [0; 4];
        self.stream.read_exact(&mut reply).await.expect("an answer");
        assert_eq!(&reply, b":1\r\n", "the script saves the state");
    }

    async fn write(&mut self, arguments: &[&[u8]]) {
        self.request.clear();
        self.request.extend_from_slice(format!("*{}\r\n", arguments.len()).as_bytes());
        for argument in arguments {
            self.request.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
            self.request.extend_from_slice(argument);
            self.request.extend_from_slice(b"\r\n");
        }
        self.stream.write_all(&self.request).await.expect("Redis takes the call");
    }
}
