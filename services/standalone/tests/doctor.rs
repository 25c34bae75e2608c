//! Promise: `chairsync doctor` says of Redis, PMS, clock, disk and gateway whether they are as they should be, and what
//! to do where they are not; exit code 1 when something does not work; no password in what it prints.
//! Method: the real binary on a real MariaDB and Redis, first with everything right, then with each thing wrong.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::process::Stdio;

use mysql_async::prelude::Queryable as _;
use pms_connector::sample::{Config, load::Options};
use test_servers::{MariaDb, Redis, free_port};
use tokio::process::Command;

const REDIS_PASSWORD: &str = "redis-test-word-31c0";

/// Whether nothing failed, and what was said.
async fn doctor(arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chairsync"));
    command.arg("doctor").args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    for variable in ["CHAIRSYNC_PMS", "CHAIRSYNC_REDIS", "CHAIRSYNC_GATEWAY", "CHAIRSYNC_DATA_DIR"] {
        command.env_remove(variable);
    }
    let output = command.output().await.unwrap();
    let said = [output.stdout, output.stderr].map(|b| String::from_utf8_lossy(&b).into_owned()).concat();
    for secret in [REDIS_PASSWORD, MariaDb::READER_PASSWORD, MariaDb::ROOT_PASSWORD, "not-the-password"] {
        assert!(!said.contains(secret), "a password is printed:\n{said}");
    }
    (output.status.success(), said)
}

/// Asserts that a line of a level about a part says all of the words.
fn said_at(level: &str, part: &str, words: &[&str], said: &str) {
    let about = |line: &&str| line.starts_with(level) && line.split_whitespace().nth(1) == Some(part);
    let found = said.lines().filter(about).any(|line| words.iter().all(|word| line.contains(word)));
    assert!(found, "no {level} line about {part} with {words:?}:\n{said}");
}

async fn practice(server: &MariaDb, database: &str) {
    server.create_database(database).await;
    let config = Config { seed: 8, patients: 40, as_of: jiff::civil::date(2026, 3, 2), years: 1 };
    let (url, options) = (server.root_url(database), Options::default());
    pms_connector::sample::load(&url, None, &config, &options, |_| {}).await.unwrap();
}

#[tokio::test]
async fn all_right_and_each_thing_of_the_pms_wrong() {
    let (pms, data) = (MariaDb::start().await, tempfile::tempdir().unwrap());
    let folder = data.path().to_str().unwrap();
    practice(&pms, "right").await;
    let redis = Redis::start_with(Some(REDIS_PASSWORD), &[]).await;
    let (right, redis_url) = (pms.reader_url("right"), redis.url());
    let (ok, said) = doctor(&["--pms", &right, "--redis", &redis_url, "--data-dir", folder]).await;
    assert!(ok && !said.contains("fail"), "{said}");
    said_at("ok", "pms", &["Open Dental", "rows"], &said);
    said_at("ok", "pms", &["only read"], &said);
    for part in ["pms", "redis"] {
        said_at("ok", part, &["clock agrees"], &said);
    }
    said_at("ok", "redis", &["append-only file is on"], &said);
    assert!(said.lines().any(|line| line.contains("  disk ")), "{said}");
    assert!(said.lines().any(|line| line.contains("  clock ")), "{said}");

    pms.create_database("empty").await;
    practice(&pms, "older").await;
    let mut root = pms.root("older").await;
    root.query_drop("DROP TABLE claimproc").await.unwrap();
    root.query_drop("ALTER TABLE patient DROP COLUMN TxtMsgOk").await.unwrap();
    let wrong = right.replace(MariaDb::READER_PASSWORD, "not-the-password");
    let nowhere = format!("mysql://reader:not-the-password@127.0.0.1:{}/right", free_port());
    for (url, words) in [
        (wrong.as_str(), ["PMS_ACCESS_DENIED", "user in --pms"]),
        (&nowhere, ["PMS_UNREACHABLE", "address"]),
        (&pms.reader_url("empty"), ["PMS_NOT_RECOGNIZED", "Open Dental"]),
        (&pms.reader_url("nothing"), ["PMS_NOT_RECOGNIZED", "name in --pms"]),
        ("postgres://reader:not-the-password@127.0.0.1/right", ["--pms", "mysql://"]),
    ] {
        let (ok, said) = doctor(&["--pms", url, "--data-dir", folder]).await;
        assert!(!ok, "{said}");
        said_at("fail", "pms", &words, &said);
    }
    let (ok, said) = doctor(&["--pms", &pms.reader_url("older"), "--data-dir", folder]).await;
    assert!(ok, "it works, but for what is missing: {said}");
    said_at("warn", "pms", &["claimproc", "missing"], &said);
    said_at("warn", "pms", &["patient", "txt_msg_ok", "read as null"], &said);
    let (ok, said) = doctor(&["--pms", &pms.root_url("right"), "--data-dir", folder]).await;
    assert!(ok, "{said}");
    said_at("warn", "pms", &["may write", "use one with SELECT"], &said);
}

#[tokio::test]
async fn each_thing_of_redis_and_of_this_machine_wrong() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().to_str().unwrap();
    let forgetful = Redis::start_with(None, &["--appendonly", "no", "--maxmemory-policy", "allkeys-lru"]).await;
    let (ok, said) = doctor(&["--redis", &forgetful.url(), "--data-dir", folder]).await;
    assert!(!ok, "{said}");
    said_at("fail", "redis", &["append-only file is off", "appendonly yes"], &said);
    said_at("fail", "redis", &["allkeys-lru", "noeviction"], &said);

    let locked = Redis::start_with(Some(REDIS_PASSWORD), &[]).await;
    let nowhere = format!("redis://:{REDIS_PASSWORD}@127.0.0.1:{}", free_port());
    for (url, words) in [
        (format!("redis://:not-the-password@127.0.0.1:{}", locked.port()), "password"),
        (format!("redis://127.0.0.1:{}", locked.port()), "password"),
        (nowhere, "host and port"),
        ("http://127.0.0.1".to_owned(), "redis://"),
    ] {
        let (ok, said) = doctor(&["--redis", &url, "--data-dir", folder]).await;
        assert!(!ok, "{said}");
        said_at("fail", "redis", &[words], &said);
    }

    let file = data.path().join("file");
    std::fs::write(&file, "").unwrap();
    let (ok, said) = doctor(&["--data-dir", file.to_str().unwrap()]).await;
    assert!(!ok, "{said}");
    said_at("fail", "disk", &["no folder", "--data-dir"], &said);
    let gateway = format!("http://127.0.0.1:{}", free_port());
    let (ok, said) = doctor(&["--gateway", &gateway, "--data-dir", folder]).await;
    assert!(!ok, "{said}");
    said_at("fail", "gateway", &[&gateway, "check the address"], &said);
}
