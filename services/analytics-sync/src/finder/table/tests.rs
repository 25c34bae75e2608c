//! The columns of a patient against hand-computed ones, a test for each part.
#![allow(clippy::unwrap_used)]

use jiff::civil::{Date, date};
use serde_json::{Value, json};

use super::*;
use crate::testing::Practice;

pub(in crate::finder) const D: Date = date(2026, 3, 31);

fn all() -> BTreeSet<String> {
    needs::datasets().into_iter().map(str::to_owned).collect()
}

async fn built(practice: &Practice) -> Table {
    build(&practice.books().await, D, &all()).await.unwrap()
}

fn with(mut row: Value, more: Value) -> Value {
    row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    row
}

fn patient(number: i64, more: Value) -> Value {
    with(json!({"pat_num": number, "l_name": "Last", "f_name": "First", "guarantor": number}), more)
}

/// Codes 1 D1110, 2 D2740, 3 D0120, 4 D9986, 5 N100 (custom), 6 D2392.
fn codes() -> Practice {
    let code = |(number, code): (usize, &str)| json!({"code_num": number + 1, "proc_code": code});
    let codes = ["D1110", "D2740", "D0120", "D9986", "N100", "D2392"];
    Practice::new().all("procedure_code", codes.into_iter().enumerate().map(code))
}

fn procedure(number: i64, patient: i64, code: i64, status: i64, day: &str, fee: &str) -> Value {
    json!({"proc_num": number, "pat_num": patient, "code_num": code, "proc_status": status, "proc_date": day,
        "proc_fee": fee, "unit_qty": 1})
}

fn appointment(number: i64, patient: i64, status: i64, at: &str) -> Value {
    json!({"apt_num": number, "pat_num": patient, "apt_status": status, "apt_date_time": at, "pattern": "XXXX"})
}

fn shown(words: &[super::super::row::Word]) -> Vec<&str> {
    words.iter().map(super::super::row::Word::shown).collect()
}

#[tokio::test]
async fn persons_are_as_the_pms_has_them_and_deleted_ones_are_left_out() {
    let practice = Practice::new()
        .with("clinic", json!({"clinic_num": 3, "abbr": "N", "description": "North"}))
        .with("provider", json!({"prov_num": 1, "abbr": "DOC"}))
        .with("definition", json!({"def_num": 40, "item_name": "Standard"}))
        .with("referral", json!({"referral_num": 8, "l_name": "Smith", "f_name": "Ann"}))
        .with("referral", json!({"referral_num": 9, "l_name": "Radio", "f_name": "x", "not_person": 1}))
        .with(
            "referral_attach",
            json!({"ref_attach_num": 1, "pat_num": 7, "referral_num": 8, "ref_type": 1, "item_order": 2}),
        )
        .with(
            "referral_attach",
            json!({"ref_attach_num": 2, "pat_num": 7, "referral_num": 9, "ref_type": 1, "item_order": 1}),
        )
        .with(
            "referral_attach",
            json!({"ref_attach_num": 3, "pat_num": 7, "referral_num": 8, "ref_type": 0, "item_order": 0}),
        )
        .with("sheet", json!({"sheet_num": 1, "pat_num": 7, "sheet_type": 9, "show_in_terminal": 1}))
        .with("sheet", json!({"sheet_num": 2, "pat_num": 8, "sheet_type": 9, "show_in_terminal": 1, "is_deleted": 1}))
        .with("sms_received", json!({"sms_from_mobile_num": 1, "pat_num": 7, "sms_status": 0}))
        .with("sms_received", json!({"sms_from_mobile_num": 2, "pat_num": 8, "sms_status": 1}))
        .with("sms_received", json!({"sms_from_mobile_num": 3, "pat_num": 8, "sms_status": 0, "is_hidden": 1}))
        .with(
            "patient",
            patient(
                7,
                json!({"l_name": "Möller", "preferred": "Bo", "birthdate": "2000-02-29", "gender": 3, "zip": "97301",
                "language": "de", "clinic_num": 3, "pri_prov": 1, "sec_prov": 99, "billing_type": 40, "txt_msg_ok": 2,
                "premed": 1, "wireless_phone": "503", "hm_phone": "971", "email": "Bo@X.org", "guarantor": 8}),
            ),
        )
        .with("patient", patient(8, json!({"pat_status": 2, "guarantor": 0, "gender": 2})))
        .with("patient", patient(9, json!({"pat_status": 4})));
    let table = built(&practice).await;
    assert!(table.missing.is_empty());
    assert_eq!(table.rows.iter().map(|row| row.number).collect::<Vec<_>>(), [7, 8]);
    let row = table.get(7).unwrap();
    assert_eq!(
        (&*row.display_name, &*row.folded_name, &*row.name_words),
        ("Möller, Bo", "möller, bo", "möller first bo")
    );
    assert_eq!((row.family, row.guarantor.as_ref().unwrap().shown()), (8, "Last, First"));
    assert_eq!((row.age(D), row.gender, row.text_consent, row.premedication), (Some(26), 3, 2, true));
    let text = |word: &Option<super::super::row::Word>| word.as_ref().map(|word| word.shown().to_owned());
    assert_eq!(text(&row.zip).unwrap() + &text(&row.language).unwrap(), "97301de");
    assert_eq!(text(&row.billing_type).unwrap(), "Standard");
    assert_eq!(text(&row.referral).unwrap(), "Radio", "the first by the practice's order, and no person");
    assert_eq!((row.clinic.as_ref().unwrap().number, row.primary_provider.as_ref().unwrap().number), (3, 1));
    assert_eq!(row.secondary_provider, None, "a provider that is not there");
    assert_eq!(
        (&*row.mobile_phone, &*row.home_phone, &*row.email, &*row.folded_email),
        ("503", "971", "Bo@X.org", "bo@x.org")
    );
    assert!(row.form_outstanding && row.unread_message);
    let other = table.get(8).unwrap();
    assert_eq!((other.family, other.status, other.clinic.as_ref(), other.referral.as_ref()), (8, 2, None, None));
    assert!(!other.form_outstanding && !other.unread_message, "deleted, read and hidden ones do not count");
}

#[tokio::test]
async fn visits_are_dates_with_work_that_counts() {
    let practice = codes()
        .all("patient", (1..=3).map(|n| patient(n, json!({}))))
        .with("procedure", procedure(1, 1, 3, 2, "2020-05-05", "0"))
        .with("procedure", procedure(2, 1, 1, 2, "2025-09-30", "95"))
        .with("procedure", procedure(3, 1, 2, 2, "2026-01-10", "1200"))
        .with("procedure", procedure(4, 1, 1, 1, "2026-02-10", "95"))
        .with("procedure", procedure(5, 1, 4, 2, "2026-03-01", "25"))
        .with("procedure", procedure(6, 1, 5, 2, "2026-03-02", "0"))
        .with("procedure", procedure(7, 1, 1, 2, "2026-04-02", "95"))
        .with("procedure", procedure(8, 2, 5, 2, "2024-09-30", "10"))
        .with("procedure", procedure(9, 3, 1, 6, "2026-01-01", "95"));
    let table = built(&practice).await;
    let row = table.get(1).unwrap();
    assert_eq!((row.first_visit, row.last_visit), (Some(date(2020, 5, 5)), Some(date(2026, 1, 10))));
    assert_eq!(row.last_hygiene_visit, Some(date(2025, 9, 30)), "neither planned nor to come");
    assert!(row.active(D));
    let custom = table.get(2).unwrap();
    assert_eq!((custom.last_visit, custom.last_hygiene_visit), (Some(date(2024, 9, 30)), None));
    assert!(custom.active(D), "18 months to the day");
    assert_eq!(table.get(3).unwrap().first_visit, None, "deleted rows are no visit");
}

#[tokio::test]
async fn the_next_appointment_is_live_and_from_today_on() {
    let practice = codes()
        .with("definition", json!({"def_num": 20, "item_name": "Confirmed"}))
        .all("patient", (1..=4).map(|n| patient(n, json!({"guarantor": 1}))))
        .with("patient", patient(5, json!({"guarantor": 1, "pat_status": 3})))
        .with("patient", patient(6, json!({})))
        .with("appointment", appointment(1, 1, 1, "2026-03-30T09:00"))
        .with("appointment", appointment(2, 1, 5, "2026-03-31T09:00"))
        .with("appointment", with(appointment(3, 1, 4, "2026-03-31T08:00"), json!({"confirmed": 20})))
        .with("appointment", with(appointment(4, 1, 1, "2026-04-09T08:00"), json!({"is_hygiene": 1})))
        .with("appointment", with(appointment(5, 2, 1, "2026-05-01T10:30"), json!({"is_hygiene": 1})))
        .with("appointment", appointment(6, 2, 1, "2026-06-01T10:30"))
        .with("procedure", with(procedure(1, 2, 2, 1, "2026-05-01", "9"), json!({"apt_num": 5})))
        .with("procedure", with(procedure(2, 2, 1, 1, "2026-06-01", "9"), json!({"apt_num": 6})))
        .with("appointment", appointment(7, 3, 6, "2026-05-01T10:30"))
        .with("appointment", with(appointment(8, 3, 3, "2026-05-01T10:30"), json!({"apt_date_time": null})));
    let table = built(&practice).await;
    let at = |day: Date, hour, minute| Some(day.at(hour, minute, 0, 0));
    let one = table.get(1).unwrap();
    assert_eq!((one.next_appointment, one.unconfirmed), (at(D, 8, 0), Some(false)));
    assert_eq!(one.next_hygiene_appointment, at(date(2026, 4, 9), 8, 0), "without procedures the mark counts");
    let two = table.get(2).unwrap();
    assert_eq!((two.next_appointment, two.unconfirmed), (at(date(2026, 5, 1), 10, 30), Some(true)));
    assert_eq!(two.next_hygiene_appointment, at(date(2026, 6, 1), 10, 30), "with procedures they count");
    let three = table.get(3).unwrap();
    assert_eq!((three.next_appointment, three.unconfirmed, three.unscheduled_list), (None, None, true));
    // In the family of 1: 3 and 4 have none; 5 is archived and needs none.
    let unscheduled: Vec<i64> = table.rows.iter().filter(|row| row.family_unscheduled).map(|row| row.number).collect();
    assert_eq!(unscheduled, [1, 2, 3, 4, 5]);
    assert!(!two.unscheduled_list && !table.get(6).unwrap().family_unscheduled, "another of the family, not oneself");
}

#[tokio::test]
async fn broken_appointments_count_by_the_practices_own_rule() {
    let base = || {
        codes()
            .with("patient", patient(1, json!({})))
            .with("procedure", procedure(1, 1, 4, 2, "2026-03-01", "0"))
            .with("procedure", procedure(2, 1, 4, 2, "2015-03-01", "0"))
            .with("appointment", appointment(1, 1, 5, "2025-03-31T08:00"))
            .with("appointment", appointment(2, 1, 5, "2025-03-30T08:00"))
            .with("appointment", appointment(3, 1, 5, "2026-04-01T08:00"))
    };
    let by_status = built(&base()).await;
    let row = by_status.get(1).unwrap();
    assert_eq!(*row.broken, [date(2025, 3, 30), date(2025, 3, 31)], "up to D");
    assert_eq!((row.broken_since(date(2025, 3, 31)), row.broken_since(D)), (1, 0));
    let preference = json!({"pref_name": "BrokenApptProcedure", "value_string": "1"});
    let by_code = built(&base().with("preference", preference)).await;
    assert_eq!(*by_code.get(1).unwrap().broken, [date(2026, 3, 1)], "ten years back at most");
}

#[tokio::test]
async fn recalls_are_the_enabled_ones() {
    let recall = |number: i64, patient: i64, due: &str, kind: i64| json!({"recall_num": number, "pat_num": patient, "date_due": due, "recall_type_num": kind});
    let practice = codes()
        .with("recall_type", json!({"recall_type_num": 1, "description": "Prophy"}))
        .with("recall_type", json!({"recall_type_num": 2, "description": "Bitewings"}))
        .all("patient", (1..=4).map(|n| patient(n, json!({}))))
        .with("recall", with(recall(1, 1, "2026-03-01", 2), json!({"date_scheduled": "2026-04-01"})))
        .with("recall", recall(2, 1, "2026-05-01", 1))
        .with("recall", recall(3, 1, "2026-06-01", 1))
        .with("recall", with(recall(4, 1, "2020-01-01", 1), json!({"is_disabled": 1})))
        .with("recall", with(recall(5, 2, "2026-03-31", 1), json!({"disable_until_date": "2026-03-31"})))
        .with("recall", with(recall(6, 3, "2026-03-30", 1), json!({"disable_until_date": "2026-04-01"})))
        .with("recall", with(recall(7, 4, "2026-03-30", 1), json!({"disable_until_balance": "50"})));
    let table = built(&practice).await;
    let one = table.get(1).unwrap();
    assert_eq!(
        (one.recall_due, one.days_overdue(D), one.recall_not_scheduled),
        (Some(date(2026, 3, 1)), Some(30), false)
    );
    assert_eq!(shown(&one.recall_types), ["Bitewings", "Prophy"]);
    let two = table.get(2).unwrap();
    assert_eq!((two.recall_due, two.days_overdue(D), two.recall_not_scheduled), (Some(D), Some(0), true));
    assert_eq!(table.get(3).unwrap().recall_due, None);
    assert_eq!(table.get(4).unwrap().recall_due, Some(date(2026, 3, 30)), "nothing is owed");
}

#[tokio::test]
async fn treatment_is_planned_presented_and_done() {
    let planned = |number: i64, patient: i64, code: i64, fee: &str, more: Value| {
        with(procedure(number, patient, code, 1, "2026-01-10", fee), more)
    };
    let practice = codes()
        .with("definition", json!({"def_num": 31, "item_name": "High", "item_order": 1}))
        .with("definition", json!({"def_num": 32, "item_name": "Low", "item_order": 2}))
        .all("patient", (1..=2).map(|n| patient(n, json!({}))))
        .with("patient", patient(3, json!({"pat_status": 2})))
        .with("appointment", appointment(1, 1, 1, "2026-04-01T09:00"))
        .with("appointment", appointment(2, 1, 1, "2026-03-30T09:00"))
        .with("procedure", planned(1, 1, 2, "1000.006", json!({"priority": 32})))
        .with("procedure", planned(2, 1, 6, "200.001", json!({"priority": 31, "apt_num": 2, "unit_qty": 2})))
        .with("procedure", planned(3, 1, 1, "95", json!({"apt_num": 1})))
        .with("procedure", planned(4, 3, 2, "1000", json!({})))
        .with("procedure", with(procedure(5, 1, 2, 8, "2026-01-10", "7"), json!({"date_tp": "2026-01-10"})))
        .with("procedure", procedure(6, 1, 3, 2, "2026-01-10", "50"))
        .with("procedure", with(procedure(7, 1, 6, 2, "2025-12-01", "200"), json!({"date_tp": "2026-02-01"})))
        .with("procedure", procedure(8, 1, 1, 2, "2026-02-05", "95"))
        .with("procedure", with(procedure(9, 1, 3, 1, "2026-02-05", "50"), json!({"date_tp": "2026-02-05"})));
    let table = built(&practice).await;
    let row = table.get(1).unwrap();
    assert_eq!(row.unscheduled_treatment, Some(145_001), "exact until it is shown: 1000.006 + 400.002 + 50");
    assert_eq!(
        (shown(&row.treatment_codes), shown(&row.treatment_priorities)),
        (vec!["D0120", "D2392", "D2740"], vec!["High", "Low"])
    );
    assert_eq!(row.treatment_presented, Some(date(2026, 1, 10)), "on a visit, and neither diagnostic nor preventive");
    assert_eq!(row.treatment_done, Some(date(2025, 12, 1)));
    assert_eq!(shown(&row.done_codes), ["D0120", "D1110", "D2392"]);
    let nothing = table.get(2).unwrap();
    assert_eq!((nothing.unscheduled_treatment, nothing.treatment_done, nothing.done_codes.len()), (Some(0), None, 0));
    assert_eq!(table.get(3).unwrap().unscheduled_treatment, Some(0), "only of status patient");
}

#[tokio::test]
async fn balances_and_payments_are_the_familys() {
    let split = |number: i64, patient: i64, payment: i64, amount: &str| json!({"split_num": number, "pat_num": patient, "pay_num": payment, "split_amt": amount, "date_pay": "2026-03-01"});
    let payment = |number: i64, day: &str, amount: &str| json!({"pay_num": number, "pay_date": day, "pay_amt": amount});
    let practice = codes()
        .with("patient", patient(1, json!({})))
        .with("patient", patient(2, json!({"guarantor": 1})))
        .with("patient", patient(3, json!({})))
        .with("patient", patient(4, json!({})))
        .with("procedure", procedure(1, 2, 2, 2, "2026-01-10", "200"))
        .with("procedure", procedure(2, 1, 2, 2, "2026-03-15", "150"))
        .with("procedure", procedure(3, 3, 2, 2, "2026-03-15", "100"))
        .with("payment", payment(1, "2026-03-01", "50"))
        .with("payment", payment(2, "2026-03-20", "-5"))
        .with("payment", payment(3, "2026-03-21", "0"))
        .with("payment", payment(4, "2026-03-02", "150"))
        .with("payment_split", split(1, 1, 1, "50"))
        .with("payment_split", split(2, 1, 2, "-5"))
        .with("payment_split", split(3, 2, 3, "5"))
        .with("payment_split", split(4, 3, 4, "150"));
    let table = built(&practice).await;
    for member in [1, 2] {
        let row = table.get(member).unwrap();
        assert_eq!(
            (row.family_balance, row.past_due, row.credit),
            (Some(30_000), Some(14_500), None),
            "a refund is a charge"
        );
        assert_eq!((row.oldest_bucket, row.last_payment), (Some(2), Some(date(2026, 3, 1))), "no refund, no transfer");
    }
    let ahead = table.get(3).unwrap();
    assert_eq!((ahead.family_balance, ahead.past_due, ahead.credit), (Some(-5_000), Some(0), Some(5_000)));
    assert_eq!((ahead.oldest_bucket, ahead.last_payment), (None, Some(date(2026, 3, 2))));
    let without = table.get(4).unwrap();
    assert_eq!((without.family_balance, without.credit, without.last_payment), (Some(0), None, None));
}

#[tokio::test]
async fn insurance_is_what_is_in_force_and_used_in_its_year() {
    let plan = |number: i64, more: Value| {
        with(
            json!({"plan_num": number, "carrier_num": number, "group_name": "", "group_num": format!("G{number}")}),
            more,
        )
    };
    let subscription = |number: i64, more: Value| with(json!({"ins_sub_num": number, "plan_num": number}), more);
    let covered = |number: i64, ordinal: i64| json!({"pat_plan_num": number, "pat_num": 1, "ins_sub_num": number, "ordinal": ordinal});
    let line = |number: i64, status: i64, day: &str, plan: i64| {
        json!({"claim_proc_num": number, "pat_num": 1, "ins_sub_num": plan, "plan_num": plan, "status": status,
            "proc_date": day, "ins_pay_amt": "100", "ins_pay_est": "7.5"})
    };
    let practice = codes()
        .all("patient", (1..=2).map(|n| patient(n, json!({}))))
        .all("carrier", (1..=3).map(|n| json!({"carrier_num": n, "carrier_name": format!("C{n}")})))
        .with("insurance_plan", plan(1, json!({})))
        .with("insurance_plan", plan(2, json!({"group_name": "City", "month_renew": 7})))
        .with("insurance_plan", plan(3, json!({})))
        .with("insurance_subscriber", subscription(1, json!({"date_term": "2026-03-30"})))
        .with("insurance_subscriber", subscription(2, json!({"date_effective": "2026-03-31"})))
        .with("insurance_subscriber", subscription(3, json!({})))
        .with("patient_plan", covered(1, 1))
        .with("patient_plan", covered(2, 2))
        .with("patient_plan", covered(3, 3))
        .with("claim_line", line(1, 1, "2025-07-01", 2))
        .with("claim_line", line(2, 4, "2026-03-01", 2))
        .with("claim_line", line(3, 0, "2026-06-30", 2))
        .with("claim_line", line(4, 1, "2025-06-30", 2))
        .with("claim_line", line(5, 1, "2026-07-01", 2))
        .with("claim_line", line(6, 6, "2026-03-01", 2))
        .with("claim_line", line(7, 1, "2026-03-01", 3));
    let table = built(&practice).await;
    let row = table.get(1).unwrap();
    assert!(row.has_insurance);
    assert_eq!((shown(&row.carriers), shown(&row.groups)), (vec!["C2", "C3"], vec!["City", "G2", "G3"]));
    assert_eq!((row.carrier.as_ref().unwrap().shown(), row.insurance_group.as_ref().unwrap().shown()), ("C2", "City"));
    assert_eq!(row.insurance_used, Some(20_750), "from July on: 100 + 100 + 7.50");
    let other = table.get(2).unwrap();
    assert_eq!((other.has_insurance, other.carrier.as_ref(), other.insurance_used), (false, None, None));
}

#[tokio::test]
async fn what_is_not_read_is_absent_and_the_rest_is_there() {
    let practice = codes()
        .with("patient", patient(1, json!({})))
        .with("procedure", procedure(1, 1, 1, 2, "2026-01-01", "95"))
        .with("sheet", json!({"sheet_num": 1, "pat_num": 1, "sheet_type": 9, "show_in_terminal": 1}));
    let mut present = all();
    present.remove("sheet");
    let table = build(&practice.books().await, D, &present).await.unwrap();
    assert_eq!(table.lacks(Part::Forms), Some(["sheet".to_owned()].as_slice()));
    assert!(table.get(1).unwrap().last_visit.is_some() && !table.get(1).unwrap().form_outstanding);
    let absent: Vec<String> = table.absent_columns().into_iter().map(|absent| absent.section).collect();
    assert_eq!(absent, ["form_outstanding", "insurance_remaining"]);
    assert!(Table::unread().absent_columns().len() > 30);
}
