//! Promise: a practice whose tables are in an object store has the same boards as one whose tables are in a folder, by night
//! too and from every replica; and whatever the store does to a commit (refuse, fall silent, lose its answer), the run says
//! so by type, the earlier version is served meanwhile, and nothing is half visible.
//! Method: the real binaries on a real MariaDB, a server that speaks S3, a proxy before it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use chairsync_proto::{
    analytics::{
        GetCollectionsBoardRequest, GetCollectionsBoardResponse, GetPerformanceBoardRequest,
        GetPerformanceBoardResponse, analytics_service_client::AnalyticsServiceClient,
    },
    feature::ErrorReason,
    sync::{GetRunRequest, Run, RunState, StartSyncRequest, sync_service_client::SyncServiceClient},
};
use chairsync_tests::{
    analytics::AnalyticsMesh,
    object_proxy::{Fault, ObjectProxy},
    practice,
    processes::{Processes, binary},
};
use mesh::transport::{Channel, connect};
use mysql_async::prelude::Queryable;
use test_servers::{MariaDb, S3, free_port, wait_for};

const PRACTICE: &str = "practices/north";
const LIMIT: Duration = Duration::from_secs(300);

/// What is shown of a practice, without its freshness.
type Boards = (GetPerformanceBoardResponse, GetCollectionsBoardResponse);

/// The boards as they are, and whether nothing is missing or old.
async fn boards(analytics: Channel) -> Option<(Boards, bool)> {
    let mut client = AnalyticsServiceClient::new(analytics);
    let request = GetPerformanceBoardRequest { practice: PRACTICE.to_owned(), ..Default::default() };
    let performance = client.get_performance_board(request).await.ok()?.into_inner();
    let request = GetCollectionsBoardRequest { practice: PRACTICE.to_owned(), ..Default::default() };
    let collections = client.get_collections_board(request).await.ok()?.into_inner();
    let whole =
        practice::complete(performance.freshness.as_ref()) && practice::complete(collections.freshness.as_ref());
    let bare = GetPerformanceBoardResponse { freshness: None, ..performance };
    Some(((bare, GetCollectionsBoardResponse { freshness: None, ..collections }), whole))
}

/// The boards once they are `wanted`.
async fn shown(analytics: &Channel, wanted: impl Fn(&Boards) -> bool) -> Boards {
    let mut last = None;
    wait_for("the boards", async || {
        last = boards(analytics.clone()).await.filter(|(_, whole)| *whole).map(|(boards, _)| boards);
        last.as_ref().is_some_and(&wanted)
    })
    .await;
    last.unwrap()
}

async fn started(gateway: Channel) -> String {
    let request = StartSyncRequest { practice: PRACTICE.to_owned(), ..Default::default() };
    SyncServiceClient::new(gateway).start_sync(request).await.unwrap().into_inner().run.unwrap().name
}

/// The run when it has said why it fails.
async fn failing(gateway: Channel, name: &str) -> Run {
    let mut failed = None;
    wait_for("the run's error", async || {
        let request = GetRunRequest { name: name.to_owned() };
        let run = SyncServiceClient::new(gateway.clone()).get_run(request).await.unwrap().into_inner().run.unwrap();
        let said = run.error.is_some() || run.datasets.iter().any(|dataset| dataset.error.is_some());
        failed = said.then_some(run);
        failed.is_some()
    })
    .await;
    failed.unwrap()
}

/// A replica of analytics-sync. It is killed when dropped.
struct Replica {
    child: Child,
    channel: Channel,
}

impl Replica {
    fn start(mesh: &Processes, store: &[(String, String)]) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let environment = store.iter().map(|(name, value)| (name.strip_prefix("analytics-sync/").unwrap(), value));
        let child = Command::new(binary("analytics-sync"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .env("CHAIRSYNC_LISTEN", &address)
            .env("CHAIRSYNC_SYNC_STATE", mesh.url("sync-state"))
            .env("CHAIRSYNC_PMS_CONNECTOR", mesh.url("pms-connector"))
            .envs(environment)
            .spawn()
            .unwrap();
        Self { child, channel: connect(&format!("http://{address}").parse().unwrap()) }
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_in_an_object_store_are_those_of_a_folder_and_survive_what_it_does() {
    let Some(s3) = S3::start("tables").await else {
        println!("LEFT OUT: moto, a server that speaks S3, is not installed here");
        return;
    };
    let proxy = ObjectProxy::start(s3.port()).await;
    let store: Vec<(String, String)> = [
        ("STORE", "s3://tables/fleet/one"),
        ("STORE_ENDPOINT", proxy.url().as_str()),
        ("STORE_ALLOW_HTTP", "true"),
        ("STORE_TIMEOUT_SECONDS", "2"),
    ]
    .map(|(name, value)| (format!("analytics-sync/CHAIRSYNC_{name}"), value.to_owned()))
    .into_iter()
    .chain(
        [("AWS_ACCESS_KEY_ID", "reader"), ("AWS_SECRET_ACCESS_KEY", "word")]
            .map(|(name, value)| (format!("analytics-sync/{name}"), value.to_owned())),
    )
    .collect();
    let pms = MariaDb::start_with(&["--innodb-flush-log-at-trx-commit=0"]).await;
    practice::load(&pms, "north", 7, 150).await;
    let extra: Vec<(&str, &str)> = store.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mesh = Processes::start_with(&practice::credentials(), "info", &extra).await;
    let gateway = mesh.gateway();
    let settings = practice::on(&pms, "north", "America/Chicago");
    let run = practice::register(gateway.clone(), "north", settings.clone()).await;
    let done = practice::finished(gateway.clone(), &run, LIMIT).await;
    assert_eq!(done.state(), RunState::Succeeded, "{:?}", done.error);
    assert!(!mesh.tables().exists(), "nothing is in a folder");
    let first = shown(&gateway, |_| true).await;

    // A night on top, and the same practice in a folder.
    let mut conn = pms.root("north").await;
    let change = async |conn: &mut mysql_async::Conn| {
        conn.query_drop("UPDATE paysplit SET SplitAmt = SplitAmt + 1").await.unwrap();
        conn.query_drop("DELETE FROM adjustment ORDER BY AdjNum LIMIT 1").await.unwrap();
    };
    change(&mut conn).await;
    let run = started(gateway.clone()).await;
    let done = practice::finished(gateway.clone(), &run, LIMIT).await;
    assert_eq!(done.state(), RunState::Succeeded, "{:?}", done.error);
    let night = shown(&gateway, |boards| *boards != first).await;
    let local = AnalyticsMesh::start();
    local.sync("north", settings).await;
    let folder = shown(&local.channel(), |_| true).await;
    assert_eq!(night, folder, "the same figures from a bucket and from a folder");
    local.end().await;
    let replica = Replica::start(&mesh, &store);
    assert_eq!(shown(&replica.channel, |_| true).await, night, "another replica reads the same bucket");

    // What is refused or not answered fails the run by type, and is tried again.
    let mut before = night;
    for fault in [Fault::Refuse(403), Fault::Refuse(503), Fault::Stall] {
        change(&mut conn).await;
        proxy.commits(fault);
        let struck = proxy.struck();
        let run = started(gateway.clone()).await;
        let failed = failing(gateway.clone(), &run).await;
        let errors: Vec<_> =
            failed.error.iter().chain(failed.datasets.iter().filter_map(|dataset| dataset.error.as_ref())).collect();
        for error in errors {
            assert_eq!(error.reason(), ErrorReason::TableUnavailable, "{fault:?}: {error:?}");
            assert!(error.message.contains("the store"), "{fault:?}: {error:?}");
        }
        assert!(proxy.struck() > struck, "{fault:?}");
        assert_eq!(
            boards(replica.channel.clone()).await.unwrap().0.1,
            before.1,
            "{fault:?}: the earlier version is served"
        );
        proxy.commits(Fault::Nothing);
        let done = practice::finished(gateway.clone(), &run, LIMIT).await;
        assert_eq!(done.state(), RunState::Succeeded, "{fault:?}: {:?}", done.error);
        before = shown(&replica.channel, |boards| boards.1 != before.1).await;
    }

    // A commit whose answer is lost was made, and is found.
    change(&mut conn).await;
    proxy.commits(Fault::LoseAnswer);
    let struck = proxy.struck();
    let run = started(gateway.clone()).await;
    let done = practice::finished(gateway.clone(), &run, LIMIT).await;
    assert_eq!((done.state(), done.attempt), (RunState::Succeeded, 1), "{:?}", done.error);
    assert!(proxy.struck() > struck);
    shown(&replica.channel, |boards| boards.1 != before.1).await;
}

/// What analytics-sync says when it does not start.
fn refused(environment: &[(&str, &str)]) -> String {
    let output = Command::new(binary("analytics-sync"))
        .stdin(Stdio::null())
        .env("CHAIRSYNC_LISTEN", format!("127.0.0.1:{}", free_port()))
        .env("AWS_ACCESS_KEY_ID", "reader")
        .env("AWS_SECRET_ACCESS_KEY", "word")
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    assert!(!output.status.success());
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_used_is_named_at_the_start() {
    for (store, said) in [("s3:///x", "bucket"), ("ftp://host/x", "ftp"), ("s3://bucket/x?a=b", "query")] {
        let text = refused(&[("CHAIRSYNC_STORE", store)]);
        assert!(text.contains("store") && text.contains(said), "{store}: {text}");
    }
    let Some(s3) = S3::start("tables").await else {
        println!("LEFT OUT: moto, a server that speaks S3, is not installed here");
        return;
    };
    let endpoint = format!("http://127.0.0.1:{}", s3.port());
    let clear = [("CHAIRSYNC_STORE", "s3://tables"), ("CHAIRSYNC_STORE_ENDPOINT", endpoint.as_str())];
    assert!(refused(&clear).contains("--store-allow-http"), "no TLS is asked for by name");
    let missing = [
        ("CHAIRSYNC_STORE", "s3://nowhere/x"),
        ("CHAIRSYNC_STORE_ENDPOINT", endpoint.as_str()),
        ("CHAIRSYNC_STORE_ALLOW_HTTP", "true"),
    ];
    let text = refused(&missing);
    assert!(text.contains("s3://nowhere/") && text.contains("not there"), "{text}");
}
