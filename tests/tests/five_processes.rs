//! Promise: the five services, apart, on a real Redis and a real MariaDB, carry one practice from its registration to
//! its first answers, through the gateway; and until the initial sync is finished they say so.
//! Method: the real binaries, the real grpcurl, a generated practice.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{process::Command, time::Duration};

use chairsync_proto::{
    analytics::{GetMorningHuddleRequest, analytics_service_client::AnalyticsServiceClient},
    catalog,
    engagement::{
        WatchRequest, WatchResponse, engagement_service_client::EngagementServiceClient, watch_response::Event,
    },
    feature::{ErrorReason, Need, Scope},
    sync::{
        Completeness, FeatureState, GetRunRequest, RunKind, RunState, StartSyncRequest,
        sync_service_client::SyncServiceClient,
    },
};
use chairsync_tests::{grpcurl, practice, processes::Processes, raw, tables};
use mesh::error::reason_of;
use mysql_async::prelude::Queryable;
use serde_json::json;
use test_servers::MariaDb;
use tonic::Code;
use tonic_types::StatusExt as _;

const PRACTICE: &str = "practices/north";

#[tokio::test(flavor = "multi_thread")]
async fn one_practice_from_registration_to_first_answers() {
    let pms = MariaDb::start().await;
    practice::load(&pms, "north", 7, 400).await;
    let mut mesh = Processes::start(&practice::credentials()).await;
    let gateway = mesh.gateway();

    // Without its connector a run makes no progress: the practice stays in its initial sync for as long as we look.
    mesh.kill("pms-connector");
    let run = practice::register(gateway.clone(), "north", practice::on(&pms, "north", "America/Chicago")).await;
    incomplete(&mesh).await;

    mesh.spawn("pms-connector");
    let done = practice::finished(gateway.clone(), &run, Duration::from_secs(300)).await;
    assert_eq!(done.state(), RunState::Succeeded, "{:?}", done.error);
    let progress = done.progress.unwrap();
    assert_eq!(progress.share_done, 1.0);
    assert!(progress.rows_done > 1000);
    assert!(done.datasets.iter().all(|d| d.finished && d.rows_done == d.rows_total), "{:?}", done.datasets);

    complete(&mesh).await;
    a_change_at_the_front_desk_is_seen(&mesh, &pms).await;
    a_run_by_hand_brings_the_tables_up_to_date(&mesh, &pms).await;
    unbuilt_methods_are_listed(&mesh).await;
    only_public_services_are_reflected(&mesh);
}

/// While the initial sync is not finished: analytics says PARTIAL, online scheduling refuses with a time to retry.
async fn incomplete(mesh: &Processes) {
    let mut analytics = AnalyticsServiceClient::new(mesh.gateway());
    let request = GetMorningHuddleRequest { practice: PRACTICE.to_owned(), ..Default::default() };
    let huddle = analytics.get_morning_huddle(request).await.unwrap().into_inner();
    let freshness = huddle.freshness.unwrap();
    assert_eq!(freshness.completeness(), Completeness::Partial);
    assert!(freshness.share_done < 1.0);
    assert!(huddle.yesterday.is_none() && huddle.today.is_none(), "no number before its data is there");

    let refusal = grpcurl::refused(
        &mesh.address("gateway"),
        "chairsync.engagement.v1.OnlineSchedulingService/ListAppointments",
        &json!({"practice": PRACTICE}),
    );
    for word in ["\"code\": 9", "INITIAL_SYNC_INCOMPLETE", "retryDelay"] {
        assert!(refusal.contains(word), "{word} in {refusal}");
    }
    // Every method of a feature that needs it, whatever answers there once it is finished.
    let mut gated = 0;
    for row in catalog::methods().values().filter(|m| !m.internal) {
        if row.feature.and_then(catalog::feature).is_some_and(|f| f.needs(Need::InitialSyncFinished)) {
            let refused = raw::call(mesh.gateway(), &row.path, raw::named(PRACTICE)).await.unwrap_err();
            let told = (refused.code(), reason_of(&refused), refused.get_details_retry_info().is_some());
            let wanted = (Code::FailedPrecondition, Some(ErrorReason::InitialSyncIncomplete), true);
            assert_eq!(told, wanted, "{}: {refused:?}", row.path);
            gated += 1;
        }
    }
    assert!(gated >= 5, "{gated} methods of Online Scheduling");
    let statuses = grpcurl::ok(
        &mesh.address("gateway"),
        "chairsync.sync.v1.SyncService/ListFeatureStatuses",
        &json!({"practice": PRACTICE}),
    );
    let statuses = statuses["statuses"].as_array().unwrap();
    assert_eq!(statuses.len(), 14);
    assert!(statuses.iter().all(|s| s["state"] == "FEATURE_STATE_INITIAL_SYNC"), "{statuses:?}");
}

/// After it: every feature says how fresh it is, the huddle has its sections, the card opens, a watch streams.
async fn complete(mesh: &Processes) {
    let gateway = mesh.address("gateway");
    // The live view is filled after the initial run; until then the real-time features say that they are STALE.
    let statuses = practice::fresh(mesh.gateway(), PRACTICE).await;
    assert_eq!(statuses.len(), 14);
    for status in &statuses {
        let name = status.feature().as_str_name();
        let wanted = if name == "FEATURE_PAYMENTS" { FeatureState::Held } else { FeatureState::Ready };
        assert_eq!(status.state(), wanted, "{name}");
        assert_eq!(status.freshness.as_ref().unwrap().completeness(), Completeness::Complete, "{name}");
    }

    let huddle = grpcurl::ok(
        &gateway,
        "chairsync.analytics.v1.AnalyticsService/GetMorningHuddle",
        &json!({"practice": PRACTICE}),
    );
    assert_eq!(huddle["freshness"]["completeness"], "COMPLETENESS_COMPLETE");
    for section in ["yesterday", "today", "tomorrow", "monthToDate"] {
        assert!(huddle[section].is_object(), "{section} in {huddle}");
    }

    let card = grpcurl::ok(
        &gateway,
        "chairsync.engagement.v1.PatientCardService/OpenPatientCard",
        &json!({"name": format!("{PRACTICE}/patients/{}", practice::some_patient(&huddle))}),
    );
    assert_eq!(card["freshness"]["completeness"], "COMPLETENESS_COMPLETE", "{card}");

    let mut sync = SyncServiceClient::new(mesh.gateway());
    let missing = sync.get_run(GetRunRequest { name: format!("{PRACTICE}/runs/none") }).await.unwrap_err();
    assert_eq!((missing.code(), reason_of(&missing)), (Code::NotFound, Some(ErrorReason::ResourceNotFound)));
}

/// A row that changes in the PMS reaches a watcher, and so does one that goes; a token resumes after what was seen.
async fn a_change_at_the_front_desk_is_seen(mesh: &Processes, pms: &MariaDb) {
    let mut conn = pms.root("north").await;
    let patient: i64 = conn.query_first("SELECT MIN(PatNum) FROM patient").await.unwrap().unwrap();
    let watch = |resume_token: String| WatchRequest {
        practice: PRACTICE.to_owned(),
        datasets: vec!["patient".to_owned()],
        include_snapshot: resume_token.is_empty(),
        resume_token,
        ..WatchRequest::default()
    };
    let mut client = EngagementServiceClient::new(mesh.gateway());
    let mut stream = client.watch(watch(String::new())).await.unwrap().into_inner();
    let token = loop {
        let message = stream.message().await.unwrap().unwrap();
        if matches!(message.event, Some(Event::SnapshotEnd(_))) {
            break message.resume_token;
        }
    };
    conn.query_drop(format!("UPDATE patient SET Preferred = 'Seen' WHERE PatNum = {patient}")).await.unwrap();
    let seen = |message: &WatchResponse| matches!(&message.event, Some(Event::Change(change)) if change.dataset == "patient" && change.key == patient.to_string());
    for mut stream in [stream, client.watch(watch(token)).await.unwrap().into_inner()] {
        let wait = async { while !seen(&stream.message().await.unwrap().expect("the watch goes on")) {} };
        tokio::time::timeout(Duration::from_secs(60), wait).await.expect("the change is seen");
    }
}

/// After inserts, updates and deletes in the PMS a run started by hand ends with the tables equal to the database.
async fn a_run_by_hand_brings_the_tables_up_to_date(mesh: &Processes, pms: &MariaDb) {
    let mut conn = pms.root("north").await;
    for statement in [
        "DELETE FROM adjustment ORDER BY AdjNum LIMIT 3",
        "UPDATE procedurelog SET ProcFee = ProcFee + 1.005 ORDER BY ProcNum LIMIT 50",
        "INSERT INTO commlog (PatNum, CommDateTime, Note) SELECT PatNum, '2026-01-02 03:04:05', 'a note' FROM patient LIMIT 5",
        "UPDATE definition SET ItemName = CONCAT(ItemName, '.')",
    ] {
        conn.query_drop(statement).await.unwrap();
    }
    let request = StartSyncRequest { practice: PRACTICE.to_owned(), ..Default::default() };
    let run = SyncServiceClient::new(mesh.gateway()).start_sync(request).await.unwrap().into_inner().run.unwrap();
    let run = practice::finished(mesh.gateway(), &run.name, Duration::from_secs(120)).await;
    assert_eq!((run.state(), run.kind()), (RunState::Succeeded, RunKind::Forced), "{:?}", run.error);
    tables::equal_database(&mesh.tables(), "north", pms, "north").await;
}

/// What is not built yet answers UNIMPLEMENTED with a sentence and a reason, and is listed; the list can only shrink.
async fn unbuilt_methods_are_listed(mesh: &Processes) {
    let mut found = Vec::new();
    for row in catalog::methods().values().filter(|m| !m.internal) {
        // Online scheduling refuses unknown practices before it says anything else; nothing there writes yet.
        let gated = row.feature.and_then(catalog::feature).is_some_and(|f| f.needs(Need::InitialSyncFinished));
        let name = match row.scope {
            Scope::Fleet => "",
            _ if gated => PRACTICE,
            _ => "practices/none",
        };
        if let Err(status) = raw::call(mesh.gateway(), &row.path, raw::named(name)).await
            && status.code() == Code::Unimplemented
        {
            assert_eq!(reason_of(&status), Some(ErrorReason::NotBuilt), "{}: {}", row.path, status.message());
            assert!(status.message().ends_with('.') || status.message().len() > 30, "{}", status.message());
            found.push(row.path.trim_start_matches('/').to_owned());
        }
    }
    let listed: Vec<&str> = include_str!("../not_built.txt").lines().filter(|l| !l.starts_with('#')).collect();
    assert_eq!(found, listed, "tests/not_built.txt and the mesh disagree");
}

/// The gateway reflects what callers may use, and none of the mesh's own services.
fn only_public_services_are_reflected(mesh: &Processes) {
    let output = Command::new("grpcurl").args(["-plaintext", &mesh.address("gateway"), "list"]).output().unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    for row in catalog::methods().values() {
        assert_eq!(listed.lines().any(|l| l == row.service), !row.internal, "{} in\n{listed}", row.service);
    }
}
