//! `PatientCardService`.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chairsync_proto::{
    engagement::{
        CardPartKind, OpenPatientCardRequest, OpenPatientCardResponse, SyncPatientRequest, SyncPatientResponse,
        patient_card_service_server::PatientCardService,
    },
    practice::Practice,
};
use jiff::Timestamp;
use mesh::{ErrorReason, Refusal, datasets::Dataset, names};
use tokio::time::Instant;
use tonic::{Code, Request, Response, Status};
use tracing::{info, warn};

use super::{
    Clock, Subject,
    build::{Origin, build},
    gather::{Gatherer, Kept},
    remembered,
    rows::Gathered,
};
use crate::{
    freshness, live_datasets,
    live_view::{CardRows, LiveView, ViewError, WRITE_ROWS_MAX, Write},
    pms::Pms,
    row::Row,
    states::{self, States},
};

/// What is left of a caller's time for the live view and the answer.
const ANSWER_SHARE: f64 = 0.8;
/// How long the names may take that the live view does not have.
const LISTS_LIMIT: Duration = Duration::from_millis(500);
const SYNC_LIMIT: Duration = Duration::from_secs(10);
/// The live view may move between reading and writing this often.
const WRITE_TRIES: usize = 50;
const LOG_PAGE: usize = 1_000;

/// Serves patient cards.
#[derive(Debug)]
pub struct CardService {
    gatherer: Gatherer,
    states: States,
    open_limit: Duration,
}

impl CardService {
    /// A service on a live view and a connector; the PMS may take `open_limit` for a card.
    pub fn new(view: Arc<dyn LiveView>, pms: Pms, states: States, open_limit: Duration) -> Self {
        Self { gatherer: Gatherer { view, pms }, states, open_limit }
    }

    async fn open(&self, request: OpenPatientCardRequest, limit: Duration) -> Result<OpenPatientCardResponse, Refusal> {
        let begun = Instant::now();
        let (id, patient) = names::patient("name", &request.name)?;
        let wanted = wanted_parts(&request)?;
        let state = self.states.get(id).await?;
        let practice = states::settings(&state)?;
        let view = &self.gatherer.view;

        // The store behind the live view may be down while the PMS answers: the card opens all the same.
        let kept = self.gatherer.kept(id, patient).await;
        let guess = kept.as_ref().map_or_else(|_| Gathered::default(), |kept| kept.rows.clone());
        let left = limit.saturating_sub(begun.elapsed());
        let fetched = self.gatherer.fetch(practice, patient, &guess, left).await;
        let (rows, origin, fresh) = match fetched {
            Ok((rows, at)) => {
                if rows.get("patient", patient).is_none() {
                    return Err(unknown_patient());
                }
                let remembered = CardRows { fetched_at: at, bytes: remembered::pack(&rows) };
                if let Err(error) = view.remember_card(id, patient, remembered).await {
                    warn!(practice = id, %error, "a card's rows are not kept");
                }
                (rows, Origin::Pms { at }, freshness::of_pms(at))
            }
            Err(refusal) => {
                metrics::counter!("chairsync_engagement_cards_stale_total").increment(1);
                info!(practice = id, reason = ?refusal.reason, "a card comes from the live view");
                let kept = kept.map_err(|_| refusal.clone())?;
                self.stale(id, patient, kept, refusal).await?
            }
        };
        let lists_limit =
            matches!(origin, Origin::Pms { .. }).then(|| LISTS_LIMIT.min(limit.saturating_sub(begun.elapsed())));
        let lists = self.gatherer.lists(practice, &rows, lists_limit).await.unwrap_or_else(|error| {
            warn!(practice = id, %error, "a card's names cannot be read");
            super::Lists::new(id, Gathered::default(), &[])
        });
        let clock = Clock::at(Timestamp::now(), &practice.time_zone)?;
        let currency = currency(practice);
        let subject = Subject { patient, rows: &rows, lists: &lists, clock: &clock, currency };
        let card = build(&subject, &origin, &wanted);
        metrics::histogram!("chairsync_engagement_card_seconds").record(begun.elapsed().as_secs_f64());
        Ok(OpenPatientCardResponse { card: Some(card), freshness: Some(fresh) })
    }

    /// What the live view holds, where the PMS refused.
    async fn stale(
        &self,
        id: &str,
        patient: i64,
        kept: Kept,
        refusal: Refusal,
    ) -> Result<(Gathered, Origin, chairsync_proto::sync::Freshness), Refusal> {
        if kept.rows.get("patient", patient).is_none() {
            return Err(refusal);
        }
        let through = self.gatherer.view.head(id).await?.synced_through;
        let oldest = [through, kept.ledger_at].into_iter().flatten().min();
        let fresh = freshness::stale(oldest, &refusal.message);
        let origin = Origin::LiveView { through, ledger: kept.ledger_at, reason: refusal.message };
        Ok((kept.rows, origin, fresh))
    }

    async fn sync(&self, request: SyncPatientRequest, limit: Duration) -> Result<SyncPatientResponse, Refusal> {
        let (id, patient) = names::patient("name", &request.name)?;
        let state = self.states.get(id).await?;
        let practice = states::settings(&state)?;
        let view = &self.gatherer.view;
        let before = view.head(id).await?;
        let kept = self.gatherer.kept(id, patient).await?;
        let (rows, at) = self.gatherer.fetch(practice, patient, &kept.rows, limit).await?;
        if rows.get("patient", patient).is_none() && kept.rows.get("patient", patient).is_none() {
            return Err(unknown_patient());
        }
        let remembered = CardRows { fetched_at: at, bytes: remembered::pack(&rows) };
        view.remember_card(id, patient, remembered).await?;
        // While the view is not filled, its fill and the changes after it bring these rows.
        let changed = if before.filled { self.repair(id, before.sequence, &kept.rows, &rows).await? } else { 0 };
        Ok(SyncPatientResponse {
            name: request.name,
            rows_read: i32::try_from(rows.all().count()).unwrap_or(i32::MAX),
            rows_changed: i32::try_from(changed).unwrap_or(i32::MAX),
            freshness: Some(freshness::of_pms(at)),
        })
    }

    /// Puts rows that were read after change `since` into the live view. A row that the stream has touched since is left
    /// to the stream, whose rows are newer than ours or will be followed by newer ones.
    async fn repair(&self, id: &str, since: u64, kept: &Gathered, read: &Gathered) -> Result<u64, Refusal> {
        let view = &self.gatherer.view;
        let mut touched: BTreeSet<(&'static str, String)> = BTreeSet::new();
        let (mut sequence, mut changed) = (since, 0);
        let mut upserts: Vec<Row> =
            read.all().filter(|row| live_datasets::get(row.dataset().name).is_some()).cloned().collect();
        let mut deletes: Vec<(&'static Dataset, String)> = gone(kept, read);
        for _ in 0..WRITE_TRIES {
            loop {
                let entries = view.log(id, sequence, LOG_PAGE).await?;
                let Some(last) = entries.last() else { break };
                sequence = last.sequence;
                touched.extend(entries.into_iter().map(|entry| (entry.dataset.name, entry.key)));
            }
            upserts.retain(|row| !touched.contains(&(row.dataset().name, row.key())));
            deletes.retain(|(dataset, key)| !touched.contains(&(dataset.name, key.clone())));
            let rows: Vec<Row> = upserts.iter().take(WRITE_ROWS_MAX).cloned().collect();
            let dropped: Vec<_> = deletes.iter().take(WRITE_ROWS_MAX - rows.len()).cloned().collect();
            if rows.is_empty() && dropped.is_empty() {
                return Ok(changed);
            }
            let (written, removed) = (rows.len(), dropped.len());
            let write =
                Write { if_sequence: Some(sequence), log: true, upserts: rows, deletes: dropped, ..Write::default() };
            match view.apply(id, write).await {
                Ok(applied) => {
                    changed += applied.changed;
                    sequence = applied.sequence;
                    upserts.drain(..written);
                    deletes.drain(..removed);
                }
                Err(ViewError::Moved) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let message = "the practice's changes are coming too fast to add this patient's; they bring them; try again";
        Err(Refusal::new(Code::Aborted, ErrorReason::Overloaded, message).retry_after(Duration::from_secs(1)))
    }
}

/// Followed rows of the patient that the PMS did not give any more.
fn gone(kept: &Gathered, read: &Gathered) -> Vec<(&'static Dataset, String)> {
    let followed = |row: &&Row| live_datasets::get(row.dataset().name).is_some();
    let absent = |row: &&Row| read.get(row.dataset().name, row.id(row.dataset().key)).is_none();
    // Rows that only references led to were perhaps not asked for again; those by patient were.
    let by_patient = |row: &&Row| row.patient().is_some() && !matches!(row.dataset().name, "patient" | "payment");
    kept.all().filter(followed).filter(by_patient).filter(absent).map(|row| (row.dataset(), row.key())).collect()
}

fn wanted_parts(request: &OpenPatientCardRequest) -> Result<Vec<CardPartKind>, Refusal> {
    let known = |number: &i32| {
        let part = CardPartKind::try_from(*number).ok().filter(|part| *part != CardPartKind::Unspecified);
        part.ok_or_else(|| Refusal::invalid("parts", "not a part of the card; leave the field empty for all of them"))
    };
    request.parts.iter().map(known).collect()
}

fn unknown_patient() -> Refusal {
    let message = "the PMS has no patient of this number; `AnalyticsService/FindPatients` finds those it has";
    Refusal::new(Code::NotFound, ErrorReason::ResourceNotFound, message)
}

fn currency(practice: &Practice) -> &str {
    Some(practice.currency_code.as_str()).filter(|code| !code.is_empty()).unwrap_or("USD")
}

/// The time for the PMS: `limit`, or less where the caller has less.
fn within(limit: Duration) -> Duration {
    match mesh::deadline::current() {
        Some(deadline) => limit.min(deadline.saturating_duration_since(Instant::now()).mul_f64(ANSWER_SHARE)),
        None => limit,
    }
}

#[tonic::async_trait]
impl PatientCardService for CardService {
    async fn open_patient_card(
        &self,
        request: Request<OpenPatientCardRequest>,
    ) -> Result<Response<OpenPatientCardResponse>, Status> {
        let limit = within(self.open_limit);
        Ok(Response::new(self.open(request.into_inner(), limit).await?))
    }

    async fn sync_patient(
        &self,
        request: Request<SyncPatientRequest>,
    ) -> Result<Response<SyncPatientResponse>, Status> {
        let limit = within(SYNC_LIMIT);
        Ok(Response::new(self.sync(request.into_inner(), limit).await?))
    }
}
