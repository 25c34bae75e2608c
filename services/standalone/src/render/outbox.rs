//! Writes to the PMS: a table, and one in full.

use chairsync_proto::sync::{Write, WriteAudit, WriteState};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{printable, table::table, time, word};

/// Where a write stands, in a word or two.
pub fn state(state: WriteState) -> String {
    word(state.as_str_name(), "WRITE_STATE_")
}

/// Writes, a line each.
pub fn lines(writes: &[Write], now: Timestamp) -> Vec<String> {
    let row = |write: &Write| {
        [
            write.name.clone(),
            word(write.kind().as_str_name(), "WRITE_KIND_"),
            printable(&write.patient),
            state(write.state()),
            write.attempt.to_string(),
            time::relative(time::timestamp(write.update_time.as_ref()), now),
            write.error.as_ref().map(|error| printable(&error.message)).unwrap_or_default(),
        ]
    };
    let rows: Vec<[String; 7]> = writes.iter().map(row).collect();
    table(["WRITE", "KIND", "PATIENT", "STATE", "ATTEMPT", "WHEN", "ERROR"], &rows)
}

/// One write with what was done to it, newest first.
pub fn full(write: &Write, audits: &[WriteAudit], now: Timestamp) -> Vec<String> {
    let mut lines = lines(std::slice::from_ref(write), now);
    lines.push(String::new());
    let row = |audit: &WriteAudit| {
        [
            time::rfc3339(audit.at.as_ref()).unwrap_or_default(),
            word(audit.action().as_str_name(), "WRITE_ACTION_"),
            state(audit.to()),
            printable(&audit.actor),
            printable(&audit.reason),
        ]
    };
    let rows: Vec<[String; 5]> = audits.iter().map(row).collect();
    lines.extend(table(["AT", "WHAT", "THEN", "WHO", "WHY"], &rows));
    lines
}

/// A write for programs.
pub fn json(write: &Write) -> Value {
    json!({
        "write": write.name,
        "request_id": write.request_id,
        "kind": write.kind().as_str_name(),
        "patient": write.patient,
        "state": write.state().as_str_name(),
        "attempt": write.attempt,
        "attempts_left": write.attempts_left,
        "pms_key": write.pms_key,
        "create_time": time::rfc3339(write.create_time.as_ref()),
        "update_time": time::rfc3339(write.update_time.as_ref()),
        "retry_at": time::rfc3339(write.retry_at.as_ref()),
        "outcome_unknown": write.outcome_unknown,
        "error": write.error.as_ref().map(|e| json!({"reason": e.reason().as_str_name(), "message": e.message})),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use chairsync_proto::sync::WriteKind;

    use super::*;

    #[test]
    fn a_write_is_a_line() {
        let write = Write {
            name: "practices/a/writes/7".to_owned(),
            kind: WriteKind::AppointmentChange.into(),
            patient: "12".to_owned(),
            state: WriteState::DeadLetter.into(),
            attempt: 12,
            ..Default::default()
        };
        let shown = lines(&[write], Timestamp::from_second(0).unwrap());
        assert_eq!(shown[1], "practices/a/writes/7  appointment change  12       dead letter  12       -");
    }
}
