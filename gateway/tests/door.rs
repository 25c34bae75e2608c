//! What passes the door: bytes, errors and deadlines unharmed; and what does not pass.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use chairsync_proto::{
    feature::{
        ListFeaturesRequest, ListFeaturesResponse,
        catalog_service_client::CatalogServiceClient,
        catalog_service_server::{CatalogService, CatalogServiceServer},
    },
    state::{GetPracticeStateRequest, state_service_client::StateServiceClient},
    sync::{
        GetRunRequest, GetRunResponse, Run, WatchRunRequest, WatchRunResponse,
        sync_service_client::SyncServiceClient,
        sync_service_server::{SyncService, SyncServiceServer},
    },
};
use mesh::{
    ErrorReason, Refusal,
    error::reason_of,
    transport::{Endpoint, Listener, connect, in_process},
};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Response, Status, codegen::BoxStream, service::Routes};

/// A sync-state that answers as a test asks it to: a peer with known words, so that what the door adds would show.
#[derive(Clone, Default)]
struct Peer {
    /// Told when a watch is dropped.
    dropped: Arc<Mutex<Option<oneshot::Sender<()>>>>,
}

#[tonic::async_trait]
impl CatalogService for Peer {
    async fn list_features(
        &self,
        request: Request<ListFeaturesRequest>,
    ) -> Result<Response<ListFeaturesResponse>, Status> {
        let mut answer = Response::new(ListFeaturesResponse::default());
        if let Some(word) = request.metadata().get("x-word") {
            answer.metadata_mut().insert("x-word", word.clone());
        }
        Ok(answer)
    }
}

#[tonic::async_trait]
impl SyncService for Peer {
    async fn get_run(&self, request: Request<GetRunRequest>) -> Result<Response<GetRunResponse>, Status> {
        match request.into_inner().name.as_str() {
            "deadline" => {
                let left = mesh::deadline::current().map(|d| d - tokio::time::Instant::now());
                let worker = left.map_or("none".to_owned(), |left| left.as_millis().to_string());
                Ok(Response::new(GetRunResponse { run: Some(Run { worker, ..Run::default() }) }))
            }
            "slow" => std::future::pending().await,
            "panic" => panic!("a handler's fault"),
            _ => Err(Refusal::invalid("name", "is wrong on purpose").retry_after(Duration::from_secs(7)).into()),
        }
    }

    async fn watch_run(&self, _: Request<WatchRunRequest>) -> Result<Response<BoxStream<WatchRunResponse>>, Status> {
        let (send, receive) = mpsc::channel(1);
        let told = self.dropped.lock().unwrap().take();
        tokio::spawn(async move {
            for attempt in 0.. {
                let run = Some(Run { attempt, ..Run::default() });
                if send.send(Ok(WatchRunResponse { run })).await.is_err() {
                    break;
                }
            }
            let _ = told.map(|told| told.send(()));
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receive))))
    }
}

struct Door {
    gateway: Endpoint,
    address: String,
    stop: CancellationToken,
}

impl Drop for Door {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A gateway before `peer`; the other two services are not there.
async fn door(peer: Peer) -> Door {
    let stop = CancellationToken::new();
    let (sync_state, listener) = in_process("sync-state");
    let routes = Routes::new(CatalogServiceServer::new(peer.clone())).add_service(SyncServiceServer::new(peer));
    tokio::spawn(mesh::serve::serve("sync-state", routes, listener, stop.clone()));
    let nowhere: Endpoint = format!("http://127.0.0.1:{}", test_servers::free_port()).parse().unwrap();
    let config = gateway::Config {
        sync_state,
        analytics_sync: nowhere.clone(),
        engagement_sync: nowhere,
        insecure_listen: false,
    };
    let listener = Listener::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(gateway::run(config, listener, stop.clone()));
    Door { gateway: format!("http://{address}").parse().unwrap(), address, stop }
}

#[tokio::test]
async fn metadata_and_errors_pass_unharmed() {
    let door = door(Peer::default()).await;
    let mut request = Request::new(ListFeaturesRequest {});
    request.metadata_mut().insert("x-word", "kept".parse().unwrap());
    let answer = CatalogServiceClient::new(connect(&door.gateway)).list_features(request).await.unwrap();
    assert_eq!(answer.metadata().get("x-word").unwrap(), "kept");

    let request = GetRunRequest { name: "wrong".to_owned() };
    let status = SyncServiceClient::new(connect(&door.gateway)).get_run(request).await.unwrap_err();
    let direct = Status::from(Refusal::invalid("name", "is wrong on purpose").retry_after(Duration::from_secs(7)));
    assert_eq!(
        (status.code(), status.message(), status.details()),
        (direct.code(), direct.message(), direct.details())
    );
}

#[tokio::test]
async fn deadlines_shrink_on_their_way() {
    let door = door(Peer::default()).await;
    let mut request = Request::new(GetRunRequest { name: "deadline".to_owned() });
    request.set_timeout(Duration::from_secs(9));
    let mut client = SyncServiceClient::new(connect(&door.gateway));
    let left: u64 = client.get_run(request).await.unwrap().into_inner().run.unwrap().worker.parse().unwrap();
    assert!(left < 9000, "{left} ms");

    let request = GetRunRequest { name: "deadline".to_owned() };
    let left = client.get_run(request).await.unwrap().into_inner().run.unwrap().worker;
    assert!(left.parse::<u64>().unwrap() <= 30_000, "a call without a deadline gets the door's own: {left}");
}

#[tokio::test]
async fn an_expired_call_says_so() {
    let door = door(Peer::default()).await;
    let mut request = Request::new(GetRunRequest { name: "slow".to_owned() });
    request.set_timeout(Duration::from_millis(150));
    let status = SyncServiceClient::new(connect(&door.gateway)).get_run(request).await.unwrap_err();
    assert_eq!((status.code(), reason_of(&status)), (Code::DeadlineExceeded, Some(ErrorReason::DeadlineExceeded)));
}

#[tokio::test]
async fn a_panic_is_one_calls_fault() {
    let door = door(Peer::default()).await;
    let mut client = SyncServiceClient::new(connect(&door.gateway));
    let status = client.get_run(GetRunRequest { name: "panic".to_owned() }).await.unwrap_err();
    assert_eq!((status.code(), reason_of(&status)), (Code::Internal, Some(ErrorReason::Internal)));
    CatalogServiceClient::new(connect(&door.gateway)).list_features(ListFeaturesRequest {}).await.unwrap();
}

#[tokio::test]
async fn a_stream_passes_and_its_cancel_reaches_the_other_side() {
    let (told, dropped) = oneshot::channel();
    let door = door(Peer { dropped: Arc::new(Mutex::new(Some(told))) }).await;
    let request = WatchRunRequest { name: "any".to_owned() };
    let mut stream = SyncServiceClient::new(connect(&door.gateway)).watch_run(request).await.unwrap().into_inner();
    for attempt in 0..200 {
        assert_eq!(stream.message().await.unwrap().unwrap().run.unwrap().attempt, attempt);
    }
    drop(stream);
    tokio::time::timeout(Duration::from_secs(20), dropped).await.expect("the cancel arrives").unwrap();
}

#[tokio::test]
async fn what_is_not_for_callers_is_not_there() {
    let door = door(Peer::default()).await;
    let request = GetPracticeStateRequest { practice: "practices/a".to_owned() };
    let status = StateServiceClient::new(connect(&door.gateway)).get_practice_state(request).await.unwrap_err();
    assert_eq!((status.code(), reason_of(&status)), (Code::Unimplemented, Some(ErrorReason::MethodUnknown)));

    let output = tokio::process::Command::new("grpcurl").args(["-plaintext", &door.address, "list"]).output().await;
    let output = output.expect("grpcurl is installed (tests/run installs it)");
    let listed = String::from_utf8(output.stdout).unwrap();
    assert!(listed.contains("chairsync.sync.v1.SyncService"), "{listed} {}", String::from_utf8_lossy(&output.stderr));
    assert!(!listed.contains("chairsync.state") && !listed.contains("chairsync.pms"), "{listed}");
}

/// What the gateway does not route it does not describe either; what it does, it describes with options and comments.
#[tokio::test]
async fn only_what_is_for_callers_is_described() {
    let door = door(Peer::default()).await;
    let describe = async |symbol: &str| {
        let output =
            tokio::process::Command::new("grpcurl").args(["-plaintext", &door.address, "describe", symbol]).output();
        let output = output.await.expect("grpcurl is installed (tests/run installs it)");
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    for internal in [
        "chairsync.state.v1.StateService",
        "chairsync.state.v1.ClaimRunsRequest",
        "chairsync.pms.v1.PmsConnectorService",
    ] {
        let (found, text) = describe(internal).await;
        assert!(!found, "{text}");
    }
    for service in gateway::Router::public_services() {
        let (found, text) = describe(service).await;
        assert!(
            found && text.contains("chairsync.catalog.v1.method_policy") && text.contains("//"),
            "{service} {text}"
        );
    }
    let details = describe("google.rpc.ErrorInfo").await;
    assert!(details.0, "clients read the details of errors by reflection");
}

/// Serves nothing but health, as the rest of the mesh would.
fn upstream(name: &'static str, stop: &CancellationToken) -> Endpoint {
    let (endpoint, listener) = in_process(name);
    let routes = Routes::new(CatalogServiceServer::new(Peer::default()));
    tokio::spawn(mesh::serve::serve(name, routes, listener, stop.clone()));
    endpoint
}

#[tokio::test]
async fn the_whole_serves_while_all_services_do() {
    use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
    let (stop, stop_analytics) = (CancellationToken::new(), CancellationToken::new());
    let config = gateway::Config {
        sync_state: upstream("sync-state", &stop),
        analytics_sync: upstream("analytics-sync", &stop_analytics),
        engagement_sync: upstream("engagement-sync", &stop),
        insecure_listen: false,
    };
    let (gateway, listener) = in_process("gateway");
    tokio::spawn(gateway::run(config, listener, stop.clone()));

    let reaches = async |service: &str, wanted: ServingStatus| {
        let request = HealthCheckRequest { service: service.to_owned() };
        let mut statuses = HealthClient::new(connect(&gateway)).watch(request).await.unwrap().into_inner();
        let wait = async { while statuses.message().await.unwrap().unwrap().status() != wanted {} };
        tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap_or_else(|_| panic!("{service:?} {wanted:?}"));
    };
    reaches("", ServingStatus::Serving).await;
    stop_analytics.cancel();
    reaches("", ServingStatus::NotServing).await;
    reaches("chairsync.analytics.v1.AnalyticsService", ServingStatus::NotServing).await;
    reaches("chairsync.sync.v1.SyncService", ServingStatus::Serving).await;
    stop.cancel();
}

#[tokio::test]
async fn a_service_that_is_not_there_is_named_as_such() {
    use chairsync_proto::analytics::{ListReportsRequest, analytics_service_client::AnalyticsServiceClient};
    let door = door(Peer::default()).await;
    let request = ListReportsRequest { practice: "practices/a".to_owned() };
    let status = AnalyticsServiceClient::new(connect(&door.gateway)).list_reports(request).await.unwrap_err();
    assert_eq!((status.code(), reason_of(&status)), (Code::Unavailable, Some(ErrorReason::UpstreamUnavailable)));
    use tonic_types::StatusExt;
    assert!(status.get_details_retry_info().is_some());
}

#[tokio::test]
async fn the_door_opens_to_loopback_only_unless_told() {
    let (nowhere, _) = in_process("nowhere");
    let mut config = gateway::Config {
        sync_state: nowhere.clone(),
        analytics_sync: nowhere.clone(),
        engagement_sync: nowhere,
        insecure_listen: false,
    };
    let everywhere = async || Listener::bind(([0, 0, 0, 0], 0).into()).await.unwrap();
    let stop = CancellationToken::new();
    let refused = gateway::run(config.clone(), everywhere().await, stop.clone()).await.unwrap_err();
    assert!(refused.to_string().contains("--insecure-listen"), "{refused}");
    config.insecure_listen = true;
    stop.cancel();
    gateway::run(config, everywhere().await, stop).await.unwrap();
}
