//! Scorecards on hand-computed rows, and what is refused of them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use chairsync_proto::{
    analytics::{
        ComparisonKind, DateRange, Focus, PeriodKind, Scorecard, ScorecardCell, ScorecardComparison, ScorecardPeriod,
        ScorecardResult, TrendDirection, metric_value::Value,
    },
    catalog,
    feature::Feature,
};
use jiff::civil::date;
use mesh::{Refusal, calendar::date_to_proto};
use serde_json::{Value as Json, json};

use super::{check::Checked, result};
use crate::{books::BooksError, metrics, question::Question, testing::Practice};

fn question() -> Question {
    let d = date(2026, 3, 31);
    Question { practice: "p".to_owned(), currency: "USD".to_owned(), date: d, now: d.at(4, 0, 0, 0) }
}

fn done(number: i64, patient: i64, provider: i64, code: i64, day: &str, fee: &str) -> Json {
    json!({"proc_num": number, "pat_num": patient, "prov_num": provider, "code_num": code, "proc_status": 2,
        "proc_date": day, "proc_fee": fee, "unit_qty": 1})
}

/// Two providers and one that the PMS does not know, four weeks, a deleted patient; D is a Tuesday.
fn practice() -> Practice {
    Practice::new()
        .all(
            "provider",
            [json!({"prov_num": 1, "abbr": "DOC"}), json!({"prov_num": 2, "abbr": "Ann", "is_secondary": 1})],
        )
        .all(
            "procedure_code",
            [json!({"code_num": 1, "proc_code": "D1110"}), json!({"code_num": 2, "proc_code": "D2740"})],
        )
        .all("patient", (1..=3).map(|n| json!({"pat_num": n, "guarantor": n})))
        .with("patient", json!({"pat_num": 9, "guarantor": 9, "pat_status": 4}))
        .with("procedure", done(1, 1, 1, 2, "2026-03-23", "1000"))
        .with("procedure", done(2, 2, 2, 1, "2026-03-24", "95"))
        .with("procedure", done(3, 9, 1, 2, "2026-03-25", "50"))
        .with("procedure", done(4, 3, 99, 1, "2026-03-28", "30"))
        .with("procedure", done(5, 1, 1, 2, "2026-03-21", "600"))
        .with("procedure", done(6, 1, 1, 2, "2026-03-08", "400"))
        .with("procedure", done(7, 1, 1, 2, "2026-03-01", "200"))
        .with("procedure", done(8, 1, 1, 2, "2026-03-29", "7777"))
        .with("procedure", done(9, 1, 1, 2, "2025-02-10", "150"))
        .with(
            "procedure",
            json!({"proc_num": 10, "pat_num": 2, "prov_num": 1, "code_num": 2, "proc_status": 1,
            "proc_date": "2026-03-24", "proc_fee": "500", "unit_qty": 1}),
        )
}

fn scorecard(metrics: &[&str]) -> Scorecard {
    Scorecard { metrics: metrics.iter().map(|id| (*id).to_owned()).collect(), ..Default::default() }
}

async fn work_out(scorecard: &Scorecard) -> Result<ScorecardResult, Refusal> {
    let checked = Checked::of("p", scorecard)?;
    match result::work_out(&practice().books().await, &question(), &checked).await {
        Ok(result) => Ok(result),
        Err(BooksError::Refused(refusal)) => Err(refusal),
        Err(error) => panic!("{error:?}"),
    }
}

/// Money in cents, counts as they are.
fn numbers(cell: &ScorecardCell) -> Vec<Option<i64>> {
    let number = |value: &Option<Value>| match value {
        Some(Value::Money(money)) => Some(money.units * 100 + i64::from(money.nanos / 10_000_000)),
        Some(Value::Count(count)) => Some(*count),
        Some(Value::MoneyRate(rate)) => rate.value.as_ref().map(|money| money.units * 100),
        _ => None,
    };
    cell.values.iter().map(|value| number(&value.value)).collect()
}

fn some(numbers: &[i64]) -> Vec<Option<i64>> {
    numbers.iter().map(|number| Some(*number)).collect()
}

#[tokio::test]
async fn a_row_for_each_provider_and_the_practice_below() {
    let result = work_out(&scorecard(&["gross_production", "visits", "production_per_visit"])).await.unwrap();
    let week = |from, to| DateRange { start_date: Some(date_to_proto(from)), end_date: Some(date_to_proto(to)) };
    assert_eq!(result.periods.len(), 4);
    assert!(result.periods[0] == week(date(2026, 3, 22), date(2026, 3, 28)));
    assert!(result.periods[3] == week(date(2026, 3, 1), date(2026, 3, 7)));
    let rows: Vec<_> = result.rows.iter().map(|row| (row.display_name.as_str(), row.member.as_str())).collect();
    assert_eq!(rows, [("Ann", "practices/p/providers/2"), ("DOC", "practices/p/providers/1"), ("unassigned", ""),]);
    let (hygienist, doctor, unassigned) = (&result.rows[0].cells, &result.rows[1].cells, &result.rows[2].cells);
    assert_eq!(numbers(&doctor[0]), some(&[105_000, 60_000, 40_000, 20_000]), "money counts whoever the patient");
    assert_eq!(numbers(&doctor[1]), some(&[1, 1, 1, 1]), "a deleted patient is no visit");
    let trend = doctor[0].trend.as_ref().unwrap();
    assert_eq!((trend.slope, trend.change_percent), (Some(275.0), Some(146.7)));
    assert!(trend.direction() == TrendDirection::Up && trend.points.len() == 4);
    assert!(trend.points[0].range == Some(result.periods[3]), "oldest first");

    assert_eq!(numbers(&hygienist[0]), some(&[9_500, 0, 0, 0]), "no data is nothing, not null");
    assert_eq!(numbers(&hygienist[2]), [Some(9_500), None, None, None], "nothing is divided by zero");
    assert!(hygienist[2].trend.is_none() && hygienist[0].trend.is_some(), "one value is no trend");
    assert_eq!(numbers(&unassigned[0]), some(&[3_000, 0, 0, 0]));
    let total = result.total.unwrap();
    assert_eq!(numbers(&total.cells[0]), some(&[117_500, 60_000, 40_000, 20_000]));
    assert_eq!(numbers(&total.cells[1]), some(&[3, 1, 1, 1]));
    assert!(total.member.is_empty() && !result.preferences.is_empty());
}

#[tokio::test]
async fn members_keep_their_order_and_codes_are_members_too() {
    let custom = ScorecardPeriod {
        kind: PeriodKind::Custom.into(),
        custom: Some(DateRange {
            start_date: Some(date_to_proto(date(2026, 3, 1))),
            end_date: Some(date_to_proto(date(2026, 3, 28))),
        }),
    };
    let none = ScorecardComparison { kind: ComparisonKind::None.into(), periods: 0 };
    let codes = Scorecard {
        focus: Focus::ProcedureCode.into(),
        members: vec!["D9999".to_owned(), "D2740".to_owned()],
        period: Some(custom),
        comparison: Some(none),
        ..scorecard(&["gross_production"])
    };
    let result = work_out(&codes).await.unwrap();
    let row = |place: usize| (result.rows[place].display_name.as_str(), numbers(&result.rows[place].cells[0]));
    assert_eq!(row(0), ("D9999", some(&[0])));
    assert_eq!(row(1), ("D2740", some(&[225_000])));
    assert_eq!(numbers(&result.total.unwrap().cells[0]), some(&[237_500]), "the practice as a whole");
    assert!(result.rows[1].cells[0].trend.is_none());

    let providers = Scorecard {
        members: vec!["practices/p/providers/1".to_owned(), "practices/p/providers/2".to_owned()],
        period: Some(custom),
        comparison: Some(none),
        ..scorecard(&["visits"])
    };
    let result = work_out(&providers).await.unwrap();
    assert_eq!(result.rows.iter().map(|row| row.display_name.as_str()).collect::<Vec<_>>(), ["DOC", "Ann"]);
}

#[tokio::test]
async fn a_year_earlier_and_states_that_have_no_past() {
    let year = Scorecard {
        period: Some(ScorecardPeriod { kind: PeriodKind::LastMonth.into(), custom: None }),
        comparison: Some(ScorecardComparison { kind: ComparisonKind::YearOverYear.into(), periods: 0 }),
        ..scorecard(&["gross_production", "unscheduled_treatment"])
    };
    let result = work_out(&year).await.unwrap();
    assert_eq!(result.periods.len(), 2);
    let doctor = result.rows.iter().find(|row| row.display_name == "DOC").unwrap();
    assert_eq!(numbers(&doctor.cells[0]), some(&[0, 15_000]));
    assert_eq!(numbers(&doctor.cells[1]), [Some(50_000), None], "what was unscheduled a year ago nobody knows");
    assert!(doctor.cells[1].trend.is_none());
}

#[tokio::test]
async fn what_is_wrong_is_refused_by_name() {
    let field = |refused: Result<ScorecardResult, Refusal>| match refused {
        Err(refusal) => refusal.field.unwrap().0,
        Ok(_) => panic!("not refused"),
    };
    for (card, expected) in [
        (scorecard(&[]), "scorecard.metrics"),
        (scorecard(&["visits"; 21]), "scorecard.metrics"),
        (scorecard(&["visits", "no_such_metric"]), "scorecard.metrics[1]"),
        (scorecard(&["visits", "visits"]), "scorecard.metrics[1]"),
        (Scorecard { focus: 9, ..scorecard(&["visits"]) }, "scorecard.focus"),
        (
            Scorecard { focus: Focus::ProcedureCode.into(), ..scorecard(&["gross_production", "visits"]) },
            "scorecard.metrics[1]",
        ),
    ] {
        assert_eq!(field(work_out(&card).await), expected);
    }
    let with = |members: &[&str]| Scorecard {
        members: members.iter().map(|name| (*name).to_owned()).collect(),
        ..scorecard(&["visits"])
    };
    let good = "practices/p/providers/1";
    for bad in ["practices/q/providers/1", "practices/p/clinics/1", "D0120", "", "practices/p/providers/3", good] {
        assert_eq!(field(work_out(&with(&[good, bad])).await), "scorecard.members[1]", "{bad}");
    }
    assert_eq!(field(work_out(&with(&[good; 301])).await), "scorecard.members");
}

/// Whatever a scorecard may show is computed from datasets that its feature names: its freshness covers them.
#[test]
fn the_catalog_names_what_is_read() {
    let row = catalog::feature(Feature::Scorecards).unwrap();
    for metric in metrics::all().iter().filter(|metric| !metric.splits.is_empty()) {
        let checked = Checked::of("p", &Scorecard { focus: metric.splits[0].into(), ..scorecard(&[metric.id]) });
        for dataset in result::datasets(&checked.unwrap()) {
            assert!(row.uses(dataset), "{} reads {dataset}", metric.id);
        }
    }
}
