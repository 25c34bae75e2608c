//! The pulse on hand-computed rows.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};

use chairsync_proto::{
    analytics::{GetProviderPulseResponse, ProductionBasis, ProviderRole, PulseRow},
    catalog,
    feature::Feature,
    google_type,
};
use jiff::civil::date;
use mesh::money::Money;
use serde_json::{Value, json};

use super::{Asked, compute, datasets, missing, week_of};
use crate::{
    books::BooksError,
    goals::{Dated, Entry, HoursBook, Kept},
    metrics::Scope,
    question::Question,
    testing::Practice,
};

fn question() -> Question {
    let d = date(2026, 3, 31);
    Question { practice: "p".to_owned(), currency: "USD".to_owned(), date: d, now: d.at(20, 0, 0, 0) }
}

fn all() -> BTreeSet<String> {
    datasets().into_iter().map(str::to_owned).collect()
}

fn procedure(number: i64, patient: i64, provider: i64, code: i64, status: i64, day: &str, fee: &str) -> Value {
    json!({"proc_num": number, "pat_num": patient, "prov_num": provider, "code_num": code, "proc_status": status,
        "proc_date": day, "proc_fee": fee, "unit_qty": 1})
}

fn hours(number: i64, day: &str, provider: i64, until: &str) -> Value {
    json!({"schedule_num": number, "sched_date": day, "start_time": "08:00", "stop_time": until, "sched_type": 1,
        "prov_num": provider})
}

/// A doctor with 12 hours, a hygienist with 4, one without data; the week of Sunday 29 March.
fn practice() -> Practice {
    Practice::new()
        .with("provider", json!({"prov_num": 1, "abbr": "Zoe", "hourly_prod_goal_amt": "100"}))
        .with("provider", json!({"prov_num": 2, "abbr": "Ann", "is_secondary": 1}))
        .with("provider", json!({"prov_num": 3, "abbr": "Bob", "hourly_prod_goal_amt": "50"}))
        .all(
            "procedure_code",
            [json!({"code_num": 1, "proc_code": "D1110"}), json!({"code_num": 2, "proc_code": "D2740"})],
        )
        .all("patient", (1..=2).map(|n| json!({"pat_num": n, "guarantor": n})))
        .all(
            "schedule",
            [
                hours(1, "2026-03-30", 1, "12:00"),
                hours(2, "2026-03-31", 1, "16:00"),
                hours(3, "2026-03-31", 2, "12:00"),
            ],
        )
        .with("procedure", procedure(1, 1, 1, 2, 2, "2026-03-30", "1200"))
        .with("procedure", procedure(2, 2, 2, 1, 2, "2026-03-30", "95"))
        .with("procedure", procedure(3, 1, 2, 1, 2, "2026-03-31", "95"))
        .with("procedure", procedure(4, 2, 0, 1, 2, "2026-03-31", "40"))
        .with("procedure", procedure(5, 1, 1, 2, 2, "2026-03-28", "9999"))
        .with(
            "adjustment",
            json!({"adj_num": 1, "pat_num": 1, "prov_num": 1, "adj_date": "2026-03-30", "adj_amt": "-200"}),
        )
}

fn asked(basis: ProductionBasis) -> Asked {
    Asked { range: week_of(date(2026, 3, 31)), scope: Scope::default(), basis }
}

async fn pulse(kept: &Kept, asked: &Asked) -> GetProviderPulseResponse {
    compute(&practice().books().await, &question(), &all(), kept, asked).await.unwrap()
}

fn cents(money: &Option<google_type::Money>) -> Option<i64> {
    money.as_ref().map(|money| money.units * 100 + i64::from(money.nanos / 10_000_000))
}

fn named<'a>(pulse: &'a GetProviderPulseResponse, name: &str) -> &'a PulseRow {
    pulse.rows.iter().find(|row| row.provider.as_ref().unwrap().display_name == name).unwrap()
}

fn per_hour(row: &PulseRow) -> Option<i64> {
    cents(&row.production.as_ref()?.per_hour.as_ref()?.value)
}

#[test]
fn a_week_is_sunday_to_saturday() {
    let week = (date(2026, 3, 29), date(2026, 4, 4));
    for day in [date(2026, 3, 29), date(2026, 3, 31), date(2026, 4, 4)] {
        assert_eq!(week_of(day), week);
    }
}

#[tokio::test]
async fn each_provider_and_the_practice_on_top() {
    let pulse = pulse(&Kept::default(), &asked(ProductionBasis::Gross)).await;
    let names: Vec<_> = pulse.rows.iter().map(|row| row.provider.as_ref().unwrap().display_name.as_str()).collect();
    assert_eq!(names, ["Zoe", "Ann", "unassigned"], "doctors first; who has no data is left out");
    let (doctor, hygienist) = (named(&pulse, "Zoe"), named(&pulse, "Ann"));
    assert!(doctor.role() == ProviderRole::Doctor && hygienist.role() == ProviderRole::Hygienist);
    let production = doctor.production.as_ref().unwrap();
    assert_eq!(
        (cents(&production.gross_production), cents(&production.net_production)),
        (Some(120_000), Some(100_000))
    );
    assert_eq!((doctor.scheduled_hours, doctor.actual_hours), (12.0, 12.0));
    assert_eq!((cents(&doctor.goal), doctor.goal_pct.as_ref().unwrap().value), (Some(120_000), Some(100.0)));
    assert_eq!((per_hour(doctor), per_hour(hygienist)), (Some(10_000), Some(4_750)));
    let visits = |row: &PulseRow| {
        let visits = row.visits.as_ref().unwrap();
        (visits.visits, visits.hygiene, visits.restorative, visits.other)
    };
    assert_eq!((visits(doctor), visits(hygienist)), ((1, 0, 1, 0), (2, 2, 0, 0)));
    assert!(hygienist.goal.is_none() && hygienist.goal_pct.is_none(), "a goal of 0 is none");
    let hygiene = hygienist.hygiene.as_ref().unwrap().hygiene_reappointment_pct.as_ref().unwrap();
    assert_eq!((hygiene.numerator, hygiene.value), (0, Some(0.0)));

    let total = pulse.total.as_ref().unwrap();
    assert_eq!(cents(&total.production.as_ref().unwrap().gross_production), Some(143_000));
    assert_eq!((visits(total), total.scheduled_hours), ((4, 3, 1, 0), 16.0));
    assert_eq!((cents(&total.goal), per_hour(total)), (Some(120_000), Some(8_938)));
    assert!(pulse.absent_sections.is_empty());
}

#[tokio::test]
async fn what_is_kept_here_wins_over_the_pms() {
    let book = |kept_by_hand, dates: &[(jiff::civil::Date, Entry)]| HoursBook {
        kept_by_hand,
        dates: dates.iter().copied().collect(),
    };
    let longer = Entry { scheduled: None, actual: Some(360) };
    let kept = Kept {
        hourly: BTreeMap::from([(1, Dated { amount: Money::cents(15_000), from: Some(date(2026, 3, 31)) })]),
        hours: BTreeMap::from([(1, book(false, &[(date(2026, 3, 30), longer)]))]),
        ..Kept::default()
    };
    let with_goals = pulse(&kept, &asked(ProductionBasis::Net)).await;
    let doctor = named(&with_goals, "Zoe");
    assert_eq!((doctor.scheduled_hours, doctor.actual_hours), (12.0, 14.0));
    // Goals use scheduled hours, rates actual ones: 4 × 100 + 8 × 150; 1,000 ÷ 14.
    assert_eq!((cents(&doctor.goal), doctor.goal_pct.as_ref().unwrap().value), (Some(160_000), Some(62.5)));
    assert_eq!(per_hour(doctor), Some(7_143));

    let by_hand = Kept { hours: BTreeMap::from([(1, book(true, &[]))]), ..Kept::default() };
    let blank = pulse(&by_hand, &asked(ProductionBasis::Gross)).await;
    let doctor = named(&blank, "Zoe");
    assert_eq!((doctor.scheduled_hours, cents(&doctor.goal), per_hour(doctor)), (0.0, None, None));

    let own = Kept { monthly: Some(Dated { amount: Money::cents(800_000), from: None }), ..Kept::default() };
    let total = pulse(&own, &asked(ProductionBasis::Gross)).await.total.unwrap();
    // All of March's 16 hours are in the range; April has none, and 4 of its 30 dates are.
    assert_eq!(cents(&total.goal), Some(800_000 + 106_667));
}

#[tokio::test]
async fn some_providers_and_those_that_are_not_there() {
    let only = |numbers: &[i64]| Asked {
        scope: Scope { providers: Some(numbers.iter().copied().collect()), ..Scope::default() },
        ..asked(ProductionBasis::Gross)
    };
    let hygienist = pulse(&Kept::default(), &only(&[2, 3])).await;
    assert_eq!(hygienist.rows.len(), 2, "who is named is shown, with data or without");
    assert_eq!(cents(&hygienist.total.unwrap().production.unwrap().gross_production), Some(19_000));
    let practice = practice();
    let books = practice.books().await;
    let refused = compute(&books, &question(), &all(), &Kept::default(), &only(&[7])).await;
    let Err(BooksError::Refused(refusal)) = refused else { panic!("not refused") };
    assert_eq!(refusal.field.unwrap().0, "providers");
}

#[tokio::test]
async fn sections_without_their_datasets_are_absent_and_say_which() {
    let mut present = all();
    present.remove("schedule");
    let absent = missing(&present);
    assert_eq!(absent.iter().map(|a| a.section.as_str()).collect::<Vec<_>>(), ["goal"]);
    let practice = practice();
    let books = practice.books().await;
    let asked = asked(ProductionBasis::Gross);
    let pulse = compute(&books, &question(), &present, &Kept::default(), &asked).await.unwrap();
    let doctor = named(&pulse, "Zoe");
    assert!(doctor.production.is_some() && doctor.goal.is_none() && per_hour(doctor).is_none());
    let nothing = compute(&books, &question(), &BTreeSet::new(), &Kept::default(), &asked).await.unwrap();
    assert!(nothing.total.is_none() && nothing.rows.is_empty() && nothing.absent_sections.len() == 6);
}

#[test]
fn the_catalog_names_what_is_read() {
    let row = catalog::feature(Feature::ProviderPulse).unwrap();
    for dataset in datasets() {
        assert!(row.uses(dataset), "{dataset}");
    }
}
