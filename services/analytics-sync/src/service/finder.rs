//! `FindPatients`, `SyncPatient`, `BulkSyncPatients`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use chairsync_proto::{
    analytics::{
        BulkSyncPatientsRequest, BulkSyncPatientsResponse, FindPatientsRequest, FindPatientsResponse, PatientFilter,
        SyncPatientRequest, SyncPatientResponse,
    },
    feature::Feature,
    practice::Practice as Settings,
    state::PracticeState,
    sync::{Completeness, Freshness, StartSyncRequest, sync_service_client::SyncServiceClient},
};
use jiff::{Timestamp, ToSpan as _, civil::Date};
use mesh::{
    ErrorReason, Refusal, calendar, datasets, names,
    transport::{BULK_MESSAGE_BYTES, Channel},
};
use prost::Message as _;
use tokio::{sync::Semaphore, task::spawn_blocking};
use tonic::{Code, Status};

use super::{Analytics, BooksKey, books_key, refusal, snapshot::Snapshot};
use crate::{
    books::{Books, BooksError},
    cache::Cache,
    finder::{
        bulk,
        fetch::{self, ConnectorClient},
        field::AsOf,
        filter::{self, Condition, Practice},
        needs::Part,
        order::Order,
        overlay,
        page::{self, Place},
        search::Query,
        shown::shown,
        table::{self, BROKEN_MONTHS_MAX, Table},
        view::{Patch, Search, View},
    },
    runs::{Refresh, registration},
    store::faults,
    tables::read::files_at,
};

/// The bytes of practices' tables of patients that are kept: some 300,000 patients.
const TABLE_BYTES_MAX: usize = 192 << 20;
/// The bytes of refreshed rows that are kept beside them.
const PATCH_BYTES_MAX: usize = 32 << 20;
/// Sync Patient calls that read from a PMS at the same time; more wait their turn under their deadline.
const FETCHES_AT_ONCE: usize = 4;
const BROKEN_MONTHS: i32 = 12;
const PAGE_SIZE: i32 = 100;
const PAGE_SIZE_MAX: i32 = 1_000;
/// When a caller whose practice is not read yet may try again.
const INITIAL_RETRY: Duration = Duration::from_secs(30);

/// What makes two tables of patients the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct TableKey {
    books: BooksKey,
    date: Date,
}

/// What the finder keeps in memory, and whom it asks.
pub(super) struct Finder {
    tables: Cache<TableKey, Table>,
    patches: Cache<(TableKey, overlay::Name), Patch>,
    connector: Channel,
    state: Channel,
    fetches: Semaphore,
}

impl Finder {
    /// Keeps nothing yet.
    pub(super) fn new(connector: Channel, state: Channel) -> Self {
        Self {
            tables: Cache::new(TABLE_BYTES_MAX, Table::bytes),
            patches: Cache::new(PATCH_BYTES_MAX, Patch::bytes),
            connector,
            state,
            fetches: Semaphore::new(FETCHES_AT_ONCE),
        }
    }
}

/// A practice's patients, as a call sees them.
struct Sight {
    snapshot: Snapshot,
    key: TableKey,
    view: View,
    /// The files of the view's patches, in the same order.
    files: Vec<overlay::Name>,
}

impl Analytics {
    pub(super) async fn patients_found(&self, request: FindPatientsRequest) -> Result<FindPatientsResponse, Status> {
        let id = names::practice("practice", &request.practice)?;
        let snapshot = self.snapshot(id, Feature::PatientFinder).await?;
        let date = snapshot.now.map_or(Date::MIN, |now| now.date());
        let months = match request.broken_months {
            0 => BROKEN_MONTHS,
            months @ 1..=BROKEN_MONTHS_MAX => months,
            _ => return Err(Refusal::invalid("broken_months", format!("must be 1 to {BROKEN_MONTHS_MAX}")).into()),
        };
        let size = match request.page_size {
            0 => PAGE_SIZE,
            1.. => request.page_size.min(PAGE_SIZE_MAX),
            _ => return Err(Refusal::invalid("page_size", "must not be negative").into()),
        };
        let search = Search {
            conditions: conditions(&request.filters, &request.filter, &snapshot, date)?,
            query: Query::read(&request.query)?,
            order: Order::read(&request.order_by)?,
            as_of: as_of(date, months),
        };
        let digest = digest(&request);
        let after = Place::read(&request.page_token, digest)?;
        let freshness = Some(snapshot.freshness.clone());
        let Some(Sight { snapshot, view, .. }) = self.sight(snapshot).await? else {
            let absent_columns = Table::unread().absent_columns();
            return Ok(FindPatientsResponse { freshness, absent_columns, ..Default::default() });
        };
        check_there(&search.conditions, &view.table)?;
        let found = spawn_blocking(move || {
            let page = view.page(&search, after.as_ref(), usize::try_from(size).unwrap_or_default(), digest);
            let row = |seen| shown(&snapshot.practice, &snapshot.currency, seen, search.as_of);
            FindPatientsResponse {
                patients: page.rows.into_iter().map(row).collect(),
                next_page_token: page.end.as_ref().map(Place::token).unwrap_or_default(),
                total_size: i64::try_from(page.total).unwrap_or(i64::MAX),
                freshness,
                preferences: view.table.preferences.clone(),
                absent_columns: view.table.absent_columns(),
            }
        });
        Ok(found.await.map_err(|_| Refusal::internal("patients could not be searched"))?)
    }

    pub(super) async fn patient_synced(&self, request: SyncPatientRequest) -> Result<SyncPatientResponse, Status> {
        let (id, number) = names::patient("name", &request.name)?;
        let state = self.states.get(id).await?;
        let settings = readable(&state)?;
        let turn = self.finder.fetches.acquire().await;
        let refreshed = self.refreshed(id, &state, &settings, &[number].into()).await?;
        drop(turn);
        let (sight, patch) = refreshed;
        let place = patch.rows.binary_search_by_key(&number, |row| row.number).ok();
        let seen =
            place.map(|place| crate::finder::view::Seen { row: &patch.rows[place], synced_at: Some(patch.read_at) });
        let as_of = as_of(sight.key.date, BROKEN_MONTHS);
        Ok(SyncPatientResponse {
            patient: seen.map(|seen| shown(id, &sight.snapshot.currency, seen, as_of)),
            freshness: Some(Freshness {
                synced_through: Some(calendar::to_proto(patch.read_at)),
                completed_at: Some(calendar::to_proto(Timestamp::now())),
                next_sync_at: sight.snapshot.freshness.next_sync_at,
                completeness: Completeness::Complete.into(),
                share_done: 1.0,
                ..Default::default()
            }),
        })
    }

    pub(super) async fn bulk_started(
        &self,
        request: BulkSyncPatientsRequest,
    ) -> Result<BulkSyncPatientsResponse, Status> {
        let id = names::practice("practice", &request.practice)?;
        let request_id = bulk::request_id(&request.request_id)?;
        let named = bulk::named(&request, id)?;
        let state = self.states.get(id).await?;
        let settings = readable(&state)?;
        let contents =
            page::digest(&[&BulkSyncPatientsRequest { request_id: String::new(), ..request.clone() }.encode_to_vec()]);
        let (folder, registered) = (self.store.practice(id), registration(&settings));
        let kept = {
            let (folder, registered, request_id) = (folder.clone(), registered.clone(), request_id.clone());
            blocking(move || bulk::asked(&folder, &registered, &request_id)).await?
        };
        let chosen = match kept {
            Some(chosen) => chosen,
            None => {
                let patients = match named {
                    Some(patients) => patients,
                    None => self.chosen(&request, &state, id).await?,
                };
                let chosen = bulk::Chosen { contents, patients };
                blocking(move || bulk::ask(&folder, &registered, &request_id, chosen)).await?
            }
        };
        if chosen.contents != contents {
            let message = "this request_id was used with other contents; make a new one for another request";
            let refusal = Refusal::new(Code::InvalidArgument, ErrorReason::RequestIdReused, message);
            return Err(refusal.on_field("request_id").into());
        }
        let start = StartSyncRequest {
            practice: request.practice.clone(),
            datasets: fetch::read_anew().map(str::to_owned).collect(),
            patients: chosen.patients.iter().map(i64::to_string).collect(),
            request_id: request.request_id.clone(),
            ..Default::default()
        };
        let started = SyncServiceClient::new(self.finder.state.clone()).start_sync(start).await?.into_inner();
        Ok(BulkSyncPatientsResponse {
            run: started.run.map(|run| run.name).unwrap_or_default(),
            patient_count: i64::try_from(chosen.patients.len()).unwrap_or(i64::MAX),
        })
    }

    /// The patients that a request's filters choose, as they are.
    async fn chosen(
        &self,
        request: &BulkSyncPatientsRequest,
        state: &PracticeState,
        id: &str,
    ) -> Result<Vec<i64>, Status> {
        let snapshot = Snapshot::of(id, state, Feature::PatientFinder)?;
        let date = snapshot.now.map_or(Date::MIN, |now| now.date());
        let search = Search {
            conditions: conditions(&request.filters, &request.filter, &snapshot, date)?,
            query: Query::default(),
            order: Order::read("")?,
            as_of: as_of(date, BROKEN_MONTHS),
        };
        let Some(Sight { view, .. }) = self.sight(snapshot).await? else { return Err(unread()) };
        check_there(&search.conditions, &view.table)?;
        let all = spawn_blocking(move || view.all(&search).iter().map(|seen| seen.row.number).collect::<Vec<_>>());
        let all = all.await.map_err(|_| Refusal::internal("patients could not be searched"))?;
        Ok(bulk::counted(all)?)
    }

    /// Reads patients and their families from the PMS now, and keeps what was read.
    async fn refreshed(
        &self,
        id: &str,
        state: &PracticeState,
        settings: &Settings,
        patients: &BTreeSet<i64>,
    ) -> Result<(Sight, Arc<Patch>), Status> {
        let snapshot = Snapshot::of(id, state, Feature::PatientFinder)?;
        let Some(sight) = self.sight(snapshot).await? else { return Err(unread()) };
        // Who leaves a family changes it too.
        let before = patients.iter().filter_map(|patient| sight.view.get(*patient));
        let families: BTreeSet<i64> = before.map(|seen| seen.row.family).collect();
        let members = sight.view.rows().filter(|seen| families.contains(&seen.row.family));
        let members: BTreeSet<i64> = members.map(|seen| seen.row.number).collect();
        let connector =
            ConnectorClient::new(self.finder.connector.clone()).max_decoding_message_size(BULK_MESSAGE_BYTES);
        let read = fetch::read(connector, settings, patients, &families, &members).await?;
        let read = Arc::new(read);
        let (folder, registered, kept) = (self.store.practice(id), registration(settings), read.clone());
        let name = blocking(move || overlay::keep(&folder, &registered, &kept)).await?;
        let patch = self.patch(&sight.snapshot, &sight.key, name, async move { Ok(Some(read)) }).await?;
        // What was read of the same people before says nothing any more.
        let over = sight.files.iter().zip(&sight.view.patches);
        let over = over.filter(|(_, older)| older.read_at < patch.read_at && older.patients.is_subset(&patch.patients));
        let over: Vec<overlay::Name> = over.map(|(name, _)| name.clone()).collect();
        if !over.is_empty() {
            let folder = self.store.practice(id);
            blocking(move || overlay::remove(&folder, &over)).await?;
        }
        Ok((sight, patch))
    }

    /// The practice's patients as they are; `None` while there is no table.
    async fn sight(&self, snapshot: Snapshot) -> Result<Option<Sight>, Status> {
        let Some(now) = snapshot.now else { return Ok(None) };
        let key = TableKey { books: books_key(&snapshot), date: now.date() };
        // A task of its own: when this caller gives up, the others still get what was begun.
        let (me, of, at) = (self.clone(), snapshot.clone(), key.clone());
        let table = tokio::spawn(async move {
            let compute = async {
                let _hand = me.hands.acquire().await;
                let books = me.books(&of).await?;
                table::build(&books, at.date, &of.present).await
            };
            me.finder.tables.get(at.clone(), compute).await
        });
        let table = table.await.map_err(|_| Refusal::internal("the patients could not be read"))?.map_err(refusal)?;
        let synced_through = snapshot.freshness.synced_through.as_ref();
        let synced_through = synced_through.and_then(|at| calendar::from_proto("synced_through", at).ok());
        let folder = self.store.practice(&snapshot.practice);
        let names = {
            let folder = folder.clone();
            blocking(move || overlay::list(&folder)).await?
        };
        let (newer, older): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| name.at() > synced_through);
        if !older.is_empty() {
            // The tables have them by now; one that is not removed is no harm and goes the next time.
            let removing = spawn_blocking(move || overlay::remove(&folder, &older));
            if !matches!(removing.await, Ok(Ok(()))) {
                tracing::warn!("refreshed rows that the tables have by now were not all removed");
            }
        }
        let (mut patches, files) = (Vec::new(), newer.clone());
        for name in newer {
            let (folder, registered, file) =
                (self.store.practice(&snapshot.practice), snapshot.registered.clone(), name.clone());
            let read = async move {
                let read = spawn_blocking(move || overlay::read(&folder, &registered, &file));
                match read.await {
                    Ok(Ok(read)) => Ok(read.map(Arc::new)),
                    // Damaged, or just removed by a replica that has a newer table: the night's rows stand.
                    _ => {
                        tracing::warn!("refreshed rows cannot be read and are left aside");
                        Ok(None)
                    }
                }
            };
            patches.push(self.patch(&snapshot, &key, name, read).await?);
        }
        Ok(Some(Sight { view: View { table, synced_through, patches }, snapshot, key, files }))
    }

    /// The rows of what was read, as of a table's date.
    async fn patch(
        &self,
        snapshot: &Snapshot,
        key: &TableKey,
        name: overlay::Name,
        read: impl Future<Output = Result<Option<Arc<overlay::Read>>, BooksError>> + Send + 'static,
    ) -> Result<Arc<Patch>, Status> {
        let (me, of, at) = (self.clone(), snapshot.clone(), key.clone());
        let patch = tokio::spawn(async move {
            let date = at.date;
            let compute = async {
                let Some(read) = read.await? else { return Ok(Patch::default()) };
                let books = me.books_of(&of, &read.rows).await?;
                let mut rows = table::build(&books, date, &of.present).await?.rows;
                // The guarantor of a family may belong to another one, of which nothing else was read.
                rows.retain(|row| read.families.contains(&row.family));
                Ok::<_, BooksError>(Patch { read_at: read.at, patients: read.patients.clone(), rows })
            };
            me.finder.patches.get((at.clone(), name), compute).await
        });
        let patch = patch.await.map_err(|_| Refusal::internal("the patients could not be read"))?;
        patch.map_err(refusal)
    }

    /// The practice's lists as the night left them, and in place of its people and their accounts the rows given.
    async fn books_of(
        &self,
        snapshot: &Snapshot,
        rows: &BTreeMap<&'static str, arrow::array::RecordBatch>,
    ) -> Result<Books, BooksError> {
        let mut tables = Vec::new();
        for (name, version) in &snapshot.versions {
            let Some(dataset) = datasets::get(name).filter(|dataset| !rows.contains_key(dataset.name)) else {
                continue;
            };
            tables.push((dataset, files_at(self.store.table(&snapshot.practice, name), *version).await?));
        }
        Ok(Books::with_rows(tables, rows).await?)
    }
}

#[tonic::async_trait]
impl Refresh for Analytics {
    async fn refresh(&self, settings: &Settings, patients: &[i64]) -> Result<(), Status> {
        let id = names::practice("practice", &settings.name)?;
        let state = self.states.get(id).await?;
        self.refreshed(id, &state, settings, &patients.iter().copied().collect()).await?;
        Ok(())
    }
}

/// As of when fields are looked at.
fn as_of(date: Date, broken_months: i32) -> AsOf {
    AsOf { date, broken_from: date.saturating_sub(i64::from(broken_months).months()) }
}

/// The conditions of both kinds of filters.
fn conditions(
    filters: &[PatientFilter],
    filter: &str,
    snapshot: &Snapshot,
    date: Date,
) -> Result<Vec<Condition>, Refusal> {
    let practice = Practice { id: &snapshot.practice, currency: &snapshot.currency, date };
    let mut conditions = filter::conditions(filters, practice)?;
    conditions.extend(filter::compile::conditions(filter, practice)?);
    Ok(conditions)
}

/// Refuses conditions on columns that cannot be filled yet: nobody would pass, or everybody.
fn check_there(conditions: &[Condition], table: &Table) -> Result<(), Refusal> {
    for condition in conditions {
        if let Some(lacking) = table.lacks(Part::of(condition.field)) {
            let name = crate::finder::field::name(condition.field);
            let message =
                format!("{name} cannot be filtered by yet: {} is not read; try again later", lacking.join(", "));
            let refusal = Refusal::new(Code::FailedPrecondition, ErrorReason::InitialSyncIncomplete, message);
            return Err(refusal.retry_after(INITIAL_RETRY));
        }
    }
    Ok(())
}

/// What a page token belongs to.
fn digest(request: &FindPatientsRequest) -> u64 {
    let filters: Vec<Vec<u8>> = request.filters.iter().map(PatientFilter::encode_to_vec).collect();
    let months = request.broken_months.to_le_bytes();
    let texts = [&request.practice, &request.filter, &request.query, &request.order_by].map(String::as_bytes);
    let parts = texts.into_iter().chain([months.as_slice()]).chain(filters.iter().map(Vec::as_slice));
    page::digest(&parts.collect::<Vec<_>>())
}

/// The settings of a practice whose PMS may be read for single patients.
fn readable(state: &PracticeState) -> Result<Settings, Refusal> {
    let settings = state.practice.clone().unwrap_or_default();
    if settings.paused {
        let message = "the practice is paused: its PMS is not read; `PracticeService/UpdatePractice` resumes it";
        return Err(Refusal::new(Code::FailedPrecondition, ErrorReason::PracticePaused, message));
    }
    if !state.initial_sync_finished {
        let message = "the practice is being read for the first time; its patients are refreshed by that";
        let refusal = Refusal::new(Code::FailedPrecondition, ErrorReason::InitialSyncIncomplete, message);
        return Err(refusal.retry_after(INITIAL_RETRY));
    }
    Ok(settings)
}

fn unread() -> Status {
    Refusal::new(Code::FailedPrecondition, ErrorReason::InitialSyncIncomplete, "no patients have been read yet")
        .retry_after(INITIAL_RETRY)
        .into()
}

/// Work on the store's files.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> Result<T, Refusal> {
    let done = spawn_blocking(work).await.map_err(std::io::Error::other).and_then(|done| done);
    done.map_err(|error| {
        tracing::error!(kind = ?error.kind(), "the store of refreshed rows fails");
        let message = format!("the store cannot be used ({}): {}", error.kind(), faults::words(error.kind()));
        Refusal::new(Code::Unavailable, ErrorReason::TableUnavailable, message).retry_after(INITIAL_RETRY)
    })
}
