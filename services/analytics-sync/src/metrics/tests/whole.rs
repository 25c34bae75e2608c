//! What must hold of every metric, over practices full of nasty rows.

use std::collections::BTreeSet;

use chairsync_proto::analytics::Focus;
use jiff::ToSpan;
use proptest::{prelude::*, test_runner::Config};
use serde_json::json;

use super::*;
use crate::metrics::{Metric, all, metric::Parts};

/// A practice whose rows are drawn from few patients, providers, codes and days, so that they meet.
fn practice() -> impl Strategy<Value = Practice> {
    let row = (1i64..6, 0i64..4, 1i64..9, 0usize..6, -40i32..10, -50i64..400);
    (prop::collection::vec(row, 10..60), any::<bool>()).prop_map(|(rows, by_procedure)| {
        let mut practice = office().all("patient", (1..5).map(|n| {
            json!({"pat_num": n, "guarantor": n, "pat_status": if n == 4 { 4 } else { 0 }, "birthdate": "1980-01-01"})
        }));
        if by_procedure {
            practice = practice.with("preference", json!({"pref_name": "BrokenApptProcedure", "value_string": "1"}));
        }
        practice = practice
            .with("payment", json!({"pay_num": 1, "pay_date": DAY}))
            .with("claim_payment", json!({"claim_payment_num": 1, "check_date": DAY}));
        for (number, (patient, provider, code, status, day, amount)) in (1i64..).zip(rows) {
            let date = D.saturating_add((i64::from(day) * 3).days());
            let (day, clinic) = (date.to_string(), provider % 2);
            let apt = number % 7;
            let proc_status = [2, 2, 1, 2, 8, 6][status];
            let line_status = [0, 1, 4, 6, 7, 8][status];
            let apt_status = [1, 2, 5, 4, 3, 2][status];
            practice = practice
                .with(
                    "procedure",
                    json!({"proc_num": number, "pat_num": patient, "code_num": code, "prov_num": provider,
                    "clinic_num": clinic, "proc_status": proc_status, "proc_date": day, "unit_qty": 1,
                    "proc_fee": format!("{}.5", amount.abs()), "apt_num": apt, "date_tp": DAY}),
                )
                .with(
                    "adjustment",
                    json!({"adj_num": number, "pat_num": patient, "prov_num": provider, "adj_date": day,
                    "adj_type": code, "adj_amt": amount.to_string(), "clinic_num": clinic}),
                )
                .with(
                    "payment_split",
                    json!({"split_num": number, "pat_num": patient, "pay_num": 1, "prov_num": provider,
                    "split_amt": amount.to_string(), "unearned_type": code % 2}),
                )
                .with(
                    "claim_line",
                    json!({"claim_proc_num": number, "pat_num": patient, "proc_num": number,
                    "prov_num": provider, "status": line_status, "write_off": "3", "ins_pay_amt": "7",
                    "ins_pay_est": "2", "date_cp": day, "proc_date": day, "claim_payment_num": 1}),
                )
                .with(
                    "appointment",
                    json!({"apt_num": number, "pat_num": patient, "prov_num": provider, "op": 1,
                    "apt_status": apt_status, "apt_date_time": format!("{day}T10:00:00"), "pattern": "XXXX",
                    "clinic_num": clinic}),
                )
                .with(
                    "schedule",
                    json!({"schedule_num": number, "sched_date": day, "start_time": "09:00",
                    "stop_time": "12:00", "sched_type": 1, "prov_num": provider}),
                );
        }
        practice
    })
}

fn scopes() -> Vec<Scope> {
    let codes = Scope { codes: Some(["D1110".to_owned(), "D2740".to_owned()].into()), ..Scope::default() };
    let clinic = Scope { clinics: Some([1].into()), ..Scope::default() };
    let both = Scope { providers: Some([1, 2].into()), ..clinic.clone() };
    vec![Scope::default(), Scope::only_provider(1), clinic, both, codes]
}

fn splits(metric: &Metric) -> Vec<&'static str> {
    let parts = match metric.parts {
        Parts::Fixed(parts) => parts.iter().map(|part| part.id).collect(),
        _ => Vec::new(),
    };
    [""].into_iter().chain(parts).collect()
}

proptest! {
    #![proptest_config(Config::with_cases(6))]

    /// The rows behind a figure sum to it, for every metric, scope and part; every row of a range lies in it.
    #[test]
    fn rows_sum_to_their_figure(practice in practice()) {
        let facts = block_on(facts(&practice));
        let range = (D.saturating_sub(60.days()), D);
        for metric in all() {
            for scope in scopes().iter().filter(|scope| scope.covers(metric)) {
                for split in splits(metric) {
                    let rows = facts.rows(metric, range, scope, split).unwrap();
                    let filter = crate::metrics::rows::part(metric, split).unwrap();
                    let (above, below) = match facts.figure_of(metric, range, scope, filter) {
                        Figure::Sum(sum) => (sum, 0),
                        Figure::Ratio { above, below, .. } | Figure::Rate { above, below, .. } => (above, below),
                        Figure::None => panic!("{metric:?} is covered and has no figure"),
                    };
                    prop_assert_eq!(rows.iter().map(|row| row.above).sum::<i128>(), above, "{:?} {:?} {}", metric, scope, split);
                    prop_assert_eq!(rows.iter().map(|row| row.below).sum::<i128>(), below, "{:?} {:?} {}", metric, scope, split);
                    let keys: BTreeSet<_> = rows.iter().map(|row| (row.dataset, row.key, row.patient, row.day)).collect();
                    prop_assert_eq!(keys.len(), rows.len(), "{:?} has two rows of one key", metric);
                    if !metric.point_in_time() {
                        prop_assert!(rows.iter().all(|row| range.0 <= row.day && row.day <= range.1), "{:?}", metric);
                    }
                }
            }
        }
    }

    /// Sums of amounts and rows over the members of a split are the practice's; every member's is the figure of a scope
    /// of that member alone.
    #[test]
    fn splits_agree_with_scopes(practice in practice()) {
        let facts = block_on(facts(&practice));
        let range = (D.saturating_sub(60.days()), D);
        for metric in all().iter().filter(|metric| metric.splits_by(Focus::Provider)) {
            let by = facts.by(metric, range, &Scope::default(), Focus::Provider);
            for (member, figure) in by {
                let crate::metrics::Member::Provider(number) = member else { panic!("a provider") };
                prop_assert_eq!(figure, facts.figure(metric, range, &Scope::only_provider(number)), "{:?} {}", metric, number);
            }
        }
        for id in ["gross_production", "net_production", "collections", "procedures_done", "appointments"] {
            let metric = get(id).unwrap();
            let sum = |figures: Vec<Figure>| figures.iter().map(|f| match f { Figure::Sum(sum) => *sum, _ => 0 }).sum::<i128>();
            for focus in metric.splits {
                let members = facts.by(metric, range, &Scope::default(), *focus).into_values().collect();
                prop_assert_eq!(sum(members), sum(vec![facts.figure(metric, range, &Scope::default())]), "{}", id);
            }
        }
    }

    /// Ranges that follow one another add up, for what sums amounts or rows.
    #[test]
    fn ranges_add_up(practice in practice(), cut in 1i64..60) {
        let facts = block_on(facts(&practice));
        let (first, last, middle) = (D.saturating_sub(60.days()), D, D.saturating_sub(cut.days()));
        for id in ["gross_production", "net_production", "collections", "unearned", "appointments", "broken_appointments",
            "new_patients", "visits", "on_schedule_production", "available_minutes", "presented_treatment"] {
            let metric = get(id).unwrap();
            let over = |from, to| match facts.figure(metric, (from, to), &Scope::default()) {
                Figure::Sum(sum) => sum,
                other => panic!("{other:?}"),
            };
            prop_assert_eq!(over(first, middle.yesterday().unwrap()) + over(middle, last), over(first, last), "{}", id);
        }
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[tokio::test]
async fn an_empty_practice_has_figures_of_nothing() {
    let facts = facts(&Practice::new()).await;
    for metric in all() {
        let figure = facts.figure(metric, month(), &Scope::default());
        assert!(matches!(figure.shown(metric.unit), None | Some(0)), "{metric:?}");
        assert!(facts.rows(metric, month(), &Scope::default(), "").unwrap().is_empty(), "{metric:?}");
    }
}
