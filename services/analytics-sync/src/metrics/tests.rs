//! Figures against hand-computed sheets, and what must hold of every metric.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod care;
mod money;
mod schedule;
mod whole;

use jiff::civil::{Date, date};
use serde_json::{Value, json};

use super::{Facts, Figure, Range, Scope, get};
use crate::{books::preferences::Preferences, question::Question, testing::Practice};

/// D of these tests; a Tuesday.
pub(super) const D: Date = date(2026, 3, 31);
/// A day before.
pub(super) const DAY: &str = "2026-03-30";

pub(super) fn question() -> Question {
    Question { practice: "north".into(), currency: "USD".into(), date: D, now: D.at(1, 0, 0, 0) }
}

/// The facts of all metrics over two years to D and a year on.
pub(super) async fn facts(practice: &Practice) -> Facts {
    let books = practice.books().await;
    let preferences = Preferences::read(&books).await.unwrap();
    let all: Vec<&super::Metric> = super::all().iter().collect();
    Facts::read(&books, &question(), &preferences, &all, (date(2024, 4, 1), date(2027, 3, 31))).await.unwrap()
}

pub(super) fn month() -> Range {
    (date(2026, 3, 1), D)
}

/// A figure over March 2026, everyone's.
pub(super) fn figure(facts: &Facts, id: &str) -> Figure {
    facts.figure(get(id).unwrap(), month(), &Scope::default())
}

/// A sum over March 2026 in cents, or a count.
pub(super) fn sum(facts: &Facts, id: &str) -> i128 {
    figure(facts, id).shown(get(id).unwrap().unit).unwrap()
}

/// A ratio's parts over March 2026.
pub(super) fn ratio(facts: &Facts, id: &str) -> (i128, i128) {
    match figure(facts, id) {
        Figure::Ratio { above, below, .. } | Figure::Rate { above, below, .. } => (above, below),
        other => panic!("{id} is no ratio: {other:?}"),
    }
}

/// Codes 1 D1110 (hygiene), 2 D2740 (crown), 3 D0120 (exam), 4 D9986, 5 D9987, 6 custom, 7 D4910; providers 1 and 2;
/// location 1.
pub(super) fn office() -> Practice {
    let code = |(number, code): (usize, &str)| json!({"code_num": number + 1, "proc_code": code, "descript": code});
    let codes = ["D1110", "D2740", "D0120", "D9986", "D9987", "N100", "D4910"];
    Practice::new()
        .all("procedure_code", codes.into_iter().enumerate().map(code))
        .with("provider", json!({"prov_num": 1, "abbr": "DOC"}))
        .with("provider", json!({"prov_num": 2, "abbr": "HYG", "is_secondary": 1}))
        .with("clinic", json!({"clinic_num": 1, "abbr": "Main"}))
}

/// A procedure of provider 1 at location 1.
pub(super) fn procedure(number: i64, patient: i64, code: i64, status: i64, day: &str, fee: &str) -> Value {
    json!({"proc_num": number, "pat_num": patient, "code_num": code, "proc_status": status, "proc_date": day,
        "proc_fee": fee, "unit_qty": 1, "prov_num": 1, "clinic_num": 1})
}

pub(super) fn appointment(number: i64, patient: i64, status: i64, at: &str) -> Value {
    json!({"apt_num": number, "pat_num": patient, "apt_status": status, "apt_date_time": at,
        "pattern": "X".repeat(12), "prov_num": 1, "op": 1, "clinic_num": 1})
}

pub(super) fn merged(mut row: Value, more: Value) -> Value {
    row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    row
}

pub(super) fn patients(numbers: impl IntoIterator<Item = i64>) -> Vec<Value> {
    numbers.into_iter().map(|n| json!({"pat_num": n, "l_name": "L", "f_name": "F", "guarantor": n})).collect()
}
