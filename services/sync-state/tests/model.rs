//! The stores are the pure core with a memory: on the same random sequences of commands a real Redis and the embedded
//! store give the same answers, states and records as the core alone, and the invariants hold after every step.
//!
//! Many sequences run at once, each on a practice of its own, so that the stores commit them in groups as they do in
//! service. `PROPTEST_CASES` sets the number of sequences; `cargo test --release --test model` with 100,000 is the long
//! run. A failure is shrunk, and prints its seed: CHAIRSYNC_SEED repeats it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::{sync::Arc, time::Instant};

use common::{Planned, commands, decide, settings};
use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use mesh::secret::Secret;
use proptest::{
    strategy::{Strategy as _, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use sync_state::{
    core::{
        apply::{Step, Stop, apply, create, due_at},
        command::Command,
        invariants,
        records::{Kept, RecordKey, Records, Scan},
        state::PracticeState,
    },
    store::{Commit, Store, StoreError, Version, embedded::EmbeddedStore, redis::RedisStore},
};
use test_servers::Redis;

/// The longest sequence.
const COMMANDS: usize = 200;
/// Sequences that run at a time.
const AT_ONCE: usize = 256;
/// Every so many steps a save with a version that is not the stored one is tried first.
const OVERTAKEN: usize = 16;

type Fault = String;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stores_are_the_pure_core_with_a_memory() {
    let given = std::env::var("CHAIRSYNC_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = given.unwrap_or_else(rand::random);
    let cases = Config::default().cases as usize;
    eprintln!("CHAIRSYNC_SEED={seed}, {cases} sequences of up to {COMMANDS} commands");
    let redis = Redis::start().await;
    let folder = tempfile::tempdir().unwrap();
    let stores: [(&str, Arc<dyn Store>); 2] = [
        ("Redis", Arc::new(RedisStore::connect(&Secret::new(redis.url()), None).await.unwrap())),
        ("embedded", Arc::new(EmbeddedStore::open(&folder.path().join("state.redb")).unwrap())),
    ];
    let (start, mut done, mut steps) = (Instant::now(), 0_usize, 0_usize);
    let runs = (0..cases).map(|case| {
        let stores = stores.clone();
        async move {
            let sequence = tree(seed, case).current();
            let length = sequence.len();
            // In a task of its own: sequences share the machine's cores.
            let run = tokio::spawn(async move { run(&stores, &format!("case-{case}"), &sequence).await });
            (case, length, run.await.unwrap_or_else(|panic| Err(panic.to_string())))
        }
    });
    let mut runs = stream::iter(runs).buffer_unordered(AT_ONCE);
    while let Some((case, length, result)) = runs.next().await {
        if let Err(fault) = result {
            drop(runs);
            let (sequence, fault) = shrink(&stores, tree(seed, case), fault).await;
            panic!("CHAIRSYNC_SEED={seed}, sequence {case}: {fault}\nafter:\n{sequence:#?}");
        }
        done += 1;
        steps += length;
        if done.is_multiple_of(5000) {
            eprintln!("{done} sequences, {steps} steps, {:.0?}", start.elapsed());
        }
    }
    eprintln!("{done} sequences, {steps} steps, {:.0?}", start.elapsed());
}

/// The sequence of a case, and how it can be made smaller.
fn tree(seed: u64, case: usize) -> impl ValueTree<Value = Vec<Planned>> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&(case as u64).to_le_bytes());
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    commands(COMMANDS + 1).new_tree(&mut runner).expect("a sequence")
}

/// The smallest sequence found that still fails.
async fn shrink(
    stores: &[(&str, Arc<dyn Store>)],
    mut tree: impl ValueTree<Value = Vec<Planned>>,
    fault: Fault,
) -> (Vec<Planned>, Fault) {
    let mut smallest = (tree.current(), fault);
    for attempt in 0..2000 {
        let sequence = tree.current();
        match run(stores, &format!("shrink-{attempt}"), &sequence).await {
            Err(fault) => {
                smallest = (sequence, fault);
                if !tree.simplify() {
                    break;
                }
            }
            Ok(()) => {
                if !tree.complicate() {
                    break;
                }
            }
        }
    }
    smallest
}

fn now() -> Timestamp {
    "2026-03-02T15:00:00Z".parse().unwrap()
}

macro_rules! must {
    ($holds:expr, $($why:tt)*) => {
        if !$holds {
            return Err(format!($($why)*));
        }
    };
}

/// Carries a sequence out on the core alone and on each store, and compares.
async fn run(stores: &[(&str, Arc<dyn Store>)], id: &str, sequence: &[Planned]) -> Result<(), Fault> {
    let mut pure = create(id, settings("America/Chicago"), now());
    let mut kept = Kept::default();
    let mut versions = Vec::new();
    for (name, store) in stores {
        let commit =
            Commit { version: 0, state: Some(&pure), due_at: due_at(&pure, now()), changes: &[], durable: false };
        versions.push(store.commit(id, commit).await.map_err(|error| format!("{name}: {error}"))?);
    }
    let mut at = now();
    for (place, planned) in sequence.iter().enumerate() {
        at += SignedDuration::from_secs(planned.seconds);
        let command = &planned.aimed(&pure);
        let alone = decide(&pure, &kept, command, at).map_err(|refusal| refusal.to_string());
        for ((name, store), version) in stores.iter().zip(&mut versions) {
            let overtaken = place % OVERTAKEN == OVERTAKEN - 1;
            let what = |fault: Fault| format!("{name}, step {place}, {command:?}: {fault}");
            let through = through(&**store, id, version, command, at, overtaken).await.map_err(what)?;
            must!(through == alone, "{name}, step {place}, {command:?}: {through:?} instead of {alone:?}");
        }
        if let Ok(taken) = alone {
            let broken = |broken| format!("step {place}, {command:?}: {broken}");
            invariants::check_step(&pure, &taken).map_err(broken)?;
            if !taken.changes.is_empty() {
                let before = kept.clone();
                kept.save(&taken.changes);
                invariants::check_kept_step(&pure, &before, &taken.state, &kept, at).map_err(broken)?;
                invariants::check_kept(&taken.state, &kept).map_err(broken)?;
            }
            pure = taken.state;
        }
    }
    for ((name, store), version) in stores.iter().zip(versions) {
        finally(&**store, id, version, &pure, &kept).await.map_err(|fault| format!("{name}, at the end: {fault}"))?;
    }
    Ok(())
}

/// What the core says of what the store holds; saved there.
async fn through(
    store: &dyn Store,
    id: &str,
    version: &mut Version,
    command: &Command,
    at: Timestamp,
    overtaken: bool,
) -> Result<Result<Step, String>, Fault> {
    let broken = |error: StoreError| error.to_string();
    let stored = store.load(id).await.map_err(broken)?.ok_or("it is gone")?;
    must!(stored.version == *version, "version {:?} instead of {version:?}", stored.version);
    let mut records = Records::default();
    let taken = loop {
        match apply(&stored.state, &records, command, at) {
            Ok(taken) => break taken,
            Err(Stop::Refused(refusal)) => return Ok(Err(refusal.to_string())),
            Err(Stop::Read(reads)) => {
                for (key, value) in reads.keys.iter().zip(store.read(id, &reads.keys).await.map_err(broken)?) {
                    records.add(key.clone(), value);
                }
                for scan in &reads.scans {
                    records.add_scan(scan.clone(), store.scan(id, scan).await.map_err(broken)?);
                }
            }
        }
    };
    if taken.changed {
        let commit = |version| Commit {
            version,
            state: Some(&taken.state),
            due_at: due_at(&taken.state, at),
            changes: &taken.changes,
            durable: false,
        };
        if overtaken {
            let refused = store.commit(id, commit(*version + 1)).await;
            must!(matches!(refused, Err(StoreError::Conflict)), "a save over another version: {refused:?}");
        }
        *version = store.commit(id, commit(*version)).await.map_err(broken)?;
    }
    Ok(Ok(taken))
}

/// What is left is what the core has; and nothing, once the practice is deleted.
async fn finally(
    store: &dyn Store,
    id: &str,
    version: Version,
    pure: &PracticeState,
    kept: &Kept,
) -> Result<(), Fault> {
    let broken = |error: StoreError| error.to_string();
    let stored = store.load(id).await.map_err(broken)?.ok_or("it is gone")?;
    must!(*stored.state == *pure, "{:?} instead of {pure:?}", stored.state);
    let all = Scan { from: RecordKey::stored(""), until: RecordKey::stored("~"), limit: 1_000_000, reverse: false };
    let found = store.scan(id, &all).await.map_err(broken)?;
    must!(found.iter().map(|(key, value)| (key, value)).eq(&kept.0), "other records");
    let delete = Commit { version, state: None, due_at: None, changes: &[], durable: false };
    store.commit(id, delete).await.map_err(broken)?;
    must!(store.load(id).await.map_err(broken)?.is_none(), "it is still there after its deletion");
    let left = store.scan(id, &all).await.map_err(broken)?;
    must!(left.is_empty(), "records of a deleted practice: {left:?}");
    Ok(())
}
