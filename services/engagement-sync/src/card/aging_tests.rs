#![allow(clippy::unwrap_used, clippy::inconsistent_digit_grouping)] // cents are set apart from units
use jiff::{ToSpan as _, civil::date};
use proptest::prelude::*;

use super::*;
use crate::row::Row;

const AS_OF: Date = date(2026, 3, 31);

fn row(dataset: &str) -> Row {
    Row::new(mesh::datasets::get(dataset).unwrap()).with("pat_num", 1)
}

fn days_ago(days: i64) -> Date {
    AS_OF.checked_sub(days.days()).unwrap()
}

fn done(key: i64, cents: i64, on: Date) -> Row {
    let row = row("procedure").with("proc_num", key).with("proc_status", 2).with("unit_qty", 1).with("base_units", 0);
    row.with("proc_fee", Money::cents(cents.into())).with("proc_date", on)
}

fn adjusted(key: i64, cents: i64, on: Date, procedure: i64) -> Row {
    let row = row("adjustment").with("adj_num", key).with("adj_amt", Money::cents(cents.into()));
    row.with("adj_date", on).with("proc_num", procedure)
}

fn paid(key: i64, cents: i64, on: Date) -> Row {
    row("payment_split").with("split_num", key).with("split_amt", Money::cents(cents.into())).with("date_pay", on)
}

fn aged_by(rows: Vec<Row>, rules: &AgingRules) -> Balance {
    age(&Gathered::of_rows(rows), &[1].into(), AS_OF, rules)
}

fn aged(rows: Vec<Row>) -> ([i128; 4], i128) {
    let aging = aged_by(rows, &AgingRules::default()).by_age;
    (aging.buckets.map(Money::to_cents), aging.total.to_cents())
}

#[test]
fn credits_pay_the_oldest_charges_first() {
    let charges = || {
        let (january, february) = (done(1, 200_00, date(2026, 1, 10)), done(2, 300_00, date(2026, 2, 20)));
        vec![january, february, done(3, 150_00, date(2026, 3, 15))]
    };
    let mut rows = charges();
    rows.push(paid(1, 250_00, date(2026, 3, 20)));
    let aging = aged_by(rows.clone(), &AgingRules::default()).by_age;
    assert_eq!(aged(rows), ([150_00, 250_00, 0, 0], 400_00));
    assert_eq!(aging.past_due(), Money::cents(250_00));
    let mut overpaid = charges();
    overpaid.push(paid(1, 700_00, date(2026, 3, 20)));
    assert_eq!(aged(overpaid), ([0; 4], -50_00));
}

#[test]
fn buckets_end_on_their_days() {
    let on = |days| aged(vec![done(1, 1_00, days_ago(days))]).0.iter().position(|cents| *cents > 0).unwrap();
    assert_eq!([0, 30, 31, 60, 61, 90, 91, 4_000].map(on), [0, 0, 1, 1, 2, 2, 3, 3]);
}

#[test]
fn what_is_tied_to_a_procedure_ages_with_it() {
    let rows =
        vec![done(1, 100_00, days_ago(85)), adjusted(1, 10_00, days_ago(55), 1), adjusted(2, -8_00, days_ago(2), 1)];
    assert_eq!(aged(rows).0, [0, 10_00, 92_00, 0]);
    let rows = vec![
        done(1, 1_000_00, days_ago(95)),
        done(2, 100_00, days_ago(85)),
        adjusted(1, 10_00, days_ago(40), 2),
        adjusted(2, -800_00, days_ago(2), 2),
    ];
    assert_eq!(aged(rows.clone()).0, [0, 10_00, 0, 300_00]);
    let plain = aged_by(rows, &AgingRules { lifo: false, ..AgingRules::default() });
    assert_eq!(plain.by_age.buckets.map(Money::to_cents), [0, 10_00, 100_00, 200_00]);
}

#[test]
fn insurance_counts_when_received_and_done() {
    let line = |key: i64, status: i64, procedure: i64| {
        let row = row("claim_line").with("claim_proc_num", key).with("status", status).with("proc_num", procedure);
        let row = row.with("ins_pay_amt", Money::cents(60_00)).with("write_off", Money::cents(15_00));
        row.with("date_cp", days_ago(1))
    };
    let planned = done(2, 500_00, days_ago(1)).with("proc_status", 1);
    let charge = || vec![done(1, 200_00, days_ago(5)), planned.clone()];
    let total = |lines: Vec<Row>| aged([charge(), lines].concat()).1;
    assert_eq!(total(vec![line(1, 1, 1)]), 125_00);
    assert_eq!(total(vec![line(1, 0, 1), line(2, 6, 1), line(3, 2, 1)]), 200_00);
    assert_eq!(total(vec![line(1, 4, 2)]), 200_00, "of a procedure that is not done");
    assert_eq!(total(vec![line(1, 7, 0)]), 125_00, "of no procedure");
    assert_eq!(total(vec![line(1, 1, 1).with("pay_plan_num", 9)]), 185_00, "on a payment plan only the write-off");
}

#[test]
fn hidden_unearned_is_on_no_account() {
    let rules = AgingRules { hidden_unearned: [77].into(), ..AgingRules::default() };
    let rows = vec![done(1, 100_00, days_ago(1)), paid(1, 40_00, days_ago(1)).with("unearned_type", 77)];
    assert_eq!(aged_by(rows.clone(), &rules).by_age.total, Money::cents(100_00));
    assert_eq!(aged_by(rows, &AgingRules::default()).by_age.total, Money::cents(60_00));
}

#[test]
fn payment_plans_follow_their_version() {
    let plan = row("payment_plan").with("pay_plan_num", 5).with("completed_amt", Money::cents(300_00));
    let plan = plan.with("pay_plan_date", days_ago(50));
    let charge = |key: i64, kind: i64, cents: i64, on: Date| {
        let row = row("payment_plan_charge").with("pay_plan_charge_num", key).with("pay_plan_num", 5);
        let row = row.with("charge_type", kind).with("principal", Money::cents(cents.into())).with("guarantor", 1);
        row.with("charge_date", on)
    };
    let rows = vec![
        done(1, 300_00, days_ago(100)),
        plan.clone(),
        charge(1, 1, 300_00, days_ago(50)),
        charge(2, 0, 100_00, days_ago(40)).with("interest", Money::cents(2_00)),
        charge(3, 0, 100_00, days_ago(-20)),
        paid(1, 100_00, days_ago(10)).with("pay_plan_num", 5),
    ];
    let total = |version, rows: &[Row]| {
        let rules = AgingRules { payment_plans: version, ..AgingRules::default() };
        aged_by(rows.to_vec(), &rules).by_age.total.to_cents()
    };
    assert_eq!(total(PaymentPlans::NotAged, &rows), 0);
    assert_eq!(total(PaymentPlans::CreditsAndDebits, &rows), 2_00, "the charge of a coming day is not due");
    assert_eq!(total(PaymentPlans::CreditsOnly, &rows), 0);
    assert_eq!(total(PaymentPlans::NoCharges, &rows), 200_00);
    let mut insured = rows;
    insured[1] = plan.with("plan_num", 3);
    assert_eq!(total(PaymentPlans::CreditsAndDebits, &insured), -100_00, "debits of insurance plans are left out");
}

#[test]
fn other_families_are_left_out() {
    assert_eq!(aged(vec![done(1, 5_00, days_ago(1)).with("pat_num", 2)]), ([0; 4], 0));
}

prop_compose! {
    fn any_row()(kind in 0..3, key in 1_i64..1_000_000, cents in -50_000_i64..50_000, days in 0_i64..200, tied in 0_i64..6) -> Row {
        match kind {
            0 => done(tied + 1, cents.abs(), days_ago(days)),
            1 => adjusted(key, cents, days_ago(days), tied),
            _ => paid(key, cents, days_ago(days)),
        }
    }
}

proptest! {
    /// Whatever is on an account, its buckets are what is owed, and never negative.
    #[test]
    fn buckets_sum_to_what_is_owed(rows in proptest::collection::vec(any_row(), 0..40), lifo: bool) {
        let balance = aged_by(rows, &AgingRules { lifo, ..AgingRules::default() });
        let aging = balance.by_age;
        prop_assert!(aging.buckets.iter().all(|bucket| *bucket >= Money::ZERO));
        prop_assert_eq!(aging.buckets.iter().copied().sum::<Money>(), aging.total.max(Money::ZERO));
        prop_assert_eq!(balance.by_patient.values().copied().sum::<Money>(), aging.total);
    }
}
