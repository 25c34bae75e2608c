//! Why a command is refused.

use chairsync_proto::feature::ErrorReason;
use tonic::Code;

/// Why a command is refused. Each maps to one code and one reason of the API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another epoch holds the lease, it ran out, or what it was for is over.
    #[error("the lease is lost: another worker has a newer epoch, or it ran out; stop and claim again")]
    LeaseLost,
    /// No such run.
    #[error("the run does not exist or is no longer remembered; `ListRuns` lists those that are")]
    RunNotFound,
    /// The run is over.
    #[error("the run has ended and takes no more reports")]
    RunFinished,
    /// Some dataset was not accepted.
    #[error("the run cannot finish: not every dataset was accepted")]
    NotAllAccepted,
    /// A checkpoint that goes back, or of a dataset that the run does not have.
    #[error("a checkpoint may not go back, nor name a dataset that is not in the run")]
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
}

impl From<Refusal> for mesh::Refusal {
    fn from(refusal: Refusal) -> Self {
        let (code, reason) = match refusal {
            Refusal::LeaseLost => (Code::Aborted, ErrorReason::LeaseLost),
            Refusal::RunNotFound => (Code::NotFound, ErrorReason::ResourceNotFound),
            Refusal::RunFinished => (Code::FailedPrecondition, ErrorReason::RunFinished),
            Refusal::NotAllAccepted => (Code::FailedPrecondition, ErrorReason::InvalidField),
            Refusal::CheckpointMismatch => (Code::Aborted, ErrorReason::CursorMismatch),
            Refusal::CursorMismatch => (Code::Aborted, ErrorReason::CursorMismatch),
            Refusal::EtagMismatch => (Code::Aborted, ErrorReason::EtagMismatch),
            Refusal::AlreadyExists => (Code::AlreadyExists, ErrorReason::PracticeAlreadyExists),
            Refusal::Paused => (Code::FailedPrecondition, ErrorReason::PracticePaused),
        };
        mesh::Refusal::new(code, reason, refusal.to_string())
    }
}
