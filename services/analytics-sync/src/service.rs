//! `AnalyticsService`: what is built answers, the rest says that it is not built.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use chairsync_proto::{
    analytics::{GetMorningHuddleRequest, GetMorningHuddleResponse, analytics_service_server::AnalyticsService},
    feature::Feature,
    state::PracticeState,
    sync::{Completeness, Freshness},
};
use jiff::civil::{Date, DateTime};
use mesh::{ErrorReason, Refusal, calendar, datasets, names};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Response, Status};

use crate::{
    huddle::{self, HuddleError, Question, books::Books, cache::Cache},
    runs::registration,
    states::States,
    store::Store,
    tables::read::files_at,
};

/// Huddles kept in memory.
const HUDDLES_MAX: usize = 256;
/// Huddles computed at the same time; more wait their turn under their deadline.
const COMPUTED_AT_ONCE: usize = 2;
/// When a caller whose tables could not be read may try again.
const TABLE_RETRY: Duration = Duration::from_secs(30);

/// What makes two huddles the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    practice: String,
    registered: String,
    versions: BTreeMap<String, i64>,
    date: Date,
    now: DateTime,
}

/// The analytics features of every practice.
#[derive(Clone)]
pub struct Analytics {
    states: States,
    store: Store,
    huddles: Arc<Cache<Key, GetMorningHuddleResponse>>,
    hands: Arc<Semaphore>,
}

impl Analytics {
    /// Serves from the tables in `store`, as `states` says that they are accepted.
    pub fn new(states: States, store: Store) -> Self {
        let hands = Arc::new(Semaphore::new(COMPUTED_AT_ONCE));
        Self { states, store, huddles: Arc::new(Cache::new(HUDDLES_MAX)), hands }
    }

    async fn huddle(&self, request: GetMorningHuddleRequest) -> Result<GetMorningHuddleResponse, Status> {
        let id = names::practice("practice", &request.practice)?;
        let date = request.date.as_ref().map(|date| calendar::date_from_proto("date", date)).transpose()?;
        let state = self.states.get(id).await?;
        self.answer(id, &state, date).await
    }

    /// Computes the latest huddle of each practice whose run has finished, so that nobody waits for it in the morning.
    pub async fn keep_warm(self, mut finished: mpsc::Receiver<String>, shutdown: CancellationToken) {
        loop {
            let id = tokio::select! {
                _ = shutdown.cancelled() => return,
                id = finished.recv() => match id {
                    Some(id) => id,
                    None => return,
                },
            };
            let warmed = async {
                let state = self.states.ask(&id).await?;
                self.answer(&id, &state, None).await
            };
            tokio::select! {
                _ = shutdown.cancelled() => return,
                warmed = warmed => if let Err(status) = warmed {
                    tracing::debug!(code = ?status.code(), "a huddle was not computed ahead");
                },
            }
        }
    }

    async fn answer(
        &self,
        id: &str,
        state: &PracticeState,
        date: Option<Date>,
    ) -> Result<GetMorningHuddleResponse, Status> {
        let freshness = freshness(state);
        let versions = accepted(state);
        let present: BTreeSet<String> = versions.keys().cloned().collect();
        let Some(now) = snapshot_time(state, &freshness)? else {
            return Ok(GetMorningHuddleResponse {
                date: date.map(calendar::date_to_proto),
                absent_sections: huddle::missing(&BTreeSet::new()),
                freshness: Some(freshness),
                ..Default::default()
            });
        };
        let date = date.unwrap_or(now.date());
        if date > now.date() {
            return Err(Refusal::invalid("date", "lies after the snapshot's date; leave it out for the latest").into());
        }
        let settings = state.practice.clone().unwrap_or_default();
        let question = Question { practice: id.to_owned(), currency: settings.currency_code.clone(), date, now };
        let key =
            Key { practice: id.to_owned(), registered: registration(&settings), versions: versions.clone(), date, now };
        // A task of its own: when this caller gives up, the others still get what was begun.
        let (me, shared) = (self.clone(), self.huddles.clone());
        let computed = tokio::spawn(async move { shared.get(key, me.compute(question, versions, present)).await });
        let computed = computed.await.map_err(|_| Refusal::internal("the huddle could not be computed"))?;
        let huddle = computed.map_err(|error| refusal(&error))?;
        Ok(GetMorningHuddleResponse { freshness: Some(freshness), ..(*huddle).clone() })
    }

    async fn compute(
        self,
        question: Question,
        versions: BTreeMap<String, i64>,
        present: BTreeSet<String>,
    ) -> Result<GetMorningHuddleResponse, HuddleError> {
        let _hand = self.hands.acquire().await;
        let mut tables: Vec<(&'static datasets::Dataset, Vec<PathBuf>)> = Vec::new();
        for dataset in huddle::datasets().into_iter().filter_map(datasets::get) {
            let files = match versions.get(dataset.name) {
                Some(version) => files_at(&self.store.table(&question.practice, dataset.name), *version).await?,
                None => Vec::new(),
            };
            tables.push((dataset, files));
        }
        let books = Books::open(tables).await?;
        huddle::compute(&books, &question, &present).await
    }
}

#[tonic::async_trait]
impl AnalyticsService for Analytics {
    async fn get_morning_huddle(
        &self,
        request: Request<GetMorningHuddleRequest>,
    ) -> Result<Response<GetMorningHuddleResponse>, Status> {
        self.huddle(request.into_inner()).await.map(Response::new)
    }
}

/// As sync-state computed it for the feature.
fn freshness(state: &PracticeState) -> Freshness {
    let status = state.features.iter().find(|status| status.feature() == Feature::MorningHuddle);
    status.and_then(|status| status.freshness.clone()).unwrap_or_else(|| Freshness {
        completeness: Completeness::None.into(),
        reason: "nothing has been synced yet".to_owned(),
        ..Default::default()
    })
}

/// The accepted versions of the datasets that a huddle reads.
fn accepted(state: &PracticeState) -> BTreeMap<String, i64> {
    let read = huddle::datasets();
    let wanted = state.datasets.iter().filter(|dataset| read.contains(dataset.dataset.as_str()));
    wanted.filter_map(|dataset| Some((dataset.dataset.clone(), dataset.version?))).collect()
}

/// "Now" of the definitions: the time up to which all of the feature's data goes, on the practice's wall clock; while
/// the initial sync runs, of the datasets that are there. `None` while there is nothing.
fn snapshot_time(state: &PracticeState, freshness: &Freshness) -> Result<Option<DateTime>, Status> {
    let read = huddle::datasets();
    let times = state.datasets.iter().filter(|d| d.version.is_some() && read.contains(d.dataset.as_str()));
    let oldest = times.filter_map(|d| d.freshness.as_ref()?.synced_through).min_by_key(|t| (t.seconds, t.nanos));
    let Some(through) = freshness.synced_through.or(oldest) else { return Ok(None) };
    let zone = state.practice.as_ref().map(|practice| practice.time_zone.as_str()).unwrap_or_default();
    let now = calendar::zone("practice.time_zone", zone)
        .and_then(|zone| Ok(calendar::wall_clock(calendar::from_proto("synced_through", &through)?, &zone)));
    // Neither comes from this caller: sync-state checks zones and makes the times.
    now.map(Some).map_err(|_| Refusal::internal("the practice's time zone is not known here").into())
}

fn refusal(error: &HuddleError) -> Status {
    // Errors below may quote values of rows: only their kind goes to the log.
    let kind = match error {
        HuddleError::Query(e) => format!("{:?}", std::mem::discriminant(e.find_root())),
        HuddleError::Table(e) => format!("{:?}", std::mem::discriminant(e)),
        HuddleError::Column(e) => e.to_string(),
    };
    tracing::error!(%error, kind, "a huddle cannot be computed");
    let message = "the tables of this practice cannot be read; `SyncService/StartSync` reads them again";
    Refusal::new(Code::Unavailable, ErrorReason::TableUnavailable, message).retry_after(TABLE_RETRY).into()
}
