//! Patients, visits and treatment.

use serde_json::json;

use super::*;

/// features.md §2, example 4.
#[tokio::test]
async fn diagnosis_and_acceptance() {
    let presented = |number, patient, status, fee, appointment: i64| {
        merged(
            procedure(number, patient, 2, status, "2026-04-15", fee),
            json!({"date_tp": DAY, "apt_num": appointment}),
        )
    };
    let practice = office()
        .all("patient", patients(1..=10))
        .with("patient", json!({"pat_num": 11, "guarantor": 11, "pat_status": 4}))
        .all("procedure", (1..=11).map(|n| procedure(n, n, 3, 2, DAY, "50")))
        .with("procedure", presented(21, 1, 1, "1000", 0))
        .with("procedure", presented(22, 1, 1, "200", 31))
        .with("procedure", merged(presented(23, 2, 2, "500", 0), json!({"proc_date": DAY})))
        .with("procedure", presented(24, 3, 1, "300", 32))
        .with("procedure", presented(25, 5, 1, "800", 33))
        // Not on a date of a visit; diagnostic; without a fee.
        .with("procedure", merged(presented(26, 6, 1, "70", 0), json!({"date_tp": "2026-03-29"})))
        .with("procedure", merged(presented(27, 6, 1, "70", 0), json!({"code_num": 3})))
        .with("procedure", merged(presented(28, 6, 1, "0", 0), json!({"code_num": 6})))
        .with("appointment", appointment(31, 1, 1, "2026-04-15T09:00:00"))
        .with("appointment", appointment(32, 3, 6, "2026-04-15T09:00:00"))
        .with("appointment", appointment(33, 5, 5, "2026-04-15T09:00:00"));
    let facts = facts(&practice).await;
    assert_eq!(ratio(&facts, "diagnostic_pct"), (4, 10));
    assert_eq!(ratio(&facts, "patient_acceptance_pct"), (2, 4));
    assert_eq!(ratio(&facts, "treatment_acceptance_pct"), (7_000_000, 28_000_000));
    assert_eq!(ratio(&facts, "restorative_case_acceptance_pct"), (7_000_000, 28_000_000));
    assert_eq!(ratio(&facts, "hygiene_case_acceptance_pct"), (0, 0));
    assert_eq!(ratio(&facts, "dollars_per_exam"), (7_000_000, 10), "a deleted patient's exam is in no count");
    assert_eq!(ratio(&facts, "new_patient_acceptance_pct"), (2, 4));
    assert_eq!(sum(&facts, "new_patients"), 10);
    assert_eq!(sum(&facts, "unscheduled_treatment"), 224_000);
    let other = facts.figure(get("diagnostic_pct").unwrap(), month(), &Scope::only_provider(2));
    assert_eq!(other, Figure::Ratio { above: 0, below: 0, positive: false });
}

#[tokio::test]
async fn accepted_work_of_another_kind_accepts_no_case() {
    let presented =
        |number, code, status| merged(procedure(number, 1, code, status, DAY, "100"), json!({"date_tp": DAY}));
    let practice = office()
        .all("patient", patients([1]))
        .with("procedure", procedure(1, 1, 3, 2, DAY, "50"))
        .all("procedure", [presented(2, 2, 1), presented(3, 7, 2)]);
    let facts = facts(&practice).await;
    assert_eq!(ratio(&facts, "restorative_case_patients_pct"), (0, 1));
    assert_eq!(ratio(&facts, "hygiene_case_patients_pct"), (1, 1));
}

#[tokio::test]
async fn visits_are_patients_and_dates() {
    let by = |number, patient, code, provider: i64| {
        merged(procedure(number, patient, code, 2, DAY, "10"), json!({"prov_num": provider}))
    };
    let practice = office()
        .all("patient", patients([1, 2, 3, 4]))
        // Hygiene and a crown by two providers: one visit. A custom row without a fee: seen only. A broken code: neither.
        .all("procedure", [by(1, 1, 1, 2), by(2, 1, 2, 1), by(5, 4, 3, 1)])
        .with("procedure", merged(by(3, 2, 6, 1), json!({"proc_fee": "0"})))
        .with("procedure", by(4, 3, 4, 1));
    let facts = facts(&practice).await;
    assert_eq!((sum(&facts, "visits"), sum(&facts, "seen")), (2, 3));
    assert_eq!((sum(&facts, "hygiene_visits"), sum(&facts, "restorative_visits")), (1, 1));
    let visits = get("visits").unwrap();
    let count = |split: &str| facts.rows(visits, month(), &Scope::default(), split).unwrap().len();
    assert_eq!((count("hygiene"), count("restorative"), count("uncategorized"), count("")), (1, 1, 1, 2));
    let of = |provider| facts.figure(visits, month(), &Scope::only_provider(provider));
    assert_eq!((of(1), of(2)), (Figure::Sum(2), Figure::Sum(1)), "a visit to two providers is one of each");
}

#[tokio::test]
async fn hygiene_visits_with_a_later_hygiene_appointment() {
    let practice = office()
        .all("patient", patients([1, 2, 3, 4]))
        .with("patient", json!({"pat_num": 5, "guarantor": 5, "pat_status": 4}))
        .all("procedure", (1..=5).map(|n| procedure(n, n, 1, 2, DAY, "95")))
        .with("procedure", merged(procedure(6, 1, 7, 2, DAY, "95"), json!({"prov_num": 2})))
        .with("appointment", appointment(1, 1, 1, "2026-09-30T09:00:00"))
        .with("procedure", merged(procedure(11, 1, 1, 1, "2026-09-30", "95"), json!({"apt_num": 1})))
        .with("appointment", merged(appointment(2, 2, 4, "2026-09-30T09:00:00"), json!({"is_hygiene": 1})))
        .with("appointment", appointment(3, 3, 1, "2026-09-30T09:00:00"))
        .with("appointment", merged(appointment(4, 4, 5, "2026-09-30T09:00:00"), json!({"is_hygiene": 1})));
    let facts = facts(&practice).await;
    assert_eq!(ratio(&facts, "hygiene_reappointment_pct"), (2, 4));
    assert_eq!(ratio(&facts, "perio_visit_pct"), (1, 4));
    assert_eq!(ratio(&facts, "hygiene_pre_appointment_pct"), (2, 4));
    assert_eq!(ratio(&facts, "pre_appointment_pct"), (3, 4));
    assert_eq!(ratio(&facts, "new_patient_reappointment_pct"), (3, 4));
    assert_eq!(sum(&facts, "future_appointments"), 3);
    let credited = facts.figure(get("hygiene_reappointment_pct").unwrap(), month(), &Scope::only_provider(2));
    assert_eq!(
        credited,
        Figure::Ratio { above: 0, below: 0, positive: false },
        "the first hygiene row takes the credit"
    );
}

#[tokio::test]
async fn patients_come_and_go_by_eighteen_months() {
    let came = |number, patient, day: &str| procedure(number, patient, 1, 2, day, "95");
    let practice = office()
        .all("patient", patients([1, 2, 3, 4]))
        .with("patient", json!({"pat_num": 5, "guarantor": 5, "pat_status": 2, "birthdate": "1980-01-01"}))
        .all(
            "procedure",
            [
                came(1, 1, "2024-09-30"), // 18 months before D: still active
                came(2, 2, "2024-09-29"), // a day more: lost on 29 March
                came(3, 3, "2024-01-01"),
                came(4, 3, "2026-03-02"), // came back
                came(5, 4, "2026-03-03"), // new
                came(6, 5, "2026-03-03"), // new, and no active patient by status
            ],
        );
    let facts = facts(&practice).await;
    assert_eq!((sum(&facts, "active_patients"), sum(&facts, "active_hygiene")), (3, 3));
    assert_eq!((sum(&facts, "recaptured_patients"), sum(&facts, "lost_patients")), (1, 2));
    assert_eq!((sum(&facts, "new_patients"), sum(&facts, "patient_growth")), (2, 1));
    let active = get("active_patients").unwrap();
    let on = |day| facts.figure(active, (day, day), &Scope::default());
    assert_eq!(on(date(2026, 3, 29)), Figure::Sum(4), "a day before the second was lost");
    assert_eq!(on(date(2026, 12, 1)), Figure::Sum(3), "never later than D");
    assert_eq!(ratio(&facts, "active_perio_pct"), (0, 0));
}

#[tokio::test]
async fn unscheduled_patients_by_their_last_visit() {
    let came = |number, patient, day: &str| procedure(number, patient, 1, 2, day, "95");
    let practice = office()
        .all("patient", patients(1..=8))
        .all(
            "procedure",
            [
                came(1, 1, "2025-09-30"), // six months to the day (D is the 31st)
                came(2, 2, "2025-09-29"),
                came(3, 3, "2025-06-29"),
                came(4, 4, "2024-10-01"),
                came(5, 5, "2024-09-29"),
                came(6, 6, "2023-03-31"),
                came(7, 7, "2023-03-30"), // more than 36 months
                came(8, 8, "2026-03-01"), // booked
            ],
        )
        .with("appointment", appointment(1, 8, 1, "2026-03-31T00:00:00"))
        .with("procedure", procedure(9, 2, 2, 1, DAY, "300"));
    let facts = facts(&practice).await;
    let unscheduled = get("unscheduled_patients").unwrap();
    let parts = facts.parts(unscheduled, month(), &Scope::default());
    let counts: Vec<_> = parts.iter().map(|part| part.value.as_ref().unwrap().value.clone().unwrap()).collect();
    let expected = [1, 1, 1, 1, 2].map(chairsync_proto::analytics::metric_value::Value::Count);
    assert!(counts == expected);
    assert_eq!((sum(&facts, "unscheduled_patients"), sum(&facts, "unscheduled_active")), (6, 4));
}
