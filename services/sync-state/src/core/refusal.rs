//! Why a command is refused.

use std::time::Duration;

use chairsync_proto::feature::ErrorReason;
use tonic::Code;

/// Why a command is refused. Each maps to one code and one reason of the API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another epoch holds the lease, it ran out, or what it was for is over.
    #[error("the lease is lost: another worker has a newer epoch, or it ran out; stop and claim again")]
    LeaseLost,
    /// An epoch that was never given, or that the store has forgotten.
    #[error("the epoch was never given, or the state store lost it; stop and claim again")]
    EpochAhead,
    /// No such run.
    #[error("the run does not exist or is no longer remembered; `ListRuns` lists those that are")]
    RunNotFound,
    /// The run is over.
    #[error("the run has ended and takes no more reports")]
    RunFinished,
    /// The run is not one that is retried.
    #[error("only a run that failed or was cancelled is retried; start a new one with `StartSync`")]
    RunNotRetryable,
    /// Some dataset was neither accepted nor reported as failed.
    #[error("the run cannot finish: a dataset was neither accepted nor reported as failed")]
    NotAllAccepted,
    /// A checkpoint that goes back, or of a dataset that the run does not have.
    #[error("a checkpoint may not go back, nor name a dataset that is not in the run or was accepted already")]
    CheckpointMismatch,
    /// The cursor is not the expected one.
    #[error("the cursor moved since it was read; read it again")]
    CursorMismatch,
    /// The etag is not the current one.
    #[error("the practice was changed since it was read; read it again and repeat the edit")]
    EtagMismatch,
    /// Another practice has this id.
    #[error("a practice with this id exists already, with other settings; choose another id or update it")]
    AlreadyExists,
    /// The practice is paused.
    #[error("the practice is paused; resume it first")]
    Paused,
    /// As many runs wait as may.
    #[error("as many runs of this practice wait as may; let them go on or cancel some")]
    TooManyRuns,
    /// The caller's key stands for something else.
    #[error("this request_id was used before with other contents; use a new one")]
    RequestIdReused,
    /// A part of the command is malformed.
    #[error("{field}: {fault}")]
    Invalid {
        /// Which, as in the API.
        field: &'static str,
        /// What is wrong, and what would be right.
        fault: &'static str,
    },
    /// No such write.
    #[error("the write does not exist or is no longer remembered; `ListWrites` lists those that are")]
    WriteNotFound,
    /// The write is over.
    #[error("the write has ended; enqueue a new one")]
    WriteFinished,
    /// The write is on its way.
    #[error("the write is on its way, or may have reached the PMS; wait until that is known")]
    WriteInFlight,
    /// The report does not follow from where the write stands.
    #[error("a write is reported as SENDING, and that is answered, before anything else is said of it")]
    WriteMisplaced,
    /// As much is owed as may.
    #[error("as many writes of this practice wait as may; look at those that are held or parked with `ListWrites`")]
    OutboxFull,
    /// No such saved thing.
    #[error("it does not exist, or was deleted since; its list has those that are there")]
    SavedNotFound,
    /// The etag of a saved thing is not the current one.
    #[error("it was changed since it was read; read it again and repeat the edit")]
    SavedChanged,
    /// As much is saved as may be.
    #[error("as many of these are saved for this practice as may be, or as many bytes in all; delete some first")]
    SavedFull,
    /// An export that cannot be taken in.
    #[error("the export cannot be taken in: {0}")]
    ExportInvalid(String),
    /// A stored record cannot be read.
    #[error("{0}")]
    Damaged(#[from] super::records::Damaged),
}

impl From<Refusal> for mesh::Refusal {
    fn from(refusal: Refusal) -> Self {
        let (code, reason) = match refusal {
            Refusal::LeaseLost | Refusal::EpochAhead => (Code::Aborted, ErrorReason::LeaseLost),
            Refusal::RunNotFound | Refusal::WriteNotFound | Refusal::SavedNotFound => {
                (Code::NotFound, ErrorReason::ResourceNotFound)
            }
            Refusal::RunFinished => (Code::FailedPrecondition, ErrorReason::RunFinished),
            Refusal::RunNotRetryable => (Code::FailedPrecondition, ErrorReason::RunNotRetryable),
            Refusal::NotAllAccepted => (Code::FailedPrecondition, ErrorReason::InvalidField),
            Refusal::CheckpointMismatch | Refusal::CursorMismatch => (Code::Aborted, ErrorReason::CursorMismatch),
            Refusal::EtagMismatch | Refusal::SavedChanged => (Code::Aborted, ErrorReason::EtagMismatch),
            Refusal::AlreadyExists => (Code::AlreadyExists, ErrorReason::PracticeAlreadyExists),
            Refusal::Paused => (Code::FailedPrecondition, ErrorReason::PracticePaused),
            Refusal::TooManyRuns => (Code::ResourceExhausted, ErrorReason::Overloaded),
            Refusal::RequestIdReused => (Code::InvalidArgument, ErrorReason::RequestIdReused),
            Refusal::Invalid { field, fault } => return mesh::Refusal::invalid(field, fault),
            Refusal::WriteFinished => (Code::FailedPrecondition, ErrorReason::WriteFinished),
            Refusal::WriteInFlight => (Code::FailedPrecondition, ErrorReason::WriteInFlight),
            Refusal::WriteMisplaced => (Code::FailedPrecondition, ErrorReason::WriteReportMisplaced),
            Refusal::OutboxFull => (Code::ResourceExhausted, ErrorReason::OutboxFull),
            Refusal::SavedFull => (Code::ResourceExhausted, ErrorReason::SavedFull),
            Refusal::ExportInvalid(_) => (Code::InvalidArgument, ErrorReason::ExportInvalid),
            Refusal::Damaged(_) => (Code::DataLoss, ErrorReason::StoreVersion),
        };
        let told = mesh::Refusal::new(code, reason, refusal.to_string());
        match refusal {
            Refusal::RequestIdReused => told.on_field("request_id"),
            Refusal::SavedChanged => told.on_field("etag"),
            Refusal::TooManyRuns | Refusal::OutboxFull => told.retry_after(Duration::from_secs(60)),
            _ => told,
        }
    }
}
