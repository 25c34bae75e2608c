//! sync-state, a connector and analytics-sync in this process, for tests of figures.

use std::{collections::HashMap, time::Duration};

use chairsync_proto::{
    analytics::{Board, ListBoardRowsRequest, analytics_service_client::AnalyticsServiceClient},
    practice::{CreatePracticeRequest, Practice, practice_service_client::PracticeServiceClient},
    sync::RunState,
};
use mesh::{
    secret::Secret,
    transport::{Channel, connect, in_process},
};
use test_servers::MariaDb;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Response, Status};

use crate::practice;

/// How long a practice may take to sync, and an answer to be whole.
const PATIENCE: Duration = Duration::from_secs(180);

/// State, connector and analytics.
pub struct AnalyticsMesh {
    state: Channel,
    analytics: Channel,
    stop: CancellationToken,
    servers: Vec<JoinHandle<anyhow::Result<()>>>,
    folder: tempfile::TempDir,
}

impl AnalyticsMesh {
    /// Starts them, with the password of the tests' MariaDB.
    ///
    /// # Panics
    /// When they do not start.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stop = CancellationToken::new();
        let (state, state_listener) = in_process("sync-state");
        let (connector, connector_listener) = in_process("pms-connector");
        let (analytics, analytics_listener) = in_process("analytics-sync");
        let word = Secret::new(MariaDb::READER_PASSWORD);
        let pms = pms_connector::Config {
            credentials: HashMap::from([(practice::CREDENTIAL.to_owned(), word)]),
            ..Default::default()
        };
        let data = sync_state::Config { data: Some(folder.path().join("state")), ..Default::default() };
        let config = analytics_sync::Config {
            store: folder.path().join("tables").to_string_lossy().into_owned(),
            sync_state: state.clone(),
            pms_connector: connector.clone(),
            worker: None,
            capacity: 2,
            lease_seconds: 30,
            object_store: Default::default(),
        };
        let servers = vec![
            tokio::spawn(sync_state::run(data, state_listener, stop.clone())),
            tokio::spawn(pms_connector::run(pms, connector_listener, stop.clone())),
            tokio::spawn(analytics_sync::run(config, analytics_listener, stop.clone())),
        ];
        Self { state: connect(&state), analytics: connect(&analytics), stop, servers, folder }
    }

    /// Registers a practice and waits for its initial run.
    ///
    /// # Panics
    /// When the run does not succeed in time.
    pub async fn sync(&self, id: &str, settings: Practice) {
        let request = CreatePracticeRequest { practice_id: id.to_owned(), practice: Some(settings) };
        let answer = PracticeServiceClient::new(self.state.clone()).create_practice(request).await.unwrap();
        let run = answer.into_inner().initial_run;
        let run = practice::finished(self.state.clone(), &run, PATIENCE).await;
        assert_eq!(run.state(), RunState::Succeeded, "{id}: {:?}", run.error);
        // What the run ended with is followed a moment later: until then a board may lack its last dataset.
        let boards =
            [Board::MorningHuddle, Board::Performance, Board::Collections, Board::ProviderPulse, Board::Scorecard];
        for board in boards {
            let request = ListBoardRowsRequest {
                practice: format!("practices/{id}"),
                board: board.into(),
                metric: "gross_production".into(),
                page_size: 1,
                ..Default::default()
            };
            let call =
                async |mut client: AnalyticsServiceClient<Channel>| client.list_board_rows(request.clone()).await;
            self.ask(call, |answer| practice::complete(answer.freshness.as_ref())).await;
        }
    }

    /// Where the tables are: a folder for each practice.
    pub fn tables(&self) -> std::path::PathBuf {
        self.folder.path().join("tables")
    }

    /// A channel to the analytics features.
    pub fn channel(&self) -> Channel {
        self.analytics.clone()
    }

    /// A client of the analytics features.
    pub fn analytics(&self) -> AnalyticsServiceClient<Channel> {
        AnalyticsServiceClient::new(self.analytics.clone())
    }

    /// Asks until `whole` says that the answer is whole: what a run has just brought may not be followed yet, and a slow
    /// machine may need more than one call's time.
    ///
    /// # Panics
    /// When the call is refused, or no answer is whole in time.
    pub async fn ask<A>(
        &self,
        mut call: impl AsyncFnMut(AnalyticsServiceClient<Channel>) -> Result<Response<A>, Status>,
        whole: impl Fn(&A) -> bool,
    ) -> A {
        let asking = async {
            loop {
                match call(self.analytics()).await {
                    Ok(answer) if whole(answer.get_ref()) => return answer.into_inner(),
                    Ok(_) => {}
                    // What was begun goes on, and is there when it is asked for again.
                    Err(status) if status.code() == Code::DeadlineExceeded => {}
                    Err(status) => panic!("{status:?}"),
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, asking).await.expect("a whole answer in time")
    }

    /// Stops them in order.
    ///
    /// # Panics
    /// When one of them ended with an error.
    pub async fn end(self) {
        self.stop.cancel();
        for server in self.servers {
            server.await.unwrap().unwrap();
        }
    }
}
