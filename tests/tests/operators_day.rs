//! Promise: what an operator does to a practice's sync works through the gateway, with grpcurl, on a real Redis: nights are
//! told, runs by hand coalesced, a stopped run retried, a group paused, a write kept until it is verified, and a practice
//! taken to another mesh. Method: the five processes and the real grpcurl.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::{Duration, Instant};

use chairsync_proto::practice::{
    ExportPracticeRequest, ImportPracticeRequest, practice_service_client::PracticeServiceClient,
};
use chairsync_tests::{grpcurl, processes::Processes};
use serde_json::{Value, json};
use test_servers::wait_for;

const PRACTICE: &str = "practices/north";
const LIMIT: Duration = Duration::from_secs(180);

fn call(mesh: &Processes, method: &str, body: Value) -> Value {
    grpcurl::ok(&mesh.address("gateway"), &format!("chairsync.{method}"), &body)
}

/// Asks for a run until it is in a state.
async fn until(mesh: &Processes, run: &str, state: &str) -> Value {
    let began = Instant::now();
    loop {
        let found = call(mesh, "sync.v1.SyncService/GetRun", json!({"name": run}))["run"].clone();
        if found["state"] == state {
            return found;
        }
        assert!(began.elapsed() < LIMIT, "{run} is not {state}: {found}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn start(mesh: &Processes, body: Value) -> Value {
    call(mesh, "sync.v1.SyncService/StartSync", body)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_day() {
    let mut mesh = Processes::start(&[]).await;
    let practice = json!({
        "timeZone": "America/Chicago",
        "group": "chain",
        "source": {"sample": {"patients": 30, "years": 1}},
    });
    let made =
        call(&mesh, "practice.v1.PracticeService/CreatePractice", json!({"practiceId": "north", "practice": practice}));
    until(&mesh, made["initialRun"].as_str().unwrap(), "RUN_STATE_SUCCEEDED").await;

    let due = call(&mesh, "sync.v1.SyncService/ListDueTimes", json!({"practice": PRACTICE}));
    assert_eq!(due["dueTimes"].as_array().unwrap().len(), 10);

    // Nobody works: what is started waits, and what asks for no more than it reads is not started.
    mesh.kill("analytics-sync");
    let first = start(&mesh, json!({"practice": PRACTICE}));
    let again = start(&mesh, json!({"practice": PRACTICE, "features": ["FEATURE_PATIENT_FINDER"]}));
    assert_eq!((&first["coalesced"], &again["coalesced"]), (&json!(false), &json!(true)));
    assert_eq!(first["run"]["name"], again["run"]["name"]);
    let run = first["run"]["name"].as_str().unwrap();
    call(&mesh, "sync.v1.SyncService/CancelRun", json!({"name": run}));
    let retried = call(&mesh, "sync.v1.SyncService/RetryRun", json!({"name": run}));
    assert_eq!(retried["run"]["state"], "RUN_STATE_QUEUED");
    mesh.spawn("analytics-sync");
    until(&mesh, run, "RUN_STATE_SUCCEEDED").await;

    let group = json!({"filter": {"group": "chain"}, "pauseNote": "moving house"});
    assert_eq!(call(&mesh, "practice.v1.PracticeService/PausePractices", group)["paused"], 1);
    let refused = grpcurl::refused(
        &mesh.address("gateway"),
        "chairsync.sync.v1.SyncService/StartSync",
        &json!({"practice": PRACTICE}),
    );
    assert!(refused.contains("PRACTICE_PAUSED"), "{refused}");
    let group = json!({"filter": {"group": "chain"}});
    assert_eq!(call(&mesh, "practice.v1.PracticeService/ResumePractices", group)["resumed"], 1);

    write_is_kept(&mesh).await;
    practice_moves(&mesh).await;
}

/// Enqueued once whatever is repeated, taken up by engagement-sync, which cannot read what this one holds, and looked at
/// through the gateway.
async fn write_is_kept(mesh: &Processes) {
    let state = mesh.address("sync-state");
    let internal =
        |method: &str, body: Value| grpcurl::ok(&state, &format!("chairsync.state.v1.StateService/{method}"), &body);
    let enqueue = json!({
        "practice": PRACTICE, "requestId": "w-1", "kind": "WRITE_KIND_COMMLOG", "patient": "7", "body": "aGVsbG8=",
    });
    let write = internal("EnqueueWrite", enqueue.clone())["write"]["name"].as_str().unwrap().to_owned();
    assert_eq!(internal("EnqueueWrite", enqueue)["repeated"], true);
    wait_for("the end of the write", async || {
        let shown = call(mesh, "sync.v1.OutboxService/GetWrite", json!({"name": write}));
        shown["write"]["state"] == "WRITE_STATE_REJECTED"
    })
    .await;
    let listed = call(mesh, "sync.v1.OutboxService/ListWriteAudits", json!({"parent": write}));
    assert!(listed["audits"].as_array().unwrap().len() >= 2, "accepted and rejected: {listed}");
}

/// Out of one mesh, into another, paused there.
async fn practice_moves(mesh: &Processes) {
    let mut here = PracticeServiceClient::new(mesh.gateway());
    let export = ExportPracticeRequest { name: PRACTICE.to_owned() };
    let mut lines = here.export_practice(export).await.unwrap().into_inner();
    let mut exported = Vec::new();
    while let Some(line) = lines.message().await.unwrap() {
        exported.push(ImportPracticeRequest { line: line.line });
    }
    let other = Processes::start(&[]).await;
    let mut there = PracticeServiceClient::new(other.gateway());
    let short = exported[..exported.len() - 1].to_vec();
    assert!(there.import_practice(futures::stream::iter(short)).await.is_err(), "cut short");
    let moved = there.import_practice(futures::stream::iter(exported)).await.unwrap().into_inner().practice.unwrap();
    assert!(moved.paused && moved.name == PRACTICE && moved.initial_sync_time.is_some());
    let runs =
        |mesh: &Processes| call(mesh, "sync.v1.SyncService/ListRuns", json!({"practice": PRACTICE}))["runs"].clone();
    let names =
        |runs: &Value| -> Vec<Value> { runs.as_array().unwrap().iter().map(|run| run["name"].clone()).collect() };
    assert_eq!(names(&runs(&other)), names(&runs(mesh)), "what was done is remembered");
}
