//! A backup that is restored under the same server and name is another database: the stream of changes stops and says so.

use std::{
    process::{Command, Stdio},
    sync::Arc,
};

use chairsync_proto::pms::changes_response::Part;
use futures::StreamExt as _;
use mesh::{ErrorReason, datasets};
use pms_connector::connector::Connector;
use test_servers::{Brand, SqlServer};

use crate::{
    changes::Follower,
    practice::{LIMIT, Practice},
    reading::{snapshot, wanted},
};

on_each_server!(
    files_that_are_put_back_stop_the_stream,
    a_row_that_went_back_stops_the_stream,
    a_row_that_was_never_made_stops_the_stream,
    deletes_do_not_stop_the_stream,
);

const DATASETS: [&str; 4] = ["appointment", "patient", "recall", "definition"];

/// A practice with rows stamped long ago.
async fn with_old_rows(brand: Brand) -> Practice {
    let mut practice = Practice::empty(brand).await;
    for table in ["appointment (AptNum, Note, DateTStamp)", "recall (RecallNum, Note, DateTStamp)"] {
        practice.sql(&format!("INSERT INTO {table} VALUES (1, 'a', '2024-01-01'), (2, 'b', '2024-01-02')")).await;
    }
    practice.sql("INSERT INTO patient (PatNum, LName, DateTStamp) VALUES (7, 'x', '2024-01-03')").await;
    practice
}

/// Follows from a position on, over breaks, until the connector says that the source has changed.
async fn stops(connector: &Arc<dyn Connector>, position: &str) {
    let follow = async {
        loop {
            let names = DATASETS.map(str::to_owned).to_vec();
            let mut ended = match Arc::clone(connector).changes(position.to_owned(), names).await {
                Err(refusal) => Some(refusal),
                Ok(mut stream) => loop {
                    match stream.next().await {
                        Some(Ok(_)) => {}
                        Some(Err(refusal)) => break Some(refusal),
                        None => break None,
                    }
                },
            };
            match ended.take() {
                Some(refusal) if refusal.reason == ErrorReason::SourceChanged => return,
                // While the server is away or its tables are being replaced.
                Some(refusal) => assert!(
                    refusal.retry_after.is_some() || refusal.reason == ErrorReason::PmsTableMissing,
                    "{refusal:?}"
                ),
                None => panic!("the stream ends without a word"),
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LIMIT, follow).await.expect("the stream stops");
}

/// Follows until everything stamped up to now lies behind the horizon.
async fn settled(follower: &mut Follower) {
    let until = follower.synced_through + 6;
    while follower.synced_through < until {
        follower.progress().await;
    }
}

async fn files_that_are_put_back_stop_the_stream(brand: Brand) {
    let mut practice = with_old_rows(brand).await;
    practice.server.back_up().await;
    practice.admin = practice.server.root("practice").await;
    let connector = practice.connector().await;
    let mut follower = Follower::open(&connector, "", &DATASETS).await;
    practice.sql("UPDATE appointment SET Note = 'lost' WHERE AptNum = 1").await;
    follower.progress().await;
    settled(&mut follower).await;
    practice.server.restore().await;
    stops(&connector, &follower.position).await;
    // Whoever reads it whole again has what is there, and can follow it from there on.
    practice.admin = practice.server.root("practice").await;
    let (start, chunks) = snapshot(&connector, DATASETS.map(|d| wanted(d, "")).to_vec()).await;
    assert!(!chunks.is_empty());
    let mut follower = Follower::open(&connector, &start.position, &["appointment"]).await;
    practice.sql("UPDATE appointment SET Note = 'after' WHERE AptNum = 2").await;
    let dataset = datasets::get("appointment").unwrap();
    let note = dataset.position("note").unwrap();
    while follower.view.get("appointment").and_then(|v| v.get("2")).is_none_or(|r| r[note].as_deref() != Some("after"))
    {
        follower.progress().await;
    }
}

async fn a_row_that_went_back_stops_the_stream(brand: Brand) {
    let mut practice = with_old_rows(brand).await;
    let connector = practice.connector().await;
    let mut follower = Follower::open(&connector, "", &DATASETS).await;
    practice.sql("UPDATE recall SET Note = 'lost' WHERE RecallNum = 2").await;
    follower.progress().await;
    settled(&mut follower).await;
    // As when the rows of one table are loaded from a dump.
    practice.sql("REPLACE INTO recall (RecallNum, Note, DateTStamp) VALUES (2, 'b', '2024-01-02')").await;
    stops(&connector, &follower.position).await;
}

async fn a_row_that_was_never_made_stops_the_stream(brand: Brand) {
    let mut practice = with_old_rows(brand).await;
    let connector = practice.connector().await;
    let mut follower = Follower::open(&connector, "", &DATASETS).await;
    practice.sql("INSERT INTO recall (RecallNum, Note) VALUES (3, 'lost')").await;
    follower.progress().await;
    settled(&mut follower).await;
    practice.sql("DELETE FROM recall WHERE RecallNum = 3").await;
    practice.sql("ALTER TABLE recall AUTO_INCREMENT = 3").await;
    stops(&connector, &follower.position).await;
}

async fn deletes_do_not_stop_the_stream(brand: Brand) {
    let mut practice = with_old_rows(brand).await;
    let connector = practice.connector().await;
    let mut follower = Follower::open(&connector, "", &DATASETS).await;
    practice.sql("INSERT INTO recall (RecallNum, Note) VALUES (3, 'new')").await;
    practice.sql("INSERT INTO appointment (AptNum, Note) VALUES (90, 'new')").await;
    follower.progress().await;
    settled(&mut follower).await;
    practice.sql("DELETE FROM recall WHERE RecallNum IN (2, 3)").await;
    practice.sql("DELETE FROM appointment WHERE AptNum = 90").await;
    settled(&mut follower).await;
    practice.server.restart().await;
    let connector = practice.connector().await;
    let mut second = Follower::open(&connector, &follower.position, &DATASETS).await;
    settled(&mut second).await;
}

fn client(program: &str, server: &SqlServer) -> Command {
    let mut command = Command::new(program);
    command.args(["--no-defaults", "-h127.0.0.1", "-uroot", &format!("-P{}", server.port())]);
    command.env("MYSQL_PWD", SqlServer::ROOT_PASSWORD);
    command
}

fn dump(server: &SqlServer, arguments: &[&str]) -> Vec<u8> {
    let made = client("mariadb-dump", server).args(arguments).output().expect("mariadb-dump is installed");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    made.stdout
}

async fn load(server: &SqlServer, dump: Vec<u8>) {
    let mut command = client("mariadb", server);
    let mut child = command.arg("practice").stdin(Stdio::piped()).spawn().expect("mariadb is installed");
    let mut input = child.stdin.take().unwrap();
    let loaded = tokio::task::spawn_blocking(move || {
        std::io::Write::write_all(&mut input, &dump).unwrap();
        drop(input);
        child.wait().unwrap()
    });
    assert!(loaded.await.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_dump_stops_the_stream() {
    let mut practice = with_old_rows(Brand::MariaDb).await;
    let backup = dump(&practice.server, &["practice"]);
    let connector = practice.connector().await;
    let mut follower = Follower::open(&connector, "", &DATASETS).await;
    practice.sql("UPDATE appointment SET Note = 'lost' WHERE AptNum = 1").await;
    follower.progress().await;
    settled(&mut follower).await;
    let (position, mut stream) = (follower.position.clone(), follower.into_stream());
    load(&practice.server, backup).await;
    // The stream that was open stops by itself.
    let open = async {
        loop {
            match stream.next().await {
                Some(Ok(message)) => assert!(!matches!(message.part, Some(Part::Opened(_)))),
                Some(Err(_)) | None => return,
            }
        }
    };
    tokio::time::timeout(LIMIT, open).await.expect("the open stream stops");
    stops(&connector, &position).await;
    // A snapshot that began before cannot go on either.
    let token = {
        let other = Practice::empty(Brand::MariaDb).await;
        let connector = other.connector().await;
        let (_, chunks) = snapshot(&connector, vec![wanted("patient", "")]).await;
        let backup = dump(&other.server, &["practice"]);
        let mut through = Follower::open(&connector, "", &["patient"]).await;
        through.progress().await;
        settled(&mut through).await;
        load(&other.server, backup).await;
        let token = chunks[0].resume_token.clone();
        Arc::clone(&connector).snapshot(vec![wanted("patient", &token)]).await.err().unwrap()
    };
    assert_eq!(token.reason, ErrorReason::SourceChanged);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_of_one_table_from_a_dump_stop_the_stream() {
    let mut practice = with_old_rows(Brand::MariaDb).await;
    let backup = dump(&practice.server, &["--no-create-info", "--replace", "practice", "appointment"]);
    let connector = practice.connector().await;
    let mut follower = Follower::open(&connector, "", &DATASETS).await;
    practice.sql("UPDATE appointment SET Note = 'lost' WHERE AptNum = 1").await;
    follower.progress().await;
    settled(&mut follower).await;
    load(&practice.server, backup).await;
    stops(&connector, &follower.position).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_made_anew_is_read_again_whole() {
    let mut practice = with_old_rows(Brand::MariaDb).await;
    practice.sql("ALTER TABLE recall DROP COLUMN Priority").await;
    let connector = practice.connector().await;
    let mut follower = Follower::open(&connector, "", &DATASETS).await;
    follower.progress().await;
    settled(&mut follower).await;
    // As an update of Open Dental does: a column comes, and no stamp moves.
    practice.sql("ALTER TABLE recall ADD COLUMN Priority tinyint NOT NULL DEFAULT 5").await;
    let rows = practice.expected(datasets::get("recall").unwrap()).await;
    follower.until("recall", &rows).await;
}
