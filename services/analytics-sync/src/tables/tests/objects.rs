//! The same promises in an object store, and what it may do to a commit: refuse it, lose its answer, give its place away.

use std::{
    collections::BTreeMap,
    fmt,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use futures::stream::BoxStream;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, memory::InMemory, path::Path as Key,
};
use parking_lot::Mutex;
use tokio::task::spawn_blocking;

use super::*;
use crate::{
    store::{Folder, Store},
    tables::{
        base::{self, Base, Found},
        chunks::Origin,
        merge::{Changes, merge},
    },
    testing::{bucket, over},
};

/// What happens to commits.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    Nothing,
    /// They are refused.
    Refuse,
    /// They are made, and the answer is lost.
    Lose,
    /// They are made, and whoever asks again is told that the version is there.
    LoseThenConflict,
    /// They time out.
    Stall,
}

/// A bucket in memory that does something to commits.
#[derive(Debug)]
struct Faulty {
    bucket: InMemory,
    fault: Mutex<Fault>,
    /// Whether reads fail.
    deaf: AtomicBool,
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a bucket with faults")
    }
}

fn timeout() -> Error {
    Error::Generic { store: "test", source: Box::new(std::io::Error::from(std::io::ErrorKind::TimedOut)) }
}

#[tonic::async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, key: &Key, bytes: PutPayload, options: PutOptions) -> Result<PutResult> {
        let commit = key.as_ref().contains("_delta_log");
        let fault = *self.fault.lock();
        match fault {
            Fault::Refuse if commit => Err(Error::PermissionDenied { path: key.to_string(), source: "403".into() }),
            Fault::Stall if commit => Err(timeout()),
            Fault::Lose if commit => self.bucket.put_opts(key, bytes, options).await.and(Err(timeout())),
            Fault::LoseThenConflict if commit => {
                self.bucket.put_opts(key, bytes, options).await?;
                Err(Error::AlreadyExists { path: key.to_string(), source: "412".into() })
            }
            _ => self.bucket.put_opts(key, bytes, options).await,
        }
    }
    async fn get_opts(&self, key: &Key, options: GetOptions) -> Result<GetResult> {
        match self.deaf.load(SeqCst) {
            true => Err(timeout()),
            false => self.bucket.get_opts(key, options).await,
        }
    }
    async fn get_ranges(&self, key: &Key, ranges: &[Range<u64>]) -> Result<Vec<bytes::Bytes>> {
        self.bucket.get_ranges(key, ranges).await
    }
    fn delete_stream(&self, keys: BoxStream<'static, Result<Key>>) -> BoxStream<'static, Result<Key>> {
        self.bucket.delete_stream(keys)
    }
    fn list(&self, prefix: Option<&Key>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.bucket.list(prefix)
    }
    async fn list_with_delimiter(&self, prefix: Option<&Key>) -> Result<ListResult> {
        self.bucket.list_with_delimiter(prefix).await
    }
    async fn put_multipart_opts(&self, key: &Key, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.bucket.put_multipart_opts(key, options).await
    }
    async fn copy_opts(&self, from: &Key, to: &Key, options: CopyOptions) -> Result<()> {
        self.bucket.copy_opts(from, to, options).await
    }
}

fn faulty() -> (Arc<Faulty>, Folder) {
    let store =
        Arc::new(Faulty { bucket: InMemory::new(), fault: Mutex::new(Fault::Nothing), deaf: AtomicBool::new(false) });
    (store.clone(), over(store).join("north/payment_split"))
}

/// A chunk with these keys, in a table anywhere.
async fn lay(table: &Folder, run: u64, number: u64, keys: Range<i64>, last: bool) -> Chunk {
    let table = table.clone();
    spawn_blocking(move || put(&table, run, run, number, keys, last)).await.unwrap()
}

async fn rows_of(table: &Folder, version: i64) -> Vec<i64> {
    keys_of(files_at(table, version).await.unwrap()).await
}

async fn base_of(table: &Folder) -> Base {
    match base::open(table, dataset()).await.unwrap() {
        Found::Base(base) => *base,
        other => panic!("{other:?}"),
    }
}

/// Takes rows out and puts others in, and commits that.
async fn edited(base: Base, gone: &[i64], came: &[i64], run: u64) -> std::result::Result<i64, CommitError> {
    let mut changes = Changes::new(dataset());
    let rows: Vec<_> = came.iter().map(|key| json!({"split_num": key, "split_amt": "2"})).collect();
    changes.came(schema::to_table(dataset(), &batch(dataset(), &rows)).unwrap()).unwrap();
    gone.iter().for_each(|key| changes.gone(*key));
    let from = base.clone();
    let merged = spawn_blocking(move || merge(&from, &changes, run, run)).await.unwrap().unwrap();
    commit::apply(&base, run, &merged, &Origin::default(), 9).await.map(|made| made.version)
}

#[tokio::test]
async fn a_table_lives_in_a_bucket_as_in_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let mut seen = Vec::new();
    for root in [Folder::from(dir.path()), bucket()] {
        let store = Store::of(root);
        let table = store.table("north", "payment_split");
        let chunks = [lay(&table, 1, 0, 0..30, false).await, lay(&table, 1, 1, 30..50, true).await];
        let found = {
            let table = table.clone();
            spawn_blocking(move || chain(&table, 1)).await.unwrap().unwrap()
        };
        assert_eq!(found.iter().map(|chunk| chunk.rows).collect::<Vec<_>>(), [30, 20]);
        let one = replace(&table, dataset(), 1, &chunks).await.unwrap().version;
        let again = replace(&table, dataset(), 1, &chunks).await.unwrap();
        assert_eq!((again.version, again.already), (one, true));
        let two = edited(base_of(&table).await, &[0, 7, 49], &[7, 50], 2).await.unwrap();
        let three = edited(base_of(&table).await, &[50], &[51], 3).await.unwrap();
        assert!(matches!(edited(base_of(&table).await, &[1], &[], 1).await, Err(CommitError::Fenced { newer: 3 })));
        lay(&table, 2, 9, 0..4, false).await;
        lay(&table, 9, 0, 0..4, false).await;
        let later = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(1);
        let removed = sweep::sweep(&table, 3, Some(two), later).await.unwrap();
        let versions = [rows_of(&table, two).await, rows_of(&table, three).await];
        let runs = {
            let table = table.clone();
            spawn_blocking(move || table.folders()).await.unwrap().unwrap()
        };
        let runs: BTreeSet<String> = runs.into_iter().filter(|name| name.starts_with("run-")).collect();
        assert!(files_at(&table, three + 1).await.is_err(), "a version that is not there");
        spawn_blocking(move || store.quarantine("north", "payment_split")).await.unwrap().unwrap();
        assert!(matches!(base::open(&table, dataset()).await.unwrap(), Found::Nothing));
        assert!(files_at(&table, three).await.is_err(), "nothing is left in its place");
        seen.push((one, two, three, removed, versions, runs));
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_found_and_not_made_twice() {
    for fault in [Fault::Lose, Fault::LoseThenConflict] {
        let (bucket, table) = faulty();
        let one = replace(&table, dataset(), 1, &[lay(&table, 1, 0, 0..5, true).await]).await.unwrap();
        *bucket.fault.lock() = fault;
        let two = replace(&table, dataset(), 2, &[lay(&table, 2, 0, 0..9, true).await]).await.unwrap();
        assert_eq!((two.version, two.rows, two.already), (one.version + 1, 9, true), "{fault:?}");
        let three = edited(base_of(&table).await, &[0], &[20], 3).await.unwrap();
        assert_eq!(three, two.version + 1, "{fault:?}");
        assert_eq!(rows_of(&table, three).await, [1, 2, 3, 4, 5, 6, 7, 8, 20]);
        assert_eq!(rows_of(&table, one.version).await, [0, 1, 2, 3, 4], "the earlier version stays");
    }
}

#[tokio::test]
async fn a_commit_that_is_refused_leaves_the_table_as_it_was() {
    let expected =
        BTreeMap::from([("Refuse", std::io::ErrorKind::PermissionDenied), ("Stall", std::io::ErrorKind::TimedOut)]);
    for fault in [Fault::Refuse, Fault::Stall] {
        let (bucket, table) = faulty();
        let one = replace(&table, dataset(), 1, &[lay(&table, 1, 0, 0..5, true).await]).await.unwrap().version;
        let base = base_of(&table).await;
        *bucket.fault.lock() = fault;
        let chunk = [lay(&table, 2, 0, 0..9, true).await];
        let refused =
            [replace(&table, dataset(), 2, &chunk).await.map(|made| made.version), edited(base, &[0], &[20], 2).await];
        for refused in refused {
            assert_eq!(refused.unwrap_err().kind(), Some(expected[format!("{fault:?}").as_str()]));
        }
        assert!(files_at(&table, one + 1).await.is_err(), "{fault:?}: nothing half visible");
        *bucket.fault.lock() = Fault::Nothing;
        assert_eq!(rows_of(&table, one).await, [0, 1, 2, 3, 4]);
        assert_eq!(replace(&table, dataset(), 2, &chunk).await.unwrap().version, one + 1, "and can be tried again");
    }
}

#[tokio::test]
async fn a_bucket_that_cannot_be_read_says_nothing_about_its_tables() {
    let (bucket, table) = faulty();
    replace(&table, dataset(), 1, &[lay(&table, 1, 0, 0..5, true).await]).await.unwrap();
    bucket.deaf.store(true, SeqCst);
    assert_eq!(base::open(&table, dataset()).await.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    bucket.deaf.store(false, SeqCst);
    assert!(matches!(base::open(&table, dataset()).await.unwrap(), Found::Base(_)), "not taken for damaged");
}

#[tokio::test]
async fn of_two_that_commit_at_once_in_a_bucket_one_wins_and_the_newer_stays() {
    let table = bucket().join("north/payment_split");
    replace(&table, dataset(), 1, &[lay(&table, 1, 0, 0..1, true).await]).await.unwrap();
    let (two, three) = ([lay(&table, 2, 0, 0..2, true).await], [lay(&table, 3, 0, 0..3, true).await]);
    let (older, newer) = tokio::join!(replace(&table, dataset(), 2, &two), replace(&table, dataset(), 3, &three));
    assert!(matches!(older, Ok(_) | Err(CommitError::Fenced { newer: 3 } | CommitError::Contended)));
    assert_eq!(rows_of(&table, newer.unwrap().version).await, [0, 1, 2]);
}

#[tokio::test]
async fn a_store_that_keeps_no_conditional_puts_is_refused_at_its_first_look() {
    let (bucket, _) = faulty();
    Store::of(over(bucket.clone())).check().await.unwrap();
    assert_eq!(bucket.bucket.list_with_delimiter(None).await.unwrap().objects.len(), 0, "the look leaves nothing");
    let refusal = Store::of(over(Arc::new(Careless(InMemory::new())))).check().await.unwrap_err();
    assert_eq!(refusal.field.unwrap().0, "store");
}

/// A bucket that knows no conditions.
#[derive(Debug)]
struct Careless(InMemory);

impl fmt::Display for Careless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a careless bucket")
    }
}

#[tonic::async_trait]
impl ObjectStore for Careless {
    async fn put_opts(&self, key: &Key, bytes: PutPayload, _: PutOptions) -> Result<PutResult> {
        self.0.put_opts(key, bytes, PutOptions::default()).await
    }
    async fn get_opts(&self, key: &Key, options: GetOptions) -> Result<GetResult> {
        self.0.get_opts(key, options).await
    }
    fn delete_stream(&self, keys: BoxStream<'static, Result<Key>>) -> BoxStream<'static, Result<Key>> {
        self.0.delete_stream(keys)
    }
    fn list(&self, prefix: Option<&Key>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(prefix)
    }
    async fn list_with_delimiter(&self, prefix: Option<&Key>) -> Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }
    async fn put_multipart_opts(&self, key: &Key, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(key, options).await
    }
    async fn copy_opts(&self, from: &Key, to: &Key, options: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, options).await
    }
}
