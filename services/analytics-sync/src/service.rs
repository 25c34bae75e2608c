//! `AnalyticsService`: what is built answers, the rest says that it is not built.
//!
//! Each feature's methods stand in a file of its own. What they share: an answer is computed once for each set of accepted
//! table versions, however many ask for it, and kept in memory until others push it out.

mod board_rows;
mod collections;
mod finder;
mod goals;
mod group;
mod huddle;
mod kept;
mod metrics;
mod performance;
mod pulse;
mod reports;
mod schedule_analysis;
mod scorecards;
pub mod snapshot;
mod warm;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use chairsync_proto::{
    analytics::{
        BulkSyncPatientsRequest, BulkSyncPatientsResponse, CreateScorecardRequest, CreateScorecardResponse,
        DeleteScorecardRequest, DeleteScorecardResponse, DuplicateScorecardRequest, DuplicateScorecardResponse,
        EvaluateScorecardRequest, EvaluateScorecardResponse, FindPatientsRequest, FindPatientsResponse,
        GetCollectionsBoardRequest, GetCollectionsBoardResponse, GetGroupBoardRequest, GetGroupBoardResponse,
        GetMorningHuddleRequest, GetMorningHuddleResponse, GetPerformanceBoardRequest, GetPerformanceBoardResponse,
        GetProviderPulseRequest, GetProviderPulseResponse, GetScheduleAnalysisRequest, GetScheduleAnalysisResponse,
        GetScorecardRequest, GetScorecardResponse, ListBoardRowsRequest, ListBoardRowsResponse, ListMetricsRequest,
        ListMetricsResponse, ListProviderGoalsRequest, ListProviderGoalsResponse, ListProviderHoursRequest,
        ListProviderHoursResponse, ListReportsRequest, ListReportsResponse, ListScorecardsRequest,
        ListScorecardsResponse, RunReportRequest, RunReportResponse, ShareScorecardRequest, ShareScorecardResponse,
        SyncPatientRequest, SyncPatientResponse, UnshareScorecardRequest, UnshareScorecardResponse,
        UpdateProviderGoalRequest, UpdateProviderGoalResponse, UpdateProviderHoursRequest, UpdateProviderHoursResponse,
        UpdateScorecardRequest, UpdateScorecardResponse, analytics_service_server::AnalyticsService,
    },
    feature::Feature,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::civil::DateTime;
use mesh::{ErrorReason, Refusal, caller::Caller, datasets, transport::Channel};
use parking_lot::Mutex;
use prost::Message;
use tokio::sync::Semaphore;
use tonic::{Code, Request, Response, Status, codegen::BoxStream};

use self::{finder::Finder, kept::KeptKey, snapshot::Snapshot};
use crate::{
    books::{Books, BooksError},
    cache::Cache,
    goals::Kept,
    saved::Saved,
    states::States,
    store::{Store, faults},
    tables::read::files_at,
};

/// The bytes of computed answers that are kept.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// The practices whose tables are kept open.
const BOOKS_MAX: usize = 32;
/// The practices whose goals and hours are kept in memory.
const KEPT_MAX: usize = 1_000;
/// Answers computed at the same time; more wait their turn under their deadline.
const COMPUTED_AT_ONCE: usize = 2;
/// Tables whose logs are read at the same time.
const TABLES_AT_ONCE: usize = 8;
/// When a caller whose tables could not be read may try again.
const TABLE_RETRY: Duration = Duration::from_secs(30);

/// What makes two practices' tables the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct BooksKey {
    practice: String,
    registered: String,
    versions: BTreeMap<String, i64>,
}

/// What makes two answers the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct AnswerKey {
    books: BooksKey,
    now: Option<DateTime>,
    method: &'static str,
    request: Vec<u8>,
}

/// The analytics features of every practice.
#[derive(Clone)]
pub struct Analytics {
    states: States,
    store: Store,
    answers: Arc<Cache<AnswerKey, Vec<u8>>>,
    books: Arc<Cache<BooksKey, Books>>,
    hands: Arc<Semaphore>,
    /// The answers that were computed, and not taken from memory.
    computations: Arc<AtomicU64>,
    saved: Saved,
    kept_goals: Arc<Cache<KeptKey, Kept>>,
    /// The last version of a practice's saved things that was saved through here.
    written: Arc<Mutex<HashMap<String, u64>>>,
    reporting: Arc<Semaphore>,
    finder: Arc<Finder>,
}

impl Analytics {
    /// Serves from the tables in `store`, as `states` says that they are accepted; asks the connector for single records
    /// and sync-state for runs.
    pub fn new(states: States, store: Store, connector: Channel, state: Channel) -> Self {
        Self {
            states,
            store,
            answers: Arc::new(Cache::new(ANSWER_BYTES_MAX, Vec::len)),
            books: Arc::new(Cache::new(BOOKS_MAX, |_| 1)),
            hands: Arc::new(Semaphore::new(COMPUTED_AT_ONCE)),
            computations: Arc::default(),
            saved: Saved::new(state.clone()),
            kept_goals: Arc::new(Cache::new(KEPT_MAX, |_| 1)),
            written: Arc::default(),
            reporting: Arc::new(Semaphore::new(reports::REPORTS_AT_ONCE)),
            finder: Arc::new(Finder::new(connector, state)),
        }
    }

    /// How many answers were computed so far, and not taken from memory.
    pub fn computations(&self) -> u64 {
        self.computations.load(Relaxed)
    }

    /// What is accepted of a practice, by id, as `feature` sees it.
    async fn snapshot(&self, id: &str, feature: Feature) -> Result<Snapshot, Status> {
        Snapshot::of(id, &*self.states.get(id).await?, feature)
    }

    /// The practice's tables at the versions of `snapshot`.
    async fn books(&self, snapshot: &Snapshot) -> Result<Arc<Books>, BooksError> {
        self.books.get(books_key(snapshot), self.open(snapshot)).await
    }

    async fn open(&self, snapshot: &Snapshot) -> Result<Books, BooksError> {
        let mut reading = Vec::new();
        for (name, version) in &snapshot.versions {
            let Some(dataset) = datasets::get(name) else { continue };
            let (table, version) = (self.store.table(&snapshot.practice, name), *version);
            reading.push(async move { files_at(table, version).await.map(|files| (dataset, files)) });
        }
        let tables: Vec<_> = stream::iter(reading).buffered(TABLES_AT_ONCE).try_collect().await?;
        Ok(Books::open(tables).await?)
    }

    /// The answer to `request`: from memory, or by `compute`. An answer must depend on nothing but the request and the
    /// snapshot's tables and time; freshness is the caller's to add.
    async fn computed<Q, A, C, F>(
        &self,
        method: &'static str,
        request: &Q,
        snapshot: Snapshot,
        compute: C,
    ) -> Result<A, Status>
    where
        Q: Message,
        A: Message + Default + 'static,
        C: FnOnce(Arc<Books>) -> F + Send + 'static,
        F: Future<Output = Result<A, BooksError>> + Send + 'static,
    {
        let key =
            AnswerKey { books: books_key(&snapshot), now: snapshot.now, method, request: request.encode_to_vec() };
        // A task of its own: when this caller gives up, the others still get what was begun.
        let me = self.clone();
        let computed = tokio::spawn(async move {
            let compute = async {
                let _hand = me.hands.acquire().await;
                let books = me.books(&snapshot).await?;
                me.computations.fetch_add(1, Relaxed);
                ::metrics::counter!("chairsync_answers_computed_total", "method" => method).increment(1);
                compute(books).await.map(|answer| answer.encode_to_vec())
            };
            let computed = me.answers.get(key, compute).await;
            if matches!(computed, Err(BooksError::Query(_) | BooksError::Table(_))) {
                me.doubt(&snapshot.practice).await;
            }
            computed
        });
        let computed = computed.await.map_err(|_| Refusal::internal("the answer could not be computed"))?;
        let bytes = computed.map_err(refusal)?;
        Ok(A::decode(bytes.as_slice()).map_err(|_| Refusal::internal("a kept answer could not be read"))?)
    }

    /// Tables of a practice could not be read: its next run looks at all of them down to their rows.
    async fn doubt(&self, practice: &str) {
        let (store, practice) = (self.store.clone(), practice.to_owned());
        let noted = tokio::task::spawn_blocking(move || store.doubt(&practice)).await;
        if !noted.is_ok_and(|noted| noted.is_ok()) {
            tracing::warn!("that tables are to be looked at could not be noted");
        }
    }
}

#[tonic::async_trait]
impl AnalyticsService for Analytics {
    async fn get_morning_huddle(
        &self,
        request: Request<GetMorningHuddleRequest>,
    ) -> Result<Response<GetMorningHuddleResponse>, Status> {
        self.morning_huddle(request.into_inner()).await.map(Response::new)
    }

    async fn get_performance_board(
        &self,
        request: Request<GetPerformanceBoardRequest>,
    ) -> Result<Response<GetPerformanceBoardResponse>, Status> {
        self.performance_board(request.into_inner()).await.map(Response::new)
    }

    async fn get_collections_board(
        &self,
        request: Request<GetCollectionsBoardRequest>,
    ) -> Result<Response<GetCollectionsBoardResponse>, Status> {
        self.collections_board(request.into_inner()).await.map(Response::new)
    }

    async fn get_schedule_analysis(
        &self,
        request: Request<GetScheduleAnalysisRequest>,
    ) -> Result<Response<GetScheduleAnalysisResponse>, Status> {
        self.analysed_schedule(request.into_inner()).await.map(Response::new)
    }

    async fn get_group_board(
        &self,
        request: Request<GetGroupBoardRequest>,
    ) -> Result<Response<GetGroupBoardResponse>, Status> {
        self.group_board(request.into_inner()).await.map(Response::new)
    }

    async fn list_metrics(
        &self,
        request: Request<ListMetricsRequest>,
    ) -> Result<Response<ListMetricsResponse>, Status> {
        self.metrics(request.into_inner()).await.map(Response::new)
    }

    async fn list_board_rows(
        &self,
        request: Request<ListBoardRowsRequest>,
    ) -> Result<Response<ListBoardRowsResponse>, Status> {
        self.board_rows(request.into_inner()).await.map(Response::new)
    }

    async fn list_reports(
        &self,
        request: Request<ListReportsRequest>,
    ) -> Result<Response<ListReportsResponse>, Status> {
        self.reports(request.into_inner()).await.map(Response::new)
    }

    async fn run_report(
        &self,
        request: Request<RunReportRequest>,
    ) -> Result<Response<BoxStream<RunReportResponse>>, Status> {
        self.report(request.into_inner()).await.map(Response::new)
    }

    async fn find_patients(
        &self,
        request: Request<FindPatientsRequest>,
    ) -> Result<Response<FindPatientsResponse>, Status> {
        self.patients_found(request.into_inner()).await.map(Response::new)
    }

    async fn sync_patient(
        &self,
        request: Request<SyncPatientRequest>,
    ) -> Result<Response<SyncPatientResponse>, Status> {
        self.patient_synced(request.into_inner()).await.map(Response::new)
    }

    async fn bulk_sync_patients(
        &self,
        request: Request<BulkSyncPatientsRequest>,
    ) -> Result<Response<BulkSyncPatientsResponse>, Status> {
        self.bulk_started(request.into_inner()).await.map(Response::new)
    }

    async fn get_provider_pulse(
        &self,
        request: Request<GetProviderPulseRequest>,
    ) -> Result<Response<GetProviderPulseResponse>, Status> {
        self.provider_pulse(request.into_inner()).await.map(Response::new)
    }

    async fn list_scorecards(
        &self,
        request: Request<ListScorecardsRequest>,
    ) -> Result<Response<ListScorecardsResponse>, Status> {
        let caller = Caller::of(request.metadata());
        self.scorecards_listed(&caller, request.into_inner()).await.map(Response::new)
    }

    async fn get_scorecard(
        &self,
        request: Request<GetScorecardRequest>,
    ) -> Result<Response<GetScorecardResponse>, Status> {
        let caller = Caller::of(request.metadata());
        self.scorecard_opened(&caller, request.into_inner()).await.map(Response::new)
    }

    async fn evaluate_scorecard(
        &self,
        request: Request<EvaluateScorecardRequest>,
    ) -> Result<Response<EvaluateScorecardResponse>, Status> {
        self.scorecard_worked_out(request.into_inner()).await.map(Response::new)
    }

    async fn create_scorecard(
        &self,
        request: Request<CreateScorecardRequest>,
    ) -> Result<Response<CreateScorecardResponse>, Status> {
        let caller = Caller::of(request.metadata());
        self.scorecard_created(&caller, request.into_inner()).await.map(Response::new)
    }

    async fn update_scorecard(
        &self,
        request: Request<UpdateScorecardRequest>,
    ) -> Result<Response<UpdateScorecardResponse>, Status> {
        let caller = Caller::of(request.metadata());
        self.scorecard_updated(&caller, request.into_inner()).await.map(Response::new)
    }

    async fn duplicate_scorecard(
        &self,
        request: Request<DuplicateScorecardRequest>,
    ) -> Result<Response<DuplicateScorecardResponse>, Status> {
        let caller = Caller::of(request.metadata());
        self.scorecard_duplicated(&caller, request.into_inner()).await.map(Response::new)
    }

    async fn share_scorecard(
        &self,
        request: Request<ShareScorecardRequest>,
    ) -> Result<Response<ShareScorecardResponse>, Status> {
        let caller = Caller::of(request.metadata());
        self.scorecard_shared(&caller, request.into_inner()).await.map(Response::new)
    }

    async fn unshare_scorecard(
        &self,
        request: Request<UnshareScorecardRequest>,
    ) -> Result<Response<UnshareScorecardResponse>, Status> {
        let caller = Caller::of(request.metadata());
        self.scorecard_unshared(&caller, request.into_inner()).await.map(Response::new)
    }

    async fn delete_scorecard(
        &self,
        request: Request<DeleteScorecardRequest>,
    ) -> Result<Response<DeleteScorecardResponse>, Status> {
        let caller = Caller::of(request.metadata());
        self.scorecard_deleted(&caller, request.into_inner()).await.map(Response::new)
    }

    async fn list_provider_goals(
        &self,
        request: Request<ListProviderGoalsRequest>,
    ) -> Result<Response<ListProviderGoalsResponse>, Status> {
        self.provider_goals(request.into_inner()).await.map(Response::new)
    }

    async fn update_provider_goal(
        &self,
        request: Request<UpdateProviderGoalRequest>,
    ) -> Result<Response<UpdateProviderGoalResponse>, Status> {
        self.provider_goal_updated(request.into_inner()).await.map(Response::new)
    }

    async fn list_provider_hours(
        &self,
        request: Request<ListProviderHoursRequest>,
    ) -> Result<Response<ListProviderHoursResponse>, Status> {
        self.provider_hours(request.into_inner()).await.map(Response::new)
    }

    async fn update_provider_hours(
        &self,
        request: Request<UpdateProviderHoursRequest>,
    ) -> Result<Response<UpdateProviderHoursResponse>, Status> {
        self.provider_hours_updated(request.into_inner()).await.map(Response::new)
    }
}

fn books_key(snapshot: &Snapshot) -> BooksKey {
    BooksKey {
        practice: snapshot.practice.clone(),
        registered: snapshot.registered.clone(),
        versions: snapshot.versions.clone(),
    }
}

fn refusal(error: BooksError) -> Status {
    // Errors below may quote values of rows: only their kind goes to the log.
    let kind = match &error {
        BooksError::Refused(refusal) => return refusal.clone().into(),
        BooksError::Query(e) => format!("{:?} {}", std::mem::discriminant(e.find_root()), faults::kind(e)),
        BooksError::Table(e) => format!("{:?} {}", std::mem::discriminant(e), faults::kind(e)),
        BooksError::Column(e) => e.to_string(),
    };
    tracing::error!(%error, kind, "figures cannot be computed");
    let message = "the tables of this practice cannot be read; `SyncService/StartSync` reads them again";
    Refusal::new(Code::Unavailable, ErrorReason::TableUnavailable, message).retry_after(TABLE_RETRY).into()
}
