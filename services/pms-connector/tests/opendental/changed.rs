//! What a nightly run asks for: rows that changed since a position, and contents digested as the mesh digests them.

use std::sync::Arc;

use chairsync_proto::pms::{DigestRequest, SnapshotDataset};
use mesh::{ErrorReason, datasets, row_hash, rows::decode};
use pms_connector::connector::Connector;
use test_servers::Brand;

use crate::{
    practice::{LIMIT, Practice, Rows, rows_of},
    reading::{snapshot, wanted},
};

on_each_server!(
    rows_changed_since_a_position_are_read_and_no_others,
    a_table_made_anew_is_read_whole,
    a_commit_that_comes_late_is_read,
    positions_of_other_databases_are_refused,
    the_server_and_the_mesh_digest_contents_alike,
);

fn since(dataset: &str, position: &str) -> SnapshotDataset {
    SnapshotDataset { dataset: dataset.to_owned(), changed_since: position.to_owned(), ..Default::default() }
}

/// The keys of the rows that changed since a position, by what the last of each says.
async fn changed(connector: &Arc<dyn Connector>, dataset: &str, position: &str) -> Rows {
    let known = datasets::get(dataset).unwrap();
    let (_, chunks) = snapshot(connector, vec![since(dataset, position)]).await;
    assert!(chunks.last().unwrap().last && chunks.iter().all(|chunk| chunk.resume_token.is_empty()));
    chunks.iter().flat_map(|chunk| rows_of(known, &decode(&chunk.arrow_ipc).unwrap())).collect()
}

/// A position from which nothing that was done before is read: all stamps lie behind it.
async fn settled(connector: &Arc<dyn Connector>, dataset: &str) -> String {
    let wait = async {
        loop {
            let (start, _) = snapshot(connector, vec![wanted(dataset, "")]).await;
            if changed(connector, dataset, &start.position).await.is_empty() {
                return start.position;
            }
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(LIMIT, wait).await.expect("stamps fall behind the horizon")
}

async fn rows_changed_since_a_position_are_read_and_no_others(brand: Brand) {
    let mut practice = Practice::empty(brand).await;
    let numbers = practice.numbers(7_000).await;
    practice.sql(&format!("INSERT INTO paysplit (SplitNum, SplitAmt) SELECT seq, seq FROM {numbers}")).await;
    practice.sql("INSERT INTO scheduleop VALUES (1, 1, 1)").await;
    let connector = practice.connector().await;
    let position = settled(&connector, "payment_split").await;
    practice.sql("UPDATE paysplit SET SplitAmt = -1 WHERE SplitNum IN (17, 6000)").await;
    practice.sql("INSERT INTO paysplit (SplitNum, SplitAmt) VALUES (-3, 5)").await;
    practice.sql("DELETE FROM paysplit WHERE SplitNum = 18").await;
    practice.sql("UPDATE scheduleop SET OperatoryNum = 2").await;
    let found = changed(&connector, "payment_split", &position).await;
    assert_eq!(found.keys().map(String::as_str).collect::<Vec<_>>(), ["-3", "17", "6000"]);
    // More than a page of rows with the same stamp.
    practice.sql("UPDATE paysplit SET SplitAmt = SplitAmt + 1").await;
    assert_eq!(changed(&connector, "payment_split", &position).await.len(), 7_000);

    let (start, chunks) =
        snapshot(&connector, vec![since("schedule_operatory", &position), since("payment_split", &position)]).await;
    assert!(!start.counts[0].change_tracked && start.counts[1].change_tracked);
    let untold = chunks.iter().filter(|chunk| chunk.dataset == "schedule_operatory");
    assert_eq!(untold.map(|chunk| (chunk.rows, chunk.last)).collect::<Vec<_>>(), [(0, true)]);
}

async fn a_table_made_anew_is_read_whole(brand: Brand) {
    let mut practice = Practice::empty(brand).await;
    practice.sql("INSERT INTO recall (RecallNum, Note, DateTStamp) VALUES (1, 'a', '2024-01-01')").await;
    let connector = practice.connector().await;
    // Tables are dated in whole seconds.
    let made_before = async {
        loop {
            let (start, _) = snapshot(&connector, vec![wanted("recall", "")]).await;
            if changed(&connector, "recall", &start.position).await.is_empty() {
                return start.position;
            }
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    };
    let position = tokio::time::timeout(LIMIT, made_before).await.expect("the table becomes older than the position");
    // In the second of the position at the earliest, which counts as after it.
    practice.sql("ALTER TABLE recall FORCE").await;
    assert_eq!(changed(&connector, "recall", &position).await.len(), 1, "its one row, whatever its stamp");
}

async fn a_commit_that_comes_late_is_read(brand: Brand) {
    let mut practice = Practice::empty(brand).await;
    practice.sql("INSERT INTO recall (RecallNum, Note) VALUES (1, 'a'), (2, 'b')").await;
    let connector = practice.connector().await;
    let mut slow = practice.server.root("practice").await;
    for statement in ["START TRANSACTION", "UPDATE recall SET Note = 'late' WHERE RecallNum = 1"] {
        mysql_async::prelude::Queryable::query_drop(&mut slow, statement).await.unwrap();
    }
    let (start, chunks) = snapshot(&connector, vec![wanted("recall", "")]).await;
    assert_eq!(chunks.iter().map(|chunk| chunk.rows).sum::<i64>(), 2);
    mysql_async::prelude::Queryable::query_drop(&mut slow, "COMMIT").await.unwrap();
    let note = datasets::get("recall").unwrap().position("note").unwrap();
    let found = changed(&connector, "recall", &start.position).await;
    assert_eq!(found["1"][note].as_deref(), Some("late"));
}

async fn positions_of_other_databases_are_refused(brand: Brand) {
    let practice = Practice::empty(brand).await;
    let other = Practice::empty(brand).await;
    let (start, _) = snapshot(&other.connector().await, vec![wanted("recall", "")]).await;
    let connector = practice.connector().await;
    for (position, reason) in
        [(start.position.as_str(), ErrorReason::SourceChanged), ("nonsense", ErrorReason::InvalidField)]
    {
        let refused = Arc::clone(&connector).snapshot(vec![since("recall", position)]).await;
        assert_eq!(refused.err().unwrap().reason, reason);
    }
}

async fn the_server_and_the_mesh_digest_contents_alike(brand: Brand) {
    let mut practice = Practice::generated(brand, 11, 60).await;
    practice.sql("UPDATE adjustment SET AdjAmt = 33.335 LIMIT 1").await;
    practice.sql("UPDATE adjustment SET AdjAmt = -7 ORDER BY AdjNum DESC LIMIT 1").await;
    practice.sql("INSERT INTO commlog (CommlogNum, PatNum, Note) VALUES (-5, 1, 'é ü \\n#:-')").await;
    practice.sql("INSERT INTO commlog (CommlogNum, PatNum, Note) VALUES (-6, 1, NULL)").await;
    practice.sql("ALTER TABLE definition DROP COLUMN IsHidden").await;
    let connector = practice.connector().await;
    for dataset in datasets::all().filter(|dataset| dataset.has_numeric_key()) {
        let (_, chunks) = snapshot(&connector, vec![wanted(dataset.name, "")]).await;
        let ours =
            chunks.iter().flat_map(|chunk| row_hash::hashes(dataset, &decode(&chunk.arrow_ipc).unwrap()).unwrap());
        let ours = ours.fold(0, |all, hash| all ^ hash);
        let request = DigestRequest { dataset: dataset.name.to_owned(), contents: true, ..Default::default() };
        let digest = connector.digest(request).await.unwrap();
        let theirs = digest.ranges.iter().fold(0, |all, range| all ^ range.content_hash);
        assert_eq!(ours, theirs, "{}", dataset.name);
    }
}
