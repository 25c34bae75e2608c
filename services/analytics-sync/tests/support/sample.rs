//! sync-state, the sample connector and analytics-sync in one process, for tests on sample practices.
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code)]

use std::time::Duration;

use chairsync_proto::{
    practice::{
        CreatePracticeRequest, PmsSource, Practice, SampleSource, pms_source::Kind,
        practice_service_client::PracticeServiceClient,
    },
    sync::{RunState, WatchRunRequest, sync_service_client::SyncServiceClient},
};
use mesh::transport::{Channel, connect, in_process};
use tokio_util::sync::CancellationToken;

/// How long a run may take.
pub const LIMIT: Duration = Duration::from_secs(180);

/// The services, with channels to them.
pub struct SampleMesh {
    pub state: Channel,
    pub connector: Channel,
    pub analytics: Channel,
    /// The folder of the tables.
    pub tables: String,
    pub stop: CancellationToken,
    _folder: tempfile::TempDir,
}

impl SampleMesh {
    /// Starts them.
    pub fn start() -> Self {
        let (folder, stop) = (tempfile::tempdir().unwrap(), CancellationToken::new());
        let (state, state_listener) = in_process("sync-state");
        let (connector, connector_listener) = in_process("pms-connector");
        let (analytics, analytics_listener) = in_process("analytics-sync");
        let tables = folder.path().join("tables").to_string_lossy().into_owned();
        let data = sync_state::Config { data: Some(folder.path().join("state")), ..Default::default() };
        let config = analytics_sync::Config {
            store: tables.clone(),
            sync_state: state.clone(),
            pms_connector: connector.clone(),
            worker: None,
            capacity: 2,
            lease_seconds: 30,
            object_store: Default::default(),
        };
        tokio::spawn(sync_state::run(data, state_listener, stop.clone()));
        tokio::spawn(pms_connector::run(Default::default(), connector_listener, stop.clone()));
        tokio::spawn(analytics_sync::run(config, analytics_listener, stop.clone()));
        Self {
            state: connect(&state),
            connector: connect(&connector),
            analytics: connect(&analytics),
            tables,
            stop,
            _folder: folder,
        }
    }

    /// Registers a practice and returns the name of its initial run.
    pub async fn register(&self, id: &str, practice: Practice) -> String {
        let request = CreatePracticeRequest { practice_id: id.into(), practice: Some(practice) };
        let made = PracticeServiceClient::new(self.state.clone()).create_practice(request).await.unwrap();
        made.into_inner().initial_run
    }

    /// Waits until a run has succeeded.
    pub async fn finished(&self, run: String) {
        let request = WatchRunRequest { name: run };
        let mut runs = SyncServiceClient::new(self.state.clone()).watch_run(request).await.unwrap().into_inner();
        let ended = async {
            while let Some(message) = runs.message().await.unwrap() {
                if message.run.unwrap().state() == RunState::Succeeded {
                    return;
                }
            }
            panic!("the run was not followed to its end");
        };
        tokio::time::timeout(LIMIT, ended).await.expect("the run succeeds in time");
    }
}

/// A small sample practice.
pub fn practice(seed: u64, time_zone: &str) -> Practice {
    let sample = SampleSource { seed, patients: 40, live: false, as_of_date: String::new(), years: 1 };
    Practice {
        time_zone: time_zone.into(),
        source: Some(PmsSource { kind: Some(Kind::Sample(sample)) }),
        ..Default::default()
    }
}
