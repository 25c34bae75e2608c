//! Status and runs.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chairsync_proto::{
    catalog,
    feature::{ErrorReason, Feature},
    sync::{
        CancelRunRequest, CancelRunResponse, FeatureStatus, GetFeatureStatusRequest, GetFeatureStatusResponse,
        GetRunRequest, GetRunResponse, ListFeatureStatusesRequest, ListFeatureStatusesResponse, ListRunsRequest,
        ListRunsResponse, Run as RunMessage, StartSyncRequest, StartSyncResponse, WatchFeatureStatusesRequest,
        WatchFeatureStatusesResponse, WatchRunRequest, WatchRunResponse, sync_service_server::SyncService,
    },
};
use jiff::Timestamp;
use mesh::{Refusal, names};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Response, Status, codegen::BoxStream};

use super::{
    convert,
    practices::{find_run, page, run_of},
    states::States,
};
use crate::core::{
    command::{Command, Outcome},
    freshness,
    records::{self, Scan},
    refusal,
    run::{Run, Scope},
    state::PracticeState,
};

const PAGE_DEFAULT: i32 = 20;
const PAGE_MAX: i32 = 100;
const TOKEN: &str = "runs:";

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

#[tonic::async_trait]
impl SyncService for Runs {
    async fn get_feature_status(
        &self,
        request: Request<GetFeatureStatusRequest>,
    ) -> Result<Response<GetFeatureStatusResponse>, Status> {
        let request = request.into_inner();
        let state = self.states.practice(names::practice("practice", &request.practice)?)?;
        let known = Feature::try_from(request.feature).ok().filter(|f| catalog::feature(*f).is_some());
        let Some(feature) = known else {
            return Err(Refusal::invalid("feature", "must be one of the catalog's; `ListFeatures` lists them").into());
        };
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
        let id = names::practice("practice", &request.get_ref().practice)?.to_owned();
        self.states.practice(&id)?;
        let states = self.follow(id);
        Ok(Response::new(Box::pin(async_stream::try_stream! {
            let mut last: Vec<FeatureStatus> = Vec::new();
            for await state in states {
                let statuses = freshness::statuses(&*state?, Timestamp::now());
                if statuses != last {
                    last.clone_from(&statuses);
                    yield WatchFeatureStatusesResponse { statuses, resume_token: String::new() };
                }
            }
        })))
    }

    async fn get_run(&self, request: Request<GetRunRequest>) -> Result<Response<GetRunResponse>, Status> {
        let (_, state, run) = find_run(&self.states, "name", &request.get_ref().name).await?;
        Ok(Response::new(GetRunResponse { run: Some(convert::run(&state, &run)) }))
    }

    async fn list_runs(&self, request: Request<ListRunsRequest>) -> Result<Response<ListRunsResponse>, Status> {
        let request = request.into_inner();
        let id = names::practice("practice", &request.practice)?;
        let state = self.states.practice(id)?;
        let size = page(request.page_size, PAGE_DEFAULT, PAGE_MAX)?;
        let before = read_token(id, &request.page_token)?;
        let ended = self.states.scan(id, &Scan::prefix("run/", usize::from(u8::MAX))).await?;
        let ended = ended.iter().map(|(key, value)| records::decode(key, value));
        let ended: Vec<Run> = ended.collect::<Result<_, _>>().map_err(|e| Refusal::from(refusal::Refusal::from(e)))?;
        let mut runs: Vec<_> = state.runs.iter().chain(&ended).filter(|run| run.sequence < before).collect();
        runs.sort_by_key(|run| std::cmp::Reverse(run.sequence));
        let more = runs.len() > size;
        runs.truncate(size);
        let last = runs.last().filter(|_| more);
        let next = last.map(|run| URL_SAFE_NO_PAD.encode(format!("{TOKEN}{id}:{}", run.sequence)));
        Ok(Response::new(ListRunsResponse {
            runs: runs.into_iter().map(|run| convert::run(&state, run)).collect(),
            next_page_token: next.unwrap_or_default(),
        }))
    }

    async fn watch_run(
        &self,
        request: Request<WatchRunRequest>,
    ) -> Result<Response<BoxStream<WatchRunResponse>>, Status> {
        let (id, _, run) = find_run(&self.states, "name", &request.get_ref().name).await?;
        let (states, follow, sequence) = (self.states.clone(), self.follow(id.to_owned()), run.sequence);
        Ok(Response::new(Box::pin(async_stream::try_stream! {
            let mut last = None;
            for await state in follow {
                let state = state?;
                let Some(run) = run_of(&states, &state, sequence).await? else {
                    Err(Refusal::from(refusal::Refusal::RunNotFound))?;
                    return;
                };
                let ended = run.phase.ended();
                let run = Some(convert::run(&state, &run));
                if run != last {
                    last.clone_from(&run);
                    yield WatchRunResponse { run };
                }
                if ended {
                    return;
                }
            }
        })))
    }

    async fn cancel_run(&self, request: Request<CancelRunRequest>) -> Result<Response<CancelRunResponse>, Status> {
        let (id, _, run) = find_run(&self.states, "name", &request.get_ref().name).await?;
        let (state, outcome) = self.states.execute(id, &Command::CancelRun { run: run.sequence }).await?;
        Ok(Response::new(CancelRunResponse { run: message(&state, &outcome) }))
    }

    async fn start_sync(&self, request: Request<StartSyncRequest>) -> Result<Response<StartSyncResponse>, Status> {
        let request = request.into_inner();
        let id = names::practice("practice", &request.practice)?;
        let command = Command::StartSync { scope: Scope::everything(), request_id: request.request_id.into() };
        let (state, outcome) = self.states.execute(id, &command).await?;
        let coalesced = matches!(outcome, Outcome::Found(_));
        Ok(Response::new(StartSyncResponse { run: message(&state, &outcome), coalesced }))
    }
}

impl Runs {
    /// A practice's states: as it is, then after each change, until it is deleted or the service stops. A slow reader
    /// sees fewer of them, and always the last.
    fn follow(&self, id: String) -> impl futures::Stream<Item = Result<Arc<PracticeState>, Refusal>> + Send + use<> {
        let (states, shutdown) = (self.states.clone(), self.shutdown.clone());
        let mut changes = states.changes();
        async_stream::try_stream! {
            loop {
                yield states.practice(&id)?;
                loop {
                    let change = tokio::select! {
                        () = shutdown.cancelled() => None,
                        change = changes.recv() => Some(change),
                    };
                    match change {
                        Some(Ok(changed)) if changed == id => break,
                        Some(Ok(_)) => {}
                        Some(Err(broadcast::error::RecvError::Lagged(_))) => break,
                        Some(Err(broadcast::error::RecvError::Closed)) => return,
                        None => Err(Refusal::upstream_unavailable("the service is restarting; watch again"))?,
                    }
                }
            }
        }
    }
}

fn message(state: &PracticeState, outcome: &Outcome) -> Option<RunMessage> {
    outcome.run().map(|run| convert::run(state, run))
}

fn read_token(id: &str, token: &str) -> Result<u64, Refusal> {
    if token.is_empty() {
        return Ok(u64::MAX);
    }
    let text = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let before = text.as_deref().and_then(|text| text.strip_prefix(TOKEN)?.strip_prefix(id)?.strip_prefix(':'));
    before.and_then(|before| before.parse().ok()).ok_or_else(|| {
        let sentence = "is not a token of this practice's list; leave it empty to start over";
        Refusal::new(Code::InvalidArgument, ErrorReason::PageTokenInvalid, sentence).on_field("page_token")
    })
}
