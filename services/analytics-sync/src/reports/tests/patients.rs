//! Who comes, who should, and who sent them.

use super::*;

#[tokio::test]
async fn new_patients_and_their_sources() {
    let practice = office()
        .with("patient", json!({"pat_num": 4, "guarantor": 4, "pat_status": 4}))
        .with("referral", json!({"referral_num": 1, "l_name": "Doe", "f_name": "Dan"}))
        .with("referral", json!({"referral_num": 2, "l_name": "Website", "not_person": 1}))
        .with(
            "referral_attach",
            json!({"ref_attach_num": 1, "referral_num": 2, "pat_num": 1, "item_order": 2, "ref_type": 1}),
        )
        .with(
            "referral_attach",
            json!({"ref_attach_num": 2, "referral_num": 1, "pat_num": 1, "item_order": 1, "ref_type": 1}),
        )
        .with(
            "referral_attach",
            json!({"ref_attach_num": 3, "referral_num": 2, "pat_num": 3, "item_order": 1, "ref_type": 0}),
        )
        .with(
            "referral_attach",
            json!({"ref_attach_num": 4, "referral_num": 2, "pat_num": 2, "item_order": 3, "ref_type": 1}),
        )
        // Ann: a broken appointment in February is no visit; the lowest procedure of the first date gives the credit.
        .with("procedure", procedure(1, 1, 4, 2, "2026-02-01", "40"))
        .with("procedure", merged(procedure(3, 1, 2, 2, "2026-03-10", "100.004"), json!({"prov_num": 2})))
        .with("procedure", procedure(2, 1, 3, 2, "2026-03-10", "50"))
        .with("procedure", procedure(4, 1, 2, 2, "2026-03-20", "25"))
        .with("procedure", procedure(5, 1, 2, 2, "2026-04-02", "999"))
        // Bob came before; Cyn's first row is of March; a deleted patient is in no count.
        .with("procedure", procedure(6, 2, 1, 2, "2025-03-10", "95"))
        .with("procedure", procedure(7, 2, 1, 2, "2026-03-10", "95"))
        .with("procedure", procedure(8, 3, 6, 2, "2026-03-31", "0"))
        .with("procedure", procedure(9, 4, 1, 2, "2026-03-31", "11"))
        .with("payment", json!({"pay_num": 1, "pay_date": "2026-03-10"}))
        .with("payment_split", json!({"split_num": 1, "pay_num": 1, "pat_num": 1, "split_amt": "60"}))
        .with("appointment", appointment(1, 1, 1, "2026-03-30T09:00:00", 60))
        .with("appointment", appointment(2, 1, 4, "2026-04-15T10:30:00", 60))
        .with("appointment", appointment(3, 1, 1, "2026-05-15T10:30:00", 60));
    let books = practice.books().await;
    let ran = run_on(&books, "new-patients", march).await;
    let columns = ["first_visit", "patient", "provider", "referral", "fee", "next_appointment"];
    assert_eq!(
        ran.shown(&columns),
        [
            "2026-03-10 | Adams, Ann | DOC | Doe, Dan | 175.00 | 2026-04-15T10:30",
            "2026-03-31 | Baker, Cyn | DOC |  | 0.00 | -",
        ]
    );
    let of_hygienist = |request: &mut RunReportRequest| {
        march(request);
        request.providers = vec!["practices/north/providers/2".into()];
    };
    assert_eq!(run_on(&books, "new-patients", of_hygienist).await.rows.len(), 0);

    let ran = run_on(&books, "referral-sources", march).await;
    let columns = ["referral", "patients", "new_patients", "gross_production", "collections"];
    assert_eq!(
        ran.shown(&columns),
        ["Doe, Dan | 1 | 1 | 175.00 | 60.00", "Website | 1 | 0 | 95.00 | 0.00", "none | 1 | 1 | 11.00 | 0.00"]
    );
    assert_eq!(ran.total(&columns), "- | 3 | 2 | 281.00 | 60.00");
}

#[tokio::test]
async fn active_patients_and_those_who_should_come_again() {
    let practice = office()
        .with("patient", json!({"pat_num": 5, "guarantor": 5, "l_name": "Old", "pat_status": 2}))
        .with("patient", json!({"pat_num": 6, "guarantor": 6, "l_name": "Never", "pri_prov": 2}))
        .with("procedure", procedure(1, 1, 2, 2, "2026-03-10", "100"))
        .with("procedure", procedure(2, 3, 1, 2, "2025-03-10", "95"))
        .with("procedure", procedure(3, 5, 1, 2, "2026-03-11", "95"))
        .with("procedure", procedure(4, 3, 2, 1, "2026-03-01", "800.5"))
        .with("procedure", merged(procedure(5, 1, 2, 1, "2026-03-01", "70"), json!({"apt_num": 1})))
        .with("procedure", merged(procedure(6, 3, 2, 1, "2026-03-01", "30"), json!({"apt_num": 2})))
        .with("appointment", appointment(1, 1, 1, "2026-04-15T10:30:00", 60))
        .with("appointment", appointment(2, 3, 1, "2026-03-15T10:30:00", 60))
        .with("recall", json!({"recall_num": 1, "pat_num": 3, "date_due": "2026-02-01"}))
        .with("recall", json!({"recall_num": 2, "pat_num": 3, "date_due": "2026-01-01", "is_disabled": 1}));
    let books = practice.books().await;
    let ran = run_on(&books, "active-patients", march).await;
    let columns = ["patient", "last_done", "fee", "provider", "phone"];
    assert_eq!(ran.shown(&columns), ["Adams, Ann | 2026-03-10 | 100.00 | unassigned | 555-0100"]);

    let ran = run_on(&books, "no-future-appointment", |_| {}).await;
    let columns = ["patient", "last_visit", "recall_due", "unscheduled_treatment"];
    assert_eq!(
        ran.shown(&columns),
        ["Baker, Cyn | 2025-03-10 | 2026-02-01 | 830.50", "Adams, Bob | - | - | 0.00", "Never | - | - | 0.00",]
    );
    let of_hygienist = |request: &mut RunReportRequest| request.providers = vec!["practices/north/providers/2".into()];
    assert_eq!(run_on(&books, "no-future-appointment", of_hygienist).await.shown(&["patient"]), ["Never"]);
}

#[tokio::test]
async fn recalls_that_are_due_and_allowed() {
    let recall = |number: i64, patient: i64, more: Json| {
        merged(json!({"recall_num": number, "pat_num": patient, "recall_type_num": 1, "date_due": "2026-03-15"}), more)
    };
    let practice = office()
        .with("patient", json!({"pat_num": 4, "guarantor": 4, "pat_status": 4}))
        .with("recall_type", json!({"recall_type_num": 1, "description": "Prophy"}))
        // Ann's and Bob's family owes 200.
        .with("procedure", procedure(1, 1, 2, 2, "2026-03-10", "200"))
        .with("recall", recall(1, 1, json!({"disable_until_balance": "199.99"})))
        .with("recall", recall(2, 2, json!({"disable_until_balance": "200"})))
        .with("recall", recall(3, 3, json!({"disable_until_date": "2026-03-31"})))
        .with("recall", recall(4, 3, json!({"disable_until_date": "2026-04-01"})))
        .with("recall", recall(5, 3, json!({"date_scheduled": "2026-05-01"})))
        .with("recall", recall(6, 3, json!({"is_disabled": 1})))
        .with("recall", recall(7, 4, json!({})))
        .with("recall", recall(8, 3, json!({"date_due": "2026-02-28"})));
    let ran = run(&practice, "recall-due", march).await;
    let columns = ["type", "due", "patient", "last_visit"];
    assert_eq!(ran.shown(&columns), ["Prophy | 2026-03-15 | Adams, Bob | -", "Prophy | 2026-03-15 | Baker, Cyn | -"]);
}
