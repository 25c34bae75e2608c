//! Promise: what is wrong is said: a typed error that names the field or the part and the way out, nothing half done,
//! and a retry works once it is right.
//! Method: the five processes on a real Redis and a real MariaDB, with everything wrong that a practice can bring.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{process::Stdio, time::Duration};

use chairsync_proto::{
    analytics::{GetMorningHuddleRequest, analytics_service_client::AnalyticsServiceClient},
    engagement::{
        OpenPatientCardRequest, TextConsent, WatchRequest, engagement_service_client::EngagementServiceClient,
        patient_card_service_client::PatientCardServiceClient,
    },
    feature::ErrorReason,
    practice::{
        CreatePracticeRequest, GetPracticeRequest, ListPracticesRequest, NightlyWindow, Practice,
        UpdatePracticeRequest, pms_source::Kind, practice_service_client::PracticeServiceClient,
    },
    sync::{Completeness, RunState, StartSyncRequest, WatchRunRequest, sync_service_client::SyncServiceClient},
};
use chairsync_tests::{
    practice,
    processes::{Processes, binary},
};
use mesh::{error::reason_of, transport::Channel};
use mysql_async::prelude::Queryable;
use test_servers::{MariaDb, Redis, free_port};
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// The field that a refusal blames.
fn field(status: &Status) -> String {
    let details = status.get_details_bad_request().unwrap_or_else(|| panic!("no field in {status:?}"));
    details.field_violations[0].field.clone()
}

async fn create(gateway: Channel, id: &str, settings: Practice) -> Result<String, Status> {
    let request = CreatePracticeRequest { practice_id: id.to_owned(), practice: Some(settings) };
    Ok(PracticeServiceClient::new(gateway).create_practice(request).await?.into_inner().initial_run)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_practice_that_is_wrong_is_refused_by_field() {
    let mesh = Processes::start(&[]).await;
    let right = || {
        let source = chairsync_proto::practice::OpenDentalSource {
            uri: "mysql://reader@127.0.0.1:3306/practice".to_owned(),
            credential: "reader".to_owned(),
            api: None,
        };
        Practice {
            time_zone: "America/Chicago".to_owned(),
            source: Some(chairsync_proto::practice::PmsSource { kind: Some(Kind::OpenDental(source)) }),
            ..Practice::default()
        }
    };
    let with_uri = |uri: &str| {
        let mut practice = right();
        if let Some(Kind::OpenDental(source)) = &mut practice.source.as_mut().unwrap().kind {
            source.uri = uri.to_owned();
        }
        practice
    };
    let window = |start_minute, end_minute| Practice {
        nightly_window: Some(NightlyWindow { start_minute, end_minute }),
        ..right()
    };
    for (id, settings, wanted) in [
        ("Not-An-Id", right(), "practice_id"),
        ("ok", Practice { time_zone: "Mars/Olympus".to_owned(), ..right() }, "practice.time_zone"),
        ("ok", Practice { time_zone: String::new(), ..right() }, "practice.time_zone"),
        ("ok", Practice { source: None, ..right() }, "practice.source"),
        ("ok", Practice { currency_code: "dollars".to_owned(), ..right() }, "practice.currency_code"),
        ("ok", window(300, 60), "practice.nightly_window.end_minute"),
        ("ok", window(-1, 60), "practice.nightly_window.start_minute"),
        ("ok", with_uri("mysql://reader:secret-word@127.0.0.1/practice"), "practice.source.open_dental.uri"),
        ("ok", with_uri("postgres://reader@127.0.0.1/practice"), "practice.source.open_dental.uri"),
        ("ok", with_uri("mysql://reader@127.0.0.1/"), "practice.source.open_dental.uri"),
    ] {
        let status = create(mesh.gateway(), id, settings).await.unwrap_err();
        assert_eq!((status.code(), reason_of(&status)), (Code::InvalidArgument, Some(ErrorReason::InvalidField)));
        assert_eq!(field(&status), wanted, "{status:?}");
        assert!(!format!("{status:?}").contains("secret-word"), "a refusal quotes a password");
    }

    let mut practices = PracticeServiceClient::new(mesh.gateway());
    let listed = practices.list_practices(ListPracticesRequest::default()).await.unwrap().into_inner();
    assert!(listed.practices.is_empty(), "nothing half done");
    let page = ListPracticesRequest { page_token: "cnVuczo5".to_owned(), ..Default::default() };
    let status = practices.list_practices(page).await.unwrap_err();
    assert_eq!(reason_of(&status), Some(ErrorReason::PageTokenInvalid));

    create(mesh.gateway(), "ok", right()).await.unwrap();
    create(mesh.gateway(), "ok", right()).await.expect("a repeat with the same contents is the same practice");
    let other = Practice { time_zone: "Asia/Tokyo".to_owned(), ..right() };
    let status = create(mesh.gateway(), "ok", other).await.unwrap_err();
    assert_eq!((status.code(), reason_of(&status)), (Code::AlreadyExists, Some(ErrorReason::PracticeAlreadyExists)));

    let stale = UpdatePracticeRequest {
        name: "practices/ok".to_owned(),
        practice: Some(Practice { paused: true, ..Practice::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["paused".to_owned()] }),
        etag: "stale".to_owned(),
    };
    let status = practices.update_practice(stale.clone()).await.unwrap_err();
    assert_eq!((status.code(), reason_of(&status)), (Code::Aborted, Some(ErrorReason::EtagMismatch)));
    let unknown = UpdatePracticeRequest {
        update_mask: Some(prost_types::FieldMask { paths: vec!["create_time".to_owned()] }),
        ..stale
    };
    assert_eq!(field(&practices.update_practice(unknown).await.unwrap_err()), "update_mask");

    unknown_and_malformed_names(&mesh).await;
}

async fn unknown_and_malformed_names(mesh: &Processes) {
    let mut analytics = AnalyticsServiceClient::new(mesh.gateway());
    let mut cards = PatientCardServiceClient::new(mesh.gateway());
    let mut practices = PracticeServiceClient::new(mesh.gateway());
    for (practice, code, reason) in [
        ("practices/none", Code::NotFound, ErrorReason::PracticeNotFound),
        ("none", Code::InvalidArgument, ErrorReason::InvalidField),
        ("practices/", Code::InvalidArgument, ErrorReason::InvalidField),
        ("practices/a/b", Code::InvalidArgument, ErrorReason::InvalidField),
        ("", Code::InvalidArgument, ErrorReason::InvalidField),
    ] {
        let practice = practice.to_owned();
        let huddle = GetMorningHuddleRequest { practice: practice.clone(), ..Default::default() };
        let card = OpenPatientCardRequest { name: format!("{practice}/patients/1"), ..Default::default() };
        for status in [
            analytics.get_morning_huddle(huddle).await.unwrap_err(),
            cards.open_patient_card(card).await.unwrap_err(),
            practices.get_practice(GetPracticeRequest { name: practice.clone() }).await.unwrap_err(),
        ] {
            assert_eq!((status.code(), reason_of(&status)), (code, Some(reason)), "{practice:?}: {status:?}");
            if reason == ErrorReason::InvalidField {
                assert!(["practice", "name"].contains(&field(&status).as_str()), "{status:?}");
            }
        }
    }
}

/// The error with which a run waits or ended.
async fn run_error(gateway: Channel, run: &str) -> chairsync_proto::sync::RunError {
    let follow = async {
        let request = WatchRunRequest { name: run.to_owned() };
        let mut stream = SyncServiceClient::new(gateway).watch_run(request).await.unwrap().into_inner();
        loop {
            let run = stream.message().await.unwrap().expect("the run has not ended").run.unwrap();
            assert_ne!(run.state(), RunState::Succeeded);
            if let Some(error) = run.error {
                return error;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), follow).await.expect("the run fails")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pms_that_is_wrong_is_named_and_a_retry_works() {
    let pms = MariaDb::start().await;
    practice::load(&pms, "right", 3, 60).await;
    let credentials = [(practice::CREDENTIAL, MariaDb::READER_PASSWORD), ("wrong", "not-the-password")];
    let mesh = Processes::start(&credentials).await;
    let right = practice::on(&pms, "right", "America/Chicago");
    let source = |uri: &str, credential: &str| {
        let mut practice = right.clone();
        if let Some(Kind::OpenDental(source)) = &mut practice.source.as_mut().unwrap().kind {
            source.uri = uri.to_owned();
            source.credential = credential.to_owned();
        }
        practice
    };

    pms.create_database("empty").await;
    practice::load(&pms, "tableless", 4, 40).await;
    pms.root("tableless").await.query_drop("DROP TABLE claimproc").await.unwrap();
    let nowhere = format!("mysql://reader@127.0.0.1:{}/right", free_port());
    for (id, settings, reason) in [
        ("unreachable", source(&nowhere, practice::CREDENTIAL), ErrorReason::PmsUnreachable),
        ("password", source(&pms.url("right"), "wrong"), ErrorReason::PmsAccessDenied),
        ("credential", source(&pms.url("right"), "none"), ErrorReason::CredentialNotFound),
        ("empty", source(&pms.url("empty"), practice::CREDENTIAL), ErrorReason::PmsNotRecognized),
        ("tableless", source(&pms.url("tableless"), practice::CREDENTIAL), ErrorReason::PmsTableMissing),
    ] {
        let run = practice::register(mesh.gateway(), id, settings).await;
        let error = run_error(mesh.gateway(), &run).await;
        assert_eq!(error.reason(), reason, "{id}: {}", error.message);
        assert!(error.message.len() > 20 && !error.message.contains("not-the-password"), "{id}: {}", error.message);
        if reason == ErrorReason::PmsTableMissing {
            assert!(error.message.contains("claimproc"), "{}", error.message);
        }
        let request = GetMorningHuddleRequest { practice: format!("practices/{id}"), ..Default::default() };
        let huddle = AnalyticsServiceClient::new(mesh.gateway()).get_morning_huddle(request).await.unwrap();
        let huddle = huddle.into_inner();
        assert_ne!(huddle.freshness.unwrap().completeness(), Completeness::Complete, "{id}");
        assert!(huddle.today.is_none() && huddle.month_to_date.is_none(), "{id}: numbers of a practice half read");
    }

    // The practice is mended, and asked again.
    let mended = UpdatePracticeRequest {
        name: "practices/password".to_owned(),
        practice: Some(right.clone()),
        update_mask: Some(prost_types::FieldMask { paths: vec!["source".to_owned()] }),
        etag: String::new(),
    };
    PracticeServiceClient::new(mesh.gateway()).update_practice(mended).await.unwrap();
    let request = StartSyncRequest { practice: "practices/password".to_owned(), ..Default::default() };
    let run = SyncServiceClient::new(mesh.gateway()).start_sync(request).await.unwrap().into_inner().run.unwrap();
    let run = practice::finished(mesh.gateway(), &run.name, Duration::from_secs(120)).await;
    assert_eq!(run.state(), RunState::Succeeded, "{:?}", run.error);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_this_version_lacks_is_read_as_nothing() {
    let pms = MariaDb::start().await;
    practice::load(&pms, "older", 5, 60).await;
    pms.root("older").await.query_drop("ALTER TABLE patient DROP COLUMN TxtMsgOk").await.unwrap();
    let mesh = Processes::start(&practice::credentials()).await;
    let run = practice::register(mesh.gateway(), "older", practice::on(&pms, "older", "America/Chicago")).await;
    let run = practice::finished(mesh.gateway(), &run, Duration::from_secs(120)).await;
    assert_eq!(run.state(), RunState::Succeeded, "{:?}", run.error);
    let name = format!("practices/older/patients/{}", practice::first_patient(mesh.gateway(), "practices/older").await);
    let request = OpenPatientCardRequest { name, ..Default::default() };
    let card = PatientCardServiceClient::new(mesh.gateway()).open_patient_card(request).await.unwrap().into_inner();
    let contacts = card.card.unwrap().contacts.expect("the rest of the row is shown");
    assert!(contacts.text_consent() == TextConsent::Unspecified);
}

/// What a service says that cannot start.
async fn refusing_to_start(service: &str, redis: &str) -> String {
    let mut command = tokio::process::Command::new(binary(service));
    command.args(["--redis", redis, "--listen", "127.0.0.1:0"]).stdin(Stdio::null()).kill_on_drop(true);
    let ended = tokio::time::timeout(Duration::from_secs(60), command.output()).await;
    let output = ended.unwrap_or_else(|_| panic!("{service} neither starts nor says why not")).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{service}: {said}");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_not_there_is_said_at_the_start() {
    let locked = Redis::start_with(Some("the-right-word"), &[]).await;
    for service in ["sync-state", "engagement-sync"] {
        for (address, port) in [("nobody", free_port()), ("locked", locked.port())] {
            let said = refusing_to_start(service, &format!("redis://:hidden-word@127.0.0.1:{port}")).await;
            assert!(said.contains("Redis"), "{service}, {address}: {said}");
            assert!(!said.contains("hidden-word"), "{service}, {address}: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_goes_in_the_middle_is_survived() {
    let mut mesh = Processes::start(&[]).await;
    let sample = chairsync_proto::practice::SampleSource { patients: 60, years: 1, ..Default::default() };
    let settings = || Practice {
        time_zone: "UTC".to_owned(),
        source: Some(chairsync_proto::practice::PmsSource { kind: Some(Kind::Sample(sample.clone())) }),
        ..Practice::default()
    };
    let run = create(mesh.gateway(), "early", settings()).await.unwrap();
    let run = practice::finished(mesh.gateway(), &run, Duration::from_secs(120)).await;
    assert_eq!(run.state(), RunState::Succeeded, "{:?}", run.error);
    practice::fresh(mesh.gateway(), "practices/early").await;
    let patient = practice::first_patient(mesh.gateway(), "practices/early").await;

    mesh.redis().kill();
    let status = create(mesh.gateway(), "late", settings()).await.unwrap_err();
    assert_eq!((status.code(), reason_of(&status)), (Code::Unavailable, Some(ErrorReason::StoreUnavailable)));
    assert!(status.get_details_retry_info().is_some());
    // What does not need it goes on: numbers come from tables, a card from the PMS. What does says so.
    let huddle = GetMorningHuddleRequest { practice: "practices/early".to_owned(), ..Default::default() };
    AnalyticsServiceClient::new(mesh.gateway()).get_morning_huddle(huddle).await.unwrap();
    let card = OpenPatientCardRequest { name: format!("practices/early/patients/{patient}"), ..Default::default() };
    let card = PatientCardServiceClient::new(mesh.gateway()).open_patient_card(card).await.unwrap().into_inner();
    assert!(card.card.unwrap().person.is_some());
    let watch = || WatchRequest { practice: "practices/early".to_owned(), ..Default::default() };
    let mut engagement = EngagementServiceClient::new(mesh.gateway());
    let status = engagement.watch(watch()).await.unwrap_err();
    assert_eq!((status.code(), reason_of(&status)), (Code::Unavailable, Some(ErrorReason::StoreUnavailable)));

    mesh.redis().restart().await;
    let retry = async {
        loop {
            match create(mesh.gateway(), "late", settings()).await {
                Ok(run) => return run,
                Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status:?}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let run = tokio::time::timeout(Duration::from_secs(60), retry).await.expect("it recovers");
    let run = practice::finished(mesh.gateway(), &run, Duration::from_secs(120)).await;
    assert_eq!(run.state(), RunState::Succeeded, "{:?}", run.error);
    for practice in ["practices/early", "practices/late"] {
        practice::fresh(mesh.gateway(), practice).await;
    }
    engagement.watch(watch()).await.expect("a watch opens again");
}
