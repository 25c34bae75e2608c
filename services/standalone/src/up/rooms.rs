//! The five services in this process, connected in memory; only the gateway has a socket.

use std::future::Future;

use anyhow::{Context as _, anyhow};
use mesh::transport::{Listener, in_process};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{
    Args,
    data_dir::DataDir,
    source::{CREDENTIAL, Source},
};

/// The services, in the order in which they stop: callers before those whom they call.
#[derive(Debug)]
pub struct Rooms(Vec<Room>);

#[derive(Debug)]
struct Room {
    name: &'static str,
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Rooms {
    /// Starts all five.
    pub fn start(args: &Args, source: &Source, data: &DataDir, listener: Listener) -> Self {
        let (sync_state, state_listener) = in_process("sync-state");
        let (pms_connector, pms_listener) = in_process("pms-connector");
        let (analytics_sync, analytics_listener) = in_process("analytics-sync");
        let (engagement_sync, engagement_listener) = in_process("engagement-sync");

        let state = sync_state::Config {
            redis: args.redis.clone(),
            data: args.redis.is_none().then(|| data.join("state.redb")),
            ..Default::default()
        };
        let connector = pms_connector::Config {
            credentials: source.password.iter().map(|word| (CREDENTIAL.to_owned(), word.clone())).collect(),
            ..Default::default()
        };
        let analytics = analytics_sync::Config {
            store: data.join("tables").display().to_string(),
            sync_state: sync_state.clone(),
            pms_connector: pms_connector.clone(),
            worker: None,
            capacity: 2,
            lease_seconds: 30,
            object_store: Default::default(),
        };
        let mut engagement = engagement_sync::Config::new(sync_state.clone(), pms_connector);
        engagement.redis = args.redis.clone();
        engagement.data = args.redis.is_none().then(|| data.join("live"));
        let door =
            gateway::Config { sync_state, analytics_sync, engagement_sync, insecure_listen: args.insecure_listen };

        Self(vec![
            Room::start("gateway", |stop| gateway::run(door, listener, stop)),
            Room::start("analytics-sync", |stop| analytics_sync::run(analytics, analytics_listener, stop)),
            Room::start("engagement-sync", |stop| engagement_sync::run(engagement, engagement_listener, stop)),
            Room::start("pms-connector", |stop| pms_connector::run(connector, pms_listener, stop)),
            Room::start("sync-state", |stop| sync_state::run(state, state_listener, stop)),
        ])
    }

    /// Waits until a service ends by itself, which none should.
    ///
    /// # Errors
    /// Always: why it ended.
    pub async fn first_end(&mut self) -> anyhow::Result<()> {
        let tasks = self.0.iter_mut().map(|room| &mut room.task);
        let (ended, index, _) = futures::future::select_all(tasks).await;
        let room = self.0.remove(index);
        ended
            .map_err(|_| anyhow!("it stopped in the middle of its work"))
            .and_then(|result| result)
            .and_then(|()| Err(anyhow!("it stopped by itself")))
            .with_context(|| format!("{} cannot go on", room.name))
    }

    /// Stops all, one after another, each drained before the next.
    ///
    /// # Errors
    /// The first that did not end well.
    pub async fn stop(self) -> anyhow::Result<()> {
        let mut outcome = Ok(());
        for room in self.0 {
            room.stop.cancel();
            let ended = match room.task.await {
                Ok(ended) => ended,
                Err(_) => Err(anyhow!("it stopped in the middle of its work")),
            };
            outcome = outcome.and(ended.with_context(|| format!("{} did not stop well", room.name)));
        }
        outcome
    }
}

impl Room {
    fn start<F>(name: &'static str, run: impl FnOnce(CancellationToken) -> F) -> Self
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let stop = CancellationToken::new();
        Self { name, task: tokio::spawn(run(stop.clone())), stop }
    }
}
