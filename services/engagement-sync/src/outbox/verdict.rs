//! What a connector's refusal means for a write: is it over, and is it certain that the PMS has not got it?

use std::time::Duration;

use chairsync_proto::state::{WriteFailure, WriteRetry};
use jiff::Timestamp;
use mesh::{ErrorReason, calendar, error::reason_of};
use tonic::Status;
use tonic_types::StatusExt as _;

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    /// It is there, under this key of the PMS.
    Verified(String),
    /// The PMS holds something else.
    Conflict(WriteFailure),
    /// The PMS refuses it.
    Rejected(WriteFailure),
    /// It is to be tried again.
    Retry(WriteRetry),
}

impl Verdict {
    /// It may be there, and has to be looked for.
    pub(super) fn unknown(message: &str) -> Self {
        Self::Retry(WriteRetry {
            reason: ErrorReason::WriteOutcomeUnknown.into(),
            message: message.to_owned(),
            ..Default::default()
        })
    }

    /// The same, with nothing certain about what an earlier attempt did.
    pub(super) fn perhaps_there(mut self) -> Self {
        if let Self::Retry(retry) = &mut self {
            retry.not_applied = false;
        }
        self
    }

    /// For counting.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Verified(_) => "verified",
            Self::Conflict(_) => "conflict",
            Self::Rejected(_) => "rejected",
            Self::Retry(retry) if retry.not_applied => "retry",
            Self::Retry(_) => "unknown",
        }
    }
}

/// What a refusal of the connector means.
pub(super) fn of(status: &Status) -> Verdict {
    let reason = reason_of(status).unwrap_or(ErrorReason::UpstreamUnavailable);
    let failure = || WriteFailure { reason: reason.into(), message: status.message().to_owned() };
    match reason {
        ErrorReason::WriteConflict => Verdict::Conflict(failure()),
        ErrorReason::WriteRejected | ErrorReason::InvalidField | ErrorReason::NotBuilt => Verdict::Rejected(failure()),
        // The connector says these of calls that did not leave it, or that the PMS did not take.
        ErrorReason::Overloaded
        | ErrorReason::PmsApiMissing
        | ErrorReason::PmsApiPaused
        | ErrorReason::PmsUnreachable
        | ErrorReason::PmsAccessDenied
        | ErrorReason::PmsNotRecognized
        | ErrorReason::CredentialNotFound => Verdict::Retry(WriteRetry {
            reason: reason.into(),
            message: status.message().to_owned(),
            retry_at: retry_at(status),
            not_applied: true,
        }),
        // No words of ours: a connector that died has none, and another's are not for the audit.
        _ => {
            Verdict::unknown("the write may or may not have reached the PMS; it is looked for before it is sent again")
        }
    }
}

fn retry_at(status: &Status) -> Option<prost_types::Timestamp> {
    let wait: Duration = status.get_details_retry_info()?.retry_delay?;
    Timestamp::now().checked_add(wait).ok().map(calendar::to_proto)
}

#[cfg(test)]
mod tests {
    use mesh::Refusal;
    use tonic::Code;

    use super::*;

    fn verdict(reason: ErrorReason) -> Verdict {
        of(&Status::from(Refusal::new(Code::Unavailable, reason, "why").retry_after(Duration::from_secs(9))))
    }

    #[test]
    fn only_what_certainly_did_not_arrive_is_sent_again_without_a_look() {
        for reason in [ErrorReason::Overloaded, ErrorReason::PmsUnreachable, ErrorReason::PmsApiPaused] {
            let Verdict::Retry(retry) = verdict(reason) else { panic!("{reason:?} is tried again") };
            assert!(retry.not_applied && retry.retry_at.is_some() && retry.message == "why");
        }
        for reason in [ErrorReason::WriteOutcomeUnknown, ErrorReason::PmsTimeout, ErrorReason::Internal] {
            let Verdict::Retry(retry) = verdict(reason) else { panic!("{reason:?} is tried again") };
            assert!(!retry.not_applied, "{reason:?}");
        }
        assert!(matches!(of(&Status::unavailable("gone")), Verdict::Retry(retry) if !retry.not_applied));
        assert!(matches!(of(&Status::cancelled("")), Verdict::Retry(retry) if !retry.not_applied));
        assert!(matches!(verdict(ErrorReason::PmsUnreachable).perhaps_there(), Verdict::Retry(r) if !r.not_applied));
    }

    #[test]
    fn a_refused_write_ends_with_the_reason() {
        assert!(matches!(verdict(ErrorReason::WriteConflict), Verdict::Conflict(failure) if failure.message == "why"));
        assert!(matches!(verdict(ErrorReason::WriteRejected), Verdict::Rejected(_)));
        assert!(matches!(verdict(ErrorReason::InvalidField), Verdict::Rejected(_)));
    }
}
