//! Receivables on hand-computed rows; what must hold whatever the rows are.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use jiff::civil::date;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{claims::claims_aging, *};
use crate::testing::Practice;

const D: Date = date(2026, 3, 31);

fn units(amounts: [Money; 4]) -> [i128; 4] {
    amounts.map(|amount| amount.to_cents() / 100)
}

fn dollars(amount: i128) -> Money {
    Money::cents(amount * 100)
}

fn charge(number: i64, patient: i64, day: &str, fee: &str) -> Value {
    json!({"proc_num": number, "pat_num": patient, "code_num": 1, "proc_status": 2, "proc_date": day, "proc_fee": fee,
        "unit_qty": 1})
}

fn split(number: i64, patient: i64, day: &str, amount: &str) -> Value {
    json!({"split_num": number, "pat_num": patient, "split_amt": amount, "date_pay": day})
}

fn line(number: i64, patient: i64, more: Value) -> Value {
    let mut row = json!({"claim_proc_num": number, "pat_num": patient, "proc_date": "2026-03-15"});
    row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    row
}

/// Two families of two, and a patient who is deleted but owes.
fn families() -> Practice {
    Practice::new()
        .with("procedure_code", json!({"code_num": 1, "proc_code": "D2740"}))
        .all(
            "patient",
            [(1, 1), (2, 1), (3, 3), (4, 3)].map(|(n, g)| json!({"pat_num": n, "guarantor": g, "l_name": "L"})),
        )
        .with("patient", json!({"pat_num": 5, "pat_status": 4}))
}

async fn aged(practice: &Practice, as_of: Date) -> (Accounts, Estimates) {
    let books = practice.books().await;
    let preferences = Preferences::read(&books).await.unwrap();
    let accounts = accounts(&books, &preferences, Families::All, as_of).await.unwrap();
    (accounts, estimates(&books, Families::All, as_of).await.unwrap())
}

/// features.md §2, example 2; the estimates of the same family.
#[tokio::test]
async fn what_is_owed_by_age() {
    let practice = families()
        .with("procedure", charge(1, 1, "2026-01-10", "200"))
        .with("procedure", charge(2, 2, "2026-02-20", "300"))
        .with("procedure", charge(3, 1, "2026-03-15", "150"))
        .with("payment_split", split(1, 2, "2026-03-20", "250"))
        .with("claim_line", line(1, 1, json!({"status": 0, "ins_pay_est": "80", "write_off": "20"})))
        // Estimates of plans, preauthorizations and received lines are not waited for.
        .with("claim_line", line(2, 1, json!({"status": 6, "ins_pay_est": "999"})))
        .with("claim_line", line(3, 1, json!({"status": 2, "ins_pay_est": "999"})))
        // Three: 300 charged, 700 credited, of which 50 a write-off without a procedure.
        .with("procedure", charge(4, 3, "2026-02-20", "300"))
        .with("payment_split", split(2, 4, "2026-03-20", "650"))
        .with("claim_line", line(4, 3, json!({"status": 1, "write_off": "50", "date_cp": "2026-03-01"})))
        .with("procedure", charge(5, 5, "2025-03-01", "10"));
    let (accounts, estimates) = aged(&practice, D).await;
    assert_eq!((units(accounts[&1].buckets), accounts[&1].total), ([150, 250, 0, 0], dollars(400)));
    assert_eq!(accounts[&3].total, dollars(-400));
    let all = owed(&accounts, &estimates);
    assert_eq!((units(all.aging.buckets), all.aging.total), ([150, 250, 0, 10], dollars(410)), "money has no status");
    assert_eq!((all.est_insurance, all.est_patient()), (dollars(100), dollars(310)));
    assert_eq!((all.accounts_past_due, all.accounts_owing, all.credit_balances), (2, 2, dollars(-400)));
    assert_eq!(credits(&accounts), [(3, dollars(-400))]);

    let books = practice.books().await;
    let preferences = Preferences::read(&books).await.unwrap();
    let some = super::accounts(&books, &preferences, Families::These(&[3, 77]), D).await.unwrap();
    assert_eq!(some.into_keys().collect::<Vec<_>>(), [3]);
    assert!(super::accounts(&books, &preferences, Families::These(&[]), D).await.unwrap().is_empty());
    let some = super::estimates(&books, Families::These(&[1]), D).await.unwrap();
    assert_eq!(some, Estimates::from([(1, dollars(100))]));
}

#[tokio::test]
async fn a_date_in_the_past_does_not_know_what_came_later() {
    let practice = families()
        .with("procedure", charge(1, 1, "2026-01-10", "500"))
        .with("procedure", charge(2, 1, "2026-03-20", "70"))
        .with("payment_split", split(1, 1, "2026-03-25", "100"))
        .with(
            "claim_line",
            line(
                1,
                1,
                json!({"status": 1, "ins_pay_amt": "300", "ins_pay_est": "280", "write_off": "20",
                "date_cp": "2026-03-10", "proc_date": "2026-01-10", "proc_num": 1}),
            ),
        )
        .with("claim_line", line(2, 1, json!({"status": 0, "ins_pay_est": "40", "proc_date": "2026-03-20"})));
    let (then, waiting) = aged(&practice, date(2026, 3, 1)).await;
    assert_eq!((then[&1].total, waiting.get(&1)), (dollars(500), Some(&dollars(300))));
    let (then, waiting) = aged(&practice, date(2026, 3, 10)).await;
    assert_eq!((then[&1].total, waiting.get(&1)), (dollars(180), None));
    let (now, waiting) = aged(&practice, D).await;
    assert_eq!((now[&1].total, waiting.get(&1)), (dollars(150), Some(&dollars(40))));
}

#[tokio::test]
async fn hidden_unearned_and_rows_without_a_date() {
    let practice = families()
        .with("definition", json!({"def_num": 8, "category": 29, "item_value": "X"}))
        .with("definition", json!({"def_num": 9, "category": 29}))
        .with("procedure", json!({"proc_num": 1, "pat_num": 1, "proc_status": 2, "proc_fee": "100", "unit_qty": 2}))
        .with("procedure", json!({"proc_num": 2, "pat_num": 1, "proc_status": 6, "proc_fee": "900", "unit_qty": 1}))
        .with("payment_split", json!({"split_num": 1, "pat_num": 1, "split_amt": "50", "unearned_type": 8}))
        .with("payment_split", json!({"split_num": 2, "pat_num": 1, "split_amt": "30", "unearned_type": 9}));
    let (accounts, _) = aged(&practice, D).await;
    assert_eq!(units(accounts[&1].buckets), [0, 0, 0, 170]);
}

/// Each night equals the A/R that aging finds for it, with what is tied to procedures and with payment plans.
#[tokio::test]
async fn nights_are_the_aging_of_their_dates() {
    let practice = families()
        .with("procedure", charge(1, 1, "2026-02-10", "100"))
        .with(
            "adjustment",
            json!({"adj_num": 1, "pat_num": 1, "proc_num": 1, "adj_date": "2026-03-05", "adj_amt": "-30"}),
        )
        .with("procedure", charge(2, 3, "2026-03-02", "40"))
        .with("payment_split", split(1, 4, "2026-03-04", "60"))
        .with("adjustment", json!({"adj_num": 2, "pat_num": 3, "adj_date": "2026-03-08", "adj_amt": "25"}))
        .with("payment_plan", json!({"pay_plan_num": 1, "pat_num": 1, "guarantor": 3}))
        .with(
            "payment_plan_charge",
            json!({"pay_plan_charge_num": 1, "pay_plan_num": 1, "pat_num": 1, "guarantor": 3,
            "charge_date": "2026-03-06", "principal": "70", "charge_type": 1, "proc_num": 1}),
        )
        .with(
            "payment_plan_charge",
            json!({"pay_plan_charge_num": 2, "pay_plan_num": 1, "pat_num": 1, "guarantor": 3,
            "charge_date": "2026-03-07", "principal": "35", "interest": "1.5", "charge_type": 0}),
        );
    let books = practice.books().await;
    let preferences = Preferences::read(&books).await.unwrap();
    let (first, last) = (date(2026, 3, 1), date(2026, 3, 10));
    let all = nights(&books, &preferences, first, last).await.unwrap();
    assert_eq!(all.len(), 10);
    for (owed_then, back) in all.iter().rev().zip(0..) {
        let night = calendar::from_days((calendar::to_days(last) - back).into()).unwrap();
        let (accounts, estimates) = aged(&practice, night).await;
        assert_eq!(*owed_then, owed(&accounts, &estimates).aging.total, "{night}");
    }
    // The books begin on 10 February; earlier nights are not known.
    let longer = nights(&books, &preferences, date(2026, 1, 1), last).await.unwrap();
    assert_eq!((longer.len(), longer[0]), (29, dollars(100)));
    assert!(nights(&Practice::new().books().await, &preferences, first, last).await.unwrap().is_empty());
}

#[tokio::test]
async fn claims_by_age_and_unsent_apart() {
    let claim = |number: i64, more: Value| {
        let mut row = json!({"claim_num": number, "pat_num": 1, "claim_status": "S", "claim_type": "P",
            "claim_fee": "100", "plan_num": 1, "date_service": "2025-01-01"});
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        row
    };
    let practice = families()
        .with("insurance_plan", json!({"plan_num": 1, "carrier_num": 4}))
        .with("carrier", json!({"carrier_num": 4, "carrier_name": "Delta"}))
        .with("claim", claim(1, json!({"date_sent": "2026-03-01"})))
        .with("claim", claim(2, json!({"date_sent_orig": "2026-02-28"})))
        .with("claim", claim(3, json!({})))
        .with("claim", claim(4, json!({"date_service": null, "plan_num": 9})))
        .with("claim", claim(5, json!({"claim_status": "W"})))
        .with("claim", claim(6, json!({"claim_status": "H"})))
        .with("claim", claim(7, json!({"claim_status": "R"})))
        .with("claim", claim(8, json!({"claim_type": "PreAuth"})))
        .with("claim_line", line(1, 1, json!({"claim_num": 1, "status": 0, "ins_pay_est": "60.5", "write_off": "20"})))
        .with("claim_line", line(2, 1, json!({"claim_num": 1, "status": 1, "ins_pay_est": "33"})));
    let claims = claims::claims(&practice.books().await).await.unwrap();
    assert_eq!(claims.iter().map(|c| c.number).collect::<Vec<_>>(), [4, 3, 5, 6, 2, 1]);
    assert_eq!((claims[5].carrier_name.as_str(), claims[0].carrier), ("Delta", 0));
    let aging = claims_aging(&claims, D, "USD");
    assert_eq!(aging.sent.iter().map(|b| b.count).collect::<Vec<_>>(), [1, 1, 0, 2]);
    assert_eq!(aging.sent[0].est_insurance.as_ref().unwrap().units, 60);
    assert_eq!((aging.sent_total.unwrap().count, aging.unsent.unwrap().count), (4, 2));
    assert_eq!((aging.sent[3].from_days, aging.sent[3].to_days), (Some(91), None));
}

#[tokio::test]
async fn what_insurances_owe_by_family_and_carrier() {
    let practice = families()
        .with("insurance_plan", json!({"plan_num": 1, "carrier_num": 4}))
        .with("carrier", json!({"carrier_num": 4, "carrier_name": "Delta"}))
        .with("claim_line", line(1, 1, json!({"status": 0, "ins_pay_est": "60", "write_off": "9", "plan_num": 1})))
        .with(
            "claim_line",
            line(2, 2, json!({"status": 0, "ins_pay_est": "5", "plan_num": 1, "proc_date": "2026-01-01"})),
        )
        .with("claim_line", line(3, 2, json!({"status": 1, "ins_pay_est": "7", "date_cp": "2026-04-02"})))
        .with("claim_line", line(4, 3, json!({"status": 0, "ins_pay_est": "0.0049"})));
    let debts = insurance::insurance_aging(&practice.books().await, D).await.unwrap();
    let seen: Vec<_> = debts.iter().map(|d| (d.guarantor, d.carrier_name.as_str(), units(d.buckets))).collect();
    assert_eq!(seen, [(1, "", [7, 0, 0, 0]), (1, "Delta", [60, 0, 5, 0])]);
    assert_eq!(debts[1].total(), dollars(65));
}

fn accounts_of_many() -> impl Strategy<Value = Vec<Vec<Entry>>> {
    let entry = (0..150_i64, -50_000..50_000_i128, any::<bool>()).prop_map(|(days, amount, lowers_bucket)| Entry {
        date: calendar::from_days(i64::from(calendar::to_days(D)) - days).unwrap(),
        amount: Money(amount),
        lowers_bucket,
    });
    prop::collection::vec(prop::collection::vec(entry, 0..12), 0..8)
}

fn of_all(families: &[Vec<Entry>]) -> Accounts {
    let aged = families.iter().map(|account| age(account.iter().copied(), D));
    (1..).zip(aged).collect()
}

proptest! {
    #[test]
    fn buckets_sum_to_what_is_owed_and_nothing_is_netted(families in accounts_of_many()) {
        let accounts = of_all(&families);
        let all = owed(&accounts, &Estimates::new());
        let plain: Money = families.iter().flatten().map(|entry| entry.amount).sum();
        prop_assert_eq!(all.aging.buckets.iter().copied().sum::<Money>(), all.aging.total);
        prop_assert_eq!(all.aging.total + all.credit_balances, plain);
        prop_assert!(all.aging.total >= Money::ZERO && all.credit_balances <= Money::ZERO);
        prop_assert_eq!(credits(&accounts).into_iter().map(|(_, balance)| balance).sum::<Money>(), all.credit_balances);
        prop_assert!(all.accounts_past_due <= all.accounts_owing);
    }

    #[test]
    fn the_order_of_families_is_irrelevant(families in accounts_of_many()) {
        let mut turned = families.clone();
        turned.reverse();
        let none = Estimates::new();
        prop_assert_eq!(owed(&of_all(&families), &none), owed(&of_all(&turned), &none));
    }

    /// A payment in two parts on the same date pays the same charges.
    #[test]
    fn splitting_a_payment_changes_nothing(account in accounts_of_many(), part in 0..50_000_i128) {
        let whole: Vec<Entry> = account.into_iter().flatten().collect();
        let pay = |amount: i128| Entry { date: D, amount: Money(-amount), lowers_bucket: false };
        let once = age(whole.iter().copied().chain([pay(50_000)]), D);
        let twice = age(whole.iter().copied().chain([pay(part), pay(50_000 - part)]), D);
        prop_assert_eq!(once, twice);
    }

    /// Whatever moved when, each night's sum is that of the balances above zero.
    #[test]
    fn nights_add_balances_up(accounts in prop::collection::vec(prop::collection::vec((0..9_usize, -50..50_i128), 0..8), 0..5)) {
        let sorted = |mut changes: Vec<(usize, i128)>| { changes.sort_unstable(); changes };
        let accounts: Vec<_> = accounts.into_iter().map(sorted).collect();
        let money = accounts.iter().map(|a| a.iter().map(|(night, amount)| (*night, Money(*amount))).collect());
        let nights = owed_by_night(9, money);
        for (night, owed) in nights.iter().enumerate() {
            let balance = |a: &Vec<(usize, i128)>| a.iter().filter(|(when, _)| *when <= night).map(|(_, x)| x).sum::<i128>();
            prop_assert_eq!(owed.0, accounts.iter().map(|a| balance(a).max(0)).sum::<i128>());
        }
    }
}
