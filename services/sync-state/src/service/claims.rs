//! Claims: workers ask for due work and wait for it. What is handed out is decided by [`crate::core::fair`]; each piece is
//! leased by a command of its own.

use std::{sync::Arc, time::Duration};

use chairsync_proto::{
    feature::ErrorReason,
    state::{ClaimedRun, ClaimedStream, ClaimedWrite},
};
use futures::{StreamExt as _, stream};
use jiff::SignedDuration;
use mesh::Refusal;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    convert,
    states::{Done, Kind, States},
};
use crate::core::{
    command::{Command, Outcome, Resource},
    shared::Text,
};

/// While a claim waits it looks again at least this often, should it have missed something.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Commands of one claim that are under way at the same time.
const AT_ONCE: usize = 32;

/// Who claims, and for how long.
#[derive(Clone)]
pub(super) struct Claimer {
    pub states: Arc<States>,
    pub shutdown: CancellationToken,
    pub worker: Text,
    pub duration: SignedDuration,
}

impl Claimer {
    /// Claims until there is something or the time is over. A failure is only told where nothing was claimed: what was
    /// must be handed out.
    pub async fn wait<T, F>(&self, kind: Kind, until: Instant, claim: impl Fn() -> F) -> Result<Vec<T>, Refusal>
    where
        F: Future<Output = Result<Vec<T>, Refusal>>,
    {
        loop {
            let claimed = claim().await?;
            if !claimed.is_empty() {
                self.states.pass_on(kind);
                return Ok(claimed);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.shutdown.is_cancelled() {
                return Ok(claimed);
            }
            tokio::select! {
                () = self.shutdown.cancelled() => {}
                () = tokio::time::sleep(left.min(LOOK_AGAIN)) => {}
                () = self.states.wait_for(kind) => {}
            }
        }
    }

    /// Due runs: at most `capacity`, and beyond that at most `urgent` of those that were asked for by hand.
    pub async fn runs(&self, capacity: usize, urgent: usize) -> Result<Vec<ClaimedRun>, Refusal> {
        let taken = self.states.take_runs(capacity, urgent);
        let command = |(place, id): (usize, &Text)| {
            // Beyond the capacity only what is urgent was chosen, and it may be something else by the time it is claimed.
            let urgent_only = place >= capacity;
            (id.clone(), Command::ClaimRun { worker: self.worker.clone(), duration: self.duration, urgent_only })
        };
        let commands = taken.ids.iter().enumerate().map(command);
        let done = self.execute(commands.collect()).await?;
        Ok(done.into_iter().filter_map(|done| claimed_run(&done)).collect())
    }

    /// Free change streams, at most `capacity`.
    pub async fn streams(&self, capacity: usize) -> Result<Vec<ClaimedStream>, Refusal> {
        let taken = self.states.take(Kind::Streams, capacity);
        let command =
            |id: &Text| (id.clone(), Command::ClaimStream { worker: self.worker.clone(), duration: self.duration });
        let done = self.execute(taken.ids.iter().map(command).collect()).await?;
        let claimed = done.iter().filter_map(|Done { state, outcome }| {
            let Outcome::Lease(lease) = outcome else { return None };
            Some(ClaimedStream {
                lease: Some(convert::lease(convert::resource_name(&state.id, Resource::Stream), lease)),
                practice: Some(convert::practice(state)),
                cursor: state.stream.cursor.to_string(),
            })
        });
        Ok(claimed.collect())
    }

    /// Due writes, at most `capacity`: a few of each practice, one after another of the same patient.
    pub async fn writes(&self, capacity: usize) -> Result<Vec<ClaimedWrite>, Refusal> {
        let mut claimed: Vec<ClaimedWrite> = Vec::new();
        // One practice after another: how many writes each has is only known when it is asked.
        let taken = self.states.take(Kind::Writes, capacity);
        for id in &taken.ids {
            let left = capacity - claimed.len();
            if left == 0 {
                break;
            }
            let (worker, duration) = (self.worker.clone(), self.duration);
            match self.states.execute(id, &Command::ClaimWrites { worker, duration, capacity: left }).await {
                Ok(done) => claimed.extend(claimed_writes(done)),
                Err(refusal) if claimed.is_empty() => return Err(refusal),
                Err(refusal) => {
                    tracing::debug!(%refusal, "a claim was cut short");
                    break;
                }
            }
        }
        Ok(claimed)
    }

    async fn execute(&self, commands: Vec<(Text, Command)>) -> Result<Vec<Done>, Refusal> {
        let asked = commands.into_iter().map(|(id, command)| {
            let states = self.states.clone();
            async move { states.execute(&id, &command).await }
        });
        let results: Vec<_> = stream::iter(asked).buffer_unordered(AT_ONCE).collect().await;
        let (done, failed): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
        // One that was deleted meanwhile is none that failed.
        let mut failed =
            failed.into_iter().filter_map(Result::err).filter(|r| r.reason != ErrorReason::PracticeNotFound);
        match failed.next() {
            Some(refusal) if done.is_empty() => Err(refusal),
            _ => Ok(done.into_iter().filter_map(Result::ok).collect()),
        }
    }
}

fn claimed_run(Done { state, outcome }: &Done) -> Option<ClaimedRun> {
    let run = outcome.run()?;
    let lease = run.lease.as_ref()?;
    Some(ClaimedRun {
        lease: Some(convert::lease(convert::run_name(&state.id, run.sequence), lease)),
        run: Some(convert::run(&state.id, run)),
        practice: Some(convert::practice(state)),
        checkpoints: convert::checkpoints(run),
        start_position: run.start_position.to_string(),
        sequence: run.fence,
        patients: run.scope.patients.iter().filter_map(|patient| patient.parse().ok()).collect(),
    })
}

fn claimed_writes(Done { state, outcome }: Done) -> Vec<ClaimedWrite> {
    let Outcome::Writes(writes) = outcome else { return Vec::new() };
    let message = |todo: crate::core::command::WriteToDo| ClaimedWrite {
        lease: Some(convert::lease(convert::write_name(&state.id, todo.write.sequence), &todo.lease)),
        write: Some(convert::write(&state, &todo.write)),
        practice: Some(convert::practice(&state)),
        read_back: todo.write.unknown,
        body: todo.body.0.into(),
    };
    writes.into_iter().map(message).collect()
}
