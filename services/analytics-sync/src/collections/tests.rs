//! The collections board against hand-computed sheets; the worked examples of features.md §2 that it shows.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use chairsync_proto::{
    analytics::{PaymentTimeliness, Tile, metric_value::Value as Worth},
    google_type,
};
use jiff::civil::date;
use mesh::{ErrorReason, Refusal, money::Money};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{money_in::MoneyIn, *};
use crate::testing::Practice;

const D: Date = date(2026, 3, 31);
const DAY: &str = "2026-03-30";

fn present() -> BTreeSet<String> {
    let needed = NEEDS.iter().flat_map(|(_, needed)| needed.iter().copied());
    needed.chain(["provider", "clinic"]).map(str::to_owned).collect()
}

fn asked(providers: &[i64]) -> Asked {
    let providers = Some(providers.iter().copied().collect::<BTreeSet<_>>()).filter(|set| !set.is_empty());
    Asked { range: default_range(D), scope: Scope { providers, ..Scope::default() } }
}

async fn refused_or(practice: &Practice, asked: &Asked) -> Result<GetCollectionsBoardResponse, BooksError> {
    let question = Question { practice: "north".into(), currency: "USD".into(), date: D, now: D.at(1, 0, 0, 0) };
    compute(&practice.books().await, &question, asked, &present()).await
}

async fn board(practice: &Practice, providers: &[i64]) -> GetCollectionsBoardResponse {
    refused_or(practice, &asked(providers)).await.unwrap()
}

fn cents(money: &Option<google_type::Money>) -> i64 {
    let money = money.as_ref().unwrap();
    money.units * 100 + i64::from(money.nanos / 10_000_000)
}

fn procedure(number: i64, patient: i64, day: &str, fee: &str) -> Value {
    json!({"proc_num": number, "pat_num": patient, "code_num": 1, "proc_status": 2, "proc_date": day,
        "proc_fee": fee, "unit_qty": 1, "prov_num": 1})
}

fn split(number: i64, patient: i64, payment: i64, amount: &str, more: Value) -> Value {
    let mut row = json!({"split_num": number, "pat_num": patient, "pay_num": payment, "split_amt": amount,
        "date_pay": DAY, "prov_num": 1});
    row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    row
}

fn practice() -> Practice {
    Practice::new()
        .all("procedure_code", [(1, "D2740"), (2, "N100")].map(|(n, c)| json!({"code_num": n, "proc_code": c})))
        .all("patient", (1..=3).map(|n| json!({"pat_num": n, "guarantor": n, "l_name": "L", "f_name": "F"})))
        .all("provider", (1..=2).map(|n| json!({"prov_num": n, "abbr": format!("P{n}")})))
        .with("payment", json!({"pay_num": 1, "pay_date": DAY}))
}

/// features.md §2, example 1.
fn example() -> Practice {
    let mut no_units = procedure(3, 1, DAY, "50");
    no_units["unit_qty"] = json!(0);
    practice()
        .all("procedure", [procedure(1, 1, DAY, "1200"), procedure(2, 1, DAY, "95"), no_units])
        .with("adjustment", json!({"adj_num": 1, "pat_num": 1, "adj_date": DAY, "adj_amt": "-20", "adj_type": 5}))
        .with("definition", json!({"def_num": 5, "category": 1, "item_name": "Courtesy", "item_value": "-"}))
        .with("definition", json!({"def_num": 9, "category": 29, "item_name": "Prepayment"}))
        .with("definition", json!({"def_num": 8, "category": 29, "item_name": "Hidden", "item_value": "X"}))
        .with("claim_payment", json!({"claim_payment_num": 7, "check_date": DAY}))
        .with(
            "claim_line",
            json!({"claim_proc_num": 1, "pat_num": 1, "status": 1, "date_cp": DAY, "write_off": "310",
            "proc_date": "2026-01-05", "prov_num": 2, "ins_pay_amt": "600", "claim_payment_num": 7}),
        )
        .with("claim_line", json!({"claim_proc_num": 2, "pat_num": 1, "status": 4, "ins_pay_amt": "50"}))
        .with("payment_split", split(1, 1, 1, "400", json!({"proc_num": 1})))
        .with("payment_split", split(2, 1, 1, "100", json!({"unearned_type": 9})))
        .with("payment_split", split(3, 1, 1, "70", json!({"unearned_type": 8})))
}

#[tokio::test]
async fn what_came_in_against_what_was_made() {
    let board = board(&example(), &[]).await;
    assert!(board.absent_sections.is_empty());
    let c = board.collections.unwrap();
    assert_eq!((cents(&c.gross_production), cents(&c.net_production)), (129_500, 96_500));
    assert_eq!((cents(&c.patient_collections), cents(&c.insurance_collections)), (40_000, 60_000));
    assert_eq!((cents(&c.collections), cents(&c.unearned)), (100_000, 10_000));
    assert_eq!(c.collection_pct_net.unwrap().value, Some(103.6));
    assert_eq!(c.collection_pct_gross.unwrap().value, Some(77.2));
    assert_eq!(cents(&board.write_offs), 31_000);
    let adjusted = &board.adjustments[0];
    assert_eq!(
        (adjusted.r#type.as_str(), adjusted.plus, adjusted.count, cents(&adjusted.amount)),
        ("Courtesy", false, 1, -2_000)
    );
    assert_eq!(
        (board.date, board.range),
        (Some(date_to_proto(D)), Some(range::to_proto((date(2025, 12, 31), date(2026, 3, 30)))))
    );
}

#[tokio::test]
async fn a_choice_of_providers_leaves_receivables_out() {
    let two = board(&example(), &[2]).await;
    let c = two.collections.unwrap();
    assert_eq!((cents(&c.collections), cents(&c.gross_production), cents(&c.net_production)), (60_000, 0, -31_000));
    assert_eq!(
        (c.collection_pct_net.unwrap().value, c.collection_pct_gross.unwrap().value),
        (None, None),
        "not over zero or less"
    );
    assert!(two.receivables.is_none() && two.adjustments.is_empty());
    let absent: Vec<_> = two.absent_sections.iter().map(|a| (a.section.as_str(), a.reason)).collect();
    let whole = ["receivables", "otc_rate", "accounts_receivable", "past_due", "credit_balances", "ar_days"];
    assert_eq!(absent, whole.map(|section| (section, AbsenceReason::NotSplit as i32)));
    assert_eq!(
        two.tiles.iter().map(|tile| tile.id.as_str()).collect::<Vec<_>>(),
        ["collections", "collection_pct", "claims_aging", "adjustments", "write_offs"]
    );

    let refused = refused_or(&example(), &asked(&[9])).await;
    let Err(BooksError::Refused(Refusal { reason, field: Some((field, _)), .. })) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((reason, field.as_str()), (ErrorReason::InvalidField, "providers"));
}

/// features.md §2, example 3, on two dates; work of one provider only.
#[tokio::test]
async fn over_the_counter_by_patient_and_visit() {
    let practice = practice()
        .with("procedure", procedure(1, 1, DAY, "1000"))
        .with("procedure", procedure(2, 2, "2026-03-02", "80"))
        .with(
            "claim_line",
            json!({"claim_proc_num": 1, "pat_num": 1, "proc_num": 1, "status": 0, "ins_pay_est": "600", "write_off": "150"}),
        )
        .with("payment", json!({"pay_num": 2, "pay_date": "2026-03-02"}))
        .with("payment_split", split(1, 1, 1, "200", json!({})))
        .with("payment_split", split(2, 2, 2, "120", json!({})))
        // Patient 2 did not visit on this date: old debt.
        .with("payment_split", split(3, 2, 1, "500", json!({})));
    let rate = board(&practice, &[]).await.collections.unwrap().otc_rate.unwrap();
    assert_eq!((cents(&rate.numerator), cents(&rate.denominator), rate.value), (28_000, 33_000, Some(84.8)));
    // Who of several earned what is paid at the counter cannot be told.
    assert!(board(&practice, &[2]).await.collections.unwrap().otc_rate.is_none());
}

#[tokio::test]
async fn money_by_days_from_service() {
    let practice = practice()
        .all(
            "procedure",
            [(1, DAY), (2, "2026-03-29"), (3, "2026-02-28"), (4, "2026-02-27"), (5, "2025-12-29"), (6, "2026-04-02")]
                .map(|(number, day)| procedure(number, 1, day, "10")),
        )
        .all("payment_split", (1..=6).map(|n| split(n, 1, 1, "100", json!({"proc_num": n}))))
        .with("payment_split", split(7, 1, 1, "-40", json!({"proc_num": 3})))
        .with("payment_split", split(8, 1, 1, "25", json!({})))
        .with("payment_split", split(9, 1, 1, "-5", json!({})))
        .with("payment_split", split(10, 1, 1, "99", json!({"proc_num": 1, "unearned_type": 9})))
        .with("claim_payment", json!({"claim_payment_num": 7, "check_date": DAY}))
        .with(
            "claim_line",
            json!({"claim_proc_num": 1, "pat_num": 1, "status": 1, "proc_date": "2026-01-01", "ins_pay_amt": "10", "claim_payment_num": 7}),
        );
    let board = board(&practice, &[]).await;
    let amounts = |t: &PaymentTimeliness| t.buckets.iter().map(|b| cents(&b.amount)).collect::<Vec<_>>();
    let patients = board.patient_timeliness.unwrap();
    // Days: 0, 1, 30, 31, 91, −3.
    assert_eq!(amounts(&patients), [20_000, 20_000, 10_000, 0, 10_000]);
    assert_eq!((patients.mean_days, cents(&patients.unallocated)), (Some(25.0), 2_500));
    assert_eq!(patients.buckets[0].share.as_ref().unwrap().value, Some(33.3));
    let insurances = board.insurance_timeliness.unwrap();
    assert_eq!((amounts(&insurances), insurances.mean_days), (vec![0, 0, 0, 1_000, 0], Some(88.0)));
}

#[tokio::test]
async fn collections_by_referral() {
    let attach = |number: i64, patient: i64, referral: i64, order: i64, kind: i64| json!({"ref_attach_num": number, "pat_num": patient, "referral_num": referral, "item_order": order, "ref_type": kind});
    let practice = practice()
        .with("patient", json!({"pat_num": 4, "pat_status": 4}))
        .with("referral", json!({"referral_num": 1, "l_name": "Web search", "not_person": 1}))
        .with("referral", json!({"referral_num": 2, "l_name": "Adams", "f_name": "Ann"}))
        .all("referral_attach", [attach(1, 1, 1, 2, 1), attach(2, 1, 2, 1, 1), attach(3, 1, 1, 0, 0)])
        .all("referral_attach", [attach(4, 2, 1, 0, 1), attach(5, 4, 1, 0, 1)])
        .with("payment_split", split(1, 1, 1, "50", json!({})))
        .with("payment_split", split(2, 2, 1, "80", json!({})))
        .with("payment_split", split(3, 4, 1, "7", json!({})))
        // A transfer brings nothing.
        .with("payment_split", split(4, 3, 1, "30", json!({})))
        .with("payment_split", split(5, 3, 1, "-30", json!({})));
    let answer = board(&practice, &[]).await;
    let rows: Vec<_> =
        answer.referrals.iter().map(|r| (r.display_name.as_str(), r.patients, cents(&r.collections))).collect();
    assert_eq!(rows, [("Web search", 1, 8_700), ("Adams, Ann", 1, 5_000)]);
    assert_eq!(answer.referrals[0].referral, "practices/north/referrals/1");
    let more = practice.with("payment_split", split(6, 3, 1, "1", json!({})));
    let answer = board(&more, &[]).await;
    assert_eq!((answer.referrals[2].referral.as_str(), answer.referrals[2].display_name.as_str()), ("", "none"));
}

#[tokio::test]
async fn what_is_owed_and_its_days() {
    let practice = practice()
        .with("procedure", procedure(1, 1, "2026-01-01", "900"))
        .with("procedure", procedure(2, 2, "2026-03-30", "0.005"))
        .with("payment_split", split(1, 3, 1, "12.34", json!({"date_pay": "2026-03-30"})));
    let owed = board(&practice, &[]).await.receivables.unwrap();
    let aging = owed.aging.unwrap();
    assert_eq!((cents(&aging.bucket_61_90), cents(&aging.total), cents(&owed.past_due)), (90_000, 90_001, 90_000));
    assert_eq!((owed.accounts_owing, owed.accounts_past_due, cents(&owed.credit_balances)), (2, 1, -1_234));
    let credit = &owed.credit_accounts[0];
    assert_eq!((credit.guarantor.as_ref().unwrap().display_name.as_str(), cents(&credit.balance)), ("L, F", -1_234));
    // 900 each night since 1 January, and 900 (and half a cent) made in those 89 nights: 89 days.
    assert_eq!((owed.ar_days, owed.ar_days_nights), (Some(89.0), 89));
}

#[tokio::test]
async fn tiles_show_the_figures_of_the_sections() {
    let practice = example()
        .with("procedure", procedure(9, 1, "2026-01-20", "500"))
        .with("procedure", procedure(10, 2, "2025-03-20", "80"))
        .with("claim", json!({"claim_num": 1, "claim_status": "S", "date_sent": "2026-02-20", "claim_fee": "75"}));
    let board = board(&practice, &[]).await;
    let tile = |id: &str| board.tiles.iter().find(|tile| tile.id == id).unwrap();
    let money = |tile: &Tile| match tile.value.clone().unwrap().value {
        Some(Worth::Money(amount)) => cents(&Some(amount)),
        _ => panic!("no money"),
    };
    let owed = board.receivables.as_ref().unwrap();
    assert_eq!(money(tile("collections")), cents(&board.collections.as_ref().unwrap().collections));
    assert_eq!(money(tile("accounts_receivable")), cents(&owed.aging.as_ref().unwrap().total));
    assert_eq!(money(tile("past_due")), cents(&owed.past_due));
    assert_eq!(money(tile("claims_aging")), 7_500);
    let parts: Vec<i64> = tile("accounts_receivable")
        .splits
        .iter()
        .map(|part| match &part.value.as_ref().unwrap().value {
            Some(Worth::Money(amount)) => cents(&Some(amount.clone())),
            _ => panic!("no money"),
        })
        .collect();
    assert_eq!(parts.iter().sum::<i64>(), money(tile("accounts_receivable")));
    let days = &tile("ar_days").value.as_ref().unwrap().value;
    assert!(*days == owed.ar_days.map(Worth::Number));
    let trend = tile("collections").weekly_trend.as_ref().unwrap();
    assert_eq!(trend.points.len(), 13);
    assert!(tile("ar_days").weekly_trend.is_none(), "a state has no weeks");
}

#[tokio::test]
async fn days_need_thirty_nights_and_production() {
    let days = async |day: &str, adjusted: &str| {
        let practice = practice()
            .with("procedure", procedure(1, 1, day, "100"))
            .with("adjustment", json!({"adj_num": 1, "pat_num": 1, "adj_date": day, "adj_amt": adjusted}));
        let owed = board(&practice, &[]).await.receivables.unwrap();
        (owed.ar_days, owed.ar_days_nights)
    };
    assert_eq!(days("2026-03-02", "0").await, (None, 0));
    assert_eq!(days("2026-03-01", "0").await, (Some(30.0), 30));
    assert_eq!(days("2026-03-01", "-100").await, (None, 30));
}

#[tokio::test]
async fn an_empty_practice_has_a_board_of_zeros() {
    let board = board(&Practice::new(), &[]).await;
    let c = board.collections.unwrap();
    assert_eq!((cents(&c.collections), c.collection_pct_net.unwrap().value), (0, None));
    assert_eq!((board.patient_timeliness.unwrap().mean_days, board.claims_aging.unwrap().sent.len()), (None, 4));
    assert_eq!((cents(&board.receivables.unwrap().credit_balances), board.referrals.len()), (0, 0));
}

#[tokio::test]
async fn sections_without_their_datasets_are_absent_and_say_which() {
    let mut there = present();
    there.remove("claim");
    let absent = missing(&there);
    assert_eq!(
        (absent.len(), absent[0].section.as_str(), absent[0].missing_datasets.as_slice()),
        (1, "claims_aging", &["claim".to_owned()][..])
    );
    assert_eq!(missing(&BTreeSet::new()).len(), NEEDS.len());
}

proptest! {
    /// However money is split on the same date for the same work, its days are the same, and buckets and what is
    /// unallocated are what came in above zero.
    #[test]
    fn splitting_money_changes_no_days(parts in prop::collection::vec((-200..200_i64, 1..90_000_i128, any::<bool>()), 0..20)) {
        let money = |days: i64, amount: i128, has_work: bool| MoneyIn::patients(
            D, has_work.then(|| D.saturating_sub(days.days())), Money::cents(amount));
        let whole: Vec<MoneyIn> = parts.iter().map(|(days, amount, work)| money(*days, 2 * amount, *work)).collect();
        let halves: Vec<MoneyIn> =
            parts.iter().flat_map(|(days, amount, work)| [money(*days, *amount, *work), money(*days, *amount, *work)]).collect();
        let shown = timeliness::of(whole.iter(), "USD");
        prop_assert_eq!(&shown, &timeliness::of(halves.iter(), "USD"));
        let all: i64 = shown.buckets.iter().map(|b| cents(&b.amount)).sum::<i64>() + cents(&shown.unallocated);
        prop_assert_eq!(i128::from(all), whole.iter().map(|m| m.amount.to_cents()).sum::<i128>());
    }
}
