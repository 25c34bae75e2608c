//! Writes that are owed to the PMS: what they are and where they stand. The rules are in [`super::outbox`].

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    shared::Text,
    state::Lease,
    stored::{self, stored_enum},
};

/// Writes of a practice that have not ended.
pub const PENDING_MAX: u32 = 10_000;
/// Bytes of them together.
pub const PENDING_BYTES_MAX: u64 = 64 << 20;
/// The bytes of one.
pub const BODY_MAX: usize = 256 << 10;
/// Writes of a practice that are leased at the same time.
pub const AT_ONCE_MAX: usize = 8;
/// Failures of a write before it is parked.
pub const FAILURES_MAX: u32 = 12;
/// How long a write that has ended is remembered, with its caller's key.
pub const KEPT: SignedDuration = SignedDuration::from_hours(31 * 24);
/// How long the audit is kept.
pub const AUDIT_KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);

stored_enum! {
    /// What a write is.
    WriteKind {
        /// A payment.
        Payment = 1 "payment",
        /// A refund.
        Refund = 2 "refund",
        /// An appointment to be made.
        Appointment = 3 "appointment",
        /// A change of an appointment.
        AppointmentChange = 4 "appointment_change",
        /// A message or note.
        Commlog = 5 "commlog",
        /// A document.
        Document = 6 "document",
        /// A new patient.
        Patient = 7 "patient",
        /// A change of contacts.
        PatientChange = 8 "patient_change",
        /// The exact splits of a payment.
        Allocation = 9 "allocation",
        /// An empty form.
        Sheet = 10 "sheet",
    }
}

impl WriteKind {
    /// Whether it moves money, and so waits for automatic write-back.
    pub fn money(self) -> bool {
        matches!(self, Self::Payment | Self::Refund | Self::Allocation)
    }
}

stored_enum! {
    /// Where a write stands.
    WritePhase {
        /// Durable; waits for its turn or a worker.
        Accepted = 0 "accepted",
        /// Waits for automatic write-back.
        Held = 1 "held",
        /// The PMS is being called, or was.
        Sending = 2 "sending",
        /// The PMS has it; it is to be read back.
        Sent = 3 "sent",
        /// Read back.
        Verified = 4 "verified",
        /// The PMS holds something else.
        Conflict = 5 "conflict",
        /// The PMS refused it.
        Rejected = 6 "rejected",
        /// Waits to be tried again.
        RetryWait = 7 "retry_wait",
        /// Parked after its attempts.
        DeadLetter = 8 "dead_letter",
        /// Dropped by hand.
        Dropped = 9 "dropped",
    }
}

impl WritePhase {
    /// Whether it waits in its patient's order, or is under way.
    pub fn in_order(self) -> bool {
        matches!(self, Self::Accepted | Self::Sending | Self::Sent | Self::RetryWait)
    }

    /// Whether it is over unless somebody retries it.
    pub fn ended(self) -> bool {
        matches!(self, Self::Verified | Self::Conflict | Self::Rejected | Self::Dropped)
    }
}

/// A write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    /// Its number within the practice.
    pub sequence: u64,
    /// The caller's key.
    pub request_id: Text,
    /// What it is.
    pub kind: WriteKind,
    /// Whose order it is in.
    pub patient: Text,
    /// Where it stands.
    pub phase: WritePhase,
    /// When it was accepted.
    #[serde(with = "stored::moment")]
    pub created_at: Timestamp,
    /// When it last went on.
    #[serde(with = "stored::moment")]
    pub updated_at: Timestamp,
    /// When it ended or was parked.
    #[serde(with = "stored::moment_option")]
    pub ended_at: Option<Timestamp>,
    /// When it may be sent.
    #[serde(with = "stored::moment")]
    pub due_at: Timestamp,
    /// How often it was claimed.
    pub attempt: u32,
    /// How often it failed or its worker was lost, since it was accepted or retried by hand.
    pub failures: u32,
    /// An attempt may have reached the PMS: it is looked for there before it is sent.
    pub unknown: bool,
    /// The PMS's own key of what was written; empty until known.
    pub pms_key: Text,
    /// Why it waits, was parked or ended otherwise than hoped.
    pub error: Option<WriteError>,
    /// Its place in its patient's order; 0: none.
    pub place: u64,
    /// The epoch of the last lease on it.
    pub epoch: u64,
    /// Bytes of its contents; 0 once they are gone.
    pub bytes: u32,
}

impl Write {
    /// Whether it counts as owed: until it has ended, and, where it moves money, until somebody has dropped what the PMS
    /// did not take.
    pub fn pending(&self) -> bool {
        !self.phase.ended() || self.kept_for_staff()
    }

    /// Money that the PMS did not take is not forgotten by itself.
    pub fn kept_for_staff(&self) -> bool {
        self.kind.money() && matches!(self.phase, WritePhase::Conflict | WritePhase::Rejected)
    }
}

/// Why a write waits, was parked or ended otherwise than hoped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteError {
    /// The reason's number in the API.
    pub reason: i32,
    /// For people.
    pub message: Text,
}

impl WriteError {
    /// The same, at a length that a record can bear.
    pub(super) fn brief(&self) -> Self {
        Self { reason: self.reason, message: self.message.brief() }
    }
}

/// A write in its patient's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The write.
    pub write: u64,
    /// When it may be sent, once it is the first.
    #[serde(with = "stored::moment")]
    pub due_at: Timestamp,
}

/// What a caller's key of a write stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestKey {
    /// The write.
    pub write: u64,
    /// A digest of what was asked for.
    pub digest: [u8; 16],
}

/// What a caller's key of a run stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartKey {
    /// The run.
    pub run: u64,
    /// A digest of what was asked for.
    pub digest: [u8; 16],
}

stored_enum! {
    /// What was done to a write.
    WriteAction {
        /// It was accepted.
        Enqueued = 1 "enqueued",
        /// A worker took it.
        Claimed = 2 "claimed",
        /// Its worker reported.
        Reported = 3 "reported",
        /// Its worker fell silent.
        LeaseLost = 4 "lease_lost",
        /// Its worker gave it back.
        Released = 5 "released",
        /// It is held from now on.
        Held = 6 "held",
        /// It is no longer held.
        Unheld = 7 "unheld",
        /// It was queued again by hand.
        Retried = 8 "retried",
        /// It was dropped by hand.
        Dropped = 9 "dropped",
    }
}

/// A line of the audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// Its number within the practice.
    pub sequence: u64,
    /// The write.
    pub write: u64,
    /// When.
    #[serde(with = "stored::moment")]
    pub at: Timestamp,
    /// Who; empty: sync-state itself.
    pub actor: Text,
    /// What was done.
    pub action: WriteAction,
    /// Where it stood; none: it was new.
    pub from: Option<WritePhase>,
    /// Where it stood afterwards.
    pub to: WritePhase,
    /// Why, where a reason was given.
    pub reason: Text,
}

/// How much is owed to the PMS, and what of it is under way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outbox {
    /// The number of the last write.
    pub last: u64,
    /// The number of the last line of the audit.
    pub audited: u64,
    /// The last place that was given in any patient's order.
    pub place: u64,
    /// Writes that have not ended.
    pub pending: u32,
    /// Those of them that wait for automatic write-back.
    pub held: u32,
    /// Those of them that are dead letters.
    pub parked: u32,
    /// Bytes of those that have not ended.
    pub bytes: u64,
    /// Those that are leased, at most [`AT_ONCE_MAX`].
    pub claimed: Vec<ClaimedWrite>,
    /// No write that waits may be sent before this.
    #[serde(with = "stored::moment_option")]
    pub ready_at: Option<Timestamp>,
}

impl Outbox {
    /// The lease of a write, if it has one.
    pub fn lease(&self, write: u64) -> Option<&Lease> {
        self.claimed.iter().find(|claimed| claimed.write == write).map(|claimed| &claimed.lease)
    }
}

/// A write that is leased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimedWrite {
    /// The write.
    pub write: u64,
    /// Its lease.
    pub lease: Lease,
}
