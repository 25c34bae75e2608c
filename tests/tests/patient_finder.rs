//! Promise: every column of Patient Finder equals an independent SQL statement on MariaDB, to the cent; a patient changed
//! in the PMS is shown changed after Sync Patient or a bulk sync, to every caller, while the boards stay as the night left
//! them, until a run has the change. Method: generated practices through the whole path and the gateway.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use chairsync_proto::{
    analytics::{
        BulkSyncPatientsRequest, FindPatientsRequest, FindPatientsResponse, GetMorningHuddleRequest, LocalDateTime,
        PatientRow, SyncPatientRequest, analytics_service_client::AnalyticsServiceClient,
    },
    feature::ErrorReason,
    google_type,
    practice::{CreatePracticeRequest, practice_service_client::PracticeServiceClient},
    sync::{CancelRunRequest, RunState, StartSyncRequest, sync_service_client::SyncServiceClient},
};
use chairsync_tests::{
    oracle::{Oracle, Record},
    practice,
};
use jiff::{ToSpan as _, civil::Date};
use mesh::{
    error::reason_of,
    secret::Secret,
    transport::{Channel, connect, in_process},
};
use mysql_async::prelude::Queryable as _;
use pms_connector::sample::Config;
use test_servers::MariaDb;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic_types::StatusExt as _;

const PRACTICES: u64 = 6;
const PATIENCE: Duration = Duration::from_secs(180);

/// State, connector, analytics and the gateway in this process.
struct Mesh {
    gateway: Channel,
    stop: CancellationToken,
    servers: Vec<JoinHandle<anyhow::Result<()>>>,
    folder: tempfile::TempDir,
}

impl Mesh {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stop = CancellationToken::new();
        let (state, state_listener) = in_process("sync-state");
        let (connector, connector_listener) = in_process("pms-connector");
        let (analytics, analytics_listener) = in_process("analytics-sync");
        let (engagement, _) = in_process("engagement-sync");
        let (gateway, gateway_listener) = in_process("gateway");
        let word = Secret::new(MariaDb::READER_PASSWORD);
        let pms = pms_connector::Config {
            credentials: HashMap::from([(practice::CREDENTIAL.to_owned(), word)]),
            ..Default::default()
        };
        let data = sync_state::Config { data: Some(folder.path().join("state")), ..Default::default() };
        let tables = analytics_sync::Config {
            store: folder.path().join("tables").to_string_lossy().into_owned(),
            sync_state: state.clone(),
            pms_connector: connector,
            worker: None,
            capacity: 2,
            lease_seconds: 30,
            object_store: Default::default(),
        };
        let door = gateway::Config {
            sync_state: state,
            analytics_sync: analytics,
            engagement_sync: engagement,
            insecure_listen: false,
        };
        let servers = vec![
            tokio::spawn(sync_state::run(data, state_listener, stop.clone())),
            tokio::spawn(pms_connector::run(pms, connector_listener, stop.clone())),
            tokio::spawn(analytics_sync::run(tables, analytics_listener, stop.clone())),
            tokio::spawn(gateway::run(door, gateway_listener, stop.clone())),
        ];
        Self { gateway: connect(&gateway), stop, servers, folder }
    }

    fn analytics(&self) -> AnalyticsServiceClient<Channel> {
        AnalyticsServiceClient::new(self.gateway.clone()).max_decoding_message_size(64 << 20)
    }

    fn runs(&self) -> SyncServiceClient<Channel> {
        SyncServiceClient::new(self.gateway.clone())
    }

    /// Registers a practice and waits for its initial run, and for analytics to have heard of it.
    async fn sync(&self, id: &str, pms: &MariaDb, zone: &str) {
        let request = CreatePracticeRequest { practice_id: id.to_owned(), practice: Some(practice::on(pms, id, zone)) };
        let answer = PracticeServiceClient::new(self.gateway.clone()).create_practice(request).await.unwrap();
        let run = answer.into_inner().initial_run;
        let run = practice::finished(self.gateway.clone(), &run, PATIENCE).await;
        assert_eq!(run.state(), RunState::Succeeded, "{id}: {:?}", run.error);
        self.until(id, "", |found| practice::complete(found.freshness.as_ref())).await;
    }

    /// The first page under a filter, asked for until it is as it should be.
    async fn until(
        &self,
        id: &str,
        filter: &str,
        right: impl Fn(&FindPatientsResponse) -> bool,
    ) -> FindPatientsResponse {
        let request = FindPatientsRequest {
            practice: format!("practices/{id}"),
            filter: filter.to_owned(),
            order_by: "name".into(),
            page_size: 1_000,
            ..Default::default()
        };
        let asking = async {
            loop {
                match self.analytics().find_patients(request.clone()).await {
                    Ok(found) if right(found.get_ref()) => return found.into_inner(),
                    Ok(_) => {}
                    Err(status) if status.code() == tonic::Code::DeadlineExceeded => {}
                    Err(status) => panic!("{id}: {status:?}"),
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("{filter} was never right"))
    }

    async fn find(&self, id: &str, filter: &str) -> FindPatientsResponse {
        self.until(id, filter, |_| true).await
    }

    async fn end(self) {
        self.stop.cancel();
        for server in self.servers {
            server.await.unwrap().unwrap();
        }
    }
}

fn practice_of(seed: u64) -> Config {
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    Config {
        seed,
        patients: 120 + u32::try_from(seed * 53 % 200).unwrap(),
        as_of: today.saturating_sub(i64::try_from(seed).unwrap().days()),
        years: 1 + u32::try_from(seed % 3).unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_column_equals_the_oracle() {
    let pms = MariaDb::start_with(&["--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0"]).await;
    let mesh = Mesh::start();
    let mut compared = 0;
    let mut differences = Vec::new();
    let one = std::env::var("FINDER_ORACLE_SEED").ok().map(|seed| seed.parse().expect("a seed"));
    for seed in one.map_or(1..=PRACTICES, |seed: u64| seed..=seed) {
        let (config, id) = (practice_of(seed), format!("seed-{seed}"));
        practice::load_as_of(&pms, &id, config).await;
        mesh.sync(&id, &pms, "UTC").await;
        let served = mesh.find(&id, "").await;
        assert!(served.next_page_token.is_empty() && served.absent_columns.len() == 1, "{:?}", served.total_size);
        let through = served.freshness.as_ref().unwrap().synced_through.unwrap();
        let d = jiff::Timestamp::from_second(through.seconds).unwrap().to_zoned(jiff::tz::TimeZone::UTC).date();
        let expected = expected(&pms, &id, d).await;
        let served: BTreeMap<String, Record> = served.patients.iter().map(record).collect();
        assert_eq!(expected.keys().collect::<Vec<_>>(), served.keys().collect::<Vec<_>>(), "seed {seed}");
        for (patient, columns) in &expected {
            for (column, value) in columns {
                compared += 1;
                let shown = &served[patient][column];
                if shown != value {
                    differences
                        .push(format!("seed {seed}, patient {patient}, {column}: oracle {value:?}, finder {shown:?}"));
                }
            }
        }
    }
    if one.is_none() {
        bad_input(&mesh).await;
    }
    mesh.end().await;
    assert!(compared > 4_000, "too few values were compared: {compared}");
    assert!(differences.is_empty(), "{} of {compared}\n{}", differences.len(), differences.join("\n"));
}

/// What is refused comes through the gateway with its reason and the field at fault.
async fn bad_input(mesh: &Mesh) {
    let right =
        || FindPatientsRequest { practice: "practices/seed-1".into(), page_size: 10, ..FindPatientsRequest::default() };
    let first = mesh.analytics().find_patients(right()).await.unwrap().into_inner();
    let token = first.next_page_token;
    let next = FindPatientsRequest { page_token: token.clone(), page_size: 20, ..right() };
    assert_eq!(mesh.analytics().find_patients(next.clone()).await.unwrap().get_ref().patients.len(), 20);
    for (request, reason, field) in [
        (FindPatientsRequest { practice: "seed-1".into(), ..right() }, ErrorReason::InvalidField, "practice"),
        (FindPatientsRequest { filter: "age >> 3".into(), ..right() }, ErrorReason::InvalidField, "filter"),
        (FindPatientsRequest { order_by: "recall_types".into(), ..right() }, ErrorReason::InvalidField, "order_by"),
        (FindPatientsRequest { broken_months: 121, ..right() }, ErrorReason::InvalidField, "broken_months"),
        (FindPatientsRequest { page_size: -1, ..right() }, ErrorReason::InvalidField, "page_size"),
        (FindPatientsRequest { query: "x".repeat(101), ..right() }, ErrorReason::InvalidField, "query"),
        (FindPatientsRequest { page_token: "x".into(), ..right() }, ErrorReason::PageTokenInvalid, "page_token"),
        (FindPatientsRequest { filter: "age > 3".into(), ..next.clone() }, ErrorReason::PageTokenInvalid, "page_token"),
        (FindPatientsRequest { order_by: "age".into(), ..next.clone() }, ErrorReason::PageTokenInvalid, "page_token"),
        (
            FindPatientsRequest { practice: "practices/seed-2".into(), ..next },
            ErrorReason::PageTokenInvalid,
            "page_token",
        ),
    ] {
        let refused = mesh.analytics().find_patients(request).await.unwrap_err();
        assert_eq!(reason_of(&refused), Some(reason), "{refused:?}");
        let violations = refused.get_details_bad_request().unwrap().field_violations;
        assert_eq!(violations[0].field, field);
    }
    let nobody = SyncPatientRequest { name: "practices/seed-1/patients/x".into() };
    let refused = mesh.analytics().sync_patient(nobody).await.unwrap_err();
    assert_eq!(reason_of(&refused), Some(ErrorReason::InvalidField));
    let nowhere = SyncPatientRequest { name: "practices/nowhere/patients/1".into() };
    let refused = mesh.analytics().sync_patient(nowhere).await.unwrap_err();
    assert_eq!(reason_of(&refused), Some(ErrorReason::PracticeNotFound));
}

async fn expected(pms: &MariaDb, id: &str, d: Date) -> BTreeMap<String, Record> {
    let mut oracle = Oracle::new(pms.root(id).await, d, &format!("{d} 12:00:00")).await;
    oracle.run(include_str!("../oracle/aging.sql")).await;
    let rows = oracle.run(include_str!("../oracle/patients.sql")).await;
    let row = |mut row: Record| (row.remove("patient").unwrap(), row);
    rows.into_iter().map(row).collect()
}

/// A row as the oracle writes one.
fn record(row: &PatientRow) -> (String, Record) {
    let number = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    let date = |date: &Option<google_type::Date>| {
        date.as_ref().map(|d| format!("{:04}-{:02}-{:02}", d.year, d.month, d.day)).unwrap_or_default()
    };
    let time = |at: &Option<LocalDateTime>| {
        let minute = at.as_ref().map_or(0, |at| at.minute_of_day);
        at.as_ref().map(|at| format!("{} {:02}:{:02}", date(&at.date), minute / 60, minute % 60)).unwrap_or_default()
    };
    let money = |money: &Option<google_type::Money>| {
        let cents = |m: &google_type::Money| m.units * 100 + i64::from(m.nanos / 10_000_000);
        let shown = |m: &google_type::Money| {
            let (sign, cents) = (if cents(m) < 0 { "-" } else { "" }, cents(m).abs());
            format!("{sign}{}.{:02}", cents / 100, cents % 100)
        };
        money.as_ref().map(shown).unwrap_or_default()
    };
    let list = |texts: &[String]| {
        let mut texts = texts.to_vec();
        texts.sort();
        texts.join("|")
    };
    let whole = |number: Option<i32>| number.map(|number| number.to_string()).unwrap_or_default();
    let place = |name: Option<&str>| name.map(number).unwrap_or_default();
    let columns: [(&str, String); 48] = [
        ("display_name", row.display_name.clone()),
        ("birthdate", date(&row.birthdate)),
        ("guarantor", place(row.guarantor.as_ref().map(|g| g.name.as_str()))),
        ("guarantor_name", row.guarantor.as_ref().map(|g| g.display_name.clone()).unwrap_or_default()),
        ("mobile_phone", row.mobile_phone.clone()),
        ("home_phone", row.home_phone.clone()),
        ("email", row.email.clone()),
        ("status", row.status.clone()),
        ("active", row.active.to_string()),
        ("age", whole(row.age)),
        ("gender", row.gender.clone()),
        ("language", row.language.clone()),
        ("zip", row.zip.clone()),
        ("clinic", place(row.clinic.as_ref().map(|c| c.name.as_str()))),
        ("primary_provider", place(row.primary_provider.as_ref().map(|p| p.name.as_str()))),
        ("secondary_provider", place(row.secondary_provider.as_ref().map(|p| p.name.as_str()))),
        ("billing_type", row.billing_type.clone()),
        ("referral", row.referral.clone()),
        ("text_consent", row.text_consent.clone()),
        ("premedication", row.premedication.to_string()),
        ("first_visit", date(&row.first_visit)),
        ("last_visit", date(&row.last_visit)),
        ("last_hygiene_visit", date(&row.last_hygiene_visit)),
        ("next_appointment", time(&row.next_appointment)),
        ("next_hygiene_appointment", time(&row.next_hygiene_appointment)),
        ("unconfirmed", row.unconfirmed.map(|yes| yes.to_string()).unwrap_or_default()),
        ("broken_count", row.broken_count.to_string()),
        ("unscheduled_list", row.unscheduled_list.to_string()),
        ("family_unscheduled", row.family_unscheduled.to_string()),
        ("recall_due", date(&row.recall_due)),
        ("recall_days_overdue", whole(row.recall_days_overdue)),
        ("recall_types", list(&row.recall_types)),
        ("recall_not_scheduled", row.recall_not_scheduled.to_string()),
        ("family_balance", money(&row.family_balance)),
        ("past_due", money(&row.past_due)),
        ("oldest_bucket", row.oldest_bucket.clone()),
        ("credit", money(&row.credit)),
        ("last_payment", date(&row.last_payment)),
        ("unscheduled_treatment", money(&row.unscheduled_treatment)),
        ("treatment_codes", list(&row.treatment_codes)),
        ("treatment_priorities", list(&row.treatment_priorities)),
        ("treatment_presented", date(&row.treatment_presented)),
        ("treatment_done", date(&row.treatment_done)),
        ("form_outstanding", row.form_outstanding.to_string()),
        ("unread_message", row.unread_message.to_string()),
        ("has_insurance", row.has_insurance.to_string()),
        ("carrier", row.carrier.clone()),
        ("insurance_group", row.insurance_group.clone()),
    ];
    let mut columns: Record = columns.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    columns.insert("insurance_used".into(), money(&row.insurance_used));
    (number(&row.name), columns)
}

fn seconds(at: &Option<prost_types::Timestamp>) -> (i64, i32) {
    at.as_ref().map(|at| (at.seconds, at.nanos)).unwrap()
}

fn cents(money: &Option<google_type::Money>) -> i64 {
    money.as_ref().map(|m| m.units * 100 + i64::from(m.nanos / 10_000_000)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patient_read_again_is_shown_changed_while_the_boards_stay() {
    let pms = MariaDb::start().await;
    let mesh = Mesh::start();
    let id = "north";
    practice::load_as_of(&pms, id, Config { seed: 11, patients: 150, years: 1, ..practice_of(0) }).await;
    mesh.sync(id, &pms, "UTC").await;
    let huddle = || {
        patiently(async || {
            let request = GetMorningHuddleRequest { practice: format!("practices/{id}"), date: None };
            mesh.analytics().get_morning_huddle(request).await
        })
    };
    let (board, all) = (huddle().await, mesh.find(id, "").await);
    let family = |of: &PatientRow| {
        let own = |row: &&PatientRow| row.guarantor == of.guarantor && row.name != of.name;
        all.patients.iter().filter(own).cloned().collect::<Vec<PatientRow>>()
    };
    let before = all.patients.iter().find(|row| !family(row).is_empty()).expect("a family");
    let relative = family(before).swap_remove(0);
    let number = before.name.rsplit('/').next().unwrap();

    let mut conn = pms.root(id).await;
    let changes = [
        format!("UPDATE patient SET Zip = '00501', TxtMsgOk = 2 WHERE PatNum = {number}"),
        format!("INSERT INTO adjustment (AdjDate, AdjAmt, PatNum) VALUES (CURRENT_DATE, 50.25, {number})"),
    ];
    for change in &changes {
        conn.query_drop(change).await.unwrap();
    }
    let unchanged = mesh.find(id, "zip = \"00501\"").await;
    assert_eq!(unchanged.total_size, 0, "nobody has read it again yet");
    let request = SyncPatientRequest { name: before.name.clone() };
    let again = || patiently(async || mesh.analytics().sync_patient(request.clone()).await);
    let answer = again().await;
    let row = answer.patient.unwrap();
    assert_eq!((row.zip.as_str(), row.text_consent.as_str()), ("00501", "no"));
    assert_eq!(cents(&row.family_balance), cents(&before.family_balance) + 5_025);
    assert!(seconds(&row.synced_at) > seconds(&before.synced_at));
    assert_eq!(answer.freshness.unwrap().synced_through, row.synced_at);

    let found = mesh.find(id, "zip = \"00501\"").await;
    assert!(found.total_size == 1 && found.patients[0] == row, "every caller sees it");
    let shown = mesh.find(id, "").await;
    let of_family = shown.patients.iter().find(|other| other.name == relative.name).unwrap();
    assert_eq!(cents(&of_family.family_balance), cents(&row.family_balance), "the family's balance is the family's");
    let others = |rows: &[PatientRow]| -> Vec<PatientRow> {
        rows.iter().filter(|row| row.guarantor != before.guarantor).cloned().collect()
    };
    assert!(others(&shown.patients) == others(&all.patients), "nobody else has changed");
    assert!(huddle().await == board, "the boards stay as they were");

    // Who leaves the PMS leaves the finder; who moves to another family takes the debts along.
    conn.query_drop(format!("UPDATE patient SET Guarantor = PatNum WHERE PatNum = {number}")).await.unwrap();
    let moved = again().await.patient.unwrap();
    assert_eq!(moved.guarantor.as_ref().unwrap().name, before.name);
    let left = mesh.find(id, "").await.patients.into_iter().find(|row| row.name == relative.name).unwrap();
    if relative.guarantor.as_ref().unwrap().name != before.name {
        let total = cents(&moved.family_balance) + cents(&left.family_balance);
        assert_eq!(total, cents(&row.family_balance), "together they owe what they owed");
    }
    conn.query_drop(format!("DELETE FROM patient WHERE PatNum = {number}")).await.unwrap();
    let gone = again().await;
    assert!(gone.patient.is_none() && gone.freshness.is_some());
    assert_eq!(mesh.find(id, "").await.total_size, all.total_size - 1);

    // A run that reads it all makes what was read in between needless.
    let start = StartSyncRequest { practice: format!("practices/{id}"), ..Default::default() };
    let run = mesh.runs().start_sync(start).await.unwrap().into_inner().run.unwrap().name;
    assert_eq!(practice::finished(mesh.gateway.clone(), &run, PATIENCE).await.state(), RunState::Succeeded);
    let refreshed = mesh.folder.path().join("tables").join(id).join(".refreshed");
    let newer = |found: &FindPatientsResponse| {
        let through = seconds(&found.freshness.as_ref().unwrap().synced_through);
        found.patients.iter().all(|row| seconds(&row.synced_at) == through)
    };
    let last = mesh.until(id, "", |found| newer(found) && rows_in(&refreshed) == 0).await;
    assert_eq!(last.total_size, all.total_size - 1);
    mesh.end().await;
}

/// Asks until the answer comes in a call's time: on a slow machine what was begun is there the next time.
async fn patiently<A>(call: impl AsyncFn() -> Result<tonic::Response<A>, tonic::Status>) -> A {
    let asking = async {
        loop {
            match call().await {
                Ok(answer) => return answer.into_inner(),
                Err(status) if status.code() == tonic::Code::DeadlineExceeded => {}
                Err(status) => panic!("{status:?}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("an answer in time")
}

/// The files of refreshed rows that are kept.
fn rows_in(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.path().extension().is_some_and(|ending| ending == "rows")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_patients_are_read_again_by_a_run() {
    let pms = MariaDb::start().await;
    let mesh = Mesh::start();
    let id = "north";
    practice::load_as_of(&pms, id, Config { seed: 12, patients: 300, years: 1, ..practice_of(0) }).await;
    mesh.sync(id, &pms, "UTC").await;
    let all = mesh.find(id, "").await;
    let some: Vec<String> = all.patients.iter().take(50).map(|row| row.name.clone()).collect();
    let numbers: Vec<&str> = some.iter().map(|name| name.rsplit('/').next().unwrap()).collect();
    let mut conn = pms.root(id).await;
    let update = format!("UPDATE patient SET Zip = '00501' WHERE PatNum IN ({})", numbers.join(","));
    conn.query_drop(update).await.unwrap();

    let request = BulkSyncPatientsRequest {
        practice: format!("practices/{id}"),
        patients: some.clone(),
        request_id: "6f9619ff-8b86-d011-b42d-00cf4fc964ff".into(),
        ..Default::default()
    };
    let started = mesh.analytics().bulk_sync_patients(request.clone()).await.unwrap().into_inner();
    assert_eq!(started.patient_count, 50);
    let run = practice::finished(mesh.gateway.clone(), &started.run, PATIENCE).await;
    assert_eq!(run.state(), RunState::Succeeded, "{:?}", run.error);
    assert_eq!(run.scope.as_ref().unwrap().patient_count, 50);
    let progress = run.progress.unwrap();
    assert_eq!((progress.rows_done, progress.rows_total), (50, 50), "its progress counts patients");
    let found = mesh.find(id, "zip = \"00501\"").await;
    let names: Vec<&String> = found.patients.iter().map(|row| &row.name).collect();
    assert_eq!(names, some.iter().collect::<Vec<_>>());

    let again = mesh.analytics().bulk_sync_patients(request.clone()).await.unwrap().into_inner();
    assert_eq!(again.run, started.run, "a repeat starts no second run");
    let other = BulkSyncPatientsRequest { patients: some[..2].to_vec(), ..request.clone() };
    let refused = mesh.analytics().bulk_sync_patients(other).await.unwrap_err();
    assert_eq!(reason_of(&refused), Some(ErrorReason::RequestIdReused));

    // By filters: they choose once, though afterwards they would choose nobody.
    conn.query_drop("UPDATE patient SET Zip = '00502' WHERE Zip = '00501'").await.unwrap();
    let chosen = BulkSyncPatientsRequest {
        patients: Vec::new(),
        filter: "zip = \"00501\"".into(),
        request_id: "6f9619ff-8b86-d011-b42d-00cf4fc96400".into(),
        ..request.clone()
    };
    let first = mesh.analytics().bulk_sync_patients(chosen.clone()).await.unwrap().into_inner();
    assert_eq!(first.patient_count, 50);
    let run = practice::finished(mesh.gateway.clone(), &first.run, PATIENCE).await;
    assert_eq!(run.state(), RunState::Succeeded, "{:?}", run.error);
    assert_eq!(mesh.find(id, "zip = \"00501\"").await.total_size, 0);
    assert_eq!(mesh.find(id, "zip = \"00502\"").await.total_size, 50);
    assert_eq!(mesh.analytics().bulk_sync_patients(chosen).await.unwrap().into_inner(), first);

    let everybody = BulkSyncPatientsRequest {
        patients: all.patients.iter().map(|row| row.name.clone()).collect(),
        request_id: "6f9619ff-8b86-d011-b42d-00cf4fc96401".into(),
        ..request
    };
    let last = mesh.analytics().bulk_sync_patients(everybody).await.unwrap().into_inner().run;
    mesh.runs().cancel_run(CancelRunRequest { name: last.clone() }).await.unwrap();
    let run = practice::finished(mesh.gateway.clone(), &last, PATIENCE).await;
    assert!(matches!(run.state(), RunState::Cancelled | RunState::Succeeded), "{:?}", run.error);
    mesh.end().await;
}
