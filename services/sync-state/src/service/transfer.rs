//! A practice's whole state taken out as lines, and put in.

use std::sync::Arc;

use chairsync_proto::practice::{ExportPracticeResponse, ImportPracticeRequest};
use jiff::Timestamp;
use mesh::{ErrorReason, Refusal, names};
use tokio::sync::{Semaphore, TryAcquireError};
use tonic::{Code, Status, Streaming};

use super::{convert, states::States, validate};
use crate::core::{
    export::{self, Import},
    records::{RecordKey, Scan},
    refusal,
    state::PracticeState,
};

/// Exports and imports that are in memory at the same time: each may hold all that a practice owes to its PMS.
const AT_ONCE: usize = 2;
/// Records that are read together.
const TOGETHER: usize = 500;
/// The bytes of an import: more than the largest outbox has as JSON.
const IMPORT_BYTES_MAX: usize = 256 << 20;
/// Tries at reading a practice that others change.
const TRIES: u32 = 5;

/// See the module's words.
#[derive(Debug)]
pub(super) struct Transfers {
    states: Arc<States>,
    room: Semaphore,
}

impl Transfers {
    pub(super) fn new(states: Arc<States>) -> Self {
        Self { states, room: Semaphore::new(AT_ONCE) }
    }

    fn room(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Refusal> {
        self.room.try_acquire().map_err(|error| match error {
            TryAcquireError::NoPermits | TryAcquireError::Closed => {
                let sentence = "other practices are being exported or imported; try again";
                Refusal::new(Code::ResourceExhausted, ErrorReason::Overloaded, sentence)
                    .retry_after(std::time::Duration::from_secs(5))
            }
        })
    }

    /// A practice as lines, all of the same moment.
    ///
    /// # Errors
    /// `PRACTICE_NOT_FOUND`, `OVERLOADED`, `STORE_UNAVAILABLE`, or that the practice does not stay as it is for long enough.
    pub async fn export(&self, id: &str) -> Result<Vec<ExportPracticeResponse>, Refusal> {
        let _room = self.room()?;
        for _ in 0..TRIES {
            let found = self.states.load(id).await?;
            let found = found.ok_or_else(|| Refusal::practice_not_found(&format!("practices/{id}")))?;
            let lines = self.read(id, &found.state).await?;
            // What was read is of one moment if nothing was saved meanwhile.
            if self.states.load(id).await?.is_some_and(|now| now.version == found.version) {
                return Ok(lines.into_iter().map(|line| ExportPracticeResponse { line }).collect());
            }
        }
        let sentence = "the practice changes while it is read; pause it, or try again";
        Err(Refusal::new(Code::Aborted, ErrorReason::Overloaded, sentence))
    }

    async fn read(&self, id: &str, state: &PracticeState) -> Result<Vec<String>, Refusal> {
        let mut lines = vec![export::begin(state), export::state(state)];
        let mut records = 0;
        let mut from = RecordKey::stored("");
        loop {
            // Keys are ASCII.
            let scan = Scan { from, until: RecordKey::stored("\u{7f}"), limit: TOGETHER, reverse: false };
            let found = self.states.records(id, &scan).await?;
            for (key, value) in &found {
                lines.push(export::record(key, value)?);
                records += 1;
            }
            match found.last() {
                Some((last, _)) if found.len() == TOGETHER => {
                    from = RecordKey::stored(&format!("{}\0", last.as_str()));
                }
                _ => break,
            }
        }
        lines.push(export::end(records));
        Ok(lines)
    }

    /// Makes a practice of lines.
    ///
    /// # Errors
    /// `EXPORT_INVALID`, `PRACTICE_ALREADY_EXISTS`, `OVERLOADED` or `STORE_UNAVAILABLE`; the caller's own where it breaks off.
    pub async fn import(&self, mut lines: Streaming<ImportPracticeRequest>) -> Result<Arc<PracticeState>, Status> {
        let _room = self.room()?;
        let (mut import, mut bytes) = (Import::default(), 0);
        while let Some(message) = lines.message().await? {
            bytes += message.line.len();
            if bytes > IMPORT_BYTES_MAX {
                let longer = refusal::Refusal::ExportInvalid("it is longer than 256 MiB".to_owned());
                return Err(Refusal::from(longer).into());
            }
            import.line(&message.line).map_err(Refusal::from)?;
        }
        let (state, records) = import.finish(Timestamp::now()).map_err(Refusal::from)?;
        if !names::is_practice_id(&state.id) {
            return Err(
                Refusal::from(refusal::Refusal::ExportInvalid("the practice's id is malformed".to_owned())).into()
            );
        }
        // Settings obey here what they obey when an operator makes them.
        validate::settings(&convert::practice(&state))
            .map_err(|refusal| Refusal::from(refusal::Refusal::ExportInvalid(refusal.message)))?;
        match self.states.create(state, records).await? {
            Ok(state) => Ok(state),
            Err(_) => Err(Refusal::from(refusal::Refusal::AlreadyExists).into()),
        }
    }
}
