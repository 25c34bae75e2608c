//! What commits, resumes and fences promise, on real tables in a temporary folder and in a bucket.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod objects;

use std::{collections::BTreeSet, fs, path::Path};

use mesh::datasets::{self, Dataset};
use proptest::prelude::*;
use serde_json::json;

use super::{
    chunks::{self, Chunk, Place, chain},
    commit::{self, CommitError, app_id, replace},
    read::files_at,
    schema, sweep,
};
use crate::{
    store::{Folder, TableFile, write_durably},
    testing::batch,
};

fn dataset() -> &'static Dataset {
    datasets::get("payment_split").unwrap()
}

/// A chunk of the rows with these keys; tokens are "first chunk" numbers, as a connector's would be opaque.
fn put(table: impl Into<Folder>, run: u64, epoch: u64, number: u64, keys: std::ops::Range<i64>, last: bool) -> Chunk {
    let rows: Vec<_> =
        keys.clone().map(|key| json!({"split_num": key, "split_amt": "1.25", "date_pay": "2026-03-01"})).collect();
    let rows = schema::to_table(dataset(), &batch(dataset(), &rows)).unwrap();
    let from = if keys.start == 0 { String::new() } else { format!("t{}", keys.start) };
    let place = Place { number, epoch, from, to: format!("t{}", keys.end), last, synced_through: 7 };
    chunks::write(table, run, dataset(), &rows, place).unwrap()
}

async fn keys(table: &Path, version: i64) -> Vec<i64> {
    keys_of(files_at(table, version).await.unwrap()).await
}

/// The keys that are in files, as a question sees them.
async fn keys_of(files: Vec<TableFile>) -> Vec<i64> {
    let books = crate::books::Books::open(
        crate::huddle::datasets()
            .into_iter()
            .filter_map(datasets::get)
            .map(|d| (d, if d.name == dataset().name { files.clone() } else { Vec::new() })),
    );
    let answer = books.await.unwrap().ask("SELECT split_num FROM payment_split ORDER BY split_num", &[]).await.unwrap();
    (0..answer.len()).map(|row| answer.number(row, "split_num").unwrap()).collect()
}

#[tokio::test]
async fn a_run_replaces_the_table_and_readers_keep_their_version() {
    let dir = tempfile::tempdir().unwrap();
    let table = dir.path().join("t");
    let first = [put(&table, 1, 1, 0, 0..3, false), put(&table, 1, 1, 1, 3..5, true)];
    let one = replace(&table, dataset(), 1, &first).await.unwrap();
    assert_eq!((one.rows, one.already), (5, false));
    let second = [put(&table, 2, 2, 0, 0..2, false), put(&table, 2, 2, 1, 2..2, true)];
    let two = replace(&table, dataset(), 2, &second).await.unwrap();
    assert_eq!(keys(&table, one.version).await, [0, 1, 2, 3, 4]);
    assert_eq!(keys(&table, two.version).await, [0, 1], "a chunk without rows is no file of the table");
}

#[tokio::test]
async fn a_file_that_is_gone_is_no_table_without_rows() {
    let dir = tempfile::tempdir().unwrap();
    let table = dir.path().join("t");
    let one = replace(&table, dataset(), 1, &[put(&table, 1, 1, 0, 0..3, true)]).await.unwrap();
    let files = files_at(&table, one.version).await.unwrap();
    std::fs::remove_file(files[0].local().unwrap()).unwrap();
    assert!(crate::books::Books::open([(dataset(), files)]).await.is_err());
}

#[tokio::test]
async fn a_commit_is_made_once_and_older_runs_are_fenced() {
    let dir = tempfile::tempdir().unwrap();
    let table = dir.path().join("t");
    let five = [put(&table, 5, 3, 0, 0..4, true)];
    let made = replace(&table, dataset(), 5, &five).await.unwrap();
    // Killed between the commit and its report: the next attempt of the same run finds it done.
    let again = replace(&table, dataset(), 5, &five).await.unwrap();
    assert_eq!((again.version, again.rows, again.already), (made.version, 4, true));
    let stale = [put(&table, 4, 2, 0, 0..9, true)];
    assert!(matches!(replace(&table, dataset(), 4, &stale).await, Err(CommitError::Fenced { newer: 5 })));
    assert_eq!(keys(&table, made.version).await, [0, 1, 2, 3]);
}

#[tokio::test]
async fn of_two_that_commit_at_once_one_wins_and_the_newer_stays() {
    let dir = tempfile::tempdir().unwrap();
    let table = dir.path().join("t");
    replace(&table, dataset(), 1, &[put(&table, 1, 1, 0, 0..1, true)]).await.unwrap();
    let (two, three) = ([put(&table, 2, 2, 0, 0..2, true)], [put(&table, 3, 3, 0, 0..3, true)]);
    let (older, newer) = tokio::join!(replace(&table, dataset(), 2, &two), replace(&table, dataset(), 3, &three));
    let newer = newer.unwrap();
    assert!(matches!(older, Ok(_) | Err(CommitError::Fenced { newer: 3 } | CommitError::Contended)));
    assert_eq!(keys(&table, newer.version).await, [0, 1, 2]);
    let open =
        deltalake_core::DeltaTableBuilder::from_url(deltalake_core::ensure_table_uri(table.to_str().unwrap()).unwrap());
    let open = open.unwrap().load().await.unwrap();
    let log = open.log_store();
    let found = open.snapshot().unwrap().transaction_version(log.as_ref(), app_id(dataset().name)).await.unwrap();
    assert_eq!(found, Some(3));
}

#[test]
fn the_chain_is_what_is_there_without_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let table = dir.path();
    assert!(chain(table, 7).unwrap().is_empty());
    put(table, 7, 1, 0, 0..3, false);
    put(table, 7, 1, 1, 3..5, false);
    put(table, 7, 1, 3, 9..12, true);
    fs::write(table.join("run-7/000002-1.parquet"), b"PAR1 cut off").unwrap();
    let rows = |chain: Vec<Chunk>| chain.iter().map(|c| c.rows).collect::<Vec<_>>();
    assert_eq!(rows(chain(table, 7).unwrap()), [3, 2]);
    put(table, 7, 2, 2, 5..9, false);
    assert_eq!(rows(chain(table, 7).unwrap()), [3, 2, 4, 3]);
}

/// A worker that lost its lease and does not know it yet writes on with other chunk borders.
#[test]
fn a_zombie_never_makes_a_hole_or_an_overlap() {
    let dir = tempfile::tempdir().unwrap();
    let table = dir.path();
    put(table, 7, 1, 0, 0..3, false);
    put(table, 7, 2, 1, 3..8, false);
    put(table, 7, 1, 1, 3..5, false);
    put(table, 7, 1, 2, 5..10, true);
    put(table, 7, 2, 2, 8..10, true);
    let chain = chain(table, 7).unwrap();
    assert_eq!(chain.iter().map(|c| (c.place.epoch, c.rows)).collect::<Vec<_>>(), [(1, 3), (2, 5), (2, 2)]);
}

#[tokio::test]
async fn the_sweep_keeps_what_was_superseded_lately_and_later_runs_and_removes_dead_files() {
    let dir = tempfile::tempdir().unwrap();
    let table = dir.path().join("t");
    let mut version = 0;
    for (sequence, run) in [(1, 1), (2, 2), (3, 3)] {
        let chunk = put(&table, run, sequence, 0, 0..sequence as i64, true);
        version = replace(&table, dataset(), sequence, &[chunk]).await.unwrap().version;
    }
    put(&table, 2, 9, 1, 0..4, false);
    put(&table, 4, 9, 0, 0..4, false);
    let folders = || {
        let names = fs::read_dir(&table).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        names.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    };
    let lately = jiff::Timestamp::now() - sweep::RETENTION;
    assert_eq!(sweep::sweep(&table, 3, None, lately).await.unwrap(), 1, "the dead file of a run that succeeded");
    assert_eq!(folders(), ["_delta_log", "run-1", "run-2", "run-3", "run-4"]);
    assert_eq!(keys(&table, version - 2).await, [0], "a query that has it open reads on");
    let later = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(1);
    assert_eq!(sweep::sweep(&table, 3, Some(version - 1), later).await.unwrap(), 1);
    assert_eq!(folders(), ["_delta_log", "run-2", "run-3", "run-4"], "what came after is at work");
    assert_eq!(keys(&table, version).await, [0, 1, 2]);
    assert_eq!(keys(&table, version - 1).await, [0, 1], "readers saw it when the run began");
}

#[tokio::test]
async fn a_table_made_anew_never_gives_a_version_twice() {
    let dir = tempfile::tempdir().unwrap();
    let table = dir.path().join("t");
    let chunk = [put(&table, 9, 1, 0, 0..2, true)];
    let made = commit::replace_above(&table, dataset(), 9, &chunk, Some(6)).await.unwrap();
    assert_eq!(made.version, 7);
    assert_eq!(keys(&table, made.version).await, [0, 1]);
}

#[tokio::test]
async fn every_canonical_dataset_makes_a_table() {
    let dir = tempfile::tempdir().unwrap();
    for dataset in datasets::all() {
        let table = dir.path().join(dataset.name);
        let rows = schema::to_table(dataset, &batch(dataset, &[json!({})])).unwrap();
        let place = Place { number: 0, epoch: 1, from: String::new(), to: "t".into(), last: true, synced_through: 0 };
        let chunk = chunks::write(&table, 7, dataset, &rows, place).unwrap();
        let made = replace(&table, dataset, 1, &[chunk]).await.unwrap();
        assert_eq!((made.rows, files_at(&table, made.version).await.unwrap().len()), (1, 1), "{}", dataset.name);
    }
}

#[tokio::test]
async fn a_missing_table_or_version_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    assert!(files_at(&dir.path().join("none"), 0).await.is_err());
    let table = dir.path().join("t");
    let made = replace(&table, dataset(), 1, &[put(&table, 7, 1, 0, 0..1, true)]).await.unwrap();
    assert!(files_at(&table, made.version + 1).await.is_err());
}

#[test]
fn a_failed_write_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.parquet");
    assert!(write_durably(&path, |_| Err(std::io::Error::other("no"))).is_err());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Wherever an attempt is killed and with whatever chunk sizes the next goes on: every row is there once.
    #[test]
    fn resumed_attempts_make_one_whole(sizes in prop::collection::vec(1..4_i64, 1..6), cut in 0..6_usize, then in 1..4_i64) {
        let dir = tempfile::tempdir().unwrap();
        let total: i64 = sizes.iter().sum();
        let mut at = 0;
        for (number, size) in sizes.iter().take(cut).enumerate() {
            put(dir.path(), 7, 1, number as u64, at..at + size, at + size == total);
            at += size;
        }
        let mut found = chain(dir.path(), 7).unwrap();
        let mut at: i64 = found.iter().map(|c| c.rows).sum();
        while at < total {
            let end = (at + then).min(total);
            found.push(put(dir.path(), 7, 2, found.len() as u64, at..end, end == total));
            at = end;
        }
        let whole = chain(dir.path(), 7).unwrap();
        prop_assert_eq!(whole.iter().map(|c| c.rows).sum::<i64>(), total);
        prop_assert!(whole.last().unwrap().place.last);
    }
}
