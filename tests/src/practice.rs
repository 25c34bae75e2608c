//! A generated practice on a real MariaDB, registered with the mesh.

use std::time::Duration;

use chairsync_proto::{
    practice::{
        CreatePracticeRequest, OpenDentalSource, PmsSource, Practice, pms_source::Kind,
        practice_service_client::PracticeServiceClient,
    },
    sync::{
        Completeness, FeatureStatus, Freshness, Run, RunState, WatchFeatureStatusesRequest, WatchRunRequest,
        sync_service_client::SyncServiceClient,
    },
};
use mesh::transport::Channel;
use pms_connector::sample::{Config, load::Options};
use test_servers::MariaDb;

/// The name of the credential under which tests keep the reader's password.
pub const CREDENTIAL: &str = "reader";

/// The credentials that a connector needs for practices on a test's MariaDB.
pub fn credentials() -> [(&'static str, &'static str); 1] {
    [(CREDENTIAL, MariaDb::READER_PASSWORD)]
}

/// A practice whose PMS is a database of `server`.
pub fn on(server: &MariaDb, database: &str, time_zone: &str) -> Practice {
    let source = OpenDentalSource { uri: server.url(database), credential: CREDENTIAL.to_owned(), api: None };
    Practice {
        display_name: "Test practice".to_owned(),
        time_zone: time_zone.to_owned(),
        source: Some(PmsSource { kind: Some(Kind::OpenDental(source)) }),
        ..Default::default()
    }
}

/// Registers a practice and returns the name of its initial run.
///
/// # Panics
/// When it is refused.
pub async fn register(gateway: Channel, id: &str, practice: Practice) -> String {
    let request = CreatePracticeRequest { practice_id: id.to_owned(), practice: Some(practice) };
    let answer =
        PracticeServiceClient::new(gateway).create_practice(request).await.expect("the practice is registered");
    answer.into_inner().initial_run
}

/// Follows a run until it ends, over broken streams, and returns it.
///
/// # Panics
/// When it does not end within `limit`.
pub async fn finished(gateway: Channel, run: &str, limit: Duration) -> Run {
    let follow = async {
        loop {
            let request = WatchRunRequest { name: run.to_owned() };
            let mut client = SyncServiceClient::new(gateway.clone());
            if let Ok(stream) = client.watch_run(request).await {
                let mut stream = stream.into_inner();
                while let Ok(Some(message)) = stream.message().await {
                    if let Some(run) = message.run.filter(ended) {
                        return run;
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(limit, follow).await.unwrap_or_else(|_| panic!("{run} did not end within {limit:?}"))
}

/// Follows the statuses of all features until none is stale or incomplete, and returns them.
///
/// # Panics
/// When that takes longer than two minutes; what is not fresh is printed.
pub async fn fresh(gateway: Channel, practice: &str) -> Vec<FeatureStatus> {
    let request = WatchFeatureStatusesRequest { practice: practice.to_owned(), ..Default::default() };
    let mut last = Vec::new();
    let follow = async {
        let mut stream =
            SyncServiceClient::new(gateway).watch_feature_statuses(request).await.expect("a watch").into_inner();
        while let Some(message) = stream.message().await.expect("the watch goes on") {
            last = message.statuses;
            if last.iter().all(|status| complete(status.freshness.as_ref())) {
                return;
            }
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(120), follow).await.is_ok(), "{last:#?}");
    last
}

/// Whether nothing of a feature is missing.
#[must_use]
pub fn complete(freshness: Option<&Freshness>) -> bool {
    freshness.is_some_and(|freshness| freshness.completeness() == Completeness::Complete)
}

fn ended(run: &Run) -> bool {
    matches!(run.state(), RunState::Succeeded | RunState::Failed | RunState::Cancelled | RunState::Superseded)
}

/// Makes a database on `server` and fills it with a generated practice.
///
/// # Panics
/// When it cannot be filled.
pub async fn load(server: &MariaDb, database: &str, seed: u64, patients: u32) {
    let as_of = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    load_as_of(server, database, Config { seed, patients, as_of, years: 2 }).await;
}

/// The same with a date and years of history.
///
/// # Panics
/// When it cannot be filled.
pub async fn load_as_of(server: &MariaDb, database: &str, config: Config) {
    server.create_database(database).await;
    let (url, options) = (server.root_url(database), Options::default());
    let loaded = pms_connector::sample::load(&url, None, &config, &options, |_| {});
    loaded.await.expect("the generated practice is loaded");
}

/// The number of some patient who has an appointment in a huddle (as grpcurl prints it).
///
/// # Panics
/// When the huddle has no appointment.
pub fn some_patient(huddle: &serde_json::Value) -> String {
    let days = ["today", "tomorrow"].into_iter().map(|day| &huddle[day]["appointments"]);
    let mut names = days.flat_map(|a| a.as_array().into_iter().flatten()).filter_map(|a| a["patient"]["name"].as_str());
    let name = names.next().expect("an appointment today or on the next working day");
    name.rsplit('/').next().expect("a number").to_owned()
}

/// The number of some patient of a practice that the mesh has synced.
///
/// # Panics
/// When its huddle has no appointment.
pub async fn first_patient(gateway: Channel, practice: &str) -> String {
    use chairsync_proto::analytics::{GetMorningHuddleRequest, analytics_service_client::AnalyticsServiceClient};
    let request = GetMorningHuddleRequest { practice: practice.to_owned(), ..Default::default() };
    let huddle = AnalyticsServiceClient::new(gateway).get_morning_huddle(request).await.expect("a huddle").into_inner();
    let days = [huddle.today, huddle.tomorrow].into_iter().flatten();
    let name = days.flat_map(|d| d.appointments).filter_map(|a| a.patient).next().expect("an appointment").name;
    name.rsplit('/').next().expect("a number").to_owned()
}
