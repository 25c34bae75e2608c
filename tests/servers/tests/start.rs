//! The servers start, answer, and come back after a kill.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use mysql_async::prelude::Queryable;

#[tokio::test]
async fn mariadb_keeps_what_it_was_told() {
    let mut server = test_servers::MariaDb::start().await;
    server.create_database("practice").await;
    server.root("practice").await.query_drop("CREATE TABLE t (a INT)").await.unwrap();
    server.restart().await;
    let mut reader = mysql_async::Conn::from_url(server.reader_url("practice")).await.unwrap();
    assert_eq!(reader.query_first::<i64, _>("SELECT COUNT(*) FROM t").await.unwrap(), Some(0));
    assert!(reader.query_drop("INSERT INTO t VALUES (1)").await.is_err(), "the reader must not write");
}

#[tokio::test]
async fn redis_keeps_what_it_was_told() {
    let mut server = test_servers::Redis::start_with(Some("word"), &["--appendfsync", "always"]).await;
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    redis::cmd("SET").arg("a").arg(1).query_async::<()>(&mut connection).await.unwrap();
    server.restart().await;
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    assert_eq!(redis::cmd("GET").arg("a").query_async::<i64>(&mut connection).await.unwrap(), 1);
}

#[tokio::test]
async fn sentinels_make_another_primary() {
    let mut servers = test_servers::Sentinels::start(test_servers::Program::Redis, 1).await;
    assert_eq!(servers.primary().await, 0);
    servers.servers[0].tell::<()>("SET a 1").await;
    servers.servers[0].tell::<i64>("WAIT 1 10000").await;
    assert_eq!(servers.fail_over().await, 1);
    assert_eq!(servers.servers[1].tell::<i64>("GET a").await, 1);
}

#[tokio::test]
async fn a_cluster_serves_and_moves_a_slot() {
    let cluster = test_servers::RedisCluster::start(test_servers::Program::Redis, 0).await;
    let slot: u16 = cluster.nodes[0].tell("CLUSTER KEYSLOT a").await;
    let from = usize::from(slot) * 3 / 16384;
    cluster.nodes[from].tell::<()>("SET a 1").await;
    assert_eq!(cluster.owner(slot).await, from);
    let to = (from + 1) % 3;
    cluster.begin_move(slot, from, to).await;
    cluster.move_keys(slot, from, to).await;
    cluster.end_move(slot, to).await;
    assert_eq!(cluster.nodes[to].tell::<i64>("GET a").await, 1);
}

#[test]
fn certificates_are_signed_by_their_authority() {
    let made = test_servers::Certificates::make();
    for name in ["server.pem", "client.pem"] {
        let checked = std::process::Command::new("openssl")
            .args(["verify", "-CAfile"])
            .args([made.file("ca.pem"), made.file(name)])
            .output()
            .unwrap();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    }
}
