//! TLS with an authority of one's own, and an ACL user with just what it needs.

use std::{path::Path, sync::Arc};

use mesh::secret::Secret;
use sync_state::store::redis::{Options, RedisStore};
use test_servers::{Certificates, Redis, free_port};

use crate::suite;

/// What docs/sync-state.md tells an operator to allow.
fn acl() -> String {
    let docs = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/sync-state.md")).unwrap();
    let line = docs.lines().find(|line| line.starts_with("ACL SETUSER chairsync ")).expect("the docs have the line");
    line.replace(">password", ">word")
}

#[tokio::test]
async fn redis_behind_tls_keeps_practices() {
    let certificates = Certificates::make();
    let file = |name| certificates.file(name).display().to_string();
    let port = free_port();
    let tls = [
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &file("server.pem"),
        "--tls-key-file",
        &file("server.key"),
        "--tls-ca-cert-file",
        &file("ca.pem"),
        "--tls-auth-clients",
        "yes",
    ];
    let redis = Redis::start_with(None, &tls).await;
    redis.tell::<()>(&acl()).await;
    let options = Options {
        url: Secret::new(format!("rediss://chairsync@127.0.0.1:{port}")),
        password: Some(Secret::new("word")),
        ca_file: Some(certificates.file("ca.pem")),
        cert_file: Some(certificates.file("client.pem")),
        key_file: Some(certificates.file("client.key")),
        ..Options::default()
    };
    let open = async |options: Options| RedisStore::open(options).await;
    suite::suite(Arc::new(open(options.clone()).await.unwrap()), Some(Arc::new(open(options.clone()).await.unwrap())))
        .await;

    let refused = async |options: Options| open(options).await.unwrap_err().to_string();
    let stranger = Certificates::make();
    let words = refused(Options { ca_file: Some(stranger.file("ca.pem")), ..options.clone() }).await;
    assert!(words.contains("--redis-ca-file"), "{words}");
    let words = refused(Options { cert_file: None, ..options.clone() }).await;
    assert!(words.contains("go together"), "{words}");
    let words = refused(Options { url: Secret::new(redis.url()), ..options.clone() }).await;
    assert!(words.contains("rediss"), "{words}");
    let words = refused(Options { ca_file: Some("/nowhere.pem".into()), ..options.clone() }).await;
    assert!(words.contains("/nowhere.pem"), "{words}");
    redis.tell::<()>("ACL SETUSER chairsync -xadd").await;
    let store = open(options).await.unwrap();
    let words = suite::save(&store, 0, &suite::practice("one", 1)).await.unwrap_err().to_string();
    assert!(words.contains("ACL"), "{words}");
}
