//! Promise: the sample practice is read whole through the real sync-state and connector, a worker that is killed again
//! and again ends with the same tables as one that is not, and the huddle is served from them. Method: the three
//! services in one process, the analytics one aborted whenever the run's progress moved.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{collections::BTreeMap, path::Path, time::Duration};

use analytics_sync::{books::Books, tables::read::files_at};
use chairsync_proto::{
    analytics::{GetMorningHuddleRequest, GetMorningHuddleResponse, analytics_service_client::AnalyticsServiceClient},
    practice::{
        CreatePracticeRequest, PmsSource, Practice, SampleSource, pms_source::Kind,
        practice_service_client::PracticeServiceClient,
    },
    state::{GetPracticeStateRequest, PracticeState, state_service_client::StateServiceClient},
    sync::{Completeness, RunState, WatchRunRequest, sync_service_client::SyncServiceClient},
};
use mesh::{
    datasets,
    transport::{Endpoint, connect, in_process},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(120);

struct Mesh {
    dir: tempfile::TempDir,
    state: Endpoint,
    connector: Endpoint,
    stop: CancellationToken,
    servers: Vec<JoinHandle<anyhow::Result<()>>>,
}

impl Mesh {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let stop = CancellationToken::new();
        let (state, state_listener) = in_process("sync-state");
        let (connector, connector_listener) = in_process("pms-connector");
        let config = sync_state::Config { data: Some(dir.path().join("state")), ..Default::default() };
        let servers = vec![
            tokio::spawn(sync_state::run(config, state_listener, stop.clone())),
            tokio::spawn(pms_connector::run(pms_connector::Config::default(), connector_listener, stop.clone())),
        ];
        Self { dir, state, connector, stop, servers }
    }

    fn store(&self) -> std::path::PathBuf {
        self.dir.path().join("tables")
    }

    fn analytics(&self) -> (Endpoint, JoinHandle<anyhow::Result<()>>, CancellationToken) {
        let (endpoint, listener) = in_process("analytics-sync");
        let config = analytics_sync::Config {
            store: self.store().to_string_lossy().into_owned(),
            sync_state: self.state.clone(),
            pms_connector: self.connector.clone(),
            worker: None,
            capacity: 2,
            lease_seconds: 2,
            object_store: Default::default(),
        };
        let stop = CancellationToken::new();
        (endpoint, tokio::spawn(analytics_sync::run(config, listener, stop.clone())), stop)
    }

    /// Registers the sample practice; the same rows under every id. Returns its initial run.
    async fn register(&self, id: &str) -> String {
        let sample = SampleSource { seed: 7, patients: 300, live: false, as_of_date: String::new(), years: 2 };
        let practice = Practice {
            display_name: "North".into(),
            time_zone: "America/Chicago".into(),
            source: Some(PmsSource { kind: Some(Kind::Sample(sample)) }),
            ..Default::default()
        };
        let request = CreatePracticeRequest { practice_id: id.into(), practice: Some(practice) };
        let mut client = PracticeServiceClient::new(connect(&self.state));
        client.create_practice(request).await.unwrap().into_inner().initial_run
    }

    async fn practice_state(&self, id: &str) -> PracticeState {
        let request = GetPracticeStateRequest { practice: format!("practices/{id}") };
        StateServiceClient::new(connect(&self.state))
            .get_practice_state(request)
            .await
            .unwrap()
            .into_inner()
            .state
            .unwrap()
    }

    async fn end(self) {
        self.stop.cancel();
        for server in self.servers {
            server.await.unwrap().unwrap();
        }
    }
}

/// Follows a run to its end; `each` is told the rows done and may ask to stop following.
async fn follow(mesh: &Mesh, run: &str, mut each: impl FnMut(i64) -> bool) -> bool {
    let request = WatchRunRequest { name: run.into() };
    let mut runs = SyncServiceClient::new(connect(&mesh.state)).watch_run(request).await.unwrap().into_inner();
    let following = async {
        while let Some(message) = runs.message().await.unwrap() {
            let run = message.run.unwrap();
            match run.state() {
                RunState::Succeeded => return true,
                RunState::Failed | RunState::Cancelled => panic!("the run ended: {:?}", run.error),
                _ if each(run.progress.unwrap_or_default().rows_done) => return false,
                _ => {}
            }
        }
        panic!("the watch ended before the run")
    };
    tokio::time::timeout(DEADLINE, following).await.expect("in time")
}

/// Rows, distinct keys and the sum of keys of each accepted table.
async fn contents(store: &Path, id: &str, state: &PracticeState) -> BTreeMap<String, (i64, i64, String)> {
    let mut contents = BTreeMap::new();
    for accepted in &state.datasets {
        let dataset = datasets::get(&accepted.dataset).unwrap();
        let files = files_at(&store.join(id).join(dataset.name), accepted.version.unwrap()).await.unwrap();
        let others = analytics_sync::huddle::datasets().into_iter().filter_map(datasets::get);
        let empty = others.filter(|other| other.name != dataset.name).map(|other| (other, Vec::new()));
        let books = Books::open(empty.chain([(dataset, files)])).await.unwrap();
        let sql = format!(
            "SELECT COUNT(*) AS n, COUNT(DISTINCT {0}) AS d, CAST(MAX({0}) AS VARCHAR) AS m FROM \"{1}\"",
            dataset.key, dataset.name
        );
        let answer = books.ask(&sql, &[]).await.unwrap();
        let (rows, keys) = (answer.number(0, "n").unwrap(), answer.number(0, "d").unwrap());
        assert_eq!((rows, accepted.rows), (keys, rows), "{}: every row once", dataset.name);
        contents.insert(dataset.name.to_owned(), (rows, keys, answer.text(0, "m").unwrap().to_owned()));
    }
    contents
}

async fn huddle(endpoint: &Endpoint, id: &str) -> GetMorningHuddleResponse {
    let mut client = AnalyticsServiceClient::new(connect(endpoint));
    let request = GetMorningHuddleRequest { practice: format!("practices/{id}"), date: None };
    client.get_morning_huddle(request).await.unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_or_not_the_tables_and_the_huddle_are_the_same() {
    let mesh = Mesh::start();
    let killed = mesh.register("killed").await;
    for _ in 0..6 {
        let (_endpoint, task, _stop) = mesh.analytics(); // no endpoint left would end the service in order
        let mut seen = None;
        let moved = |rows: i64| *seen.get_or_insert(rows) < rows;
        let finished = follow(&mesh, &killed, moved).await;
        task.abort();
        let _ = task.await;
        if finished {
            break;
        }
    }
    let (endpoint, task, stop) = mesh.analytics();
    assert!(follow(&mesh, &killed, |_| false).await);
    let whole = mesh.register("whole").await;
    assert!(follow(&mesh, &whole, |_| false).await);

    let states = (mesh.practice_state("killed").await, mesh.practice_state("whole").await);
    assert!(states.0.initial_sync_finished && states.0.datasets.len() == datasets::all().count());
    let killed = contents(&mesh.store(), "killed", &states.0).await;
    assert_eq!(killed, contents(&mesh.store(), "whole", &states.1).await);
    assert!(killed["procedure"].0 > 1_000);

    let (one, mut two) = (huddle(&endpoint, "killed").await, huddle(&endpoint, "whole").await);
    assert_eq!(one.freshness.as_ref().unwrap().completeness, Completeness::Complete as i32);
    let (yesterday, tomorrow) = (one.yesterday.as_ref().unwrap(), one.tomorrow.as_ref().unwrap());
    assert!(yesterday.visits > 0 && yesterday.gross_production.as_ref().unwrap().units > 0);
    assert!(tomorrow.available_minutes > 0 && tomorrow.booked_minutes <= tomorrow.available_minutes);
    assert!(!tomorrow.appointments.is_empty() && one.today.is_some() && one.month_to_date.is_some());
    two.yesterday.as_mut().unwrap().broken_appointments.clear();
    let mut first = one.yesterday.clone();
    first.as_mut().unwrap().broken_appointments.clear();
    assert!(first == two.yesterday && one.month_to_date == two.month_to_date, "the same figures");

    stop.cancel();
    task.await.unwrap().unwrap();
    mesh.end().await;
}
