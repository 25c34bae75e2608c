//! Appointments and hours.

use serde_json::json;

use super::*;

#[tokio::test]
async fn broken_by_status_and_by_procedure() {
    let by_status = office()
        .all("patient", patients([1, 2, 3]))
        .with("appointment", appointment(1, 1, 5, "2026-03-30T09:00:00"))
        .with("appointment", appointment(3, 2, 2, "2026-03-30T10:00:00"))
        .with("appointment", appointment(4, 3, 5, "2026-03-30T11:00:00"))
        .with("appointment", appointment(5, 3, 2, "2026-03-30T08:00:00"))
        .with("appointment", appointment(6, 3, 2, "2026-03-29T08:00:00"))
        .with(
            "appointment_history",
            json!({"hist_appt_num": 1, "apt_num": 1, "hist_appt_action": 3,
            "apt_date_time": "2026-03-30T09:00:00", "hist_date_t_stamp": "2026-03-29T08:59:00"}),
        );
    let found = facts(&by_status).await;
    // Patient 3's kept appointment of the same date is not in the denominator; that of the day before is.
    assert_eq!(ratio(&found, "broken_pct"), (2, 4));
    assert_eq!((ratio(&found, "cancelled_pct"), ratio(&found, "no_show_pct")), ((1, 4), (0, 4)));
    let rows = found.rows(get("broken_pct").unwrap(), month(), &Scope::default(), "").unwrap();
    assert_eq!(rows.len(), 4);
    assert!(rows.iter().all(|row| row.dataset == "appointment" && row.below == 1));

    let by_procedure = by_status
        .with("preference", json!({"pref_name": "BrokenApptProcedure", "value_string": "1"}))
        .with("procedure", procedure(9, 2, 4, 2, DAY, "40"))
        .with("procedure", procedure(10, 2, 5, 2, "2026-03-28", "0"));
    let found = facts(&by_procedure).await;
    assert_eq!(ratio(&found, "broken_pct"), (2, 4));
    assert_eq!((ratio(&found, "cancelled_pct"), ratio(&found, "no_show_pct")), ((1, 4), (1, 4)));
    let rows = found.rows(get("broken_appointments").unwrap(), month(), &Scope::default(), "").unwrap();
    assert!(rows.iter().all(|row| row.dataset == "procedure"));
}

#[tokio::test]
async fn appointments_completed_or_not() {
    let practice = office()
        .all("patient", patients([1, 2, 3, 4]))
        .with("patient", json!({"pat_num": 5, "guarantor": 5, "pat_status": 4}))
        .with("appointment", appointment(1, 1, 2, "2026-03-30T09:00:00"))
        .with("appointment", appointment(2, 2, 1, "2026-03-30T10:00:00")) // unmarked and past: complete
        .with("appointment", appointment(3, 3, 2, "2026-03-30T11:00:00")) // complete, and yet no visit
        .with("appointment", appointment(4, 4, 1, "2026-03-31T11:00:00")) // to come
        .with("appointment", appointment(5, 4, 5, "2026-03-30T11:00:00"))
        .with("appointment", appointment(6, 5, 2, "2026-03-30T11:00:00"))
        .all("appointment", [3, 6, 7, 8].map(|status| appointment(10 + status, 1, status, "2026-03-30T09:00:00")))
        .with("procedure", merged(procedure(1, 3, 4, 2, DAY, "40"), json!({"apt_num": 3})))
        .with("procedure", merged(procedure(2, 1, 1, 2, DAY, "95"), json!({"apt_num": 1})))
        .with("procedure", merged(procedure(3, 1, 2, 2, DAY, "95"), json!({"apt_num": 1})));
    let facts = facts(&practice).await;
    assert_eq!(sum(&facts, "appointments"), 5);
    assert_eq!((sum(&facts, "completed_appointments"), sum(&facts, "incomplete_appointments")), (2, 3));
    let appointments = get("appointments").unwrap();
    let of = |split: &str| facts.rows(appointments, month(), &Scope::default(), split).unwrap().len();
    assert_eq!((of("hygiene"), of("restorative"), of("uncategorized")), (1, 1, 4));
}

/// features.md §2, example 5.
#[tokio::test]
async fn hours_on_offer_booked_and_free() {
    let hours = |number: i64, from: &str, to: &str| {
        json!({"schedule_num": number, "sched_date": DAY, "start_time": from, "stop_time": to, "sched_type": 1,
        "prov_num": 1})
    };
    let tie = |number: i64, schedule: i64, chair: i64| json!({"schedule_op_num": number, "schedule_num": schedule, "operatory_num": chair});
    let long = |number, status, at: &str, length: usize, chair: i64| {
        merged(appointment(number, 1, status, at), json!({"pattern": "X".repeat(length / 5), "op": chair}))
    };
    let practice = office()
        .all("patient", patients([1]))
        .with("operatory", json!({"operatory_num": 1, "abbrev": "OP1"}))
        .with("operatory", json!({"operatory_num": 2, "abbrev": "OP2"}))
        .with("definition", json!({"def_num": 5, "item_name": "NS block", "item_value": "NS"}))
        .all("schedule", [hours(1, "08:00", "12:00"), hours(2, "13:00", "17:00")])
        .with(
            "schedule",
            json!({"schedule_num": 3, "sched_date": DAY, "start_time": "16:30", "stop_time": "17:00",
            "sched_type": 2, "blockout_type": 5}),
        )
        .all("schedule_operatory", [tie(1, 1, 1), tie(2, 1, 2), tie(3, 2, 1), tie(4, 3, 1)])
        .with("appointment", long(1, 1, "2026-03-30T08:00:00", 60, 1))
        .with("appointment", long(2, 1, "2026-03-30T08:30:00", 60, 2))
        .with("appointment", long(3, 2, "2026-03-30T13:00:00", 180, 1))
        .with("appointment", long(4, 5, "2026-03-30T11:00:00", 60, 1));
    let facts = facts(&practice).await;
    assert_eq!((ratio(&facts, "utilization_pct"), sum(&facts, "utilization_pct")), ((270, 450), 600));
    assert_eq!((sum(&facts, "available_minutes"), sum(&facts, "openings")), (4_500, 2));
}
