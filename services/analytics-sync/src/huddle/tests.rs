//! The huddle against hand-computed sheets; the worked examples of features.md §2 that SQL computes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use chairsync_proto::analytics::{BrokenBasis, BrokenKind, HuddleAlertKind};
use chairsync_proto::google_type::Money;
use jiff::civil::date;
use serde_json::{Value, json};

use super::*;
use crate::testing::Practice;

fn all() -> BTreeSet<String> {
    datasets().into_iter().map(str::to_owned).collect()
}

async fn huddle(practice: &Practice) -> GetMorningHuddleResponse {
    let question = Question {
        practice: "north".into(),
        currency: "USD".into(),
        date: date(2026, 3, 31),
        now: date(2026, 3, 31).at(1, 0, 0, 0),
    };
    compute(&practice.books().await, &question, &all()).await.unwrap()
}

fn cents(money: &Option<Money>) -> i64 {
    let money = money.as_ref().unwrap();
    money.units * 100 + i64::from(money.nanos / 10_000_000)
}

/// Codes 1 D1110 (hygiene), 2 D2740 (crown), 3 D0120 (exam), 4 D9986, 5 D9987, 6 custom.
fn codes() -> Practice {
    let code = |(number, code): (usize, &str)| json!({"code_num": number + 1, "proc_code": code, "descript": "x"});
    Practice::new()
        .all("procedure_code", ["D1110", "D2740", "D0120", "D9986", "D9987", "N100"].into_iter().enumerate().map(code))
}

fn procedure(number: i64, patient: i64, code: i64, status: i64, day: &str, fee: &str) -> Value {
    json!({"proc_num": number, "pat_num": patient, "code_num": code, "proc_status": status, "proc_date": day,
        "proc_fee": fee, "unit_qty": 1, "prov_num": 1})
}

fn merged(mut row: Value, more: Value) -> Value {
    row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    row
}

fn appointment(number: i64, patient: i64, status: i64, at: &str, length: usize) -> Value {
    json!({"apt_num": number, "pat_num": patient, "apt_status": status, "apt_date_time": at,
        "pattern": "X".repeat(length / 5), "prov_num": 1, "op": 1})
}

fn patients(numbers: impl IntoIterator<Item = i64>) -> Vec<Value> {
    numbers.into_iter().map(|n| json!({"pat_num": n, "l_name": "L", "f_name": "F", "guarantor": n})).collect()
}

const DAY: &str = "2026-03-30";

/// features.md §2, example 1.
#[tokio::test]
async fn net_and_collections() {
    let practice = codes()
        .all("patient", patients([1]))
        .with("procedure", procedure(1, 1, 2, 2, DAY, "1200"))
        .with("procedure", procedure(2, 1, 1, 2, DAY, "95"))
        .with("procedure", merged(procedure(3, 1, 6, 2, DAY, "50"), json!({"unit_qty": 0})))
        .with("adjustment", json!({"adj_num": 1, "pat_num": 1, "adj_date": DAY, "adj_amt": "-20"}))
        .with(
            "claim_line",
            json!({"claim_proc_num": 1, "pat_num": 1, "status": 1, "date_cp": DAY, "write_off": "310",
            "proc_date": "2026-01-05"}),
        )
        .with("payment", json!({"pay_num": 1, "pay_date": DAY}))
        .with("payment_split", json!({"split_num": 1, "pat_num": 1, "pay_num": 1, "split_amt": "400"}))
        .with(
            "payment_split",
            json!({"split_num": 2, "pat_num": 1, "pay_num": 1, "split_amt": "100", "unearned_type": 9}),
        )
        .with("claim_payment", json!({"claim_payment_num": 7, "check_date": DAY}))
        .with(
            "claim_line",
            json!({"claim_proc_num": 2, "pat_num": 1, "status": 1, "ins_pay_amt": "600",
            "claim_payment_num": 7, "date_cp": "2026-01-01"}),
        )
        .with(
            "claim_line",
            json!({"claim_proc_num": 3, "pat_num": 1, "status": 1, "ins_pay_amt": "50", "date_cp": "2026-01-01"}),
        );
    let answer = huddle(&practice).await;
    let y = answer.yesterday.unwrap();
    assert_eq!(y.date, Some(date_to_proto(date(2026, 3, 30))));
    assert_eq!((cents(&y.gross_production), cents(&y.adjustments), cents(&y.write_offs)), (129_500, -2_000, 31_000));
    assert_eq!((cents(&y.net_production), cents(&y.collections)), (96_500, 100_000));
    assert_eq!((cents(&y.patient_collections), cents(&y.insurance_collections)), (40_000, 60_000));
    assert_eq!((y.visits, y.new_patients, y.goal), (1, 1, None));
    let month = answer.month_to_date.unwrap();
    assert_eq!((cents(&month.net_production), cents(&month.collections)), (96_500, 100_000));
}

/// features.md §2, example 3.
#[tokio::test]
async fn over_the_counter() {
    let line = |number: i64, procedure: i64| json!({"claim_proc_num": number, "pat_num": 1, "proc_num": procedure});
    let practice = codes()
        .all("patient", patients([1, 2]))
        .with("procedure", procedure(1, 1, 2, 2, DAY, "1000"))
        .with("procedure", procedure(2, 2, 1, 2, DAY, "80"))
        .with("claim_line", merged(line(1, 1), json!({"status": 0, "ins_pay_est": "600", "write_off": "150"})))
        // Estimates do not count beside a claim.
        .with("claim_line", merged(line(2, 1), json!({"status": 6, "ins_est_total": "999"})))
        .with("payment", json!({"pay_num": 1, "pay_date": DAY}))
        .with("payment_split", json!({"split_num": 1, "pat_num": 1, "pay_num": 1, "split_amt": "200"}))
        .with("payment_split", json!({"split_num": 2, "pat_num": 2, "pay_num": 1, "split_amt": "120"}));
    let rate = huddle(&practice).await.yesterday.unwrap().otc_rate.unwrap();
    assert_eq!((cents(&rate.numerator), cents(&rate.denominator), rate.value), (28_000, 33_000, Some(84.8)));
}

#[tokio::test]
async fn estimates_stand_in_where_no_claim_is_made() {
    let practice = codes()
        .all("patient", patients([1]))
        .with("procedure", procedure(1, 1, 2, 2, DAY, "1000"))
        .with(
            "claim_line",
            json!({"claim_proc_num": 1, "proc_num": 1, "status": 6, "ins_est_total": "500",
            "ins_est_total_override": "400", "write_off_est": "-1", "write_off_est_override": "-1"}),
        )
        .with("adjustment", json!({"adj_num": 1, "pat_num": 1, "proc_num": 1, "adj_date": DAY, "adj_amt": "-100"}));
    let rate = huddle(&practice).await.yesterday.unwrap().otc_rate.unwrap();
    assert_eq!((cents(&rate.numerator), cents(&rate.denominator)), (0, 50_000));
}

/// features.md §2, example 4.
#[tokio::test]
async fn diagnosis_and_acceptance() {
    let presented = |number, patient, status, fee, appointment: i64| {
        merged(
            procedure(number, patient, 2, status, "2026-04-15", fee),
            json!({"date_tp": DAY, "apt_num": appointment}),
        )
    };
    let practice = codes()
        .all("patient", patients(1..=10))
        .all("procedure", (1..=10).map(|n| procedure(n, n, 3, 2, DAY, "50")))
        .with("procedure", presented(21, 1, 1, "1000", 0))
        .with("procedure", presented(22, 1, 1, "200", 31))
        .with("procedure", merged(presented(23, 2, 2, "500", 0), json!({"proc_date": DAY})))
        .with("procedure", presented(24, 3, 1, "300", 32))
        .with("procedure", presented(25, 5, 1, "800", 33))
        .with("appointment", appointment(31, 1, 1, "2026-04-15T09:00:00", 60))
        .with("appointment", appointment(32, 3, 6, "2026-04-15T09:00:00", 60))
        .with("appointment", appointment(33, 5, 5, "2026-04-15T09:00:00", 60));
    let y = huddle(&practice).await.yesterday.unwrap();
    assert_eq!(y.diagnostic_pct.unwrap().value, Some(40.0));
    let people = y.patient_acceptance_pct.unwrap();
    assert_eq!((people.numerator, people.denominator, people.value), (2, 4, Some(50.0)));
    let dollars = y.treatment_acceptance_pct.unwrap();
    assert_eq!((cents(&dollars.numerator), cents(&dollars.denominator), dollars.value), (70_000, 280_000, Some(25.0)));
}

/// features.md §2, examples 2 (a family's past due) and 5 (hours), as the day shows them.
#[tokio::test]
async fn the_day_with_hours_debts_and_people() {
    let hours = |number: i64, from: &str, to: &str| {
        json!({"schedule_num": number, "sched_date": "2026-03-31",
        "start_time": from, "stop_time": to, "sched_type": 1, "prov_num": 1})
    };
    let tie = |number: i64, schedule: i64, chair: i64| json!({"schedule_op_num": number, "schedule_num": schedule, "operatory_num": chair});
    let practice = codes()
        .with("provider", json!({"prov_num": 1, "abbr": "DOC", "hourly_prod_goal_amt": "400"}))
        .with("operatory", json!({"operatory_num": 1, "abbrev": "OP1"}))
        .with("operatory", json!({"operatory_num": 2, "abbrev": "OP2"}))
        .with("definition", json!({"def_num": 5, "item_name": "NS block", "item_value": "NS"}))
        .with("definition", json!({"def_num": 6, "item_name": "Appointment Confirmed"}))
        .with("definition", json!({"def_num": 7, "item_name": "Unconfirmed"}))
        .all("schedule", [hours(1, "08:00", "12:00"), hours(2, "13:00", "17:00")])
        .with("schedule", json!({"schedule_num": 3, "sched_date": "2026-03-31", "start_time": "16:30", "stop_time": "17:00",
            "sched_type": 2, "blockout_type": 5}))
        .all("schedule_operatory", [tie(1, 1, 1), tie(2, 1, 2), tie(3, 2, 1), tie(4, 3, 1)])
        .with("patient", json!({"pat_num": 1, "guarantor": 1, "l_name": "Adams", "f_name": "Ann", "preferred": "Annie",
            "birthdate": "1980-03-31", "med_urg_note": "note", "premed": 1}))
        .with("patient", json!({"pat_num": 2, "guarantor": 1, "l_name": "Adams", "f_name": "Bob"}))
        .with("patient", json!({"pat_num": 3, "guarantor": 1, "pat_status": 2}))
        .with("patient", json!({"pat_num": 4, "guarantor": 4}))
        .with("appointment", merged(appointment(1, 1, 1, "2026-03-31T08:00:00", 60), json!({"confirmed": 6})))
        .with("appointment", merged(appointment(2, 4, 1, "2026-03-31T08:30:00", 60), json!({"confirmed": 7, "op": 2})))
        .with("appointment", appointment(3, 4, 2, "2026-03-31T13:00:00", 180))
        .with("appointment", appointment(4, 4, 5, "2026-03-31T11:00:00", 60))
        .with("procedure", merged(procedure(1, 1, 1, 1, "2026-03-31", "95"), json!({"apt_num": 1})))
        .with("procedure", procedure(2, 1, 2, 1, "2026-02-01", "1200.5"))
        .with("procedure", procedure(3, 1, 2, 2, "2026-01-10", "200"))
        .with("procedure", procedure(4, 2, 2, 2, "2026-02-20", "300"))
        .with("procedure", procedure(5, 3, 2, 2, "2026-03-15", "150"))
        .with("payment_split", json!({"split_num": 1, "pat_num": 2, "split_amt": "250", "date_pay": "2026-03-16"}))
        .with("recall_type", json!({"recall_type_num": 1, "description": "Prophy"}))
        .with("recall", json!({"recall_num": 1, "pat_num": 1, "recall_type_num": 1, "date_due": "2026-03-01"}))
        .with("recall", json!({"recall_num": 2, "pat_num": 1, "recall_type_num": 1, "date_due": "2026-04-01"}))
        .with("recall", json!({"recall_num": 3, "pat_num": 1, "recall_type_num": 1, "date_due": "2026-03-01", "is_disabled": 1}))
        .with("recall", json!({"recall_num": 4, "pat_num": 1, "recall_type_num": 1, "date_due": "2026-03-01", "disable_until_balance": "399.99"}));
    let answer = huddle(&practice).await;
    let today = answer.today.unwrap();
    assert_eq!((today.available_minutes, today.booked_minutes), (450, 270));
    assert_eq!(today.utilization_pct.as_ref().unwrap().value, Some(60.0));
    assert_eq!((cents(&today.goal), cents(&today.on_schedule_production)), (300_000, 9_500));
    let openings: Vec<_> = today
        .openings
        .iter()
        .map(|o| (o.start.as_ref().unwrap().minute_of_day, o.minutes, cents(&o.opportunity)))
        .collect();
    assert_eq!(openings, [(570, 150, 100_000), (960, 30, 20_000)]);
    assert_eq!(
        (today.openings[0].operatory.is_none(), today.openings[1].operatory.as_ref().unwrap().display_name.as_str()),
        (true, "OP1")
    );
    assert_eq!((today.appointment_count, today.unconfirmed, today.new_patients), (4, 3, 3));
    assert_eq!((cents(&today.past_due), today.unscheduled_family), (25_000, 1));

    let ann = &today.appointments[0];
    assert_eq!(ann.patient.as_ref().unwrap().display_name, "Adams, Annie");
    assert_eq!((cents(&ann.fee), cents(&ann.past_due), cents(&ann.unscheduled_treatment)), (9_500, 25_000, 120_050));
    assert!(ann.confirmed && ann.birthday && ann.hygiene && !ann.is_new && !ann.completed);
    let kinds: Vec<_> = ann.alerts.iter().map(|a| a.kind).collect();
    assert_eq!(kinds, [HuddleAlertKind::MedicalUrgent as i32, HuddleAlertKind::Premedication as i32]);
    assert_eq!((ann.recalls_due.len(), ann.recalls_due[0].r#type.as_str(), ann.unscheduled_family), (1, "Prophy", 1));
    assert_eq!(answer.absent_sections.iter().map(|a| a.section.as_str()).collect::<Vec<_>>(), ["tomorrow"]);
}

#[tokio::test]
async fn broken_appointments_by_status_and_by_procedure() {
    let by_status = codes()
        .all("patient", patients([1, 2, 3]))
        .with("appointment", appointment(1, 1, 5, "2026-03-30T09:00:00", 60))
        .with("appointment", appointment(2, 1, 1, "2026-04-02T09:00:00", 60))
        .with("appointment", appointment(3, 2, 2, "2026-03-30T10:00:00", 60))
        .with("appointment", appointment(4, 3, 5, "2026-03-30T11:00:00", 60))
        .with("appointment", appointment(5, 3, 2, "2026-03-30T08:00:00", 60))
        .with(
            "appointment_history",
            json!({"hist_appt_num": 1, "apt_num": 1, "hist_appt_action": 3,
            "apt_date_time": "2026-03-30T09:00:00", "hist_date_t_stamp": "2026-03-29T08:59:00"}),
        );
    let y = huddle(&by_status).await.yesterday.unwrap();
    assert_eq!(y.broken_basis, BrokenBasis::Appointments as i32);
    // Patient 3's kept appointment of the same date is not in the denominator.
    let pct = y.broken_pct.unwrap();
    assert_eq!((pct.numerator, pct.denominator), (2, 3));
    assert_eq!(
        y.broken_appointments.iter().map(|b| (b.rebooked, b.kind)).collect::<Vec<_>>(),
        [(true, BrokenKind::Cancelled as i32), (false, BrokenKind::Unspecified as i32)]
    );

    let by_procedure = by_status
        .with("preference", json!({"pref_name": "BrokenApptProcedure", "value_string": "1"}))
        .with("procedure", procedure(9, 2, 4, 2, DAY, "40"));
    let answer = huddle(&by_procedure).await;
    let y = answer.yesterday.unwrap();
    assert_eq!(
        (y.broken_basis, y.broken_appointments[0].kind),
        (BrokenBasis::Procedures as i32, BrokenKind::NoShow as i32)
    );
    assert_eq!((y.broken_pct.as_ref().unwrap().numerator, y.broken_pct.as_ref().unwrap().denominator), (1, 2));
    assert_eq!((y.visits, cents(&y.gross_production)), (0, 4_000), "broken codes are money and no visit");
    assert!(answer.preferences.iter().any(|p| p.key == "BrokenApptProcedure" && p.value == "1"));
}

#[tokio::test]
async fn hygiene_visits_with_a_later_hygiene_appointment() {
    let practice = codes()
        .all("patient", patients([1, 2, 3, 4]))
        .with("patient", json!({"pat_num": 5, "guarantor": 5, "pat_status": 4}))
        .all("procedure", (1..=5).map(|n| procedure(n, n, 1, 2, DAY, "95")))
        .with("appointment", appointment(1, 1, 1, "2026-09-30T09:00:00", 60))
        .with("procedure", merged(procedure(11, 1, 1, 1, "2026-09-30", "95"), json!({"apt_num": 1})))
        .with("appointment", merged(appointment(2, 2, 4, "2026-09-30T09:00:00", 60), json!({"is_hygiene": 1})))
        .with("appointment", appointment(3, 3, 1, "2026-09-30T09:00:00", 60))
        .with("appointment", merged(appointment(4, 4, 5, "2026-09-30T09:00:00", 60), json!({"is_hygiene": 1})));
    let y = huddle(&practice).await.yesterday.unwrap();
    let ratio = y.hygiene_reappointment_pct.unwrap();
    assert_eq!((ratio.numerator, ratio.denominator, y.visits), (2, 4, 4));
}

#[tokio::test]
async fn an_empty_practice_has_a_huddle_without_days() {
    let answer = huddle(&Practice::new()).await;
    assert!(answer.yesterday.is_none() && answer.tomorrow.is_none());
    assert_eq!(answer.today.unwrap().appointment_count, 0);
    assert_eq!(cents(&answer.month_to_date.unwrap().net_production), 0);
}

#[tokio::test]
async fn sections_without_their_datasets_are_absent_and_say_which() {
    let mut present = all();
    present.remove("recall");
    let absent = missing(&present);
    assert_eq!(absent.iter().map(|a| a.section.as_str()).collect::<Vec<_>>(), ["today", "tomorrow"]);
    assert_eq!(absent[0].missing_datasets, ["recall"]);
    assert_eq!(missing(&BTreeSet::new()).len(), 4);
}
