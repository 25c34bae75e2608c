//! `Write`: brings about in the PMS what a write says, once.
//!
//! [`steps`] decides: look, send only what is missing, look again. What to look for and what to send is the affair of each
//! kind, in a file of its own; [`tagged`] is what kinds share that carry our key in a text, [`fields`] checks what is asked.

mod allocation;
mod appointment;
mod appointment_change;
mod chair;
mod commlog;
mod document;
mod fields;
mod patient;
mod patient_change;
mod payment;
mod refund;
mod sheet;
mod splits;
mod steps;
mod tagged;
mod version;

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
};

use async_trait::async_trait;
use chairsync_proto::pms::{WriteContent, WriteResponse, WriteStep, write_content::Kind as Content};
use mesh::{ErrorReason, Refusal};
use tokio::sync::{Mutex, MutexGuard};
use tonic::Code;

use self::{
    steps::{Known, Seen},
    tagged::Tag,
};
use super::{
    OpenDental,
    api::{Api, Call, Failure},
    session::{Lane, Session},
};

/// Writes that exclude one another by chance only.
const STRIPES: usize = 64;

/// What writes of a practice need beside its database.
pub(super) struct Writing {
    api: Option<Arc<Api>>,
    /// For looking: a card that somebody waits for is not to wait for a write.
    lane: Lane,
    /// The same write is under way once.
    keys: Stripes,
    /// The same chair, payment or new patient is written to once at a time. Always taken after a key's.
    things: Stripes,
}

/// Locks by name; two names may share one.
struct Stripes([Mutex<()>; STRIPES]);

impl Writing {
    pub(super) fn new(api: Option<Arc<Api>>, lane: Lane) -> Self {
        Self { api, lane, keys: Stripes::new(), things: Stripes::new() }
    }
}

impl Stripes {
    fn new() -> Self {
        Self(std::array::from_fn(|_| Mutex::new(())))
    }

    async fn lock(&self, of: &str) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        of.hash(&mut hasher);
        self.0[(hasher.finish() % STRIPES as u64) as usize].lock().await // below STRIPES
    }
}

/// One kind of write, checked.
#[async_trait]
trait Kind: Send + Sync {
    /// What the PMS holds of it, and what is to be called next.
    async fn look(&self, session: &mut Session, tag: &Tag, known: Known) -> Result<Seen, Refusal>;

    /// What excludes it beside its own key, e.g. a chair.
    fn excludes(&self) -> Option<String> {
        None
    }
}

/// The kind that a content asks for.
fn kind(content: WriteContent) -> Result<Box<dyn Kind>, Refusal> {
    let content =
        content.kind.ok_or_else(|| Refusal::invalid("content.kind", "must say what is written, e.g. a payment"))?;
    Ok(match content {
        Content::Payment(asked) => Box::new(payment::Payment::new(asked)?),
        Content::Refund(asked) => Box::new(refund::Refund::new(asked)?),
        Content::Allocation(asked) => Box::new(allocation::Allocation::new(asked)?),
        Content::Appointment(asked) => Box::new(appointment::Appointment::new(asked)?),
        Content::AppointmentChange(asked) => Box::new(appointment_change::AppointmentChange::new(asked)?),
        Content::Commlog(asked) => Box::new(commlog::Commlog::new(asked)?),
        Content::Document(asked) => Box::new(document::Document::new(asked)?),
        Content::Sheet(asked) => Box::new(sheet::Sheet::new(asked)?),
        Content::Patient(asked) => Box::new(patient::Patient::new(asked)?),
        Content::PatientChange(asked) => Box::new(patient_change::PatientChange::new(asked)?),
    })
}

impl OpenDental {
    /// Writes once, or only looks. See `PmsConnectorService.Write`.
    pub(super) async fn write_once(
        &self,
        key: &str,
        content: WriteContent,
        step: WriteStep,
        perhaps_sent: bool,
    ) -> Result<WriteResponse, Refusal> {
        let (tag, kind) = (Tag::new(key)?, kind(content)?);
        let api = match step {
            WriteStep::Look => None,
            _ => Some(Arc::clone(self.writing.api.as_ref().ok_or_else(no_api)?)),
        };
        let _same = self.writing.keys.lock(key).await;
        let _thing = match kind.excludes() {
            Some(thing) => Some(self.writing.things.lock(&thing).await),
            None => None,
        };
        let mut pms = Live { lane: &self.writing.lane, api, kind: kind.as_ref(), tag: &tag };
        steps::bring_about(&mut pms, step, perhaps_sent).await
    }
}

/// A real PMS: looked at by SQL, written to by its API.
struct Live<'a> {
    lane: &'a Lane,
    api: Option<Arc<Api>>,
    kind: &'a dyn Kind,
    tag: &'a Tag,
}

#[async_trait]
impl steps::Pms for Live<'_> {
    async fn look(&mut self, known: Known) -> Result<Seen, Refusal> {
        let mut lease = self.lane.lease().await?;
        let seen = self.kind.look(&mut lease, self.tag, known).await;
        // What is decided here is no fault of the connection.
        if seen.as_ref().map_or_else(|refusal| refusal.reason == ErrorReason::WriteRejected, |_| true) {
            lease.keep();
        }
        seen
    }

    async fn send(&mut self, call: &Call) -> Result<(), Failure> {
        match &self.api {
            Some(api) => api.call(call).await,
            None => Err(Failure::NotTaken(no_api())),
        }
    }
}

fn no_api() -> Refusal {
    let message = "the practice's source names no API of the PMS: nothing can be written; set source.open_dental.api";
    Refusal::new(Code::FailedPrecondition, ErrorReason::PmsApiMissing, message)
}

/// The PMS holds something else.
fn conflict(message: impl Into<String>) -> Refusal {
    Refusal::new(Code::Aborted, ErrorReason::WriteConflict, message)
}

/// The PMS would refuse it, or cannot do it.
fn rejected(message: impl Into<String>) -> Refusal {
    Refusal::new(Code::FailedPrecondition, ErrorReason::WriteRejected, message)
}
