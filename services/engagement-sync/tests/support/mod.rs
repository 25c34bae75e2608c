//! What the tests stand on: a source whose every change the test decides, and leases whose every loss it decides. Both
//! speak the real protos through in-memory connections.
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code, missing_docs)]

pub mod source;
pub mod state;

use std::sync::Arc;

use chairsync_proto::{
    engagement::{
        WatchRequest, WatchResponse, engagement_service_client::EngagementServiceClient,
        patient_card_service_client::PatientCardServiceClient,
    },
    pms::pms_connector_service_server::PmsConnectorServiceServer,
    state::state_service_server::StateServiceServer,
};
use engagement_sync::{Config, live_datasets, row::Row};
use mesh::transport::{Channel, Endpoint, connect, in_process};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Status, Streaming, service::Routes};

pub use self::{source::Source, state::FakeState};

pub fn row(dataset: &str) -> Row {
    Row::new(mesh::datasets::get(dataset).unwrap())
}

pub fn patient(number: i64, guarantor: i64, name: &str) -> Row {
    row("patient").with("pat_num", number).with("guarantor", guarantor).with("l_name", name).with("f_name", "Ann")
}

pub fn appointment(key: i64, patient: i64, note: &str) -> Row {
    row("appointment").with("apt_num", key).with("pat_num", patient).with("note", note)
}

/// Serves a fake under its service's name.
fn served(name: &'static str, routes: Routes, stop: &CancellationToken) -> Endpoint {
    let (endpoint, listener) = in_process(name);
    tokio::spawn(mesh::serve::serve(name, routes, listener, stop.clone()));
    endpoint
}

/// A source and a state, served; they end with this.
pub struct Mesh {
    pub source: Arc<Source>,
    pub state: Arc<FakeState>,
    pub pms_connector: Endpoint,
    pub sync_state: Endpoint,
    stop: CancellationToken,
    _ends: DropGuard,
}

impl Mesh {
    pub fn start() -> Self {
        let stop = CancellationToken::new();
        let (source, state) = (Arc::new(Source::default()), Arc::new(FakeState::default()));
        let pms = Routes::new(PmsConnectorServiceServer::from_arc(source.clone()));
        let states = Routes::new(StateServiceServer::from_arc(state.clone()));
        Self {
            source,
            state,
            pms_connector: served("pms-connector", pms, &stop),
            sync_state: served("sync-state", states, &stop),
            stop: stop.clone(),
            _ends: stop.drop_guard(),
        }
    }

    pub fn config(&self) -> Config {
        Config::new(self.sync_state.clone(), self.pms_connector.clone())
    }

    /// Starts engagement-sync; cancel the token to stop it.
    pub fn engage(&self, config: Config) -> Engaged {
        let (endpoint, listener) = in_process("engagement-sync");
        let stop = self.stop.child_token();
        let (running, stopped) = (engagement_sync::run(config, listener, stop.clone()), stop.clone());
        let task = tokio::spawn(async move {
            let ended = running.await;
            assert!(stopped.is_cancelled(), "engagement-sync ended by itself: {ended:?}");
            ended
        });
        Engaged { channel: connect(&endpoint), stop, task }
    }
}

pub struct Engaged {
    pub channel: Channel,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl Engaged {
    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }

    pub fn cards(&self) -> PatientCardServiceClient<Channel> {
        PatientCardServiceClient::new(self.channel.clone())
    }

    /// Opens a watch; while the view is being filled, again.
    pub async fn watch(&self, request: WatchRequest) -> Result<Streaming<WatchResponse>, Status> {
        for _ in 0..400 {
            match EngagementServiceClient::new(self.channel.clone()).watch(request.clone()).await {
                Err(status) if status.code() == tonic::Code::FailedPrecondition => {
                    tokio::time::sleep(std::time::Duration::from_millis(25)).await;
                }
                answer => return answer.map(tonic::Response::into_inner),
            }
        }
        panic!("the view was never filled");
    }
}

/// All rows of a live view by dataset and key, as compared with the source.
pub async fn all_rows(view: &dyn engagement_sync::live_view::LiveView) -> source::Tables {
    let mut tables = source::Tables::new();
    for dataset in live_datasets::all() {
        let page = view.page("a", dataset, None, 100_000).await.unwrap();
        tables.entry(dataset.name).or_default().extend(page.rows.into_iter().map(|row| (row.id(dataset.key), row)));
    }
    tables.retain(|_, rows| !rows.is_empty());
    tables
}
