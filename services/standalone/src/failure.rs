//! A refusal as one sentence: what, the reason for programs, the field, and when to try again.

use std::{fmt, time::Duration};

use tonic::Status;
use tonic_types::StatusExt as _;

use crate::render::time;

/// A `google.rpc.Status` with its details, ready to be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The sentence that came with it.
    pub message: String,
    /// The reason, e.g. `PRACTICE_NOT_FOUND`; the gRPC code where there is none.
    pub reason: Option<String>,
    /// Fields at fault that the sentence does not name yet.
    pub fields: Vec<String>,
    /// When to try again.
    pub retry_after: Option<Duration>,
    code: tonic::Code,
}

impl Failure {
    /// Reads a status and its details.
    pub fn of(status: &Status) -> Self {
        let details = status.get_error_details();
        let violations = details.bad_request().map(|b| b.field_violations.as_slice()).unwrap_or_default();
        let message = status.message().trim_end_matches('.').to_owned();
        let named = |field: &str| message.contains(field);
        Self {
            reason: details.error_info().map(|info| info.reason.clone()),
            fields: violations.iter().map(|v| v.field.clone()).filter(|f| !f.is_empty() && !named(f)).collect(),
            retry_after: details.retry_info().and_then(|retry| retry.retry_delay),
            code: status.code(),
            message,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message.is_empty() {
            true => write!(f, "the call failed")?,
            false => f.write_str(&self.message)?,
        }
        match &self.reason {
            Some(reason) => write!(f, " ({reason}")?,
            None => write!(f, " ({:?}", self.code)?,
        }
        if !self.fields.is_empty() {
            write!(f, ", field {}", self.fields.join(", "))?;
        }
        if let Some(wait) = self.retry_after {
            write!(f, ", try again in {}", time::duration(wait))?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use mesh::{ErrorReason, Refusal};
    use tonic::Code;

    use super::*;

    #[test]
    fn a_field_that_the_sentence_names_is_not_repeated() {
        let status = Status::from(Refusal::invalid("practice.time_zone", "not an IANA zone"));
        assert_eq!(Failure::of(&status).to_string(), "practice.time_zone: not an IANA zone (INVALID_FIELD)");
    }

    #[test]
    fn reason_field_and_wait_are_told() {
        let refusal = Refusal::new(Code::FailedPrecondition, ErrorReason::InitialSyncIncomplete, "not finished.")
            .on_field("practice")
            .retry_after(Duration::from_secs(90));
        let said = Failure::of(&Status::from(refusal)).to_string();
        assert_eq!(said, "not finished (INITIAL_SYNC_INCOMPLETE, field practice, try again in 1 min 30 s)");
    }

    #[test]
    fn a_status_of_others_shows_its_code() {
        assert_eq!(Failure::of(&Status::cancelled("gone")).to_string(), "gone (Cancelled)");
    }
}
