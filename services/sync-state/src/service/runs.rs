//! Status and runs.

use std::{borrow::Cow, sync::Arc};

use chairsync_proto::{
    catalog,
    feature::Feature,
    sync::{
        CancelRunRequest, CancelRunResponse, DueTime, GetFeatureStatusRequest, GetFeatureStatusResponse, GetRunRequest,
        GetRunResponse, ListDueTimesRequest, ListDueTimesResponse, ListFeatureStatusesRequest,
        ListFeatureStatusesResponse, ListRunsRequest, ListRunsResponse, RetryRunRequest, RetryRunResponse,
        StartSyncRequest, StartSyncResponse, WatchFeatureStatusesRequest, WatchFeatureStatusesResponse,
        WatchRunRequest, WatchRunResponse, sync_service_server::SyncService,
    },
};
use futures::StreamExt as _;
use jiff::Timestamp;
use mesh::{
    Refusal, calendar, names,
    pages::{self, List},
};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, codegen::BoxStream};

use super::{
    convert, read,
    states::{Done, States},
    watch::{self, Token},
};
use crate::core::{
    command::{Command, Outcome},
    dataset::DatasetSet,
    freshness, nightly,
    records::{self, RecordKey, Scan},
    refusal,
    run::{Run, Scope},
    runs::PATIENTS_MAX,
    shared::{Shared, Text},
    state::PracticeState,
};

const PAGE_DEFAULT: i32 = 20;
const PAGE_MAX: i32 = 100;
const DUE_TIMES_DEFAULT: i32 = 10;
const DUE_TIMES_MAX: i32 = 100;
const KEY_BYTES_MAX: usize = 64;

/// See [`SyncService`].
#[derive(Debug)]
pub(super) struct Runs {
    states: Arc<States>,
    shutdown: CancellationToken,
}

impl Runs {
    pub(super) fn new(states: Arc<States>, shutdown: CancellationToken) -> Self {
        Self { states, shutdown }
    }
}

/// A run of a practice: one that has not ended, or that is remembered.
///
/// # Errors
/// `RESOURCE_NOT_FOUND` or `STORE_UNAVAILABLE`.
pub(super) async fn find<'a>(
    states: &States,
    state: &'a PracticeState,
    sequence: u64,
) -> Result<Cow<'a, Run>, Refusal> {
    if let Some(run) = state.run(sequence) {
        return Ok(Cow::Borrowed(run));
    }
    let key = RecordKey::run(sequence);
    if let Some(record) = states.record(&state.id, key.clone()).await? {
        let run = records::decode(&key, &record).map_err(refusal::Refusal::from)?;
        return Ok(Cow::Owned(run));
    }
    // It may have been queued or have begun again between the two looks.
    match states.practice(&state.id)?.run(sequence) {
        Some(run) => Ok(Cow::Owned(run.clone())),
        None => Err(refusal::Refusal::RunNotFound.into()),
    }
}

fn feature(field: &str, number: i32) -> Result<&'static catalog::FeatureRow, Refusal> {
    let known = Feature::try_from(number).ok().and_then(catalog::feature);
    known.ok_or_else(|| Refusal::invalid(field, "must be one of the catalog's; `ListFeatures` lists them"))
}

/// What a run is asked to read.
fn scope(request: &StartSyncRequest) -> Result<Scope, Refusal> {
    let mut datasets = DatasetSet::default();
    for number in &request.features {
        freshness::datasets_of(feature("features", *number)?).iter().for_each(|dataset| datasets.insert(dataset));
    }
    for name in &request.datasets {
        datasets.insert(read::dataset("datasets", name)?);
    }
    if request.features.is_empty() && request.datasets.is_empty() {
        datasets = DatasetSet::all();
    }
    if request.patients.len() > PATIENTS_MAX {
        return Err(Refusal::invalid("patients", format!("must be at most {PATIENTS_MAX}; leave it empty for all")));
    }
    let mut patients = Vec::with_capacity(request.patients.len());
    for patient in &request.patients {
        // As the PMS has them: numbers, each written in one way only.
        match patient.parse::<i64>() {
            Ok(number) if number > 0 => patients.push(number),
            _ => return Err(Refusal::invalid("patients", "must be the PMS's numbers, above 0")),
        }
    }
    patients.sort_unstable();
    patients.dedup();
    Ok(Scope {
        datasets,
        patients: patients.into_iter().map(|number| Text::from(number.to_string())).collect(),
        from: read::date("from_date", request.from_date)?,
        until: read::date("until_date", request.until_date)?,
    })
}

fn request_id(key: &str) -> Result<Text, Refusal> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    match key.len() <= KEY_BYTES_MAX && key.bytes().all(plain) {
        true => Ok(Text::from(key)),
        false => Err(Refusal::invalid("request_id", "must be up to 64 of a-z, A-Z, 0-9, hyphen and underscore")),
    }
}

#[tonic::async_trait]
impl SyncService for Runs {
    async fn get_feature_status(
        &self,
        request: Request<GetFeatureStatusRequest>,
    ) -> Result<Response<GetFeatureStatusResponse>, Status> {
        let request = request.into_inner();
        let state = self.states.practice(names::practice("practice", &request.practice)?)?;
        let feature = feature("feature", request.feature)?.feature;
        let status = freshness::statuses(&state, Timestamp::now()).into_iter().find(|s| s.feature() == feature);
        Ok(Response::new(GetFeatureStatusResponse { status }))
    }

    async fn list_feature_statuses(
        &self,
        request: Request<ListFeatureStatusesRequest>,
    ) -> Result<Response<ListFeatureStatusesResponse>, Status> {
        let state = self.states.practice(names::practice("practice", &request.get_ref().practice)?)?;
        let statuses = freshness::statuses(&state, Timestamp::now());
        Ok(Response::new(ListFeatureStatusesResponse { statuses }))
    }

    async fn watch_feature_statuses(
        &self,
        request: Request<WatchFeatureStatusesRequest>,
    ) -> Result<Response<BoxStream<WatchFeatureStatusesResponse>>, Status> {
        let request = request.into_inner();
        let id = names::practice("practice", &request.practice)?;
        self.states.practice(id)?;
        let seen = Token::read(id, &request.resume_token)?;
        let stream = watch::statuses(&self.states, id, seen, self.shutdown.clone());
        Ok(Response::new(Box::pin(stream.map(|message| message.map_err(Status::from)))))
    }

    async fn get_run(&self, request: Request<GetRunRequest>) -> Result<Response<GetRunResponse>, Status> {
        let (id, sequence) = read::numbered("name", &request.get_ref().name, "runs")?;
        let state = self.states.practice(id)?;
        let run = find(&self.states, &state, sequence).await?;
        Ok(Response::new(GetRunResponse { run: Some(convert::run(id, &run)) }))
    }

    async fn list_runs(&self, request: Request<ListRunsRequest>) -> Result<Response<ListRunsResponse>, Status> {
        let request = request.into_inner();
        let id = names::practice("practice", &request.practice)?;
        let state = self.states.practice(id)?;
        let size = pages::size(request.page_size, PAGE_DEFAULT, PAGE_MAX)?;
        let list = List { what: "runs", of: id };
        let before = list.number(&request.page_token)?.unwrap_or(u64::MAX);
        let scan = Scan { from: RecordKey::run(0), until: RecordKey::run(before), limit: size + 1, reverse: true };
        let mut runs: Vec<Run> = Vec::with_capacity(size + 1);
        for (key, record) in self.states.records(id, &scan).await? {
            runs.push(
                records::decode(&key, &record).map_err(|damaged| Refusal::from(refusal::Refusal::from(damaged)))?,
            );
        }
        // One that ended between the two looks is in both.
        let ended: Vec<u64> = runs.iter().map(|run| run.sequence).collect();
        let live = state.runs.iter().filter(|run| run.sequence < before && !ended.contains(&run.sequence));
        runs.extend(live.cloned());
        runs.sort_by_key(|run| std::cmp::Reverse(run.sequence));
        let more = runs.len() > size;
        runs.truncate(size);
        let last = runs.last().filter(|_| more).map(|run| list.token(&run.sequence.to_string()));
        Ok(Response::new(ListRunsResponse {
            runs: runs.iter().map(|run| convert::run(id, run)).collect(),
            next_page_token: last.unwrap_or_default(),
        }))
    }

    async fn watch_run(
        &self,
        request: Request<WatchRunRequest>,
    ) -> Result<Response<BoxStream<WatchRunResponse>>, Status> {
        let (id, sequence) = read::numbered("name", &request.get_ref().name, "runs")?;
        let state = self.states.practice(id)?;
        find(&self.states, &state, sequence).await?;
        let stream = watch::run(&self.states, id, sequence, self.shutdown.clone());
        Ok(Response::new(Box::pin(stream.map(|message| message.map_err(Status::from)))))
    }

    async fn cancel_run(&self, request: Request<CancelRunRequest>) -> Result<Response<CancelRunResponse>, Status> {
        let (id, run) = read::numbered("name", &request.get_ref().name, "runs")?;
        let Done { outcome, .. } = self.states.execute(id, &Command::CancelRun { run }).await?;
        Ok(Response::new(CancelRunResponse { run: outcome.run().map(|run| convert::run(id, run)) }))
    }

    async fn start_sync(&self, request: Request<StartSyncRequest>) -> Result<Response<StartSyncResponse>, Status> {
        let request = request.into_inner();
        let id = names::practice("practice", &request.practice)?;
        let (scope, request_id) = (Shared::new(scope(&request)?), request_id(&request.request_id)?);
        let Done { outcome, .. } = self.states.execute(id, &Command::StartSync { scope, request_id }).await?;
        let coalesced = matches!(outcome, Outcome::Found(_));
        Ok(Response::new(StartSyncResponse { run: outcome.run().map(|run| convert::run(id, run)), coalesced }))
    }

    async fn retry_run(&self, request: Request<RetryRunRequest>) -> Result<Response<RetryRunResponse>, Status> {
        let (id, run) = read::numbered("name", &request.get_ref().name, "runs")?;
        let Done { outcome, .. } = self.states.execute(id, &Command::RetryRun { run }).await?;
        Ok(Response::new(RetryRunResponse { run: outcome.run().map(|run| convert::run(id, run)) }))
    }

    async fn list_due_times(
        &self,
        request: Request<ListDueTimesRequest>,
    ) -> Result<Response<ListDueTimesResponse>, Status> {
        let request = request.into_inner();
        let state = self.states.practice(names::practice("practice", &request.practice)?)?;
        let count = match request.count {
            0 => DUE_TIMES_DEFAULT,
            1..=DUE_TIMES_MAX => request.count,
            _ => return Err(Refusal::invalid("count", format!("must be 1 to {DUE_TIMES_MAX}")).into()),
        };
        if state.settings.paused {
            return Ok(Response::new(ListDueTimesResponse::default()));
        }
        let count = count as usize; // just found to be positive
        let nights = nightly::due_times(&state.id, &state.settings, state.last_night, Timestamp::now(), count);
        let due_time = |night: nightly::Night| DueTime {
            local_date: night.date.to_string(),
            due_at: Some(calendar::to_proto(night.due_at)),
            window_closes_at: Some(calendar::to_proto(night.closes_at)),
        };
        Ok(Response::new(ListDueTimesResponse { due_times: nights.into_iter().map(due_time).collect() }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use chairsync_proto::google_type;

    use super::*;
    use crate::core::dataset::DatasetId;

    #[test]
    fn what_is_asked_for_becomes_one_scope() {
        let all = scope(&StartSyncRequest::default()).unwrap();
        assert!(all.whole() && all.datasets == DatasetSet::all());
        let request = StartSyncRequest {
            features: vec![Feature::PatientFinder.into()],
            datasets: vec!["schedule".to_owned()],
            patients: vec!["12".to_owned(), "7".to_owned(), "12".to_owned()],
            ..StartSyncRequest::default()
        };
        let some = scope(&request).unwrap();
        assert!(some.datasets.contains(DatasetId::named("schedule").unwrap()));
        assert!(some.datasets.contains(DatasetId::named("patient").unwrap()));
        assert!(some.datasets.len() < DatasetSet::all().len());
        assert_eq!(some.patients, [Text::from("7"), Text::from("12")]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let date = |year, month, day| Some(google_type::Date { year, month, day });
        let right = StartSyncRequest::default;
        for (field, request) in [
            ("features", StartSyncRequest { features: vec![0], ..right() }),
            ("features", StartSyncRequest { features: vec![9999], ..right() }),
            ("datasets", StartSyncRequest { datasets: vec!["PatNum".to_owned()], ..right() }),
            ("patients", StartSyncRequest { patients: vec!["0".to_owned()], ..right() }),
            ("patients", StartSyncRequest { patients: vec!["x".to_owned()], ..right() }),
            ("patients", StartSyncRequest { patients: vec!["1".to_owned(); 10_001], ..right() }),
            ("from_date", StartSyncRequest { from_date: date(2026, 2, 30), ..right() }),
            ("until_date", StartSyncRequest { until_date: date(2026, 0, 0), ..right() }),
        ] {
            assert_eq!(scope(&request).unwrap_err().field.unwrap().0, field);
        }
        assert!(request_id("a b").is_err() && request_id(&"a".repeat(65)).is_err() && request_id("a-B_9").is_ok());
    }
}
