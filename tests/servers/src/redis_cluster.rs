//! A cluster of three primaries, each with replicas if wanted.

use crate::{Program, Redis, free_port, wait_for};

const PRIMARIES: usize = 3;
const SLOTS: usize = 16384;

/// Servers that share the slots.
#[derive(Debug)]
pub struct RedisCluster {
    /// First the primaries, then the replicas of each in turn.
    pub nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Starts three primaries with `replicas` replicas each.
    ///
    /// # Panics
    /// When a server does not start, or they do not form a cluster.
    pub async fn start(program: Program, replicas: usize) -> Self {
        let mut nodes = Vec::new();
        for _ in 0..PRIMARIES * (1 + replicas) {
            let bus = free_port().to_string();
            let extra = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1500", "--cluster-port", &bus];
            nodes.push((Redis::start_program(program, None, &extra).await, bus));
        }
        for (place, (node, _)) in nodes.iter().enumerate() {
            node.tell::<()>(&format!("CLUSTER SET-CONFIG-EPOCH {}", place + 1)).await;
            if place < PRIMARIES {
                let (first, next) = (place * SLOTS / PRIMARIES, (place + 1) * SLOTS / PRIMARIES);
                node.tell::<()>(&format!("CLUSTER ADDSLOTSRANGE {first} {}", next - 1)).await;
            }
        }
        for (node, bus) in &nodes[1..] {
            nodes[0].0.tell::<()>(&format!("CLUSTER MEET 127.0.0.1 {} {bus}", node.port())).await;
        }
        let all = Self { nodes: nodes.into_iter().map(|(node, _)| node).collect() };
        wait_for("a cluster in which all know all", async || {
            for node in &all.nodes {
                if node.tell::<String>("CLUSTER NODES").await.lines().count() != all.nodes.len() {
                    return false;
                }
            }
            true
        })
        .await;
        for (place, node) in all.nodes.iter().enumerate().skip(PRIMARIES) {
            let primary = all.id(place % PRIMARIES).await;
            node.tell::<()>(&format!("CLUSTER REPLICATE {primary}")).await;
        }
        all.ready().await;
        wait_for("replicas that follow", async || {
            for place in 0..PRIMARIES {
                let info: String = all.nodes[place].tell("INFO replication").await;
                if info.matches("state=online").count() != replicas {
                    return false;
                }
            }
            true
        })
        .await;
        all
    }

    /// The address of the cluster.
    pub fn url(&self) -> String {
        let nodes: Vec<String> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
        format!("redis+cluster://{}", nodes.join(","))
    }

    /// Waits until every node that runs serves all slots.
    ///
    /// # Panics
    /// When that does not come.
    pub async fn ready(&self) {
        wait_for("a cluster that serves all slots", async || {
            for node in &self.nodes {
                let Ok(client) = redis::Client::open(node.url()) else { return false };
                // A node that was killed has no say.
                let Ok(mut connection) = client.get_multiplexed_async_connection().await else { continue };
                let info = redis::cmd("CLUSTER").arg("INFO").query_async::<String>(&mut connection).await;
                if !info.is_ok_and(|info| info.contains("cluster_state:ok")) {
                    return false;
                }
            }
            true
        })
        .await;
    }

    /// The primary that serves a slot, among the first three nodes.
    ///
    /// # Panics
    /// When none does.
    pub async fn owner(&self, slot: u16) -> usize {
        for place in 0..PRIMARIES {
            let found: usize = self.nodes[place].tell(&format!("CLUSTER COUNTKEYSINSLOT {slot}")).await;
            if found > 0 {
                return place;
            }
        }
        panic!("no primary has keys in slot {slot}");
    }

    /// Gives a slot to another primary, begun but not finished: new keys go there, old ones are moved one by one.
    ///
    /// # Panics
    /// When a node refuses.
    pub async fn begin_move(&self, slot: u16, from: usize, to: usize) {
        let (source, target) = (self.id(from).await, self.id(to).await);
        self.nodes[to].tell::<()>(&format!("CLUSTER SETSLOT {slot} IMPORTING {source}")).await;
        self.nodes[from].tell::<()>(&format!("CLUSTER SETSLOT {slot} MIGRATING {target}")).await;
    }

    /// Moves the slot's keys.
    ///
    /// # Panics
    /// When a node refuses.
    pub async fn move_keys(&self, slot: u16, from: usize, to: usize) {
        loop {
            let keys: Vec<String> = self.nodes[from].tell(&format!("CLUSTER GETKEYSINSLOT {slot} 100")).await;
            if keys.is_empty() {
                return;
            }
            let port = self.nodes[to].port();
            for key in keys {
                self.nodes[from].tell::<()>(&format!("MIGRATE 127.0.0.1 {port} {key} 0 5000")).await;
            }
        }
    }

    /// Tells everybody that the slot has moved.
    ///
    /// # Panics
    /// When a node refuses.
    pub async fn end_move(&self, slot: u16, to: usize) {
        let target = self.id(to).await;
        let others = (0..PRIMARIES).filter(|place| *place != to);
        for place in std::iter::once(to).chain(others) {
            self.nodes[place].tell::<()>(&format!("CLUSTER SETSLOT {slot} NODE {target}")).await;
        }
    }

    async fn id(&self, place: usize) -> String {
        self.nodes[place].tell("CLUSTER MYID").await
    }
}
