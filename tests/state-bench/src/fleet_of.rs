//! Fleets of practices that were synced before, written as sync-state itself writes them: the pure core makes their
//! states, command by command, and the store saves them.

use std::sync::Arc;

use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use mesh::secret::Secret;
use sync_state::{
    core::{
        apply::{Step, Stop, apply, create, due_at},
        command::{Command, DatasetResult},
        dataset::DatasetId,
        records::{Kept, RecordChange, Records},
        run::Progress,
        state::{Overlap, PracticeState, Settings, Source},
    },
    store::{Commit, Store as _, keys::Keys, redis::RedisStore},
};
use test_servers::Redis;

/// Practices that are saved at a time.
const AT_ONCE: usize = 256;

/// A practice to be made.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Its id.
    pub id: String,
    /// Its settings.
    pub settings: Settings,
    /// When its initial sync was done.
    pub synced_at: Timestamp,
}

/// Practices in a Redis.
#[derive(Debug)]
pub struct Fleet {
    /// Their ids.
    pub ids: Vec<String>,
}

/// A practice on an Open Dental server, with a window.
pub fn settings(number: usize, time_zone: &str, window: (u16, u16)) -> Settings {
    Settings {
        display_name: format!("Practice {number} of the fleet"),
        time_zone: time_zone.to_owned(),
        window_start: window.0,
        window_end: window.1,
        source: Source::OpenDental {
            uri: format!("mysql://reader@pms-{number}.example:3306/opendental"),
            credential: format!("practice-{number}"),
            api: None,
        },
        automatic_write_back: true,
        paused: false,
        pause_note: String::new(),
        currency_code: "USD".to_owned(),
        group: format!("group-{}", number % 500),
        overlap: Overlap::QueueOne,
    }
}

/// A practice that has nothing to do for half a day.
pub fn idle(number: usize) -> Plan {
    let now = Timestamp::now();
    let minute = (now.as_second() / 60).rem_euclid(1440);
    let opens = u16::try_from((minute + 720) % 1380).unwrap_or_default(); // below 1380
    Plan { id: format!("practice-{number:06}"), settings: settings(number, "UTC", (opens, opens + 60)), synced_at: now }
}

impl Fleet {
    /// Makes practices with everything synced once.
    ///
    /// # Panics
    /// When Redis does not take them.
    pub async fn seed(redis: &Redis, practices: usize, plan: impl Fn(usize) -> Plan) -> Self {
        let store = Arc::new(RedisStore::connect(&Secret::new(redis.url()), None).await.expect("the store"));
        let saves = (0..practices).map(|number| {
            let (store, plan) = (store.clone(), plan(number));
            async move {
                let (state, changes) = synced(&plan);
                let due_at = due_at(&state, plan.synced_at);
                let commit = Commit { version: 0, state: Some(&state), due_at, changes: &changes, durable: false };
                store.commit(&plan.id, commit).await.expect("the practice is saved");
                plan.id
            }
        });
        let ids = stream::iter(saves).buffered(AT_ONCE).collect().await;
        Self { ids }
    }

    /// The bytes of a practice's own record, on average over some of them.
    ///
    /// # Panics
    /// When Redis does not answer.
    pub async fn stored_bytes(&self, redis: &Redis) -> usize {
        let client = redis::Client::open(redis.url()).expect("an address");
        let mut connection = client.get_multiplexed_async_connection().await.expect("Redis is there");
        let (mut bytes, mut counted) = (0, 0);
        for id in self.ids.iter().take(20) {
            let stored: Vec<u8> = redis::cmd("HGET")
                .arg(Keys::of(id).practices())
                .arg(id)
                .query_async(&mut connection)
                .await
                .expect("the practice's record");
            bytes += stored.len();
            counted += 1;
        }
        bytes / counted
    }
}

/// A practice right after its initial sync, and its records.
fn synced(plan: &Plan) -> (PracticeState, Vec<RecordChange>) {
    let started = plan.synced_at - SignedDuration::from_mins(2);
    let mut state = create(&plan.id, plan.settings.clone(), started);
    let mut kept = Kept::default();
    let claim =
        Command::ClaimRun { worker: "worker-0".into(), duration: SignedDuration::from_mins(5), urgent_only: false };
    let claimed = carry_out(&mut state, &mut kept, &claim, started);
    let lease = claimed.outcome.lease().expect("the initial run is due").clone();
    let run = claimed.outcome.run().expect("the run").sequence;
    let done = Progress { chunks: 4, rows_done: 40_000, rows_total: 40_000, finished: true, ..Progress::default() };
    let checkpoints = DatasetId::all().map(|dataset| (dataset, done.clone())).collect();
    let save =
        Command::SaveCheckpoints { run, epoch: lease.epoch, checkpoints, start_position: "binlog.000001:4".into() };
    carry_out(&mut state, &mut kept, &save, started);
    for (place, dataset) in DatasetId::all().enumerate() {
        // As a worker reports them: each when it is done.
        let place = i64::try_from(place).unwrap_or_default();
        let at = started + SignedDuration::from_millis(place * 2_317);
        let result = DatasetResult { dataset, version: 1, rows: 40_000 + place * 37, synced_through: Some(at) };
        let accept = Command::Accept { run, epoch: lease.epoch, results: vec![result] };
        carry_out(&mut state, &mut kept, &accept, at);
    }
    let finish = Command::FinishRun { run, epoch: lease.epoch, jitter: 0.5 };
    carry_out(&mut state, &mut kept, &finish, plan.synced_at);
    assert!(state.initial_sync_at.is_some(), "the initial sync is done");
    let records = kept.0.into_iter().map(|(key, value)| RecordChange::Put(key, value)).collect();
    (state, records)
}

fn carry_out(state: &mut PracticeState, kept: &mut Kept, command: &Command, now: Timestamp) -> Step {
    let mut records = Records::default();
    loop {
        match apply(state, &records, command, now) {
            Ok(step) => {
                kept.save(&step.changes);
                state.clone_from(&step.state);
                return step;
            }
            Err(Stop::Read(reads)) => kept.read(&reads, &mut records),
            Err(Stop::Refused(refusal)) => panic!("{command:?}: {refusal}"),
        }
    }
}
