//! What can be asked of a practice.

use jiff::{SignedDuration, Timestamp};

use super::state::{Accepted, Checkpoint, Settings};

/// A command. Numbers that look random (jitter) come with it, so that applying it is a function.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Changes settings, if the edition is the expected one.
    Update {
        /// The new settings, whole.
        settings: Settings,
        /// The edition as read; none: overwrite.
        edition: Option<u64>,
    },
    /// Lets what is due by time happen: nightly runs are queued, silent leases are lost.
    Tick,
    /// Starts a run now, or finds the one that waits.
    StartSync,
    /// Leases a due run to a worker.
    ClaimRun {
        /// Who.
        worker: String,
        /// For how long without a word.
        duration: SignedDuration,
    },
    /// Leases the change stream to a worker.
    ClaimStream {
        /// Who.
        worker: String,
        /// For how long without a word.
        duration: SignedDuration,
    },
    /// Renews a lease.
    Heartbeat {
        /// A run's number; none: the stream.
        run: Option<u64>,
        /// The epoch held.
        epoch: u64,
        /// From now; none: as claimed.
        duration: Option<SignedDuration>,
    },
    /// Gives a lease back.
    Release {
        /// A run's number; none: the stream.
        run: Option<u64>,
        /// The epoch held.
        epoch: u64,
    },
    /// Records progress that the sink has made durable.
    SaveCheckpoints {
        /// The run's number.
        run: u64,
        /// The epoch held.
        epoch: u64,
        /// By dataset.
        checkpoints: Vec<(String, Checkpoint)>,
        /// Set once.
        start_position: String,
    },
    /// Accepts a dataset's table version.
    Accept {
        /// The run's number.
        run: u64,
        /// The epoch held.
        epoch: u64,
        /// The dataset.
        dataset: String,
        /// The version; `completed_at` and `run` are set when it is applied.
        accepted: Accepted,
    },
    /// Ends a run as succeeded.
    FinishRun {
        /// The run's number.
        run: u64,
        /// The epoch held.
        epoch: u64,
    },
    /// Reports a failed attempt.
    FailRun {
        /// The run's number.
        run: u64,
        /// The epoch held.
        epoch: u64,
        /// The reason's number in the API.
        reason: i32,
        /// For people.
        message: String,
        /// Trying again cannot help.
        permanent: bool,
        /// Between 0 and 1: where in the backoff the retry falls.
        jitter: f64,
    },
    /// Stops a run.
    CancelRun {
        /// The run's number.
        run: u64,
    },
    /// Moves the change stream's cursor.
    SaveCursor {
        /// The epoch held.
        epoch: u64,
        /// The cursor as stored.
        expected: String,
        /// The new one.
        cursor: String,
        /// The PMS's time.
        synced_through: Option<Timestamp>,
        /// For people.
        mode: String,
    },
}

/// What a command brought about, for whoever asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Nothing to say.
    Done,
    /// A run: the one that was started, claimed, ended or found.
    Run(u64),
    /// Nothing was due or free.
    Nothing,
}
