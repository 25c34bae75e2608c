//! Promise: a scorecard and a goal that were acknowledged through the gateway are there after sync-state was killed, on a
//! real Redis. Method: the five processes, the real grpcurl, kill -9.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::{Duration, Instant};

use chairsync_tests::{grpcurl, processes::Processes};
use serde_json::{Value, json};

const PRACTICE: &str = "practices/north";
const LIMIT: Duration = Duration::from_secs(180);

fn call(mesh: &Processes, method: &str, body: Value) -> Value {
    grpcurl::ok(&mesh.address("gateway"), &format!("chairsync.{method}"), &body)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_saved_outlives_a_kill() {
    let mut mesh = Processes::start(&[]).await;
    let practice = json!({"timeZone": "America/Chicago", "source": {"sample": {"patients": 30, "years": 1}}});
    let made =
        call(&mesh, "practice.v1.PracticeService/CreatePractice", json!({"practiceId": "north", "practice": practice}));
    let run = made["initialRun"].clone();
    let began = Instant::now();
    while call(&mesh, "sync.v1.SyncService/GetRun", json!({"name": run}))["run"]["state"] != "RUN_STATE_SUCCEEDED" {
        assert!(began.elapsed() < LIMIT, "the initial run ends in time");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    let create = json!({
        "practice": PRACTICE,
        "requestId": "0f6a2c1e-8d1b-4f7e-a3c4-5b6d7e8f9a0b",
        "scorecard": {"displayName": "Mondays", "metrics": ["gross_production", "visits"]},
    });
    let made = call(&mesh, "analytics.v1.AnalyticsService/CreateScorecard", create.clone())["scorecard"].clone();
    let name = made["name"].as_str().unwrap();
    let share = json!({"name": name, "sharedWith": ["ann@example.com"], "etag": made["etag"]});
    let shared = call(&mesh, "analytics.v1.AnalyticsService/ShareScorecard", share)["scorecard"].clone();
    let goal = json!({
        "name": format!("{PRACTICE}/goal"),
        "goal": {"monthlyGoal": {"currencyCode": "USD", "units": "90000"}},
        "updateMask": {"paths": ["monthly_goal"]},
    });
    let goal = call(&mesh, "analytics.v1.AnalyticsService/UpdateProviderGoal", goal)["goal"].clone();

    mesh.kill("sync-state");
    mesh.spawn("sync-state");
    let began = Instant::now();
    let opened = loop {
        let body = json!({"name": name});
        let address = mesh.address("gateway");
        let output = grpcurl::call(&address, "chairsync.analytics.v1.AnalyticsService/GetScorecard", &body);
        if output.status.success() {
            break serde_json::from_slice::<Value>(&output.stdout).unwrap();
        }
        assert!(began.elapsed() < LIMIT, "{}", String::from_utf8_lossy(&output.stderr));
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert_eq!(opened["scorecard"], shared);
    assert_eq!(opened["result"]["periods"].as_array().unwrap().len(), 4);
    let again = call(&mesh, "analytics.v1.AnalyticsService/CreateScorecard", create)["scorecard"].clone();
    assert_eq!(again, shared, "the key is known, and finds it as it now stands");
    let goals = call(&mesh, "analytics.v1.AnalyticsService/ListProviderGoals", json!({"practice": PRACTICE}));
    assert_eq!(goals["goals"][0], goal);
    let stale = json!({"name": name, "etag": made["etag"]});
    let address = mesh.address("gateway");
    let refused = grpcurl::refused(&address, "chairsync.analytics.v1.AnalyticsService/DeleteScorecard", &stale);
    assert!(refused.contains("ETAG_MISMATCH"), "{refused}");
    call(&mesh, "analytics.v1.AnalyticsService/DeleteScorecard", json!({"name": name, "etag": shared["etag"]}));
    let gone =
        grpcurl::refused(&address, "chairsync.analytics.v1.AnalyticsService/GetScorecard", &json!({"name": name}));
    assert!(gone.contains("RESOURCE_NOT_FOUND"), "{gone}");
}
