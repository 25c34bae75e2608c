//! What can be asked of a practice.

use jiff::{SignedDuration, Timestamp};

use super::{
    dataset::DatasetId,
    run::{Progress, Run, RunError, Scope},
    saved::{Put, SavedKind, SavedThing},
    shared::{Shared, Text},
    state::{Lease, Settings},
    write::{Write, WriteError, WriteKind},
};

/// What a lease is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// A run, by number.
    Run(u64),
    /// The change stream.
    Stream,
    /// A write, by number.
    Write(u64),
}

/// A dataset's result in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatasetResult {
    /// The dataset.
    pub dataset: DatasetId,
    /// The table version.
    pub version: i64,
    /// The rows in it.
    pub rows: i64,
    /// The PMS's time up to which its changes are in it.
    pub synced_through: Option<Timestamp>,
}

/// Why a dataset failed in an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetFailure {
    /// The dataset.
    pub dataset: DatasetId,
    /// Why; `retry_at` is set when it is applied.
    pub error: RunError,
    /// Trying again cannot help.
    pub permanent: bool,
}

/// What a worker says of a write.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// The PMS is about to be called.
    Sending,
    /// The PMS has taken it.
    Sent {
        /// The PMS's own key; empty: none.
        pms_key: Text,
    },
    /// It was read back.
    Verified {
        /// The PMS's own key; empty: as reported before.
        pms_key: Text,
    },
    /// The PMS holds something else.
    Conflict(WriteError),
    /// The PMS refused it.
    Rejected(WriteError),
    /// It is to be tried again.
    Retry {
        /// Why.
        error: WriteError,
        /// Not before.
        at: Option<Timestamp>,
        /// It is certain that the PMS has not got it.
        not_applied: bool,
        /// Between 0 and 1: where in the backoff the retry falls.
        jitter: f64,
    },
}

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
    /// Pauses or resumes, whatever else was set meanwhile.
    SetPaused {
        /// Whether it is paused from now on.
        paused: bool,
        /// Why; kept when resuming.
        note: String,
    },
    /// Lets what is due by time happen: nightly runs are queued, silent leases are lost, held writes are released, what
    /// was kept long enough goes. Does a bounded portion; [`super::apply::due_at`] says when the next is due.
    Tick,
    /// Starts a run now, or finds the one that waits and reads all of it.
    StartSync {
        /// What is to be read. With dates: a backfill.
        scope: Shared<Scope>,
        /// The caller's key; empty: none.
        request_id: Text,
    },
    /// Queues a failed or cancelled run again.
    RetryRun {
        /// The run's number.
        run: u64,
    },
    /// Leases the due run that comes first to a worker.
    ClaimRun {
        /// Who.
        worker: Text,
        /// For how long without a word.
        duration: SignedDuration,
        /// Only what was asked for by hand.
        urgent_only: bool,
    },
    /// Leases the change stream to a worker.
    ClaimStream {
        /// Who.
        worker: Text,
        /// For how long without a word.
        duration: SignedDuration,
    },
    /// Renews a lease.
    Heartbeat {
        /// What is leased.
        resource: Resource,
        /// The epoch held.
        epoch: u64,
        /// From now; none: as claimed.
        duration: Option<SignedDuration>,
    },
    /// Gives a lease back.
    Release {
        /// What is leased.
        resource: Resource,
        /// The epoch held.
        epoch: u64,
    },
    /// Records progress that the sink has made durable.
    SaveCheckpoints {
        /// The run's number.
        run: u64,
        /// The epoch held.
        epoch: u64,
        /// By dataset; `accepted` and `failed` are not taken from it.
        checkpoints: Vec<(DatasetId, Progress)>,
        /// Set once.
        start_position: Text,
    },
    /// Accepts datasets' table versions.
    Accept {
        /// The run's number.
        run: u64,
        /// The epoch held.
        epoch: u64,
        /// What readers see from now on.
        results: Vec<DatasetResult>,
    },
    /// Reports datasets that failed in this attempt.
    FailDatasets {
        /// The run's number.
        run: u64,
        /// The epoch held.
        epoch: u64,
        /// What failed.
        failures: Vec<DatasetFailure>,
    },
    /// Ends an attempt: each dataset was accepted or failed.
    FinishRun {
        /// The run's number.
        run: u64,
        /// The epoch held.
        epoch: u64,
        /// Between 0 and 1: where in the backoff a retry of what failed falls.
        jitter: f64,
    },
    /// Reports a failed attempt.
    FailRun {
        /// The run's number.
        run: u64,
        /// The epoch held.
        epoch: u64,
        /// Why; `retry_at` is set when it is applied.
        error: RunError,
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
        expected: Text,
        /// The new one.
        cursor: Text,
        /// The PMS's time.
        synced_through: Option<Timestamp>,
        /// For people.
        mode: Text,
    },
    /// Accepts a write that is owed to the PMS, or finds the one that the caller's key stands for.
    EnqueueWrite {
        /// The caller's key.
        request_id: Text,
        /// What it is.
        kind: WriteKind,
        /// Whose order it is in.
        patient: Text,
        /// What is written.
        body: Shared<Vec<u8>>,
        /// Who asked for it.
        actor: Text,
    },
    /// Leases due writes to a worker.
    ClaimWrites {
        /// Who.
        worker: Text,
        /// For how long without a word.
        duration: SignedDuration,
        /// The most to lease.
        capacity: usize,
    },
    /// Reports where a write stands.
    ReportWrite {
        /// The write's number.
        write: u64,
        /// The epoch held.
        epoch: u64,
        /// What happened.
        report: Report,
    },
    /// Queues a write again by hand.
    RetryWrite {
        /// The write's number.
        write: u64,
        /// Who.
        actor: Text,
        /// Why.
        reason: Text,
    },
    /// Drops a write for good.
    DropWrite {
        /// The write's number.
        write: u64,
        /// Who.
        actor: Text,
        /// Why.
        reason: Text,
    },
    /// Saves a thing in place of what is there, if that is as expected.
    PutSaved {
        /// Where, and over what.
        put: Put,
        /// What is in it.
        body: Shared<Vec<u8>>,
    },
    /// Takes a saved thing away.
    DeleteSaved {
        /// What it is.
        kind: SavedKind,
        /// Its id within its kind.
        id: Text,
        /// The version as read; none: whatever is there.
        expected: Option<u64>,
    },
}

/// A write that was leased, with what a worker needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteToDo {
    /// The write.
    pub write: Write,
    /// Its lease.
    pub lease: Lease,
    /// What is written.
    pub body: Body,
}

/// What is written. Its `Debug` says how long it is: it may hold patient data.
#[derive(Clone, PartialEq, Eq)]
pub struct Body(pub Vec<u8>);

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// What a command brought about, for whoever asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Nothing to say.
    Done,
    /// Nothing was due or free.
    Nothing,
    /// A lease: renewed, or of the stream that was claimed.
    Lease(Lease),
    /// A run: claimed, started, queued again, or ended.
    Run(Box<Run>),
    /// A run that was there already.
    Found(Box<Run>),
    /// A write as it stands now.
    Write(Box<Write>),
    /// A write that was there already.
    FoundWrite(Box<Write>),
    /// Writes that were leased.
    Writes(Vec<WriteToDo>),
    /// A thing as saved.
    Saved(Box<SavedThing>),
    /// A saved thing that was there already.
    FoundSaved(Box<SavedThing>),
}

impl Outcome {
    /// The run in it.
    pub fn run(&self) -> Option<&Run> {
        match self {
            Self::Run(run) | Self::Found(run) => Some(run),
            _ => None,
        }
    }

    /// The write in it.
    pub fn write(&self) -> Option<&Write> {
        match self {
            Self::Write(write) | Self::FoundWrite(write) => Some(write),
            _ => None,
        }
    }

    /// The saved thing in it.
    pub fn saved(&self) -> Option<&SavedThing> {
        match self {
            Self::Saved(thing) | Self::FoundSaved(thing) => Some(thing),
            _ => None,
        }
    }

    /// The lease in it.
    pub fn lease(&self) -> Option<&Lease> {
        match self {
            Self::Lease(lease) => Some(lease),
            Self::Run(run) | Self::Found(run) => run.lease.as_ref(),
            _ => None,
        }
    }
}
