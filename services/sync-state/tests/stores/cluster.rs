//! A cluster whose slots move and whose servers die.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use mesh::secret::Secret;
use sync_state::store::{
    Store as _,
    keys::{Keys, tag},
    redis::RedisStore,
};
use test_servers::{Program, RedisCluster};

use crate::{
    redis::connect,
    suite::{self, practice, save, save_durable, save_somehow},
};

#[tokio::test]
async fn a_cluster_keeps_practices() {
    let cluster = RedisCluster::start(Program::Redis, 0).await;
    suite::suite(Arc::new(connect(&cluster.url()).await), Some(Arc::new(connect(&cluster.url()).await))).await;
}

/// While a slot moves to another primary, key by key, and scripts are forgotten, saves of its shard wait or go on; none is
/// lost or done twice.
#[tokio::test]
async fn slots_move_under_saves() {
    let cluster = RedisCluster::start(Program::Redis, 0).await;
    let store = Arc::new(connect(&cluster.url()).await);
    // Practices of one shard, so that all are in the slot that moves.
    let ids: Vec<String> =
        (0..).map(|n| format!("moving-{n}")).filter(|id| Keys::of(id).shard() == 3).take(6).collect();
    let mut versions = Vec::new();
    for id in &ids {
        versions.push(save_durable(&*store, 0, &practice(id, 0)).await.unwrap());
    }
    let done = Arc::new(AtomicBool::new(false));
    let savers: Vec<_> = ids
        .iter()
        .zip(versions)
        .map(|(id, mut version)| {
            let (store, id, done) = (store.clone(), id.clone(), done.clone());
            tokio::spawn(async move {
                let mut revision = 0;
                while !done.load(Ordering::Relaxed) || revision < 20 {
                    revision += 1;
                    version =
                        save(&*store, version, &practice(&id, revision)).await.expect("it is in nobody else's way");
                }
                let found = store.load(&id).await.unwrap().unwrap();
                assert_eq!((found.version, found.state.revision), (version, revision));
            })
        })
        .collect();
    let slot: u16 = cluster.nodes[0].tell(&format!("CLUSTER KEYSLOT {{{}}}", tag(3))).await;
    for _ in 0..3 {
        let from = cluster.owner(slot).await;
        let to = (from + 1) % 3;
        cluster.begin_move(slot, from, to).await;
        for node in &cluster.nodes {
            node.tell::<()>("SCRIPT FLUSH").await;
        }
        cluster.move_keys(slot, from, to).await;
        cluster.end_move(slot, to).await;
    }
    done.store(true, Ordering::Relaxed);
    for saver in savers {
        saver.await.unwrap();
    }
}

/// A primary dies: its replica takes over, and what was acknowledged as durable is there.
#[tokio::test]
async fn a_dead_primary_is_replaced() {
    let mut cluster = RedisCluster::start(Program::Redis, 1).await;
    let store = connect(&cluster.url()).await;
    let mut versions = Vec::new();
    for n in 0..40 {
        versions.push(save_durable(&store, 0, &practice(&format!("p{n}"), 1)).await.unwrap());
    }
    cluster.nodes[1].kill();
    for n in 0..40 {
        save_somehow(&store, &practice(&format!("q{n}"), 1)).await;
    }
    cluster.ready().await;
    for (n, version) in versions.into_iter().enumerate() {
        let found = store.load(&format!("p{n}")).await.unwrap().expect("it was acknowledged as durable");
        assert_eq!(found.version, version);
    }
}

#[tokio::test]
async fn a_cluster_is_not_one_server() {
    let cluster = RedisCluster::start(Program::Redis, 0).await;
    let refused = RedisStore::connect(&Secret::new(cluster.nodes[0].url()), None).await.unwrap_err().to_string();
    assert!(refused.contains("redis+cluster://"), "{refused}");
    let single = test_servers::Redis::start().await;
    let url = single.url().replace("redis://", "redis+cluster://");
    let refused = RedisStore::connect(&Secret::new(url), None).await.unwrap_err().to_string();
    assert!(refused.contains("redis://"), "{refused}");
}
