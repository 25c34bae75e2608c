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
