//! The board over a hand-computed practice.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use chairsync_proto::{catalog, feature::Feature};
use jiff::civil::date;
use serde_json::json;

use super::*;
use crate::{metrics::get, testing::Practice};

fn all() -> BTreeSet<String> {
    needs().into_iter().flat_map(|(_, needed)| needed).map(str::to_owned).collect()
}

fn question() -> Question {
    let d = date(2026, 3, 31);
    Question { practice: "north".into(), currency: "USD".into(), date: d, now: d.at(1, 0, 0, 0) }
}

async fn board(practice: &Practice, scope: Scope) -> Result<GetPerformanceBoardResponse, BooksError> {
    let asked = Asked { range: default_range(question().date), scope };
    compute(&practice.books().await, &question(), &asked, &all()).await
}

/// Two hygiene visits, one this month and one a year ago; a crown last week; an appointment today and one on Thursday.
fn practice() -> Practice {
    let done = |number: i64, patient: i64, code: i64, day: &str, fee: &str| {
        json!({"proc_num": number, "pat_num": patient, "code_num": code, "proc_status": 2, "proc_date": day,
        "proc_fee": fee, "unit_qty": 1, "prov_num": 1, "clinic_num": 1, "apt_num": 0})
    };
    let appointment = |number: i64, patient: i64, at: &str| json!({"apt_num": number, "pat_num": patient, "apt_status": 1, "apt_date_time": at, "pattern": "XXXX", "prov_num": 1});
    Practice::new()
        .with("provider", json!({"prov_num": 1, "abbr": "DOC"}))
        .with("clinic", json!({"clinic_num": 1, "abbr": "Main"}))
        .with("procedure_code", json!({"code_num": 1, "proc_code": "D1110"}))
        .with("procedure_code", json!({"code_num": 2, "proc_code": "D2740"}))
        .all("patient", [1, 2].map(|n| json!({"pat_num": n, "guarantor": n, "birthdate": "1980-01-01"})))
        .with("procedure", done(1, 1, 1, "2025-03-10", "80"))
        .with("procedure", done(2, 1, 1, "2026-03-10", "100"))
        .with("procedure", done(3, 2, 2, "2026-03-26", "1000"))
        .with("appointment", appointment(1, 1, "2026-03-31T09:00:00"))
        .with("appointment", appointment(2, 2, "2026-04-02T09:00:00"))
        .with(
            "procedure",
            json!({"proc_num": 4, "pat_num": 2, "code_num": 2, "proc_status": 1, "proc_date": "2026-04-02",
            "proc_fee": "300", "unit_qty": 1, "prov_num": 1, "apt_num": 2}),
        )
}

#[tokio::test]
async fn tiles_trends_and_the_ticker() {
    let board = board(&practice(), Scope::default()).await.unwrap();
    let ids: Vec<&str> = board.tiles.iter().map(|tile| tile.id.as_str()).collect();
    assert_eq!(ids, TILES.map(|spec| spec.id));
    let money = |value: &Option<chairsync_proto::analytics::MetricValue>| match value.as_ref().unwrap().value.as_ref() {
        Some(chairsync_proto::analytics::metric_value::Value::Money(money)) => money.units,
        _ => panic!("no money"),
    };
    let production = &board.tiles[1];
    assert_eq!(money(&production.value), 1_100);
    assert_eq!(production.splits.iter().map(|split| money(&split.value)).collect::<Vec<_>>(), [100, 1_000, 0]);
    let trend = production.weekly_trend.as_ref().unwrap();
    assert_eq!(trend.points.len(), 13);
    assert_eq!(money(&trend.points[12].value), 1_000, "the week to Saturday the 28th");
    assert_eq!(money(&trend.points[10].value), 100);
    let year = production.year_over_year.as_ref().unwrap();
    assert_eq!((money(&year.previous), year.change_percent), (80, Some(1_275.0)));
    let unscheduled = &board.tiles[8];
    assert!(unscheduled.weekly_trend.is_none(), "what it was earlier cannot be told");

    let ticker = board.ticker.unwrap();
    assert_eq!(ticker.yesterday_production.unwrap().units, 1_000);
    assert_eq!(ticker.today_on_schedule_production.unwrap().units, 0);
    assert_eq!(ticker.tomorrow_on_schedule_production.unwrap().units, 300);
    assert_eq!(
        (ticker.active_patients, ticker.active_hygiene, ticker.future_appointments),
        (Some(2), Some(1), Some(2))
    );
    let ratio = |ratio: Option<chairsync_proto::analytics::CountRatio>| ratio.map(|r| (r.numerator, r.denominator));
    assert_eq!(ratio(ticker.pre_appointment_pct), Some((2, 2)));
    assert_eq!(ratio(ticker.hygiene_pre_appointment_pct), Some((0, 1)));
    assert_eq!(ratio(ticker.perio_pct), Some((0, 1)));
    let rate = ticker.production_per_visit.unwrap();
    assert_eq!((rate.value.unwrap().units, rate.denominator), (550, 2.0));
    assert!(board.absent_sections.is_empty());
}

#[tokio::test]
async fn an_empty_practice_has_a_board_of_nothing() {
    let board = board(&Practice::new(), Scope::default()).await.unwrap();
    assert_eq!(board.tiles.len(), TILES.len());
    let ticker = board.ticker.unwrap();
    assert!(ticker.yesterday_production.is_none() && ticker.tomorrow_on_schedule_production.is_none());
    assert_eq!(ticker.active_patients, Some(0));
}

#[tokio::test]
async fn a_provider_that_the_practice_does_not_have_is_refused() {
    match board(&practice(), Scope::only_provider(7)).await {
        Err(BooksError::Refused(refusal)) => assert_eq!(refusal.field.unwrap().0, "providers"),
        _ => panic!("not refused"),
    }
    let own = board(&practice(), Scope::only_provider(1)).await.unwrap();
    assert_eq!(own.tiles.len(), TILES.len());
}

#[test]
fn tiles_without_their_datasets_are_absent_and_say_which() {
    let mut present = all();
    present.remove("appointment_history");
    let absent = missing(&present);
    assert_eq!(absent.iter().map(|a| a.section.as_str()).collect::<Vec<_>>(), ["cancellations", "no_shows"]);
    assert_eq!(absent[0].missing_datasets, ["appointment_history"]);
    assert_eq!(missing(&BTreeSet::new()).len(), TILES.len() + 1);
}

#[test]
fn the_catalog_lists_all_that_the_board_reads_and_tiles_show_metrics_of_the_list() {
    let feature = catalog::feature(Feature::PerformanceBoard).unwrap();
    for dataset in all() {
        assert!(feature.uses(&dataset), "{dataset}");
    }
    for spec in &TILES {
        for id in std::iter::once(&spec.metric).chain(spec.figures) {
            assert!(get(id).is_some(), "{id}");
        }
    }
}
