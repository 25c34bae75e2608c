//! A store that holds a practice's states and records between commands gives the answers of the pure core alone.

#[path = "../common/mod.rs"]
mod common;

use common::{Planned, commands, decide, settings};
use jiff::{SignedDuration, Timestamp};
use proptest::{
    strategy::{Strategy as _, ValueTree as _},
    test_runner::TestRunner,
};
use sync_state::{
    core::{
        apply::{Step, Stop, apply, create, due_at},
        command::Command,
        records::{Kept, RecordKey, Records, Scan},
        refusal::Refusal,
        state::PracticeState,
    },
    store::{Commit, Store},
};

use crate::suite::{now, save};

/// Decides by what the store has, reading the records that the command asks for.
async fn through(store: &dyn Store, state: &PracticeState, command: &Command, at: Timestamp) -> Result<Step, Refusal> {
    let mut records = Records::default();
    loop {
        match apply(state, &records, command, at) {
            Ok(step) => return Ok(step),
            Err(Stop::Refused(refusal)) => return Err(refusal),
            Err(Stop::Read(reads)) => {
                let values = store.read(&state.id, &reads.keys).await.unwrap();
                reads.keys.into_iter().zip(values).for_each(|(key, value)| records.add(key, value));
                for scan in reads.scans {
                    let found = store.scan(&state.id, &scan).await.unwrap();
                    records.add_scan(scan, found);
                }
            }
        }
    }
}

/// Random commands through the store give the same states as the pure core alone.
pub async fn model(store: &dyn Store) {
    let mut runner = TestRunner::default();
    for case in 0..40 {
        let steps = commands(60).new_tree(&mut runner).unwrap().current();
        let id = format!("case-{case}");
        let mut pure: PracticeState = create(&id, settings("America/Chicago"), now());
        let mut version = save(store, 0, &pure).await.unwrap();
        let (mut at, mut kept) = (now(), Kept::default());
        for planned in steps {
            at += SignedDuration::from_secs(planned.seconds);
            let stored = store.load(&id).await.unwrap().unwrap();
            assert_eq!(*stored.state, pure);
            let command = Planned::aimed(&planned, &pure);
            let alone = decide(&pure, &kept, &command, at);
            assert_eq!(through(store, &stored.state, &command, at).await, alone);
            if let Ok(step) = alone {
                let commit = Commit {
                    version,
                    state: Some(&step.state),
                    due_at: due_at(&step.state, at),
                    changes: &step.changes,
                    durable: step.durable,
                };
                version = store.commit(&id, commit).await.unwrap();
                kept.save(&step.changes);
                pure = step.state;
            }
        }
        let all = Scan { from: RecordKey::stored("a"), until: RecordKey::stored("~"), limit: 100_000, reverse: false };
        assert_eq!(store.scan(&id, &all).await.unwrap(), kept.scan(&all));
    }
}
