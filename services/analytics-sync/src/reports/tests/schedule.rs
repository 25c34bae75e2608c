//! Treatment and the schedule.

use super::*;

#[tokio::test]
async fn treatment_counts_once_at_its_first_presentation() {
    let plan = |number: i64, presenter: i64, day: &str, status: i64| json!({"treat_plan_num": number, "pat_num": 1, "date_tp": day, "tp_status": status, "user_num_presenter": presenter});
    let copy = |number: i64, plan: i64, procedure: i64| json!({"proc_tp_num": number, "treat_plan_num": plan, "proc_num_orig": procedure});
    let practice = office()
        .with("procedure", merged(procedure(1, 1, 2, 2, "2026-03-20", "1000"), json!({"apt_num": 1})))
        .with("procedure", merged(procedure(2, 1, 2, 1, "2026-04-20", "500"), json!({"apt_num": 2})))
        .with("procedure", procedure(3, 1, 2, 1, "2026-04-20", "300"))
        .with("procedure", procedure(4, 1, 2, 6, "2026-04-20", "999"))
        .with("appointment", appointment(1, 1, 2, "2026-03-20T09:00:00", 60))
        .with("appointment", appointment(2, 1, 1, "2026-04-20T09:00:00", 60))
        .with("claim_line", json!({"claim_proc_num": 1, "proc_num": 1, "status": 7, "write_off": "100"}))
        .with("claim_line", json!({"claim_proc_num": 2, "proc_num": 1, "status": 1, "write_off": "50"}))
        .with("claim_line", json!({"claim_proc_num": 3, "proc_num": 2, "status": 6, "write_off_est": "20", "write_off_est_override": "-1"}))
        .with("claim_line", json!({"claim_proc_num": 4, "proc_num": 3, "status": 6, "write_off_est": "-1", "write_off_est_override": "-1"}))
        .with("adjustment", json!({"adj_num": 1, "pat_num": 1, "proc_num": 1, "adj_date": "2026-03-25", "adj_amt": "-10"}))
        .all("treatment_plan", [plan(1, 7, "2026-03-05", 0), plan(2, 8, "2026-03-10", 0), plan(3, 9, "2026-03-01", 1), plan(4, 0, "2026-02-10", 0)])
        .all("treatment_plan_procedure", [copy(1, 1, 1), copy(2, 2, 1), copy(3, 2, 2), copy(4, 3, 2), copy(5, 4, 3), copy(6, 1, 3), copy(7, 1, 4)]);
    let ran = run(&practice, "treatment-presented", march).await;
    let columns = [
        "presenter",
        "procedures",
        "gross",
        "net",
        "scheduled_net",
        "completed_procedures",
        "completed_gross",
        "completed_net",
    ];
    assert_eq!(
        ran.shown(&columns),
        [
            "user 7 | 1 | 900.00 | 840.00 | 0.00 | 1 | 900.00 | 840.00",
            "user 8 | 1 | 500.00 | 480.00 | 480.00 | 0 | 0.00 | 0.00"
        ]
    );
    assert_eq!(ran.total(&["procedures", "gross", "net"]), "2 | 1400.00 | 1320.00");
}

#[tokio::test]
async fn treatment_that_is_on_no_live_appointment() {
    let practice = office()
        .with("patient", json!({"pat_num": 5, "guarantor": 5, "l_name": "Old", "pat_status": 2}))
        .with("definition", json!({"def_num": 9, "item_name": "High"}))
        .with(
            "procedure",
            merged(
                procedure(1, 1, 2, 1, "2026-03-20", "1000"),
                json!({"date_tp": "2026-01-05", "tooth_num": "14", "priority": 9}),
            ),
        )
        .with("procedure", merged(procedure(2, 1, 2, 1, "2026-04-20", "500"), json!({"apt_num": 2})))
        .with("procedure", merged(procedure(3, 3, 2, 1, "2026-03-20", "300"), json!({"apt_num": 3, "prov_num": 99})))
        .with("procedure", procedure(4, 5, 2, 1, "2026-04-20", "70"))
        .with("procedure", procedure(5, 1, 2, 8, "2026-04-20", "70"))
        .with("procedure", procedure(6, 1, 1, 2, "2026-02-20", "95"))
        .with("appointment", appointment(2, 1, 4, "2026-03-31T09:00:00", 60))
        .with("appointment", appointment(3, 3, 1, "2026-03-30T09:00:00", 60));
    let ran = run(&practice, "unscheduled-treatment", |_| {}).await;
    let columns = ["patient", "planned", "code", "tooth", "priority", "provider", "fee", "last_visit"];
    assert_eq!(
        ran.shown(&columns),
        [
            "Adams, Ann | 2026-01-05 | D2740 | 14 | High | DOC | 1000.00 | 2026-02-20",
            "Baker, Cyn | - | D2740 |  |  | unassigned | 300.00 | -",
        ]
    );
    assert_eq!(ran.total(&["fee"]), "1300.00");
}

#[tokio::test]
async fn broken_appointments_by_status_and_by_code() {
    let practice = office()
        .with("appointment", appointment(1, 1, 5, "2026-03-30T09:00:00", 60))
        .with("appointment", appointment(2, 1, 1, "2026-04-02T09:00:00", 60))
        .with("appointment", merged(appointment(3, 3, 5, "2026-03-30T11:00:00", 30), json!({"prov_num": 99})))
        .with("appointment", appointment(4, 2, 5, "2026-02-28T11:00:00", 30))
        .with("procedure", merged(procedure(1, 1, 2, 1, "2026-03-30", "500"), json!({"apt_num": 1})))
        .with("procedure", procedure(2, 2, 4, 2, "2026-03-12", "40"))
        .with(
            "appointment_history",
            json!({"hist_appt_num": 1, "apt_num": 1, "hist_appt_action": 3,
            "apt_date_time": "2026-03-30T09:00:00", "hist_date_t_stamp": "2026-03-29T08:59:00"}),
        );
    let columns = ["date", "start", "patient", "provider", "minutes", "fee", "kind", "rebooked", "rebooked_start"];
    let ran = run(&practice, "broken-appointments", march).await;
    assert_eq!(
        ran.shown(&columns),
        [
            "2026-03-30 | 2026-03-30T09:00 | Adams, Ann | DOC | 60 | 500.00 | cancelled | true | 2026-04-02T09:00",
            "2026-03-30 | 2026-03-30T11:00 | Baker, Cyn | unassigned | 30 | 0.00 | unclassified | false | -",
        ]
    );
    let by_code = practice.with("preference", json!({"pref_name": "BrokenApptProcedure", "value_string": "1"}));
    let ran = run(&by_code, "broken-appointments", march).await;
    assert_eq!(ran.shown(&columns), ["2026-03-12 | - | Adams, Bob | DOC | 0 | 0.00 | no-show | false | -"]);
}

#[tokio::test]
async fn the_schedules_worth() {
    let on = |number: i64, appointment: i64, status: i64, fee: &str, provider: i64| {
        merged(
            procedure(number, 1, 2, status, "2026-03-30", fee),
            json!({"apt_num": appointment, "prov_num": provider}),
        )
    };
    let practice = office()
        .with("appointment", appointment(1, 1, 1, "2026-03-30T09:00:00", 60))
        .with("appointment", appointment(2, 2, 2, "2026-03-30T10:00:00", 60))
        .with("appointment", appointment(3, 3, 5, "2026-03-30T11:00:00", 60))
        .with("appointment", appointment(4, 3, 4, "2026-03-31T11:00:00", 60))
        .with("procedure", on(1, 1, 1, "500", 1))
        .with("procedure", on(2, 1, 1, "95", 2))
        .with("procedure", on(3, 2, 2, "100", 1))
        .with("procedure", on(4, 3, 1, "999", 1))
        .with("procedure", on(5, 4, 1, "60", 99))
        .with("claim_line", json!({"claim_proc_num": 1, "proc_num": 1, "status": 8, "write_off_est": "30", "write_off_est_override": "-1"}))
        .with("claim_line", json!({"claim_proc_num": 2, "proc_num": 2, "status": 6, "write_off_est": "5", "write_off_est_override": "-1"}));
    let columns = ["date", "provider", "appointments", "scheduled_production", "on_schedule_production"];
    let ran = run(&practice, "scheduled-production", march).await;
    assert_eq!(
        ran.shown(&columns),
        [
            "2026-03-30 | DOC | 2 | 470.00 | 600.00",
            "2026-03-30 | HYG | 0 | 95.00 | 95.00",
            "2026-03-31 | unassigned | 0 | 0.00 | 60.00",
            "2026-03-31 | DOC | 1 | 0.00 | 0.00",
        ]
    );
    assert_eq!(ran.total(&columns), "- | - | 3 | 565.00 | 755.00");
    let less =
        practice.with("preference", json!({"pref_name": "ReportPandIschedProdSubtractsWO", "value_string": "1"}));
    assert_eq!(run(&less, "scheduled-production", march).await.total(&["scheduled_production"]), "560.00");
}
