//! Look, send what is missing, look again: the decisions of every write, whatever it writes.

use async_trait::async_trait;
use chairsync_proto::pms::{WriteOutcome, WriteResponse, WriteStep, WrittenSplit};
use mesh::{ErrorReason, Refusal};
use tonic::Code;

use super::super::api::{Call, Failure};

/// Calls of one write: a refund is made and then marked, an appointment made and perhaps taken back.
const CALLS_MAX: usize = 3;

/// What is there already.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Found {
    /// The PMS's key.
    pub key: String,
    /// The parts of a payment.
    pub splits: Vec<WrittenSplit>,
}

/// What a look at the PMS shows.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Seen {
    /// It is there, as it should be.
    There(Found),
    /// It is not there; this makes it.
    Missing(Call),
    /// A part of it is there; this brings about the rest.
    Half(Call),
    /// Something else is there.
    Conflict(Refusal),
}

impl Seen {
    /// It is there, as it should be, and has no parts.
    pub(super) fn there(key: i64) -> Self {
        Self::There(Found { key: key.to_string(), ..Found::default() })
    }
}

/// What whoever looks knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// It was never sent.
    NeverSent,
    /// It may have been sent: what may be of this write is taken as such, wherever it is.
    PerhapsSent,
}

/// A PMS as it is to be dealt with.
#[async_trait]
pub(super) trait Pms: Send {
    /// Looks.
    async fn look(&mut self, known: Known) -> Result<Seen, Refusal>;
    /// Calls the API once.
    async fn send(&mut self, call: &Call) -> Result<(), Failure>;
}

/// Brings it about, or only looks whether it is so.
pub(super) async fn bring_about(
    pms: &mut impl Pms,
    step: WriteStep,
    perhaps_sent: bool,
) -> Result<WriteResponse, Refusal> {
    let mut known = if perhaps_sent { Known::PerhapsSent } else { Known::NeverSent };
    let mut seen = pms.look(known).await?;
    let mut sent: Vec<Call> = Vec::new();
    loop {
        let half = matches!(seen, Seen::Half(_));
        let call = match seen {
            Seen::There(found) if sent.is_empty() => return Ok(answer(WriteOutcome::Found, found)),
            Seen::There(found) => return Ok(answer(WriteOutcome::Verified, found)),
            Seen::Conflict(refusal) => return Err(refusal),
            Seen::Missing(_) | Seen::Half(_) if step == WriteStep::Look => {
                return Ok(answer(WriteOutcome::Absent, Found::default()));
            }
            Seen::Missing(call) | Seen::Half(call) if sent.contains(&call) || sent.len() >= CALLS_MAX => {
                return Err(not_there());
            }
            Seen::Missing(call) | Seen::Half(call) => call,
        };
        let answered = pms.send(&call).await;
        known = Known::PerhapsSent;
        match answered {
            Ok(()) => match pms.look(known).await {
                Ok(next) => seen = next,
                Err(refusal) if refusal.reason == ErrorReason::WriteRejected => return Err(refusal),
                Err(_) => return Ok(answer(WriteOutcome::Taken, Found::default())),
            },
            // Never sent before and certainly not taken now: nothing to look for.
            Err(Failure::NotTaken(refusal)) if sent.is_empty() && !perhaps_sent && !half => return Err(refusal),
            Err(Failure::NotTaken(refusal) | Failure::Refused(refusal)) => match pms.look(known).await {
                Ok(Seen::There(found)) => return Ok(answer(WriteOutcome::Verified, found)),
                Ok(Seen::Conflict(refusal)) => return Err(refusal),
                Ok(Seen::Missing(_)) if sent.is_empty() => return Err(refusal),
                // A part of it is done: the rest is called another time.
                _ => return Err(unknown()),
            },
            Err(Failure::Unknown) => match pms.look(known).await {
                Ok(Seen::There(found)) => return Ok(answer(WriteOutcome::Verified, found)),
                Ok(Seen::Conflict(refusal)) => return Err(refusal),
                _ => return Err(unknown()),
            },
        }
        sent.push(call);
    }
}

fn answer(outcome: WriteOutcome, found: Found) -> WriteResponse {
    WriteResponse { key: found.key, outcome: outcome.into(), splits: found.splits }
}

fn unknown() -> Refusal {
    let message = "the PMS may or may not have taken the write; it is looked for before it is sent again";
    Refusal::new(Code::Unavailable, ErrorReason::WriteOutcomeUnknown, message)
}

fn not_there() -> Refusal {
    super::conflict("the PMS said that it took the write, and it is not there; look in the PMS before you retry it")
}

#[cfg(test)]
mod tests;
