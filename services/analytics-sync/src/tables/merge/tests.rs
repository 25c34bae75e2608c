//! What merging promises, on real tables in a temporary folder.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{collections::BTreeMap, path::Path};

use arrow::{
    array::{AsArray as _, RecordBatch},
    datatypes::{Decimal128Type, Int64Type},
};
use mesh::datasets;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    tables::{
        base::{self, Found},
        chunks::{self, Chunk, Origin, Place},
        commit::{self, CommitError},
    },
    testing,
};

/// Rows by key: an amount.
type Rows = BTreeMap<i64, i64>;

fn dataset() -> &'static Dataset {
    datasets::get("payment_split").unwrap()
}

fn batch(rows: &[(i64, i64)]) -> RecordBatch {
    let rows: Vec<_> =
        rows.iter().map(|(key, amount)| json!({"split_num": key, "split_amt": amount.to_string()})).collect();
    testing::batch(dataset(), &rows)
}

/// A table of these rows in files of `size`, as run 1 reads it whole.
async fn table(dir: &Path, rows: &Rows, size: usize) {
    let all: Vec<(i64, i64)> = rows.iter().map(|(k, v)| (*k, *v)).collect();
    let mut parts: Vec<&[(i64, i64)]> = all.chunks(size).collect();
    if parts.is_empty() {
        parts.push(&[]);
    }
    let chunk = |(number, part): (usize, &&[(i64, i64)])| -> Chunk {
        let place = Place {
            number: number as u64,
            epoch: 1,
            from: format!("{number}"),
            to: format!("{}", number + 1),
            last: number + 1 == parts.len(),
            synced_through: 5,
        };
        let origin = Origin { position: "p".into(), missing: String::new() };
        chunks::write_from(dir, 1, dataset(), &batch(part), place, origin).unwrap()
    };
    let chunks: Vec<Chunk> = parts.iter().enumerate().map(chunk).collect();
    commit::replace(dir, dataset(), 1, &chunks).await.unwrap();
}

async fn base_of(dir: &Path) -> Base {
    match base::open(dir, dataset()).await.unwrap() {
        Found::Base(base) => *base,
        other => panic!("{other:?}"),
    }
}

fn rows_of(base: &Base) -> Rows {
    let mut rows = Rows::new();
    for place in 0..base.files.len() {
        for batch in base.read(place).unwrap() {
            let keys = batch.column_by_name("split_num").unwrap().as_primitive::<Int64Type>();
            let amounts = batch.column_by_name("split_amt").unwrap().as_primitive::<Decimal128Type>();
            for row in 0..batch.num_rows() {
                let amount = i64::try_from(amounts.value(row) / 10_000).unwrap();
                assert!(rows.insert(keys.value(row), amount).is_none(), "a row twice");
            }
        }
    }
    rows
}

/// What is done to a table: a row's new amount, or none where it is deleted.
type Edits = Vec<(i64, Option<i64>)>;

fn changes(edits: &Edits) -> Changes {
    let mut changes = Changes::new(dataset());
    for (key, amount) in edits {
        match amount {
            Some(amount) => changes.came(batch(&[(*key, *amount)])).unwrap(),
            None => changes.gone(*key),
        }
    }
    changes
}

/// Merges and commits as run `run`, and answers the table's rows and what was written.
async fn merged(dir: &Path, edits: &Edits, run: u64) -> (Rows, Merged) {
    let base = base_of(dir).await;
    let merged = merge(&base, &changes(edits), run, 1).unwrap();
    let done = commit::apply(&base, run, &merged, &base.origin, 9).await.unwrap();
    assert_eq!(done.rows, merged.rows);
    let base = base_of(dir).await;
    let rows = rows_of(&base);
    assert_eq!(rows.len() as i64, merged.rows);
    (rows, merged)
}

fn numbered(keys: impl IntoIterator<Item = i64>) -> Rows {
    keys.into_iter().map(|key| (key, key * 10)).collect()
}

#[tokio::test]
async fn only_files_with_a_difference_are_written_anew() {
    let dir = tempfile::tempdir().unwrap();
    // Larger than what is joined.
    let rows = numbered((0..180_000).map(|n| n * 2));
    table(dir.path(), &rows, 60_000).await;
    let same = vec![(4, Some(40)), (359_998, Some(3_599_980)), (7, None)];
    let (after, nothing) = merged(dir.path(), &same, 2).await;
    assert!(
        nothing.is_empty() && after == rows,
        "what is the same writes nothing, and a key that was not there is no delete"
    );

    let edits = vec![(0, Some(1)), (2, Some(20)), (3, Some(33)), (6, None)];
    let (after, one) = merged(dir.path(), &edits, 3).await;
    let mut expected = rows.clone();
    expected.insert(0, 1);
    expected.insert(3, 33);
    expected.remove(&6);
    assert_eq!(after, expected);
    assert_eq!((one.inserted, one.updated, one.deleted), (1, 1, 1));
    assert_eq!((one.removed.len(), one.added.len()), (1, 1), "the other two files stay");
}

#[tokio::test]
async fn rows_before_between_and_behind_all_files_find_their_place() {
    let dir = tempfile::tempdir().unwrap();
    let rows = numbered([10, 20, 30]);
    table(dir.path(), &rows, 1).await;
    let edits = vec![(i64::MIN, Some(1)), (15, Some(2)), (i64::MAX, Some(3))];
    let (after, _) = merged(dir.path(), &edits, 2).await;
    let mut expected = rows;
    expected.extend([(i64::MIN, 1), (15, 2), (i64::MAX, 3)]);
    assert_eq!(after, expected);
}

#[tokio::test]
async fn a_table_can_lose_all_rows_and_get_some_again() {
    let dir = tempfile::tempdir().unwrap();
    table(dir.path(), &numbered(0..5), 2).await;
    let (after, all) = merged(dir.path(), &(0..5).map(|key| (key, None)).collect(), 2).await;
    assert!(after.is_empty() && all.added.is_empty() && all.deleted == 5);
    assert!(base_of(dir.path()).await.files.is_empty());
    let (after, _) = merged(dir.path(), &vec![(3, Some(7))], 3).await;
    assert_eq!(after, Rows::from([(3, 7)]));
}

#[tokio::test]
async fn of_a_row_that_comes_twice_the_last_one_counts() {
    let dir = tempfile::tempdir().unwrap();
    table(dir.path(), &numbered(0..3), 3).await;
    let edits = vec![(1, Some(5)), (1, Some(6)), (2, Some(9)), (2, None), (0, None), (0, Some(4))];
    let (after, _) = merged(dir.path(), &edits, 2).await;
    assert_eq!(after, Rows::from([(0, 4), (1, 6)]));
}

#[tokio::test]
async fn small_neighbours_become_one_file_and_a_large_one_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let rows = numbered(0..900);
    table(dir.path(), &rows, 30).await;
    let (after, joined) = merged(dir.path(), &Vec::new(), 2).await;
    assert_eq!((after, joined.removed.len(), joined.added.len()), (rows.clone(), 30, 1));
    let mut more = Changes::new(dataset());
    let inserted: Vec<(i64, i64)> = (1_000..121_000).map(|key| (key, 1)).collect();
    more.came(batch(&inserted)).unwrap();
    let base = base_of(dir.path()).await;
    let cut = merge(&base, &more, 3, 1).unwrap();
    let sizes: Vec<i64> = cut.added.iter().map(|file| file.rows).collect();
    assert_eq!(sizes, [40_300, 40_300, 40_300]);
}

#[tokio::test]
async fn a_merge_is_committed_once_and_an_older_run_is_fenced() {
    let dir = tempfile::tempdir().unwrap();
    table(dir.path(), &numbered(0..3), 3).await;
    let base = base_of(dir.path()).await;
    let edits = changes(&vec![(1, Some(5))]);
    let one = merge(&base, &edits, 4, 1).unwrap();
    let made = commit::apply(&base, 4, &one, &base.origin, 9).await.unwrap();
    // A worker that was paused and a successor that was killed before its report: both find it done.
    let again = commit::apply(&base, 4, &merge(&base, &edits, 4, 2).unwrap(), &base.origin, 11).await.unwrap();
    assert_eq!((again.version, again.rows, again.already), (made.version, 3, true));
    assert_eq!(again.synced_through, 9, "as fresh as what was committed, not as what was not");
    let late = commit::apply(&base, 3, &one, &base.origin, 9).await;
    assert!(matches!(late, Err(CommitError::Fenced { newer: 4 })));
    let stale = commit::apply(&base, 5, &one, &base.origin, 9).await;
    assert!(matches!(stale, Err(CommitError::Contended)), "another version than it was merged with");
    assert_eq!(rows_of(&base_of(dir.path()).await), Rows::from([(0, 0), (1, 5), (2, 20)]));
}

#[tokio::test]
async fn damage_and_foreign_tables_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let nothing = base::open(&dir.path().join("none"), dataset()).await.unwrap();
    assert!(matches!(nothing, Found::Nothing));
    let at = dir.path().join("t");
    table(&at, &numbered(0..4), 2).await;
    let base = base_of(&at).await;
    assert_eq!((base.sequence, base.origin.position.as_str(), base.synced_through), (1, "p", 5));
    // Two files that overlap are not this program's.
    let foreign = dir.path().join("f");
    let place = |number| Place { number, epoch: 1, from: String::new(), to: "t".into(), last: true, synced_through: 0 };
    let overlapping =
        [0, 1].map(|n| chunks::write(&foreign, 1, dataset(), &batch(&[(n, 1), (5, 1)]), place(n as u64)).unwrap());
    commit::replace(&foreign, dataset(), 1, &overlapping).await.unwrap();
    assert!(matches!(base::open(&foreign, dataset()).await.unwrap(), Found::Foreign));

    let file = at.join(&base.files[0].path);
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    assert!(matches!(base::open(&at, dataset()).await.unwrap(), Found::Damaged(_)), "half a file");
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(base::open(&at, dataset()).await.unwrap(), Found::Damaged(_)), "no file");
    std::fs::write(&file, &whole).unwrap();
    base_of(&at).await;
    let log = at.join("_delta_log/00000000000000000001.json");
    std::fs::write(&log, b"{\"add\":").unwrap();
    assert!(matches!(base::open(&at, dataset()).await.unwrap(), Found::Damaged(_)), "half a log");
}

fn any_rows() -> impl Strategy<Value = Rows> {
    prop::collection::btree_map(-20..40_i64, 0..5_i64, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    /// Whatever is merged, night after night: the table is what a map is to which the same was done, and its files keep the
    /// order of their keys.
    #[test]
    fn merges_do_to_a_table_what_they_do_to_a_map(
        rows in any_rows(),
        size in 1..12_usize,
        nights in prop::collection::vec(prop::collection::vec((-25..45_i64, prop::option::of(0..5_i64)), 0..12), 1..4),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let dir = tempfile::tempdir().unwrap();
            table(dir.path(), &rows, size).await;
            let mut expected = rows;
            for (night, edits) in nights.iter().enumerate() {
                for (key, amount) in edits {
                    match amount {
                        Some(amount) => drop(expected.insert(*key, *amount)),
                        None => drop(expected.remove(key)),
                    }
                }
                let (after, merged) = merged(dir.path(), edits, 2 + night as u64).await;
                prop_assert_eq!(&after, &expected);
                prop_assert_eq!(merged.rows, expected.len() as i64);
            }
            Ok(())
        })?;
    }
}
