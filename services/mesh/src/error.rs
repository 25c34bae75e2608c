//! Errors as part of the API: a code, a reason for programs, a sentence for people, and the field or the wait.
//!
//! Each service maps its own small error types to a [`Refusal`]; a refusal becomes a `Status` in one place, here. No
//! refusal quotes its input: it may hold patient data.

use std::{collections::HashMap, time::Duration};

pub use chairsync_proto::feature::ErrorReason;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// The domain of chairsync's reasons in `google.rpc.ErrorInfo`.
pub const DOMAIN: &str = "chairsync";

/// Why a call is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The gRPC code.
    pub code: Code,
    /// The reason, for programs.
    pub reason: ErrorReason,
    /// The sentence, for people: what is wrong and the way out.
    pub message: String,
    /// The field at fault and what is wrong with its value.
    pub field: Option<(String, String)>,
    /// When to try again.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal with a reason and a sentence.
    pub fn new(code: Code, reason: ErrorReason, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), field: None, retry_after: None }
    }

    /// A field of the request is malformed or out of range. `fault` says what is wrong and what would be right.
    pub fn invalid(field: impl Into<String>, fault: impl Into<String>) -> Self {
        let (field, fault) = (field.into(), fault.into());
        let message = format!("{field}: {fault}");
        let mut refusal = Self::new(Code::InvalidArgument, ErrorReason::InvalidField, message);
        refusal.field = Some((field, fault));
        refusal
    }

    /// A practice that does not exist.
    pub fn practice_not_found(practice: &str) -> Self {
        let message = format!("{practice} does not exist; `PracticeService/ListPractices` lists those that do");
        Self::new(Code::NotFound, ErrorReason::PracticeNotFound, message)
    }

    /// A service of the mesh that does not answer.
    pub fn upstream_unavailable(message: impl Into<String>) -> Self {
        Self::new(Code::Unavailable, ErrorReason::UpstreamUnavailable, message).retry_after(Duration::from_secs(1))
    }

    /// Something that should be impossible; the cause goes to the log, not to the caller.
    pub fn internal(what: &str) -> Self {
        Self::new(Code::Internal, ErrorReason::Internal, format!("{what}; the log has the details under this trace"))
    }

    /// Names the field at fault.
    pub fn on_field(mut self, field: impl Into<String>) -> Self {
        self.field = Some((field.into(), self.message.clone()));
        self
    }

    /// Says when to try again.
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let mut details = ErrorDetails::new();
        details.set_error_info(refusal.reason.short_name(), DOMAIN, HashMap::new());
        if let Some((field, fault)) = refusal.field {
            details.add_bad_request_violation(field, fault);
        }
        if let Some(wait) = refusal.retry_after {
            details.set_retry_info(Some(wait));
        }
        if refusal.code == Code::FailedPrecondition {
            details.add_precondition_failure_violation(
                refusal.reason.short_name(),
                "practice",
                refusal.message.clone(),
            );
        }
        Status::with_error_details(refusal.code, refusal.message, details)
    }
}

/// The names of reasons as they travel: without the enum's prefix.
pub trait ReasonName {
    /// E.g. `INITIAL_SYNC_INCOMPLETE`.
    fn short_name(&self) -> &'static str;
}

impl ReasonName for ErrorReason {
    fn short_name(&self) -> &'static str {
        let name = self.as_str_name();
        name.strip_prefix("ERROR_REASON_").unwrap_or(name)
    }
}

/// The reason that a status carries, if it is one of chairsync's.
pub fn reason_of(status: &Status) -> Option<ErrorReason> {
    let info = status.get_details_error_info()?;
    if info.domain != DOMAIN {
        return None;
    }
    ErrorReason::from_str_name(&format!("ERROR_REASON_{}", info.reason))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_refusal_travels_whole() {
        let refusal = Refusal::invalid("practice.time_zone", "not an IANA zone; e.g. America/Chicago")
            .retry_after(Duration::from_secs(3));
        let status = Status::from(refusal);
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(reason_of(&status), Some(ErrorReason::InvalidField));
        assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, "practice.time_zone");
        assert_eq!(status.get_details_retry_info().unwrap().retry_delay, Some(Duration::from_secs(3)));
    }
}
