//! What is kept of a practice at hand: settings, work that has not ended, leases, accepted tables, change stream.
//!
//! What grows (ended runs, writes, their audit) is in records, see [`super::records`]. In the store a state is an array
//! of arrays; new fields go to the end of their type, with `#[serde(default)]`.

use jiff::{SignedDuration, Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use super::{
    dataset::{DatasetId, DatasetMap, DatasetSet},
    run::{Run, RunError, RunKind},
    saved::SavedCounts,
    shared::{Shared, Text},
    stored::{self, stored_enum},
    write::Outbox,
};

/// The version of the stored form. A store refuses others with a clear error.
pub const FORMAT: u32 = 2;

/// A practice: settings, runs, leases, accepted tables, change stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PracticeState {
    /// See [`FORMAT`].
    pub format: u32,
    /// The id in `practices/{id}`.
    pub id: Text,
    /// What an operator set.
    pub settings: Shared<Settings>,
    /// When it was registered.
    #[serde(with = "stored::moment")]
    pub created_at: Timestamp,
    /// When its settings were last changed.
    #[serde(with = "stored::moment")]
    pub updated_at: Timestamp,
    /// Greater with each change of anything.
    pub revision: u64,
    /// Greater with each change of settings; the etag.
    pub edition: u64,
    /// The last fencing token that was given, to a lease or to a run. It never goes back, nor is one given twice even if
    /// the store loses its last writes: each is at least the time in milliseconds.
    pub epoch: u64,
    /// The number of the last run.
    pub sequence: u64,
    /// Runs that have not ended, by number.
    pub runs: Vec<Run>,
    /// When the initial sync was finished.
    #[serde(with = "stored::moment_option")]
    pub initial_sync_at: Option<Timestamp>,
    /// The last local date that has its nightly run.
    #[serde(with = "stored::date_option")]
    pub last_night: Option<Date>,
    /// Since when nothing but a stop keeps nightly runs from being queued: the practice was resumed, or its schedule
    /// changed, then.
    pub since: Option<Since>,
    /// The table version that readers see, by dataset.
    #[serde(with = "super::accepted")]
    pub accepted: Shared<DatasetMap<Accepted>>,
    /// Why the last attempt at a dataset failed, until one is accepted.
    pub failed: Shared<DatasetMap<Failure>>,
    /// The last run that was given up, until a later one has succeeded.
    pub given_up: Option<Shared<GivenUp>>,
    /// The change stream.
    pub stream: Stream,
    /// What is owed to the PMS.
    pub outbox: Outbox,
    /// When the first record that is kept for a time only can go.
    #[serde(with = "stored::moment_option")]
    pub expires_at: Option<Timestamp>,
    /// What people saved here.
    #[serde(default)]
    pub saved: SavedCounts,
}

stored_enum! {
    /// What happens when a nightly run is due while another run is under way.
    Overlap {
        /// It waits its turn; at most one waits.
        QueueOne = 0 "queue_one",
        /// It is not done: the run under way counts.
        Skip = 1 "skip",
        /// It takes the place of the run under way.
        Supersede = 2 "supersede",
    }
}

/// What an operator sets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// What people call it.
    pub display_name: String,
    /// An IANA zone, checked.
    pub time_zone: String,
    /// The nightly window opens, minutes after local midnight.
    pub window_start: u16,
    /// The nightly window closes, minutes after local midnight; later than it opens.
    pub window_end: u16,
    /// Where the PMS is.
    pub source: Source,
    /// Writes go to the PMS by themselves.
    pub automatic_write_back: bool,
    /// No runs start and no changes are followed.
    pub paused: bool,
    /// Why.
    pub pause_note: String,
    /// ISO 4217.
    pub currency_code: String,
    /// The group that it belongs to; empty: none.
    #[serde(default)]
    pub group: String,
    /// What a nightly run does beside another run.
    #[serde(default = "overlap_default")]
    pub overlap: Overlap,
}

fn overlap_default() -> Overlap {
    Overlap::QueueOne
}

impl Settings {
    /// The host of the PMS's address; generated practices have one of their own.
    pub fn pms_host(&self) -> &str {
        match &self.source {
            Source::Sample { .. } => "sample",
            Source::OpenDental { uri, .. } => {
                let rest = uri.split_once("://").map_or(uri.as_str(), |(_, rest)| rest);
                let address = rest.split('/').next().unwrap_or(rest);
                let address = address.rsplit_once('@').map_or(address, |(_, address)| address);
                // An IPv6 address stands in brackets and has colons of its own.
                match address.rsplit_once(':') {
                    Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
                    _ => address,
                }
            }
        }
    }
}

/// Where a PMS is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// An Open Dental database.
    OpenDental {
        /// Without a password.
        uri: String,
        /// The name of the credential.
        credential: String,
        /// Where writes go; none: nothing is written.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        api: Option<Api>,
    },
    /// A generated practice.
    Sample {
        /// The seed.
        seed: u64,
        /// Patients.
        patients: u32,
        /// Whether the day goes on.
        live: bool,
        /// Its date; empty: today.
        as_of_date: String,
        /// Years of history.
        years: u32,
    },
}

/// The ways into a PMS's API; an empty address is not one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Api {
    /// In the practice's network.
    pub service_url: String,
    /// On the connector's own machine.
    pub local_url: String,
    /// In the vendor's cloud.
    pub remote_url: String,
    /// The name of the credential with the keys.
    pub credential: String,
}

/// Since when a practice is as it is, for the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Since {
    /// When.
    #[serde(with = "stored::moment")]
    pub at: Timestamp,
    /// What happened then.
    pub what: Turn,
}

stored_enum! {
    /// What happened to a practice's schedule.
    Turn {
        /// The practice was resumed after a pause, or its initial sync was finished.
        Resumed = 0 "resumed",
        /// Its window or zone was changed.
        Rescheduled = 1 "rescheduled",
    }
}

/// The right to work on something, for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Who.
    pub owner: Text,
    /// The fencing token.
    pub epoch: u64,
    /// Until when without a word.
    #[serde(with = "stored::moment")]
    pub expires_at: Timestamp,
    /// How long it was asked for, in milliseconds.
    pub duration_ms: i64,
}

impl Lease {
    /// A lease from `now` on.
    pub fn new(owner: &Text, epoch: u64, duration: SignedDuration, now: Timestamp) -> Self {
        let duration_ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let mut lease = Self { owner: owner.clone(), epoch, expires_at: now, duration_ms };
        lease.renew(now);
        lease
    }

    /// Whether it still holds.
    pub fn live(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }

    /// Lets it last its whole time again.
    pub fn renew(&mut self, now: Timestamp) {
        let until = now.checked_add(SignedDuration::from_millis(self.duration_ms));
        self.expires_at = until.unwrap_or(Timestamp::MAX);
    }
}

/// A dataset's accepted table version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The version.
    pub version: i64,
    /// Its rows.
    pub rows: i64,
    /// The PMS's time up to which its changes are in it.
    #[serde(with = "stored::moment_option")]
    pub synced_through: Option<Timestamp>,
    /// When it was accepted.
    #[serde(with = "stored::moment")]
    pub completed_at: Timestamp,
    /// The run that brought it whole.
    pub run: u64,
    /// That run's fence, or the one of a later run that brought a part of it.
    pub fence: u64,
}

/// Why a dataset could not be brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The run that tried.
    pub run: u64,
    /// Why.
    pub error: RunError,
}

/// A run that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenUp {
    /// The run.
    pub run: u64,
    /// What it was to do.
    pub kind: RunKind,
    /// Why.
    pub error: RunError,
    /// Rows that it had read, and that it expected.
    pub rows: (i64, i64),
    /// The datasets that it did not bring.
    pub missing: DatasetSet,
}

/// A change stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// Who follows it.
    pub lease: Option<Lease>,
    /// Where to go on; empty: the live view was never filled.
    pub cursor: Text,
    /// The PMS's time up to which changes are in the live view.
    #[serde(with = "stored::moment_option")]
    pub synced_through: Option<Timestamp>,
    /// When that was reported.
    #[serde(with = "stored::moment_option")]
    pub completed_at: Option<Timestamp>,
    /// Where changes come from, for people.
    pub mode: Text,
    /// The epoch that reported last.
    pub epoch: u64,
}

impl PracticeState {
    /// A run that has not ended.
    pub fn run(&self, sequence: u64) -> Option<&Run> {
        self.runs.iter().find(|run| run.sequence == sequence)
    }

    /// A run that has not ended, to be changed.
    pub(super) fn run_mut(&mut self, sequence: u64) -> Option<&mut Run> {
        self.runs.iter_mut().find(|run| run.sequence == sequence)
    }

    /// The initial run, while it has not ended.
    pub fn initial_run(&self) -> Option<&Run> {
        self.runs.iter().find(|run| run.kind == RunKind::Initial)
    }

    /// What was accepted of a dataset.
    pub fn accepted(&self, dataset: &str) -> Option<&Accepted> {
        self.accepted.get(DatasetId::named(dataset)?)
    }

    /// A fencing token that nobody has or had.
    pub(super) fn next_epoch(&mut self, now: Timestamp) -> u64 {
        let at_least = u64::try_from(now.as_millisecond()).unwrap_or_default();
        self.epoch = at_least.max(self.epoch + 1);
        self.epoch
    }
}
