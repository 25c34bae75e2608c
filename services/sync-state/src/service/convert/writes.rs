//! Writes on the wire. Never what is in them.

use chairsync_proto::sync::{
    OutboxSummary, Write as WriteMessage, WriteAction as ActionMessage, WriteAudit, WriteError as ErrorMessage,
    WriteKind as KindMessage, WriteState,
};
use mesh::calendar;

use super::write_name;
use crate::core::{
    state::{Lease, PracticeState},
    write::{Audit, FAILURES_MAX, Outbox, Write, WriteAction, WriteKind, WritePhase},
};

/// A write of a practice.
pub fn write(state: &PracticeState, write: &Write) -> WriteMessage {
    of(&state.id, write, state.outbox.lease(write.sequence))
}

fn of(id: &str, write: &Write, lease: Option<&Lease>) -> WriteMessage {
    let left = FAILURES_MAX.saturating_sub(write.failures);
    WriteMessage {
        name: write_name(id, write.sequence),
        request_id: write.request_id.to_string(),
        kind: kind(write.kind).into(),
        patient: write.patient.to_string(),
        state: phase(write.phase).into(),
        create_time: Some(calendar::to_proto(write.created_at)),
        update_time: Some(calendar::to_proto(write.updated_at)),
        end_time: write.ended_at.map(calendar::to_proto),
        retry_at: (write.phase == WritePhase::RetryWait).then(|| calendar::to_proto(write.due_at)),
        attempt: i32::try_from(write.attempt).unwrap_or(i32::MAX),
        attempts_left: i32::try_from(left).unwrap_or(i32::MAX),
        pms_key: write.pms_key.to_string(),
        error: write
            .error
            .as_ref()
            .map(|error| ErrorMessage { reason: error.reason, message: error.message.to_string() }),
        worker: lease.map(|lease| lease.owner.to_string()).unwrap_or_default(),
        outcome_unknown: write.unknown,
        body_bytes: i32::try_from(write.bytes).unwrap_or(i32::MAX),
    }
}

fn kind(kind: WriteKind) -> KindMessage {
    match kind {
        WriteKind::Payment => KindMessage::Payment,
        WriteKind::Refund => KindMessage::Refund,
        WriteKind::Appointment => KindMessage::Appointment,
        WriteKind::AppointmentChange => KindMessage::AppointmentChange,
        WriteKind::Commlog => KindMessage::Commlog,
        WriteKind::Document => KindMessage::Document,
        WriteKind::Patient => KindMessage::Patient,
        WriteKind::PatientChange => KindMessage::PatientChange,
        WriteKind::Allocation => KindMessage::Allocation,
        WriteKind::Sheet => KindMessage::Sheet,
    }
}

/// A kind off the wire; none when it is not set.
pub fn kind_of(kind: KindMessage) -> Option<WriteKind> {
    Some(match kind {
        KindMessage::Unspecified => return None,
        KindMessage::Payment => WriteKind::Payment,
        KindMessage::Refund => WriteKind::Refund,
        KindMessage::Appointment => WriteKind::Appointment,
        KindMessage::AppointmentChange => WriteKind::AppointmentChange,
        KindMessage::Commlog => WriteKind::Commlog,
        KindMessage::Document => WriteKind::Document,
        KindMessage::Patient => WriteKind::Patient,
        KindMessage::PatientChange => WriteKind::PatientChange,
        KindMessage::Allocation => WriteKind::Allocation,
        KindMessage::Sheet => WriteKind::Sheet,
    })
}

/// Where a write stands.
pub fn phase(phase: WritePhase) -> WriteState {
    match phase {
        WritePhase::Accepted => WriteState::Accepted,
        WritePhase::Held => WriteState::Held,
        WritePhase::Sending => WriteState::Sending,
        WritePhase::Sent => WriteState::Sent,
        WritePhase::Verified => WriteState::Verified,
        WritePhase::Conflict => WriteState::Conflict,
        WritePhase::Rejected => WriteState::Rejected,
        WritePhase::RetryWait => WriteState::RetryWait,
        WritePhase::DeadLetter => WriteState::DeadLetter,
        WritePhase::Dropped => WriteState::Dropped,
    }
}

/// A line of the audit.
pub fn audit(id: &str, line: &Audit) -> WriteAudit {
    WriteAudit {
        write: write_name(id, line.write),
        at: Some(calendar::to_proto(line.at)),
        actor: if line.actor.is_empty() { "sync-state".to_owned() } else { line.actor.to_string() },
        from: line.from.map_or(WriteState::Unspecified, phase).into(),
        to: phase(line.to).into(),
        action: match line.action {
            WriteAction::Enqueued => ActionMessage::Enqueued,
            WriteAction::Claimed => ActionMessage::Claimed,
            WriteAction::Reported => ActionMessage::Reported,
            WriteAction::LeaseLost => ActionMessage::LeaseLost,
            WriteAction::Released => ActionMessage::Released,
            WriteAction::Held => ActionMessage::Held,
            WriteAction::Unheld => ActionMessage::Unheld,
            WriteAction::Retried => ActionMessage::Retried,
            WriteAction::Dropped => ActionMessage::Dropped,
        }
        .into(),
        reason: line.reason.to_string(),
    }
}

/// How much is owed.
pub fn outbox(outbox: &Outbox) -> OutboxSummary {
    let count = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    OutboxSummary { pending: count(outbox.pending), held: count(outbox.held), dead_letters: count(outbox.parked) }
}
