//! Production, income and what is owed.

use super::*;

/// A month with every kind of entry: part of a cent, units of 0, a deleted row, a provider who does not exist, capitation,
/// a line without a check, a hidden unearned type, a refund.
fn ledger() -> Practice {
    let line = |number: i64, more: Json| merged(json!({"claim_proc_num": number, "pat_num": 1, "plan_num": 5}), more);
    let split = |number: i64, payment: i64, amount: &str, more: Json| {
        let row = json!({"split_num": number, "pay_num": payment, "pat_num": 1, "prov_num": 1, "split_amt": amount,
            "date_pay": "2026-02-01"});
        merged(row, more)
    };
    office()
        .with("procedure", procedure(1, 1, 2, 2, "2026-03-30", "1200"))
        .with("procedure", merged(procedure(2, 2, 1, 2, "2026-03-30", "95"), json!({"prov_num": 2})))
        .with("procedure", merged(procedure(3, 1, 6, 2, "2026-03-30", "50"), json!({"unit_qty": 0})))
        .with("procedure", merged(procedure(4, 3, 3, 2, "2026-03-02", "33.335"), json!({"prov_num": 99})))
        .with("procedure", procedure(5, 1, 2, 6, "2026-03-30", "999"))
        .with("procedure", procedure(6, 1, 2, 2, "2026-02-28", "777"))
        .with("definition", json!({"def_num": 70, "category": 1, "item_name": "Discount"}))
        .with("definition", json!({"def_num": 80, "category": 10, "item_name": "Check"}))
        .with("definition", json!({"def_num": 90, "category": 29, "item_name": "Prepay"}))
        .with("definition", json!({"def_num": 91, "category": 29, "item_name": "Secret", "item_value": "X"}))
        .with(
            "adjustment",
            json!({"adj_num": 1, "pat_num": 1, "prov_num": 1, "adj_date": "2026-03-30", "adj_amt": "-20",
            "adj_type": 70}),
        )
        .with(
            "adjustment",
            json!({"adj_num": 2, "pat_num": 2, "adj_date": "2026-03-15", "adj_amt": "5", "adj_type": 70}),
        )
        .with("insurance_plan", json!({"plan_num": 5, "carrier_num": 6}))
        .with("carrier", json!({"carrier_num": 6, "carrier_name": "Acme"}))
        .with("claim_line", line(1, json!({"status": 7, "proc_num": 2, "write_off": "15", "date_cp": "2026-03-30"})))
        .with(
            "claim_line",
            line(
                2,
                json!({"status": 1, "write_off": "310", "date_cp": "2026-03-30",
            "proc_date": "2026-01-05"}),
            ),
        )
        .with(
            "claim_line",
            line(
                3,
                json!({"status": 0, "proc_num": 1, "write_off": "12.5", "proc_date": "2026-03-30",
            "ins_pay_est": "80"}),
            ),
        )
        .with(
            "claim_line",
            line(
                4,
                json!({"status": 1, "ins_pay_amt": "600", "claim_payment_num": 7,
            "date_cp": "2026-01-01", "proc_date": "2026-01-01"}),
            ),
        )
        .with(
            "claim_line",
            line(
                5,
                json!({"status": 1, "ins_pay_amt": "50", "date_cp": "2026-01-01",
            "proc_date": "2026-01-01"}),
            ),
        )
        .with("claim_payment", json!({"claim_payment_num": 7, "check_date": "2026-03-30"}))
        .with(
            "payment",
            json!({"pay_num": 1, "pay_date": "2026-03-30", "pay_type": 80, "check_num": "1001",
            "pay_amt": "577"}),
        )
        .with(
            "payment",
            json!({"pay_num": 2, "pay_date": "2026-03-31", "pay_type": 80, "payment_source": 13,
            "pay_amt": "-40"}),
        )
        .with("payment", json!({"pay_num": 3, "pay_date": "2026-01-10", "pay_type": 80, "pay_amt": "30"}))
        .with("payment_split", split(1, 1, "400", json!({})))
        .with("payment_split", split(2, 1, "100", json!({"unearned_type": 90})))
        .with("payment_split", split(3, 1, "77", json!({"unearned_type": 91})))
        .with("payment_split", split(4, 2, "-40", json!({"pat_num": 2, "prov_num": 2})))
        .with("payment_split", split(5, 3, "30", json!({"pat_num": 2, "unearned_type": 90})))
        .with("payment_split", split(6, 99, "5000", json!({})))
}

const SUMS: [&str; 8] = [
    "gross_production",
    "adjustments",
    "write_offs",
    "net_production",
    "patient_collections",
    "insurance_collections",
    "unearned",
    "collections",
];

#[tokio::test]
async fn production_and_income_by_month_day_and_year() {
    let practice = ledger();
    let books = practice.books().await;
    let whole = "1313.34 | -15.00 | 310.00 | 988.34 | 360.00 | 600.00 | 100.00 | 960.00";
    let by = |interval: ReportInterval| {
        move |request: &mut RunReportRequest| {
            march(request);
            request.interval = interval.into();
        }
    };
    let month = run_on(&books, "production-and-income", by(ReportInterval::Month)).await;
    assert_eq!((month.shown(&SUMS), month.rows[0]["period"].as_str()), (vec![whole.to_owned()], "2026-03-01"));
    assert_eq!((month.total(&SUMS), month.total(&["period"])), (whole.to_owned(), "-".to_owned()));

    let days = run_on(&books, "production-and-income", by(ReportInterval::Day)).await;
    assert_eq!((days.rows.len(), days.total(&SUMS)), (31, whole.to_owned()));
    assert_eq!(days.shown(&["period", "gross_production"])[1], "2026-03-02 | 33.34");
    assert_eq!(days.shown(&SUMS)[29], "1280.00 | -20.00 | 310.00 | 950.00 | 400.00 | 600.00 | 100.00 | 1000.00");
    assert_eq!(days.shown(&SUMS)[30], "0.00 | 0.00 | 0.00 | 0.00 | -40.00 | 0.00 | 0.00 | -40.00");

    let years = run_on(&books, "production-and-income", |request| {
        request.range = Some(range(date(2025, 6, 15), D));
        request.interval = ReportInterval::Year.into();
    });
    let years = years.await;
    assert_eq!(years.shown(&["period", "gross_production"]), ["2025-06-15 | 0.00", "2026-01-01 | 2090.34"]);
}

#[tokio::test]
async fn write_offs_follow_the_preference() {
    let practice =
        ledger().with("preference", json!({"pref_name": "ReportsPPOwriteoffDefaultToProcDate", "value_string": "1"}));
    let books = practice.books().await;
    let month = |request: &mut RunReportRequest| {
        march(request);
        request.interval = ReportInterval::Month.into();
    };
    let ran = run_on(&books, "production-and-income", month).await;
    assert_eq!(ran.total(&["write_offs", "net_production"]), "12.50 | 1285.84");
    let ran = run_on(&books, "write-offs", march).await;
    let columns = ["carrier", "code", "lines", "write_offs", "basis"];
    assert_eq!(ran.shown(&columns), ["Acme | D2740 | 1 | 12.50 | procedure date"]);
    let ran = run(&ledger(), "write-offs", march).await;
    assert_eq!(ran.shown(&columns), ["Acme |  | 1 | 310.00 | insurance payment date"]);
    assert_eq!(ran.total(&columns), "- | - | 1 | 310.00 | -");
}

#[tokio::test]
async fn filters_credit_the_rows_provider_and_keep_the_unassigned() {
    let practice = ledger().with("clinic", json!({"clinic_num": 4, "abbr": "N"}));
    let books = practice.books().await;
    let of = |number: i64| {
        move |request: &mut RunReportRequest| {
            march(request);
            request.interval = ReportInterval::Month.into();
            request.providers = vec![format!("practices/north/providers/{number}")];
        }
    };
    let sums = ["gross_production", "adjustments", "write_offs", "collections"];
    let doc = run_on(&books, "production-and-income", of(1)).await;
    assert_eq!(doc.total(&sums), "1200.00 | -20.00 | 0.00 | 400.00");
    let hygienist = run_on(&books, "production-and-income", of(2)).await;
    assert_eq!(hygienist.total(&sums), "80.00 | 0.00 | 0.00 | -40.00");
    let nobody = run_on(&books, "production-and-income", of(0)).await;
    assert_eq!(nobody.total(&sums), "33.34 | 5.00 | 310.00 | 600.00");
    let clinic = run_on(&books, "production-and-income", |request| {
        march(request);
        request.clinics = vec!["practices/north/clinics/4".into()];
    });
    assert_eq!(clinic.await.total(&sums), "0.00 | 0.00 | 0.00 | 0.00");
}

#[tokio::test]
async fn the_day_sheet_has_every_entry() {
    let ran = run(&ledger(), "day-sheet", march).await;
    let shown = ran.shown(&[
        "date",
        "patient",
        "kind",
        "code",
        "description",
        "provider",
        "fee",
        "adjustment",
        "write_off",
        "paid",
        "unearned",
    ]);
    assert_eq!(
        shown,
        [
            "2026-03-02 | Baker, Cyn | procedure | D0120 | x | unassigned | 33.34 | - | - | - | -",
            "2026-03-15 | Adams, Bob | adjustment |  | Discount | unassigned | - | 5.00 | - | - | -",
            "2026-03-30 | Adams, Ann | procedure | D2740 | x | DOC | 1200.00 | - | - | - | -",
            "2026-03-30 | Adams, Ann | procedure | N100 | x | DOC | 0.00 | - | - | - | -",
            "2026-03-30 | Adams, Ann | adjustment |  | Discount | DOC | - | -20.00 | - | - | -",
            "2026-03-30 | Adams, Ann | write-off |  |  | unassigned | - | - | 310.00 | - | -",
            "2026-03-30 | Adams, Ann | payment |  | Check | DOC | - | - | - | 400.00 | -",
            "2026-03-30 | Adams, Ann | prepayment |  | Prepay | DOC | - | - | - | - | 100.00",
            "2026-03-30 | Adams, Ann | insurance payment |  |  | unassigned | - | - | - | 600.00 | -",
            "2026-03-30 | Adams, Bob | procedure | D1110 | x | HYG | 95.00 | - | - | - | -",
            "2026-03-30 | Adams, Bob | capitation | D1110 | x | HYG | -15.00 | - | - | - | -",
            "2026-03-31 | Adams, Bob | payment |  | Check | HYG | - | - | - | -40.00 | -",
        ]
    );
    assert_eq!(
        ran.total(&["fee", "adjustment", "write_off", "paid", "unearned"]),
        "1313.34 | -15.00 | 310.00 | 960.00 | 100.00"
    );
}

#[tokio::test]
async fn the_daily_report_has_goals_and_reappointment() {
    let hours = |number: i64, day: &str| {
        json!({"schedule_num": number, "sched_date": day, "start_time": "08:00", "stop_time": "12:00", "sched_type": 1,
            "prov_num": 2})
    };
    let practice = ledger()
        .with("operatory", json!({"operatory_num": 1, "prov_hygienist": 2}))
        .all("schedule", [hours(1, "2026-03-30"), hours(2, "2026-03-31")])
        .with("appointment", merged(appointment(1, 2, 1, "2026-09-30T09:00:00", 60), json!({"is_hygiene": 1})));
    let books = practice.books().await;
    let ran = run_on(&books, "daily-report", march).await;
    let columns = [
        "date",
        "provider",
        "gross_production",
        "net_production",
        "visits",
        "net_per_visit",
        "hygiene_reappointment_pct",
        "goal",
    ];
    assert_eq!(
        ran.shown(&columns),
        [
            "2026-03-02 | unassigned | 33.34 | 33.34 | 1 | 33.34 | - | -",
            "2026-03-15 | unassigned | 0.00 | 5.00 | 0 | - | - | -",
            "2026-03-30 | unassigned | 0.00 | -310.00 | 0 | - | - | -",
            "2026-03-30 | DOC | 1200.00 | 1180.00 | 1 | 1180.00 | - | -",
            "2026-03-30 | HYG | 80.00 | 80.00 | 1 | 80.00 | 100.0 | 400.00",
            "2026-03-31 | HYG | 0.00 | 0.00 | 0 | - | - | 400.00",
        ]
    );
    assert_eq!(ran.total(&columns), "- | - | 1313.34 | 988.34 | 3 | 329.45 | 100.0 | 800.00");
}

#[tokio::test]
async fn codes_adjustments_and_payments() {
    let practice = ledger();
    let books = practice.books().await;
    let ran = run_on(&books, "procedures-by-code", march).await;
    let columns = ["code", "count", "gross_production", "average"];
    let rows = [
        "D0120 | 1 | 33.34 | 33.34",
        "D1110 | 1 | 80.00 | 80.00",
        "D2740 | 1 | 1200.00 | 1200.00",
        "N100 | 1 | 0.00 | 0.00",
    ];
    assert_eq!(
        (ran.shown(&columns), ran.total(&columns)),
        (rows.map(str::to_owned).to_vec(), "- | 4 | 1313.34 | 328.33".into())
    );

    let ran = run_on(&books, "adjustments", march).await;
    let columns = ["date", "patient", "provider", "type", "amount"];
    let rows =
        ["2026-03-15 | Adams, Bob | unassigned | Discount | 5.00", "2026-03-30 | Adams, Ann | DOC | Discount | -20.00"];
    assert_eq!((ran.shown(&columns), ran.total(&["amount"])), (rows.map(str::to_owned).to_vec(), "-15.00".into()));

    let ran = run_on(&books, "payments", march).await;
    let rows = [
        "2026-03-30 | Check | 1001 | Adams, Ann | DOC | 400.00 |  | office",
        "2026-03-30 | Check | 1001 | Adams, Ann | DOC | 100.00 | Prepay | office",
        "2026-03-31 | Check |  | Adams, Bob | HYG | -40.00 |  | API",
    ];
    let columns = ["date", "type", "check_number", "patient", "provider", "split", "unearned_type", "source"];
    assert_eq!((ran.shown(&columns), ran.total(&["split"])), (rows.map(str::to_owned).to_vec(), "460.00".into()));

    let ran = run_on(&books, "unearned-income", march).await;
    assert_eq!(ran.shown(&["guarantor", "unearned", "balance"]), ["Adams, Ann | 100.00 | 130.00"]);
}

/// features.md §2, example 2, with a family in credit beside it.
#[tokio::test]
async fn receivables_and_credits() {
    let paid = |number: i64, patient: i64, amount: &str| json!({"split_num": number, "pay_num": number, "pat_num": patient, "split_amt": amount, "date_pay": "2026-03-16"});
    let practice = office()
        .with("procedure", procedure(1, 1, 2, 2, "2026-01-10", "200"))
        .with("procedure", procedure(2, 2, 2, 2, "2026-02-20", "300"))
        .with("procedure", procedure(3, 1, 2, 2, "2026-03-15", "150"))
        .with("procedure", procedure(4, 3, 2, 2, "2026-03-15", "650"))
        .with(
            "claim_line",
            json!({"claim_proc_num": 1, "proc_num": 3, "pat_num": 1, "status": 0, "ins_pay_est": "80",
            "write_off": "20", "proc_date": "2026-03-15"}),
        )
        .with("payment", json!({"pay_num": 1, "pay_date": "2026-03-16", "pay_amt": "250"}))
        .with("payment", json!({"pay_num": 2, "pay_date": "2026-03-17", "pay_amt": "700"}))
        .all("payment_split", [paid(1, 2, "250"), paid(2, 3, "700")]);
    let books = practice.books().await;
    let ran = run_on(&books, "accounts-receivable-aging", |_| {}).await;
    let columns = [
        "guarantor",
        "age_0_30",
        "age_31_60",
        "age_61_90",
        "age_over_90",
        "total",
        "insurance",
        "patient",
        "last_payment",
    ];
    let row = "Adams, Ann | 150.00 | 250.00 | 0.00 | 0.00 | 400.00 | 100.00 | 300.00 | 2026-03-16";
    assert_eq!(ran.shown(&columns), [row]);
    assert_eq!(ran.total(&["total", "insurance", "patient"]), "400.00 | 100.00 | 300.00");
    let ran = run_on(&books, "credit-balances", |_| {}).await;
    let row = "Baker, Cyn | 3 | -50.00 | 2026-03-17 | 555-0100";
    assert_eq!(ran.shown(&["guarantor", "guarantor_number", "balance", "last_payment", "phone"]), [row]);
    assert_eq!(ran.total(&["balance"]), "-50.00");
}

#[tokio::test]
async fn insurance_aging_and_outstanding_claims() {
    let line = |number: i64, patient: i64, est: &str, day: &str, more: Json| {
        let row =
            json!({"claim_proc_num": number, "pat_num": patient, "ins_pay_est": est, "proc_date": day, "plan_num": 5});
        merged(row, more)
    };
    let claim = |number: i64, status: &str, kind: &str, sent: Json| {
        let row = json!({"claim_num": number, "pat_num": 1, "claim_status": status, "claim_type": kind, "plan_num": 5,
            "claim_fee": "500.5", "date_service": "2026-01-01"});
        merged(row, sent)
    };
    let practice = office()
        .with("insurance_plan", json!({"plan_num": 5, "carrier_num": 6}))
        .with("carrier", json!({"carrier_num": 6, "carrier_name": "Acme"}))
        .with("claim_line", line(1, 1, "80", "2026-03-15", json!({"claim_num": 1})))
        .with("claim_line", line(2, 2, "40", "2026-02-20", json!({"plan_num": 0})))
        .with("claim_line", line(3, 2, "7", "2026-01-01", json!({"status": 1, "date_cp": "2026-04-02"})))
        .with("claim_line", line(4, 2, "999", "2026-01-01", json!({"status": 1, "date_cp": "2026-03-02"})))
        .with("claim_line", line(5, 3, "0.004", "2026-01-01", json!({})))
        .with("claim_line", line(6, 3, "999", "2026-04-15", json!({})))
        .with("claim", claim(1, "S", "P", json!({"date_sent": "2026-03-20"})))
        .with("claim", claim(2, "S", "S", json!({"date_sent_orig": "2026-02-01"})))
        .with("claim", claim(3, "S", "PreAuth", json!({"date_sent": "2026-03-01"})))
        .with("claim", claim(4, "R", "P", json!({"date_sent": "2026-03-01"})));
    let books = practice.books().await;
    let ran = run_on(&books, "insurance-aging", |_| {}).await;
    let columns = ["guarantor", "carrier", "age_0_30", "age_31_60", "age_61_90", "age_over_90", "total"];
    let rows = [
        "Adams, Ann | Acme | 80.00 | 0.00 | 7.00 | 0.00 | 87.00",
        "Adams, Ann | unassigned | 0.00 | 40.00 | 0.00 | 0.00 | 40.00",
    ];
    assert_eq!((ran.shown(&columns), ran.total(&["total"])), (rows.map(str::to_owned).to_vec(), "127.00".into()));

    let ran = run_on(&books, "outstanding-claims", |_| {}).await;
    let columns = ["carrier", "patient", "claim_number", "date_service", "sent", "age_days", "fee", "estimate"];
    let rows = [
        "Acme | Adams, Ann | 2 | 2026-01-01 | 2026-02-01 | 58 | 500.50 | 0.00",
        "Acme | Adams, Ann | 1 | 2026-01-01 | 2026-03-20 | 11 | 500.50 | 80.00",
    ];
    assert_eq!(
        (ran.shown(&columns), ran.total(&["fee", "estimate"])),
        (rows.map(str::to_owned).to_vec(), "1001.00 | 80.00".into())
    );
}
