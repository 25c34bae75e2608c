//! Redis with Sentinels, whose primary dies.

use std::sync::Arc;

use mesh::secret::Secret;
use sync_state::store::{Event, Store as _, redis::RedisStore};
use test_servers::{Program, Sentinels, wait_for};

use crate::{
    redis::connect,
    suite::{self, practice, save_durable, save_somehow},
};

#[tokio::test]
async fn sentinels_redis_keeps_practices() {
    let servers = Sentinels::start(Program::Redis, 1).await;
    suite::suite(Arc::new(connect(&servers.url()).await), Some(Arc::new(connect(&servers.url()).await))).await;
}

/// What was acknowledged as durable before the primary dies is there after it, saves go on by themselves, and followers
/// are told to look again.
#[tokio::test]
async fn a_failover_loses_nothing_durable() {
    let mut servers = Sentinels::start(Program::Redis, 2).await;
    let store = Arc::new(connect(&servers.url()).await);
    let mut events = store.follow();
    let mut versions = Vec::new();
    for n in 0..20 {
        versions.push((n, save_durable(&*store, 0, &practice(&format!("p{n}"), 1)).await.unwrap()));
    }
    servers.fail_over().await;
    let savers = (0..20).map(|n| {
        let store = store.clone();
        tokio::spawn(async move { save_somehow(&*store, &practice(&format!("q{n}"), 1)).await })
    });
    for saver in savers.collect::<Vec<_>>() {
        saver.await.unwrap();
    }
    for (n, version) in versions {
        let found = store.load(&format!("p{n}")).await.unwrap().expect("it was acknowledged as durable");
        assert_eq!(found.version, version);
    }
    let reset = async { while !matches!(events.recv().await.unwrap(), Event::Reset) {} };
    tokio::time::timeout(std::time::Duration::from_secs(60), reset).await.expect("followers are told");
    // A second one: the first primary has come back as a replica.
    let old =
        servers.servers.iter().position(|server| std::net::TcpStream::connect(("127.0.0.1", server.port())).is_err());
    servers.servers[old.expect("one is dead")].restart().await;
    wait_for("two replicas again", async || {
        let primary = servers.primary().await;
        servers.servers[primary].tell::<String>("INFO replication").await.matches("state=online").count() == 2
    })
    .await;
    servers.fail_over().await;
    save_somehow(&*store, &practice("last", 1)).await;
}

#[tokio::test]
async fn sentinels_that_do_not_know_the_service_are_said_so() {
    let servers = Sentinels::start(Program::Redis, 0).await;
    let url = servers.url().replace("/chairsync", "/other");
    let refused = RedisStore::connect(&Secret::new(url), None).await.unwrap_err().to_string();
    assert!(refused.contains("do not know the service"), "{refused}");
}
