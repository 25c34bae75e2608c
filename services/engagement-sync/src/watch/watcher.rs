//! One caller's watch: opened, the snapshot where asked for, what the log has since, then the ring.

use std::{sync::Arc, time::Duration};

use async_stream::try_stream;
use chairsync_proto::{
    engagement::{
        ChangeOperation, WatchChange, WatchOpened, WatchProgress, WatchResponse, WatchSnapshotEnd, WatchSnapshotRow,
        watch_response::Event,
    },
    state::PracticeState,
};
use futures::Stream;
use mesh::{ErrorReason, Refusal, calendar::to_proto};
use tokio::{sync::OwnedSemaphorePermit, sync::broadcast::error::RecvError, time::Instant};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use super::{Filter, Tails, Tokens, resnapshot, token::Place};
use crate::{
    freshness,
    live_view::{Entry, Head, LiveView},
    row::to_struct,
    states::States,
};

/// A mark is sent at least this often; the API promises 15 s.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);
const PAGE: usize = 256;

/// What a watch waits for.
enum Next {
    Ring(Result<Arc<Entry>, RecvError>),
    Head(bool),
    Mark,
    Stop,
}

/// A watch that is about to begin.
pub(super) struct Watcher {
    pub(super) practice: String,
    pub(super) filter: Filter,
    pub(super) start: Place,
    pub(super) resumed: bool,
    pub(super) state: Arc<PracticeState>,
    pub(super) states: States,
    pub(super) view: Arc<dyn LiveView>,
    pub(super) tails: Tails,
    pub(super) tokens: Tokens,
    pub(super) stop: CancellationToken,
    pub(super) seat: OwnedSemaphorePermit,
}

impl Watcher {
    /// The stream. It is driven by its reader: what the reader does not take is not read.
    pub(super) fn stream(self) -> impl Stream<Item = Result<WatchResponse, Status>> + Send {
        try_stream! {
            let _seat = &self.seat;
            let tail = self.tails.of(&self.practice).await.map_err(Refusal::from)?;
            let mut heads = tail.head.clone();
            let mut place = self.start.clone();
            let head = heads.borrow().clone();
            yield self.message(&place, &head, self.opened());

            if let Some((mut at, mut after)) = place.snapshot.clone() {
                let mut rows_sent = 0_i64;
                while let Some(dataset) = self.filter.datasets.get(at) {
                    let page = self.rows(dataset, after.as_deref()).await?;
                    for row in &page.rows {
                        rows_sent += 1;
                        let event = Event::SnapshotRow(WatchSnapshotRow {
                            dataset: dataset.name.to_owned(),
                            key: row.key(),
                            row: (!self.filter.keys_only).then(|| to_struct(row)),
                        });
                        // Within a page the token is the page's start: rows may come again, none is left out.
                        let head = heads.borrow().clone();
                        yield self.message(&place, &head, event);
                    }
                    (at, after) = match page.next {
                        Some(next) => (at, Some(next)),
                        None => (at + 1, None),
                    };
                    place.snapshot = Some((at, after.clone()));
                }
                place.snapshot = None;
                let head = heads.borrow().clone();
                yield self.message(&place, &head, Event::SnapshotEnd(WatchSnapshotEnd { rows: rows_sent }));
            }

            // What the log has since; the last round with the ring already open, so that nothing falls between.
            let mut ring = None;
            loop {
                let head = self.view.head(&self.practice).await.map_err(Refusal::from)?;
                self.still_there(&head, &place)?;
                let entries = self.view.log(&self.practice, place.sequence, PAGE).await.map_err(Refusal::from)?;
                let behind = entries.len() == PAGE;
                if entries.first().is_some_and(|first| first.sequence != place.sequence + 1) {
                    Err(too_slow())?;
                }
                for entry in entries {
                    place.sequence = entry.sequence;
                    if self.filter.passes(&entry) {
                        yield self.message(&place, &head, self.change(&entry));
                    }
                }
                if behind {
                    continue;
                }
                if ring.is_some() {
                    break;
                }
                ring = Some(tail.changes.subscribe());
            }

            let Some(mut ring) = ring else { return };
            let mut next_mark = Instant::now() + PROGRESS_EVERY;
            loop {
                let next = tokio::select! {
                    biased;
                    entry = ring.recv() => Next::Ring(entry),
                    moved = heads.changed() => Next::Head(moved.is_ok()),
                    () = tokio::time::sleep_until(next_mark) => Next::Mark,
                    () = self.stop.cancelled() => Next::Stop,
                };
                let head = heads.borrow().clone();
                match next {
                    Next::Ring(Ok(entry)) if entry.sequence <= place.sequence => {}
                    Next::Ring(Ok(entry)) if entry.sequence == place.sequence + 1 => {
                        place.sequence = entry.sequence;
                        if self.filter.passes(&entry) {
                            yield self.message(&place, &head, self.change(&entry));
                            next_mark = Instant::now() + PROGRESS_EVERY;
                        }
                    }
                    // A gap: the ring or the log was cut before it could be read.
                    Next::Ring(Ok(_) | Err(RecvError::Lagged(_))) => Err(too_slow())?,
                    Next::Ring(Err(RecvError::Closed)) | Next::Head(false) => return,
                    Next::Head(true) => self.still_there(&head, &place)?,
                    Next::Mark => {
                        let synced_through = head.synced_through.map(to_proto);
                        yield self.message(&place, &head, Event::Progress(WatchProgress { synced_through }));
                        next_mark = Instant::now() + PROGRESS_EVERY;
                    }
                    Next::Stop => Err(going_away())?,
                }
            }
        }
    }

    async fn rows(
        &self,
        dataset: &'static mesh::datasets::Dataset,
        after: Option<&str>,
    ) -> Result<crate::live_view::Page, Refusal> {
        let Some(patient) = self.filter.patient else {
            return Ok(self.view.page(&self.practice, dataset, after, PAGE).await?);
        };
        let rows = match dataset.key {
            "pat_num" => self.view.get(&self.practice, dataset, &[patient.to_string()]).await?,
            _ => self.view.in_groups(&self.practice, dataset, &[patient]).await?,
        };
        Ok(crate::live_view::Page { rows, next: None })
    }

    fn still_there(&self, head: &Head, place: &Place) -> Result<(), Refusal> {
        if head.incarnation != place.incarnation {
            return Err(ended_view());
        }
        if head.floor > place.sequence { Err(too_slow()) } else { Ok(()) }
    }

    fn opened(&self) -> Event {
        Event::Opened(WatchOpened {
            datasets: self.filter.datasets.iter().map(|dataset| dataset.name.to_owned()).collect(),
            snapshot: self.start.snapshot.is_some(),
            resumed: self.resumed,
        })
    }

    fn change(&self, entry: &Entry) -> Event {
        let operation = if entry.row.is_some() { ChangeOperation::Upsert } else { ChangeOperation::Delete };
        let patient = entry.patient.map(|patient| format!("practices/{}/patients/{patient}", self.practice));
        Event::Change(WatchChange {
            dataset: entry.dataset.name.to_owned(),
            key: entry.key.clone(),
            operation: operation.into(),
            row: if self.filter.keys_only { None } else { entry.shown().cloned() },
            source_time: entry.changed_at().map(to_proto),
            applied_time: Some(to_proto(entry.applied_at)),
            patient: patient.unwrap_or_default(),
            own_write: false,
        })
    }

    fn message(&self, place: &Place, head: &Head, event: Event) -> WatchResponse {
        let state = self.states.known(&self.practice).unwrap_or_else(|| self.state.clone());
        WatchResponse {
            resume_token: self.tokens.make(place, &self.practice, self.filter.mark()),
            freshness: Some(freshness::of_view(&state, head)),
            event: Some(event),
        }
    }
}

fn too_slow() -> Refusal {
    let message = "this reader fell too far behind the practice's changes; watch again with the last token received";
    Refusal::new(Code::ResourceExhausted, ErrorReason::WatcherTooSlow, message)
}

fn ended_view() -> Refusal {
    resnapshot("the live view was built anew; watch again without a token and ask for a snapshot")
}

fn going_away() -> Refusal {
    let message = "this replica is stopping; watch again with the last token received";
    Refusal::new(Code::Unavailable, ErrorReason::UpstreamUnavailable, message).retry_after(Duration::from_millis(200))
}
