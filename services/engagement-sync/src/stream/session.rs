//! One practice's change stream while its lease is held.

use std::time::Duration;

use chairsync_proto::{
    practice::{Practice, pms_source::Kind},
    state::{ClaimedStream, GetPracticeStateRequest, Lease, SaveCursorRequest},
};
use jiff::Timestamp;
use mesh::{ErrorReason, Refusal, calendar::to_proto, datasets::Dataset, error::reason_of};
use tokio_util::sync::CancellationToken;
use tonic::Request;
use tracing::{info, warn};

use super::{RETRY_MAX, Worker, fill, follow, pause};
use crate::{
    lease::{self, Held},
    live_view::{Applied, Head, HeadPatch, ViewError, WRITE_ROWS_MAX, Write, schema_mark},
    pms::moment,
    row::Row,
    states::bare,
};

const REPORT_LIMIT: Duration = Duration::from_secs(10);
const RETRY_MIN: Duration = Duration::from_millis(200);

/// Why an attempt ended.
#[derive(Debug)]
pub enum Ended {
    /// Another worker holds the practice, or the cursor is not what we think: claim again.
    LeaseLost,
    /// The source is another one, or the position is no longer kept: fill again.
    SourceChanged,
    /// The live view lost its tail or has moved: read its head again.
    ViewMoved,
    /// Anything that may pass.
    Failed(Refusal),
}

impl From<Refusal> for Ended {
    fn from(refusal: Refusal) -> Self {
        match refusal.reason {
            ErrorReason::SourceChanged => Self::SourceChanged,
            ErrorReason::LeaseLost => Self::LeaseLost,
            _ => Self::Failed(refusal),
        }
    }
}

impl From<ViewError> for Ended {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::Stale { .. } => Self::LeaseLost,
            ViewError::Moved | ViewError::RolledBack => Self::ViewMoved,
            error => Self::Failed(error.into()),
        }
    }
}

/// A claimed stream.
#[derive(Debug)]
pub struct Session {
    /// The worker that claimed it.
    pub worker: Worker,
    /// The practice's settings.
    pub practice: Practice,
    lease: Lease,
    /// The cursor as sync-state has it.
    saved: String,
    /// The highest change number that this session has seen.
    known_sequence: u64,
}

impl Session {
    /// A session on a claimed stream; `None` when sync-state left the practice out.
    pub fn new(worker: Worker, lease: Lease, stream: ClaimedStream) -> Option<Self> {
        let practice = stream.practice?;
        Some(Self { worker, practice, lease, saved: stream.cursor, known_sequence: 0 })
    }

    /// The practice's bare id.
    pub fn id(&self) -> &str {
        bare(&self.practice.name)
    }

    /// Follows the stream until `stop` or until the lease is lost.
    pub async fn run(mut self, stop: CancellationToken) {
        let held = Held::start(self.worker.state.clone(), self.lease.clone(), self.worker.lease);
        let (client, leased) = (self.worker.state.clone(), self.lease.clone());
        tokio::select! {
            () = held.lost() => metrics::counter!("chairsync_engagement_leases_lost_total").increment(1),
            () = self.attempts(&stop) => lease::release(client, &leased).await,
            () = stop.cancelled() => lease::release(client, &leased).await,
        }
    }

    /// Tries again, with backoff, whatever may pass. Returns when the stream must be claimed anew.
    async fn attempts(&mut self, stop: &CancellationToken) {
        let (mut wait, mut refill) = (RETRY_MIN, false);
        loop {
            let marked_before = self.saved.clone();
            let Err(ended) = self.attempt(refill).await;
            if self.saved != marked_before {
                (wait, refill) = (RETRY_MIN, false);
            }
            match ended {
                Ended::LeaseLost => {
                    info!(stream = %self.lease.resource, "change stream given up");
                    return;
                }
                Ended::SourceChanged => {
                    // A generated practice begins anew with each start of its connector; a database does not.
                    let generated =
                        self.practice.source.as_ref().is_some_and(|s| matches!(s.kind, Some(Kind::Sample(_))));
                    match generated {
                        true => {
                            info!(stream = %self.lease.resource, "the sample began anew: the live view is filled again")
                        }
                        false => {
                            warn!(stream = %self.lease.resource, "the source has changed: the live view is filled again")
                        }
                    }
                    refill = true;
                }
                Ended::ViewMoved => warn!(stream = %self.lease.resource, "the live view has moved: reading it again"),
                Ended::Failed(refusal) => {
                    warn!(stream = %self.lease.resource, reason = ?refusal.reason, "change stream interrupted");
                }
            }
            metrics::counter!("chairsync_engagement_stream_interruptions_total").increment(1);
            pause(&mut wait, RETRY_MAX, stop).await;
        }
    }

    async fn attempt(&mut self, refill: bool) -> Result<std::convert::Infallible, Ended> {
        let mut head = self.take_over().await?;
        if !head.schema.is_empty() && head.schema != schema_mark() {
            self.worker.view.forget(self.id()).await?;
            self.known_sequence = 0;
            head = self.take_over().await?;
        }
        if refill || !head.filled || !head.fill.is_empty() {
            fill::run(self, &head, refill).await?;
            head = self.worker.view.head(self.id()).await?;
        }
        follow::run(self, &head).await
    }

    /// Raises the fence. A view that is behind what was reported of it has lost its tail: its tokens end here.
    async fn take_over(&mut self) -> Result<Head, Ended> {
        let head = self.worker.view.head(self.id()).await?;
        let lost_tail =
            head.filled && self.reported().await.is_some_and(|at| head.synced_through.is_none_or(|s| s < at));
        self.write(Write {
            head: HeadPatch { new_incarnation: lost_tail, ..HeadPatch::default() },
            ..Write::default()
        })
        .await?;
        Ok(self.worker.view.head(self.id()).await?)
    }

    /// The source time up to which sync-state was told that the view is.
    async fn reported(&self) -> Option<Timestamp> {
        let mut request = Request::new(GetPracticeStateRequest { practice: self.practice.name.clone() });
        request.set_timeout(REPORT_LIMIT);
        let state = self.worker.state.clone().get_practice_state(request).await.ok()?.into_inner().state?;
        // As exact as the view keeps it: a finer report is not a newer one.
        Timestamp::from_microsecond(moment(state.stream?.synced_through)?.as_microsecond()).ok()
    }

    /// One atomic write under this session's epoch.
    pub async fn write(&mut self, mut write: Write) -> Result<Applied, Ended> {
        write.epoch = Some(self.lease.epoch);
        write.known_sequence = self.known_sequence;
        let applied = self.worker.view.apply(self.id(), write).await;
        if applied == Err(ViewError::RolledBack) {
            self.known_sequence = 0;
        }
        let applied = applied?;
        self.known_sequence = applied.sequence;
        metrics::counter!("chairsync_engagement_changes_total").increment(applied.changed);
        Ok(applied)
    }

    /// Rows and deletes of any number, cut into atomic writes; `head` moves with the last of them.
    pub async fn write_rows(
        &mut self,
        upserts: Vec<Row>,
        deletes: Vec<(&'static Dataset, String)>,
        log: bool,
        head: HeadPatch,
    ) -> Result<(), Ended> {
        let mut upserts = upserts.into_iter().peekable();
        let mut deletes = deletes.into_iter().peekable();
        loop {
            let rows: Vec<Row> = upserts.by_ref().take(WRITE_ROWS_MAX).collect();
            let gone: Vec<_> = deletes.by_ref().take(WRITE_ROWS_MAX - rows.len()).collect();
            let last = upserts.peek().is_none() && deletes.peek().is_none();
            let head = if last { head.clone() } else { HeadPatch::default() };
            self.write(Write { log, upserts: rows, deletes: gone, head, ..Write::default() }).await?;
            if last {
                return Ok(());
            }
        }
    }

    /// Reports a cursor that the live view has made durable.
    pub async fn save_cursor(
        &mut self,
        cursor: &str,
        synced_through: Option<Timestamp>,
        mode: &str,
    ) -> Result<(), Ended> {
        let mut request = Request::new(SaveCursorRequest {
            stream: self.lease.resource.clone(),
            epoch: self.lease.epoch,
            expected: self.saved.clone(),
            cursor: cursor.to_owned(),
            synced_through: synced_through.map(to_proto),
            mode: mode.to_owned(),
        });
        request.set_timeout(REPORT_LIMIT);
        match tokio::time::timeout(REPORT_LIMIT, self.worker.state.clone().save_cursor(request)).await {
            Ok(Ok(_)) => {
                cursor.clone_into(&mut self.saved);
                Ok(())
            }
            Ok(Err(status)) if lease::is_lost(&status) => Err(Ended::LeaseLost),
            // Perhaps our own report whose answer was lost: a new claim brings the cursor as it is.
            Ok(Err(status)) if reason_of(&status) == Some(ErrorReason::CursorMismatch) => Err(Ended::LeaseLost),
            Ok(Err(status)) => Err(Ended::Failed(crate::pms::refused(&status))),
            Err(_) => Err(Ended::LeaseLost),
        }
    }
}
