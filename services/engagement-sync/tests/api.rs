//! Watch, Patient Card and the gate through the service's own door, on a source that the test decides.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::inconsistent_digit_grouping)]

mod support;

use std::{sync::atomic::Ordering, time::Duration};

use chairsync_proto::{
    engagement::{
        CardPartKind, CardPartState, ChangeOperation, FormState, OpenPatientCardRequest, SyncPatientRequest,
        WatchRequest, WatchResponse, online_scheduling_service_client::OnlineSchedulingServiceClient,
        watch_response::Event,
    },
    sync::Completeness,
};
use engagement_sync::Config;
use jiff::{ToSpan as _, Zoned};
use mesh::{
    error::{ErrorReason, reason_of},
    money::Money,
};
use support::{Engaged, Mesh, appointment, patient, row};
use tonic::{Code, Streaming};
use tonic_types::StatusExt as _;

const LIMIT: Duration = Duration::from_secs(30);

fn embedded(mesh: &Mesh, folder: &tempfile::TempDir) -> Config {
    Config { data: Some(folder.path().to_owned()), ..mesh.config() }
}

async fn next(stream: &mut Streaming<WatchResponse>) -> WatchResponse {
    tokio::time::timeout(LIMIT, stream.message()).await.expect("in time").unwrap().expect("a message")
}

async fn next_change(stream: &mut Streaming<WatchResponse>) -> (String, WatchResponse) {
    loop {
        let message = next(stream).await;
        if let Some(Event::Change(change)) = &message.event {
            return (format!("{}/{}", change.dataset, change.key), message);
        }
    }
}

fn all() -> WatchRequest {
    WatchRequest { practice: "practices/a".into(), ..WatchRequest::default() }
}

#[tokio::test]
async fn a_watch_gets_the_snapshot_then_every_change_and_goes_on_from_its_token_after_a_restart() {
    let (mesh, folder) = (Mesh::start(), tempfile::tempdir().unwrap());
    (1..=300).for_each(|key| mesh.source.put(appointment(key, key, "x")));
    let engaged = mesh.engage(embedded(&mesh, &folder));
    let request = WatchRequest { include_snapshot: true, datasets: vec!["appointment".into()], ..all() };
    let mut stream = engaged.watch(request.clone()).await.unwrap();
    assert!(matches!(next(&mut stream).await.event, Some(Event::Opened(opened)) if opened.snapshot));
    let (mut keys, mut middle) = (std::collections::BTreeSet::new(), String::new());
    let end = loop {
        let message = next(&mut stream).await;
        match message.event {
            Some(Event::SnapshotRow(row)) => {
                assert!(row.row.unwrap().fields.contains_key("note"));
                keys.insert(row.key);
                if keys.len() == 280 {
                    middle = message.resume_token;
                }
            }
            Some(Event::SnapshotEnd(end)) => break (end.rows, message.resume_token),
            _ => {}
        }
    };
    assert_eq!((keys.len(), end.0), (300, 300));

    // Once a change has come the stream is open; before that, reconciliation may show a delete first.
    mesh.source.put(appointment(6, 6, "moved"));
    assert_eq!(next_change(&mut stream).await.0, "appointment/6");
    mesh.source.put(appointment(7, 7, "moved"));
    mesh.source.put(patient(7, 7, "not asked for"));
    mesh.source.delete("appointment", 8);
    let (first, message) = next_change(&mut stream).await;
    assert_eq!(first, "appointment/7");
    assert_eq!(message.freshness.unwrap().completeness(), Completeness::Complete);
    let (second, _) = next_change(&mut stream).await;
    assert_eq!(second, "appointment/8");
    drop(stream);
    engaged.stop().await;

    mesh.source.put(appointment(9, 9, "while nobody served"));
    let engaged = mesh.engage(embedded(&mesh, &folder));
    let resumed = WatchRequest { resume_token: end.1.clone(), ..request.clone() };
    let mut stream = engaged.watch(resumed).await.unwrap();
    assert!(matches!(next(&mut stream).await.event, Some(Event::Opened(opened)) if opened.resumed && !opened.snapshot));
    let mut seen = Vec::new();
    for _ in 0..4 {
        let (key, message) = next_change(&mut stream).await;
        let Some(Event::Change(change)) = message.event else { unreachable!() };
        seen.push((key, change.operation()));
    }
    let (upsert, delete) = (ChangeOperation::Upsert, ChangeOperation::Delete);
    let expected =
        [("appointment/6", upsert), ("appointment/7", upsert), ("appointment/8", delete), ("appointment/9", upsert)];
    assert!(seen == expected.map(|(key, operation)| (key.to_owned(), operation)));

    // A token from the middle of the snapshot brings its rest, then the changes since it began.
    let mut stream = engaged.watch(WatchRequest { resume_token: middle, ..request }).await.unwrap();
    let mut rest = 0;
    while !matches!(next(&mut stream).await.event, Some(Event::SnapshotEnd(_))) {
        rest += 1;
    }
    assert!((20..300).contains(&rest), "{rest}");
    assert_eq!(next_change(&mut stream).await.0, "appointment/6");
    engaged.stop().await;
}

#[tokio::test]
async fn tokens_are_refused_when_forged_foreign_or_too_old() {
    let (mesh, folder) = (Mesh::start(), tempfile::tempdir().unwrap());
    let engaged = mesh.engage(Config { change_log: 5, ..embedded(&mesh, &folder) });
    let mut stream = engaged.watch(all()).await.unwrap();
    let token = next(&mut stream).await.resume_token;
    let with = |token: &str, datasets: Vec<String>| WatchRequest { resume_token: token.into(), datasets, ..all() };
    let forged = engaged.watch(with("AAAA", vec![])).await.unwrap_err();
    assert_eq!(reason_of(&forged), Some(ErrorReason::ResumeTokenInvalid));
    let other_filters = engaged.watch(with(&token, vec!["patient".into()])).await.unwrap_err();
    assert_eq!(reason_of(&other_filters), Some(ErrorReason::ResumeTokenInvalid));
    for key in 1..=20 {
        mesh.source.put(appointment(key, 1, "x"));
        assert_eq!(next_change(&mut stream).await.0, format!("appointment/{key}"));
    }
    let too_old = engaged.watch(with(&token, vec![])).await.unwrap_err();
    assert_eq!((too_old.code(), reason_of(&too_old)), (Code::OutOfRange, Some(ErrorReason::ResnapshotRequired)));
    let unknown = engaged.watch(WatchRequest { practice: "practices/b".into(), ..all() }).await.unwrap_err();
    assert_eq!(reason_of(&unknown), Some(ErrorReason::PracticeNotFound));
    engaged.stop().await;
}

#[tokio::test]
async fn a_slow_watcher_is_closed_and_goes_on_from_its_last_token() {
    let (mesh, folder) = (Mesh::start(), tempfile::tempdir().unwrap());
    let engaged = mesh.engage(Config { change_log: 100_000, ..embedded(&mesh, &folder) });
    let mut stream = engaged.watch(all()).await.unwrap();
    let mut token = next(&mut stream).await.resume_token;
    let mut other = engaged.watch(all()).await.unwrap();
    // Nobody reads `stream`: what fits into windows and the ring is sent, then it is closed.
    let long = "x".repeat(4_000);
    for key in 1..=7_000 {
        mesh.source.put(appointment(key, 1, &long));
    }
    while next_change(&mut other).await.0 != "appointment/7000" {}
    let mut seen = 0;
    let refused = loop {
        match tokio::time::timeout(LIMIT, stream.message()).await.expect("in time") {
            Ok(Some(message)) => {
                seen += i64::from(matches!(message.event, Some(Event::Change(_))));
                token = message.resume_token;
            }
            Ok(None) => panic!("it ended without a reason"),
            Err(status) => break status,
        }
    };
    assert_eq!((refused.code(), reason_of(&refused)), (Code::ResourceExhausted, Some(ErrorReason::WatcherTooSlow)));
    let mut stream = engaged.watch(WatchRequest { resume_token: token, ..all() }).await.unwrap();
    assert_eq!(next_change(&mut stream).await.0, format!("appointment/{}", seen + 1));
    engaged.stop().await;
}

/// A family of two with a ledger, an insurance and appointments.
fn family(mesh: &Mesh) {
    let today = Zoned::now().with_time_zone(jiff::tz::TimeZone::get("America/Chicago").unwrap()).date();
    let ago = |days: i32| today.checked_sub(days.days()).unwrap();
    let source = &mesh.source;
    source.put(
        patient(1, 1, "Doe").with("pri_prov", 4).with("fam_fin_urg_note", "call first").with("wireless_phone", "555"),
    );
    source.put(patient(2, 1, "Doe").with("birthdate", ago(3_653)).with("premed", 1));
    source.put(row("provider").with("prov_num", 4).with("abbr", "DDS1"));
    source.put(row("procedure_code").with("code_num", 11).with("proc_code", "D1110").with("descript", "prophy"));
    source.put(row("definition").with("def_num", 50).with("item_name", "Urgent").with("item_order", 0));
    source.put(row("definition").with("def_num", 51).with("item_name", "Check"));
    source.put(row("definition").with("def_num", 52).with("item_name", "Appointment Confirmed"));
    let procedure = |key: i64, patient: i64, status: i64, cents: i64, on: jiff::civil::Date| {
        let row = row("procedure").with("proc_num", key).with("pat_num", patient).with("proc_status", status);
        row.with("proc_fee", Money::cents(cents.into())).with("unit_qty", 1).with("proc_date", on).with("code_num", 11)
    };
    source.put(procedure(1, 1, 2, 200_00, ago(80)));
    source.put(procedure(2, 2, 2, 300_00, ago(39)));
    source.put(procedure(3, 2, 2, 150_00, ago(16)));
    source.put(procedure(4, 2, 1, 90_00, ago(5)).with("unit_qty", 0).with("priority", 50).with("apt_num", 9));
    let split = row("payment_split").with("split_num", 1).with("pat_num", 1).with("pay_num", 1);
    source.put(split.with("split_amt", Money::cents(250_00)).with("date_pay", ago(3)));
    source.put(row("payment").with("pay_num", 1).with("pat_num", 1).with("pay_date", ago(3)).with("pay_type", 51));
    let line = row("claim_line").with("claim_proc_num", 1).with("pat_num", 2).with("proc_num", 3).with("status", 0);
    let line = line.with("ins_pay_est", Money::cents(80_00)).with("write_off", Money::cents(20_00));
    source.put(line.with("ins_sub_num", 6).with("proc_date", today));
    source
        .put(row("patient_plan").with("pat_plan_num", 5).with("pat_num", 2).with("ins_sub_num", 6).with("ordinal", 1));
    source.put(row("insurance_subscriber").with("ins_sub_num", 6).with("plan_num", 7).with("subscriber", 1));
    source.put(row("insurance_plan").with("plan_num", 7).with("carrier_num", 8).with("group_name", "ACME"));
    source.put(row("carrier").with("carrier_num", 8).with("carrier_name", "Delta"));
    let start = today.checked_add(3.days()).unwrap().at(9, 30, 0, 0);
    let live =
        row("appointment").with("apt_num", 9).with("pat_num", 2).with("apt_status", 1).with("pattern", "/XXXXX/");
    source.put(live.with("apt_date_time", start).with("prov_num", 4).with("confirmed", 52));
    let sheet = |key: i64, days: i32, waits: i64| {
        let row = row("sheet").with("sheet_num", key).with("pat_num", 2).with("sheet_type", 6).with("is_deleted", 0);
        row.with("date_time_sheet", ago(days).at(9, 0, 0, 0)).with("show_in_terminal", waits)
    };
    source.put(sheet(1, 900, 0));
    source.put(sheet(2, 900, 1));
    source.put(sheet(3, 20, 0));
}

fn open(number: i64) -> OpenPatientCardRequest {
    OpenPatientCardRequest { name: format!("practices/a/patients/{number}"), parts: Vec::new() }
}

async fn filled(engaged: &Engaged) {
    drop(engaged.watch(all()).await.unwrap());
}

#[tokio::test]
async fn a_card_is_read_when_it_is_opened_and_is_stale_when_the_pms_hangs() {
    let (mesh, folder) = (Mesh::start(), tempfile::tempdir().unwrap());
    family(&mesh);
    let engaged = mesh.engage(Config { card_milliseconds: 5_000, ..embedded(&mesh, &folder) });
    filled(&engaged).await;
    let opened = engaged.cards().open_patient_card(open(2)).await.unwrap().into_inner();
    let card = opened.card.unwrap();
    assert_eq!(opened.freshness.unwrap().completeness(), Completeness::Complete);
    assert_eq!(card.parts.len(), 14);
    for part in &card.parts {
        let not_built = matches!(part.part(), CardPartKind::PaymentRequests | CardPartKind::PendingWrites);
        let (told, dated) = (part.state(), part.as_of.is_some());
        if not_built {
            assert!(told == CardPartState::Missing && !dated && part.reason.contains("not built yet"), "{part:?}");
        } else {
            assert!(told == CardPartState::Fresh && dated && part.reason.is_empty(), "{part:?}");
        }
    }
    let account = card.account.as_ref().unwrap();
    let (aging, usd) = (account.aging.as_ref().unwrap(), |cents| Some(Money::cents(cents).to_proto("USD")));
    assert!(aging.bucket_0_30 == usd(150_00) && aging.bucket_31_60 == usd(250_00) && aging.total == usd(400_00));
    assert!(
        aging.past_due == usd(250_00) && account.est_insurance == usd(100_00) && account.est_patient == usd(300_00)
    );
    assert!(account.patient_balance == usd(450_00) && account.unearned == usd(0));
    let last = account.last_payment.as_ref().unwrap();
    assert!(last.amount == usd(250_00) && last.r#type == "Check");
    let insurance = &card.insurances[0];
    assert!(insurance.carrier == "Delta" && insurance.group_name == "ACME" && insurance.in_force);
    assert!(insurance.used_this_benefit_year == usd(80_00));
    assert_eq!(insurance.subscriber.as_ref().unwrap().display_name, "Doe, Ann");
    let next = card.next_appointment.as_ref().unwrap();
    assert!(next.minutes == 35 && next.confirmed && next.fee == usd(0), "an appointment's FEE has no least unit");
    let planned = &card.planned_treatment[0];
    assert!(planned.scheduled && planned.priority == "Urgent" && planned.procedure.as_ref().unwrap().fee == usd(90_00));
    let forms: Vec<(i64, FormState)> = card.forms.iter().map(|form| (form.pms_key, form.state())).collect();
    let wanted = [(3, FormState::WrittenBack), (2, FormState::Assigned)];
    assert!(forms == wanted, "an open one is shown however old");
    assert_eq!(card.family.len(), 2);
    assert!(card.family[0].guarantor && card.family[1].next_visit.is_some() && card.family[0].last_visit.is_some());
    let alerts: Vec<&str> = card.alerts.iter().map(|alert| alert.text.as_str()).collect();
    assert_eq!(alerts, ["", "call first"]);
    assert_eq!(card.person.as_ref().unwrap().age, Some(10));

    mesh.source.hangs.store(true, Ordering::Relaxed);
    let mut request = tonic::Request::new(open(2));
    request.set_timeout(Duration::from_secs(1));
    let stale = engaged.cards().open_patient_card(request).await.unwrap().into_inner();
    let from_view = stale.card.unwrap();
    let freshness = stale.freshness.unwrap();
    assert!(
        freshness.completeness() == Completeness::Stale && freshness.reason.contains("did not answer in time"),
        "{freshness:?}"
    );
    assert!(from_view.account == card.account && from_view.planned_treatment == card.planned_treatment);
    let told = |kind: CardPartKind| from_view.parts.iter().find(|part| part.part() == kind).unwrap().state();
    assert!(told(CardPartKind::Account) == CardPartState::Stale);
    assert!(told(CardPartKind::PendingWrites) == CardPartState::Missing);

    // Patient 1's ledger was never read for its own card: what needs it is missing, the rest is shown.
    let mut request = tonic::Request::new(open(1));
    request.set_timeout(Duration::from_secs(1));
    let never = engaged.cards().open_patient_card(request).await.unwrap().into_inner().card.unwrap();
    let told = |kind: CardPartKind| never.parts.iter().find(|part| part.part() == kind).unwrap().state();
    assert!(
        told(CardPartKind::Account) == CardPartState::Missing && told(CardPartKind::Contacts) == CardPartState::Stale
    );
    assert!(never.account.is_none() && never.contacts.unwrap().mobile_phone == "555");
    let mut request = tonic::Request::new(open(99));
    request.set_timeout(Duration::from_secs(1));
    let unknown = engaged.cards().open_patient_card(request).await.unwrap_err();
    assert_eq!(reason_of(&unknown), Some(ErrorReason::PmsTimeout), "what the PMS was not asked cannot be denied");
    engaged.stop().await;
}

#[tokio::test]
async fn a_right_guess_reads_a_card_in_one_round_trip() {
    let (mesh, folder) = (Mesh::start(), tempfile::tempdir().unwrap());
    family(&mesh);
    let engaged = mesh.engage(embedded(&mesh, &folder));
    filled(&engaged).await;
    let before = mesh.source.fetches.load(Ordering::Relaxed);
    engaged.cards().open_patient_card(open(2)).await.unwrap();
    assert_eq!(mesh.source.fetches.load(Ordering::Relaxed), before + 1);
    engaged.stop().await;
}

#[tokio::test]
async fn sync_patient_puts_what_the_pms_has_into_the_live_view() {
    let (mesh, folder) = (Mesh::start(), tempfile::tempdir().unwrap());
    family(&mesh);
    let engaged = mesh.engage(embedded(&mesh, &folder));
    filled(&engaged).await;
    let mut stream = engaged.watch(all()).await.unwrap();
    // A row that changes under a known key is shown by the change stream alone, which is read after reconciliation: once
    // it has come, what no change shows stays unseen.
    mesh.source.put(patient(1, 1, "Roe"));
    while next_change(&mut stream).await.0 != "patient/1" {}
    mesh.source.put_silently(appointment(70, 2, "the stream does not show it"));
    mesh.source.delete_silently("patient_plan", 5);
    let request = SyncPatientRequest { name: "practices/a/patients/2".into() };
    let synced = engaged.cards().sync_patient(request.clone()).await.unwrap().into_inner();
    assert_eq!(synced.rows_changed, 2);
    let mut seen = [next_change(&mut stream).await.0, next_change(&mut stream).await.0];
    seen.sort();
    assert_eq!(seen, ["appointment/70", "patient_plan/5"]);
    assert_eq!(engaged.cards().sync_patient(request).await.unwrap().into_inner().rows_changed, 0);
    let unknown = engaged.cards().open_patient_card(open(99)).await.unwrap_err();
    assert_eq!((unknown.code(), reason_of(&unknown)), (Code::NotFound, Some(ErrorReason::ResourceNotFound)));
    let malformed = engaged.cards().open_patient_card(OpenPatientCardRequest::default()).await.unwrap_err();
    assert_eq!(malformed.get_details_bad_request().unwrap().field_violations[0].field, "name");
    engaged.stop().await;
}

#[tokio::test]
async fn online_scheduling_waits_for_the_initial_sync() {
    use chairsync_proto::engagement::ListAvailabilityRequest;
    let (mesh, folder) = (Mesh::start(), tempfile::tempdir().unwrap());
    mesh.state.initial_sync_running();
    let engaged = mesh.engage(embedded(&mesh, &folder));
    let request = ListAvailabilityRequest { practice: "practices/a".into(), ..Default::default() };
    let mut client = OnlineSchedulingServiceClient::new(engaged.channel.clone());
    let refused = client.list_availability(request.clone()).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason_of(&refused)),
        (Code::FailedPrecondition, Some(ErrorReason::InitialSyncIncomplete))
    );
    assert_eq!(refused.get_details_retry_info().unwrap().retry_delay, Some(Duration::from_secs(90)));
    let unnamed = client.list_availability(ListAvailabilityRequest::default()).await.unwrap_err();
    assert_eq!(reason_of(&unnamed), Some(ErrorReason::InvalidField));
    engaged.stop().await;

    let (mesh, folder) = (Mesh::start(), tempfile::tempdir().unwrap());
    let engaged = mesh.engage(embedded(&mesh, &folder));
    let mut client = OnlineSchedulingServiceClient::new(engaged.channel.clone());
    assert_eq!(client.list_availability(request).await.unwrap_err().code(), Code::Unimplemented);
    engaged.stop().await;
}
