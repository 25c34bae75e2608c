//! Production and collections.

use chairsync_proto::analytics::Focus;
use serde_json::json;

use super::*;
use crate::metrics::Member;

/// features.md §2, example 1.
#[tokio::test]
async fn net_and_collections() {
    let practice = office()
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
    let facts = facts(&practice).await;
    assert_eq!((sum(&facts, "gross_production"), sum(&facts, "net_production")), (129_500, 96_500));
    assert_eq!((sum(&facts, "adjustments"), sum(&facts, "write_offs")), (-2_000, 31_000));
    assert_eq!((sum(&facts, "collections"), sum(&facts, "unearned")), (100_000, 10_000));
    assert_eq!((sum(&facts, "patient_collections"), sum(&facts, "insurance_collections")), (40_000, 60_000));
    assert_eq!(sum(&facts, "collection_pct"), 1_036, "103.6 %");
}

#[tokio::test]
async fn nasty_money() {
    let split = |number: i64, amount: &str, provider: i64| {
        json!({"split_num": number, "pat_num": 1, "pay_num": 1,
        "split_amt": amount, "prov_num": provider})
    };
    let practice = office()
        .with("definition", json!({"def_num": 8, "category": 29, "item_name": "Hidden", "item_value": "X"}))
        .with("definition", json!({"def_num": 9, "category": 29, "item_name": "Prepayment"}))
        .with("patient", json!({"pat_num": 1, "guarantor": 1, "pat_status": 4}))
        // Deleted, planned and undated rows are no production; a deleted patient's done work is.
        .with("procedure", procedure(1, 1, 2, 6, DAY, "900"))
        .with("procedure", procedure(2, 1, 2, 1, DAY, "800"))
        .with("procedure", merged(procedure(3, 1, 2, 2, DAY, "70"), json!({"proc_date": null})))
        .with("procedure", merged(procedure(4, 1, 2, 2, DAY, "33.335"), json!({"unit_qty": 2, "base_units": 1})))
        .with("procedure", merged(procedure(5, 1, 4, 2, DAY, "40"), json!({"prov_num": 77, "clinic_num": 0})))
        // Capitation goes off once a line, on the procedure's date and provider.
        .all(
            "claim_line",
            [(1, "10"), (2, "5.005")].map(|(number, amount)| {
                json!({"claim_proc_num": number,
            "pat_num": 1, "proc_num": 4, "status": 7, "write_off": amount, "date_cp": "2020-01-01", "prov_num": 2})
            }),
        )
        .with("payment", json!({"pay_num": 1, "pay_date": DAY}))
        // A refund, a transfer between providers, and prepayments, one hidden.
        .all("payment_split", [split(1, "-25", 1), split(2, "60", 1), split(3, "-60", 2)])
        .with("payment_split", merged(split(4, "500", 1), json!({"unearned_type": 8})))
        .with("payment_split", merged(split(5, "30", 1), json!({"unearned_type": 9, "date_pay": "2020-01-01"})));
    let facts = facts(&practice).await;
    let gross = get("gross_production").unwrap();
    assert_eq!(figure(&facts, "gross_production"), Figure::Sum(1_000_050 + 400_000 - 150_050));
    let by = facts.by(gross, month(), &Scope::default(), Focus::Provider);
    assert_eq!(by[&Member::Provider(0)], Figure::Sum(400_000), "a provider that the PMS does not know is unassigned");
    assert_eq!(by[&Member::Provider(1)], Figure::Sum(850_000));
    let by = facts.by(gross, month(), &Scope::default(), Focus::ProcedureCode);
    assert_eq!(by[&Member::Code("D9986".into())], Figure::Sum(400_000), "broken codes are money");
    let by = facts.by(gross, month(), &Scope::default(), Focus::Location);
    assert_eq!((by[&Member::Clinic(0)], by.len()), (Figure::Sum(400_000), 2));
    assert_eq!((sum(&facts, "patient_collections"), sum(&facts, "unearned")), (-2_500, 3_000));
    let one = facts.figure(get("patient_collections").unwrap(), month(), &Scope::only_provider(2));
    assert_eq!(one, Figure::Sum(-600_000));
    assert_eq!(sum(&facts, "procedures_done"), 0, "deleted patients are in no count");
    assert_eq!(figure(&facts, "production_per_visit").shown(gross.unit), None, "nobody counted came");
}

#[tokio::test]
async fn write_offs_by_either_date_and_adjustments_by_type() {
    let lines = office()
        .with(
            "claim_line",
            json!({"claim_proc_num": 1, "status": 1, "write_off": "10", "date_cp": DAY,
            "proc_date": "2025-01-05"}),
        )
        .with(
            "claim_line",
            json!({"claim_proc_num": 2, "status": 0, "write_off": "7", "date_cp": DAY,
            "proc_date": DAY}),
        )
        .with(
            "claim_line",
            json!({"claim_proc_num": 3, "status": 4, "write_off": "-3", "date_cp": "2025-01-05",
            "proc_date": DAY}),
        )
        .with("definition", json!({"def_num": 4, "category": 1, "item_name": "Courtesy"}))
        .with("adjustment", json!({"adj_num": 1, "adj_type": 4, "adj_date": DAY, "adj_amt": "-20"}))
        .with("adjustment", json!({"adj_num": 2, "adj_type": 4, "adj_date": DAY, "adj_amt": "-1.5"}))
        .with("adjustment", json!({"adj_num": 3, "adj_type": 5, "adj_date": DAY, "adj_amt": "12"}));
    let facts = facts(&lines).await;
    assert_eq!(sum(&facts, "write_offs"), 1_000);
    let adjustments = get("adjustments").unwrap();
    let parts = facts.parts(adjustments, month(), &Scope::default());
    let named: Vec<_> = parts.iter().map(|part| (part.id.as_str(), part.display_name.as_str())).collect();
    assert_eq!(named, [("4", "Courtesy"), ("5", "")]);
    assert_eq!(facts.rows(adjustments, month(), &Scope::default(), "4").unwrap().len(), 2);
    assert_eq!(facts.rows(adjustments, month(), &Scope::default(), "x").unwrap_err().field.unwrap().0, "split");

    let by_procedure =
        lines.with("preference", json!({"pref_name": "ReportsPPOwriteoffDefaultToProcDate", "value_string": "1"}));
    assert_eq!(sum(&super::facts(&by_procedure).await, "write_offs"), 400);
}

#[tokio::test]
async fn scheduled_production_and_what_is_incomplete() {
    let on = |number: i64, status: i64, appointment: i64, fee: &str| {
        merged(procedure(number, 1, 2, status, "2026-03-05", fee), json!({"apt_num": appointment}))
    };
    let practice = office()
        .all("patient", patients([1]))
        .with("appointment", appointment(1, 1, 1, "2026-03-10T09:00:00"))
        .with("appointment", appointment(2, 1, 2, "2026-03-11T09:00:00"))
        .with("appointment", appointment(3, 1, 5, "2026-03-12T09:00:00"))
        .with("appointment", appointment(4, 1, 4, "2026-03-31T09:00:00"))
        .all("procedure", [on(1, 1, 1, "100"), on(2, 2, 2, "200"), on(3, 1, 3, "400"), on(4, 1, 4, "800")])
        .with(
            "claim_line",
            json!({"claim_proc_num": 1, "proc_num": 1, "status": 8, "write_off_est": "30",
            "write_off_est_override": "-1"}),
        )
        .with(
            "claim_line",
            json!({"claim_proc_num": 2, "proc_num": 1, "status": 6, "write_off_est": "5",
            "write_off_est_override": "-1"}),
        );
    let facts = facts(&practice).await;
    assert_eq!(sum(&facts, "scheduled_production"), 7_000, "an unmarked past appointment is still to do");
    assert_eq!(sum(&facts, "on_schedule_production"), 110_000);
    assert_eq!(sum(&facts, "incomplete_production"), 10_000);
}

#[tokio::test]
async fn production_by_category_and_for_each_of_something() {
    let practice = office()
        .all("patient", patients([1, 2]))
        .with(
            "procedure",
            merged(procedure(1, 1, 1, 2, DAY, "95"), json!({"prov_num": 2, "date_tp": DAY, "apt_num": 5})),
        )
        .with("procedure", merged(procedure(2, 1, 2, 2, DAY, "1000"), json!({"apt_num": 5, "date_tp": "2026-01-01"})))
        .with("procedure", procedure(3, 2, 6, 2, "2026-03-29", "5"))
        .with(
            "appointment",
            merged(appointment(5, 1, 2, "2026-03-30T09:00:00"), json!({"sec_date_t_entry": "2026-03-01T09:00:00"})),
        )
        .with(
            "schedule",
            json!({"schedule_num": 1, "sched_date": DAY, "start_time": "08:00", "stop_time": "12:00",
            "sched_type": 1, "prov_num": 1}),
        );
    let facts = facts(&practice).await;
    let parts = facts.parts(get("gross_production").unwrap(), month(), &Scope::default());
    let cents =
        |part: &chairsync_proto::analytics::TileSplit| match part.value.as_ref().unwrap().value.as_ref().unwrap() {
            chairsync_proto::analytics::metric_value::Value::Money(money) => money.units,
            _ => panic!("money"),
        };
    assert_eq!(parts.iter().map(cents).collect::<Vec<_>>(), [95, 1_000, 5]);
    assert_eq!(ratio(&facts, "production_per_visit"), (11_000_000, 2));
    assert_eq!(ratio(&facts, "production_per_day"), (11_000_000, 2));
    assert_eq!(ratio(&facts, "production_per_hour"), (11_000_000, 240));
    assert_eq!(ratio(&facts, "same_day_production_pct"), (1_000_000, 11_000_000));
    let doctor = facts.figure(get("production_per_hour").unwrap(), month(), &Scope::only_provider(1));
    assert_eq!(doctor, Figure::Rate { above: 10_050_000, below: 240, per: 60 });
}

/// features.md §2, example 3, on two days.
#[tokio::test]
async fn over_the_counter() {
    let line = |number: i64, procedure: i64| json!({"claim_proc_num": number, "pat_num": 1, "proc_num": procedure});
    let practice = office()
        .all("patient", patients([1, 2]))
        .with("procedure", procedure(1, 1, 2, 2, DAY, "1000"))
        .with("procedure", procedure(2, 2, 1, 2, "2026-03-29", "80"))
        .with("claim_line", merged(line(1, 1), json!({"status": 0, "ins_pay_est": "600", "write_off": "150"})))
        .with("claim_line", merged(line(2, 1), json!({"status": 6, "ins_est_total": "999"})))
        .with("payment", json!({"pay_num": 1, "pay_date": DAY}))
        .with("payment", json!({"pay_num": 2, "pay_date": "2026-03-29"}))
        .with("payment_split", json!({"split_num": 1, "pat_num": 1, "pay_num": 1, "split_amt": "200"}))
        .with("payment_split", json!({"split_num": 2, "pat_num": 2, "pay_num": 2, "split_amt": "120"}));
    let facts = facts(&practice).await;
    assert_eq!((ratio(&facts, "otc_rate"), sum(&facts, "otc_rate")), ((2_800_000, 3_300_000), 848));
    let otc = get("otc_rate").unwrap();
    let rows = facts.rows(otc, month(), &Scope::default(), "").unwrap();
    assert_eq!(
        rows.iter().map(|row| (row.above, row.below)).collect::<Vec<_>>(),
        [(800_000, 800_000), (2_000_000, 2_500_000)]
    );
    assert_eq!(facts.figure(otc, month(), &Scope::only_provider(1)), Figure::None);
}
