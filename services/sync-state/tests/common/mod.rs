//! Settings and random commands for tests of the core and the stores.
#![allow(dead_code)] // each test binary uses a part

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use sync_state::core::{
    command::Command,
    state::{Accepted, Checkpoint, Settings, Source},
};

/// Settings of a sample practice in a zone.
pub fn settings(zone: &str) -> Settings {
    Settings {
        display_name: "Test".to_owned(),
        time_zone: zone.to_owned(),
        window_start: 60,
        window_end: 300,
        source: Source::Sample { seed: 1, patients: 10, live: false, as_of_date: String::new(), years: 1 },
        automatic_write_back: false,
        paused: false,
        pause_note: String::new(),
        currency_code: "USD".to_owned(),
    }
}

/// A command and the seconds that pass before it.
#[derive(Debug, Clone)]
pub struct Step {
    /// Seconds since the step before.
    pub seconds: i64,
    /// What is asked.
    pub command: Command,
}

/// Sequences of at most `longest` commands, with few runs, epochs and datasets, so that they meet.
pub fn commands(longest: usize) -> impl Strategy<Value = Vec<Step>> {
    let seconds = prop_oneof![4 => 0_i64..5, 2 => 5_i64..60, 1 => 3_600_i64..90_000];
    let step = (seconds, command()).prop_map(|(seconds, command)| Step { seconds, command });
    proptest::collection::vec(step, 1..longest)
}

fn command() -> impl Strategy<Value = Command> {
    let run = 1_u64..4;
    let epoch = 1_u64..12;
    let worker = prop_oneof![Just("one".to_owned()), Just("two".to_owned())];
    let duration = (1_i64..40).prop_map(SignedDuration::from_secs);
    let dataset = prop_oneof![Just("patient"), Just("procedure"), Just("no such dataset")];
    let claims = (worker, duration.clone(), any::<bool>()).prop_map(|(worker, duration, run)| match run {
        true => Command::ClaimRun { worker, duration },
        false => Command::ClaimStream { worker, duration },
    });
    let checkpoint = (0_i64..6, 0_i64..60, any::<bool>()).prop_map(|(chunks, rows_done, finished)| Checkpoint {
        resume_token: format!("t{chunks}"),
        chunks,
        rows_done,
        rows_total: 100,
        finished,
        accepted: None,
    });
    prop_oneof![
        2 => Just(Command::Tick),
        1 => Just(Command::StartSync),
        4 => claims,
        2 => (proptest::option::of(run.clone()), epoch.clone()).prop_map(|(run, epoch)| Command::Heartbeat { run, epoch, duration: None }),
        1 => (proptest::option::of(run.clone()), epoch.clone()).prop_map(|(run, epoch)| Command::Release { run, epoch }),
        4 => (run.clone(), epoch.clone(), dataset.clone(), checkpoint).prop_map(|(run, epoch, dataset, checkpoint)| Command::SaveCheckpoints {
            run, epoch, checkpoints: vec![(dataset.to_owned(), checkpoint)], start_position: "p".to_owned(),
        }),
        3 => (run.clone(), epoch.clone()).prop_map(|(run, epoch)| Command::SaveCheckpoints {
            run, epoch, start_position: "p".to_owned(),
            checkpoints: mesh::datasets::all().map(|d| (d.name.to_owned(), Checkpoint { chunks: 9, rows_done: 99, rows_total: 99, finished: true, ..Checkpoint::default() })).collect(),
        }),
        2 => (run.clone(), epoch.clone(), dataset).prop_map(|(run, epoch, dataset)| Command::Accept {
            run, epoch, dataset: dataset.to_owned(),
            accepted: Accepted { version: 1, rows: 1, synced_through: None, completed_at: Timestamp::UNIX_EPOCH, run },
        }),
        1 => (run.clone(), epoch.clone()).prop_map(|(run, epoch)| Command::FinishRun { run, epoch }),
        2 => (run.clone(), epoch.clone(), any::<bool>(), 0.0..1.0).prop_map(|(run, epoch, permanent, jitter)| Command::FailRun {
            run, epoch, reason: 11, message: "m".to_owned(), permanent, jitter,
        }),
        1 => run.prop_map(|run| Command::CancelRun { run }),
        2 => (epoch, 0_i32..3, 0_i32..3).prop_map(|(epoch, a, b)| Command::SaveCursor {
            epoch, expected: if a == 0 { String::new() } else { a.to_string() }, cursor: b.to_string(), synced_through: None, mode: String::new(),
        }),
        1 => (0_usize..3, 0_u16..1000, any::<bool>()).prop_map(|(zone, start, paused)| {
            let mut settings = settings(["America/Chicago", "Asia/Tokyo", "Pacific/Apia"][zone]);
            settings.window_start = start;
            settings.window_end = start + 200;
            settings.paused = paused;
            Command::Update { settings, edition: None }
        }),
    ]
}
