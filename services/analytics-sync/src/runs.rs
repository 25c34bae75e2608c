//! Runs: claimed from sync-state, read from the PMS, made durable, committed, accepted.

mod lease;
mod patients;
mod reports;
mod transfer;
pub mod worker;

pub use patients::Refresh;
pub(crate) use transfer::registration;

use chairsync_proto::feature::ErrorReason;
use mesh::error::reason_of;
use tonic::{Code, Status};

use crate::store::faults;

/// Why work on a run stops before its end.
#[derive(Debug)]
enum Stop {
    /// Another worker holds the run, or it was cancelled: nothing more is reported.
    LeaseLost,
    /// The attempt failed; sync-state decides whether it is tried again.
    Failed(Failure),
}

/// Why an attempt failed, as sync-state keeps it. Never quotes rows or credentials.
#[derive(Debug)]
struct Failure {
    reason: ErrorReason,
    message: String,
    permanent: bool,
    /// It may concern one dataset only: the others are worth a try.
    one_dataset: bool,
}

impl Failure {
    fn new(reason: ErrorReason, message: impl Into<String>) -> Self {
        // Trying again cannot help where the source is not what the settings say. One that is another by now is read anew.
        let permanent = matches!(
            reason,
            ErrorReason::PmsNotRecognized
                | ErrorReason::PmsTableMissing
                | ErrorReason::PmsColumnMissing
                | ErrorReason::ResumeTokenInvalid
                | ErrorReason::InvalidField
        );
        let one_dataset = matches!(
            reason,
            ErrorReason::PmsTableMissing
                | ErrorReason::PmsColumnMissing
                | ErrorReason::ResumeTokenInvalid
                | ErrorReason::TableUnavailable
        );
        Self { reason, message: message.into(), permanent, one_dataset }
    }

    /// A failure that was seen in a dataset's own data.
    fn in_dataset(reason: ErrorReason, message: impl Into<String>) -> Self {
        Self { one_dataset: true, ..Self::new(reason, message) }
    }

    /// What the connector's refusal means for the run. Its sentences are made for people and hold no patient data; those
    /// of other statuses may come from anywhere and are replaced.
    fn from_connector(status: &Status) -> Self {
        match reason_of(status) {
            Some(reason) => Self::new(reason, status.message()),
            None => match status.code() {
                Code::Unavailable => {
                    Self::new(ErrorReason::UpstreamUnavailable, "the pms-connector does not answer; it is tried again")
                }
                Code::DeadlineExceeded | Code::Cancelled => {
                    Self::new(ErrorReason::PmsTimeout, "the snapshot took too long; it goes on where it stopped")
                }
                code => Self::new(
                    ErrorReason::Internal,
                    format!("the pms-connector failed with {code:?}; its log says why"),
                ),
            },
        }
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Stop::Failed(failure)
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        tracing::error!(kind = ?error.kind(), "the store cannot be used");
        let message = format!("the store cannot be used ({}): {}", error.kind(), faults::words(error.kind()));
        Stop::Failed(Failure::new(ErrorReason::TableUnavailable, message))
    }
}
