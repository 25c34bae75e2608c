//! Promise: after any history of inserts, updates, deletes, late commits, restored rows, moved servers, updates of the PMS,
//! damaged tables and killed workers, each quiet night ends with tables that equal a fresh full read.
//! Method: a scripted PMS that lives on while it is read, the real worker killed at the n-th step of a night; 200 histories,
//! or as many as `PROPTEST_CASES` says.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use analytics_sync::{
    Config,
    tables::{
        base::{self, Found},
        read::files_at,
        schema,
    },
};
use arrow::array::RecordBatch;
use mesh::{
    datasets, row_hash,
    transport::{Endpoint, in_process},
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::{prelude::*, test_runner::TestRunner};
use support::{
    World,
    pms::{Event, Pms, TABLES},
};
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(60);

/// What is wrong with a table in the morning.
#[derive(Debug, Clone, Copy)]
enum Damage {
    /// A file is cut off.
    File,
    /// The log is cut off.
    Log,
    /// Everything is gone.
    Folder,
}

/// A day and the night after it.
#[derive(Debug, Clone)]
struct Night {
    day: Vec<Event>,
    meanwhile: Vec<Event>,
    damage: Option<(usize, Damage)>,
    /// Steps after which the worker is killed, one attempt after the other.
    kills: Vec<u64>,
}

/// A worker; it ends with its endpoint.
struct Worker {
    task: tokio::task::JoinHandle<anyhow::Result<()>>,
    stop: CancellationToken,
    _endpoint: Endpoint,
}

/// A practice, its tables and its nights.
struct Life {
    pms: Arc<Pms>,
    world: Arc<World>,
    store: tempfile::TempDir,
    nights: u64,
    servers: CancellationToken,
}

impl Life {
    fn new() -> Self {
        // The tables' own durability is not what is tested.
        let memory = Path::new("/dev/shm");
        let store = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let (pms, world) = (Pms::new(), World::new(&TABLES, 8));
        Self { pms, world, store: store.unwrap(), nights: 1, servers: CancellationToken::new() }
    }

    fn table(&self, dataset: &str) -> PathBuf {
        self.store.path().join("north").join(dataset)
    }

    fn start(&self) -> Worker {
        let (endpoint, listener) = in_process("analytics-sync");
        let config = Config {
            store: self.store.path().to_string_lossy().into_owned(),
            sync_state: self.world.serve_state(&self.servers),
            pms_connector: self.pms.serve(&self.servers),
            worker: None,
            capacity: 1,
            lease_seconds: 30,
            object_store: Default::default(),
        };
        let stop = CancellationToken::new();
        let task = tokio::spawn(analytics_sync::run(config, listener, stop.clone()));
        Worker { task, stop, _endpoint: endpoint }
    }

    /// Steps of both neighbours together.
    async fn reaches(&self, aim: u64) {
        let (mut pms, mut world) = (self.pms.steps.subscribe(), self.world.steps.subscribe());
        let reached = async {
            while *self.pms.steps.borrow() + *self.world.steps.borrow() < aim && !self.world.finished() {
                tokio::select! {
                    changed = pms.changed() => changed.unwrap(),
                    changed = world.changed() => changed.unwrap(),
                }
            }
        };
        tokio::time::timeout(DEADLINE, reached).await.expect("in time");
        assert!(self.world.failure().is_none(), "{:?}", self.world.failure());
    }

    /// Works through a run, killed as often as is said.
    async fn run(&self, kills: &[u64]) {
        for steps in kills {
            let worker = self.start();
            let aim = *self.pms.steps.borrow() + *self.world.steps.borrow() + steps;
            self.reaches(aim).await;
            worker.task.abort();
            let _ = worker.task.await;
            if self.world.finished() {
                return;
            }
            self.world.expire_lease();
        }
        let worker = self.start();
        self.reaches(u64::MAX).await;
        worker.stop.cancel();
        worker.task.await.unwrap().unwrap();
    }

    async fn night(&mut self, night: &Night) {
        night.day.iter().for_each(|event| self.pms.happen(event));
        if let Some((table, damage)) = night.damage {
            self.damage(TABLES[table % TABLES.len()].0, damage);
        }
        self.pms.meanwhile(&night.meanwhile);
        self.nights += 1;
        self.world.new_night(self.nights);
        self.run(&night.kills).await;
        self.pms.settle();
    }

    fn damage(&self, dataset: &str, damage: Damage) {
        let table = self.table(dataset);
        let cut = |path: PathBuf| {
            let bytes = std::fs::read(&path).unwrap();
            std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        };
        let newest = |folder: &Path, of: &str| {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
            entries.filter(|path| path.extension().is_some_and(|e| e == of)).max()
        };
        match damage {
            Damage::Folder => std::fs::remove_dir_all(table).unwrap(),
            Damage::Log => newest(&table.join("_delta_log"), "json").into_iter().for_each(cut),
            Damage::File => {
                let runs = std::fs::read_dir(&table).unwrap().flatten().map(|entry| entry.path());
                runs.filter_map(|run| newest(&run, "parquet")).for_each(cut);
            }
        }
    }

    /// Asserts that the accepted tables are what the PMS has.
    async fn assert_equal(&self) {
        for (dataset, _) in TABLES {
            let known = datasets::get(dataset).unwrap();
            let accepted = self.world.accepted(dataset).unwrap();
            let mut held = Vec::new();
            for file in files_at(&self.table(dataset), accepted.version.unwrap()).await.unwrap() {
                let file = std::fs::File::open(file.local().unwrap()).unwrap();
                for batch in ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap() {
                    held.extend(row_hash::hashes(known, &batch.unwrap()).unwrap());
                }
            }
            let fresh: RecordBatch = schema::to_table(known, &self.pms.rows(dataset)).unwrap();
            let mut fresh = row_hash::hashes(known, &fresh).unwrap();
            held.sort_unstable();
            fresh.sort_unstable();
            assert_eq!(held, fresh, "{dataset}: other rows than a fresh full read");
            assert_eq!(accepted.rows, fresh.len() as i64, "{dataset}");
        }
    }

    fn versions(&self) -> Vec<i64> {
        TABLES.iter().map(|(dataset, _)| self.world.accepted(dataset).unwrap().version.unwrap()).collect()
    }
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => (0..3_usize, -10..30_i64, 0..4_i64).prop_map(|(of, key, value)| Event::Put(of, key, value)),
        4 => (0..3_usize, -10..30_i64).prop_map(|(of, key)| Event::Delete(of, key)),
        2 => (-10..30_i64, 0..4_i64).prop_map(|(key, value)| Event::PutLate(key, value)),
        2 => Just(Event::Commit),
        // Rows of their own: one that is put back with an old stamp is known by its key alone.
        2 => (100..106_i64).prop_map(|key| Event::Restore(key, key)),
        2 => (100..106_i64).prop_map(|key| Event::Delete(0, key)),
        1 => (0..3_usize).prop_map(Event::Clear),
        3 => (1..90_i64).prop_map(Event::Wait),
    ]
}

fn any_night() -> impl Strategy<Value = Night> {
    let day =
        prop::collection::vec(prop_oneof![20 => any_event(), 1 => Just(Event::Move), 1 => Just(Event::Upgrade)], 0..25);
    let damage = prop_oneof![Just(Damage::File), Just(Damage::Log), Just(Damage::Folder)];
    let damage = prop_oneof![8 => Just(None), 1 => (0..3_usize, damage).prop_map(Some)];
    let meanwhile = prop_oneof![Just(Vec::new()), prop::collection::vec(any_event(), 0..12)];
    let kills = prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(1..16_u64, 1..4)];
    (day, meanwhile, damage, kills).prop_map(|(day, meanwhile, damage, kills)| Night { day, meanwhile, damage, kills })
}

async fn lives(first: Vec<Event>, kills: Vec<u64>, nights: Vec<Night>) {
    let mut life = Life::new();
    first.iter().for_each(|event| life.pms.happen(event));
    life.run(&kills).await;
    life.pms.settle();
    life.assert_equal().await;
    let commit = Night { day: vec![Event::Commit], meanwhile: Vec::new(), damage: None, kills: Vec::new() };
    for night in nights.into_iter().chain([commit]) {
        life.night(&night).await;
        if night.meanwhile.is_empty() {
            life.assert_equal().await;
        } else {
            // What happened while it was read is there after the next night.
            let quiet = Night { day: vec![Event::Wait(60)], meanwhile: Vec::new(), damage: None, kills: Vec::new() };
            life.night(&quiet).await;
            life.assert_equal().await;
        }
    }
    life.servers.cancel();
}

#[test]
fn after_any_history_the_tables_equal_a_fresh_full_read() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(200);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let config = ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 200, ..Default::default() };
    let history = (
        prop::collection::vec(any_event(), 0..40),
        prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(1..10_u64, 1..3)],
        prop::collection::vec(any_night(), 1..5),
    );
    let ran = TestRunner::new(config).run(&history, |(first, kills, nights)| {
        runtime.block_on(lives(first, kills, nights));
        Ok(())
    });
    ran.unwrap();
}

/// A practice with rows in every table, read whole, its many small files joined in a first night.
async fn settled(rows: i64) -> Life {
    let mut life = Life::new();
    for key in 0..rows {
        (0..TABLES.len()).for_each(|of| life.pms.happen(&Event::Put(of, key, key % 7)));
    }
    life.pms.happen(&Event::Wait(1_000));
    life.run(&[]).await;
    life.assert_equal().await;
    life.night(&day(vec![Event::Wait(60)])).await;
    life.assert_equal().await;
    life
}

fn day(day: Vec<Event>) -> Night {
    Night { day, meanwhile: Vec::new(), damage: None, kills: Vec::new() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_without_changes_reads_almost_nothing_and_makes_no_version() {
    let mut life = settled(60).await;
    let (before, sent) = (life.versions(), life.pms.sent());
    // Of the tables that are not read whole: a run's own files are gone by its next one at the latest.
    let files = |life: &Life| -> BTreeSet<PathBuf> {
        let folders = TABLES[..2].iter().flat_map(|(name, _)| std::fs::read_dir(life.table(name)).unwrap().flatten());
        folders.flat_map(|folder| std::fs::read_dir(folder.path()).unwrap().flatten().map(|file| file.path())).collect()
    };
    let there = files(&life);
    life.night(&day(vec![Event::Wait(60)])).await;
    assert_eq!(life.versions(), before);
    // The table that is keyed by name is read whole.
    assert_eq!(life.pms.sent() - sent, 60);
    assert_eq!(files(&life), there, "no new file");
    life.assert_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_with_few_changes_reads_few_rows() {
    let mut life = settled(60).await;
    let (before, sent) = (life.versions(), life.pms.sent());
    life.night(&day(vec![
        Event::Put(0, 5, 99),
        Event::Put(0, 1_000, 1),
        Event::Delete(0, 7),
        Event::Restore(2_000, 3),
        Event::Delete(1, 9),
        Event::Wait(60),
    ]))
    .await;
    life.assert_equal().await;
    let after = life.versions();
    assert!(after[0] == before[0] + 1 && after[1] == before[1] + 1 && after[2] == before[2], "{before:?} {after:?}");
    // Two by stamp, one by key; a range of the table without stamps; the table keyed by name.
    assert_eq!(life.pms.sent() - sent, 3 + 59 + 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_commit_behind_the_cursor_is_not_missed() {
    let mut life = settled(10).await;
    life.night(&day(vec![Event::PutLate(3, 77), Event::Wait(500), Event::Put(0, 4, 88)])).await;
    // It commits after the night that had seen a later stamp.
    life.night(&day(vec![Event::Commit, Event::Wait(500)])).await;
    life.assert_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_table_is_put_aside_and_read_again_above_its_last_version() {
    let mut life = settled(10).await;
    for damage in [Damage::File, Damage::Log, Damage::Folder] {
        let before = life.versions();
        life.night(&Night { damage: Some((0, damage)), ..day(vec![Event::Wait(60)]) }).await;
        life.assert_equal().await;
        let after = life.versions();
        assert!(after[0] > before[0] && after[1..] == before[1..], "{damage:?}: {before:?} {after:?}");
        assert!(matches!(
            base::open(&life.table(TABLES[0].0), datasets::get(TABLES[0].0).unwrap()).await.unwrap(),
            Found::Base(_)
        ));
    }
    assert!(life.store.path().join("north/.aside").join(TABLES[0].0).exists());
}
