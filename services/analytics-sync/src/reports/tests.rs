//! Reports against hand-computed sheets.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{collections::BTreeMap, sync::Arc};

use arrow::array::RecordBatch;
use chairsync_proto::analytics::{
    DateRange, ReportEnd, ReportFormat, ReportInterval, ReportRow, RunReportRequest, report_value::Value,
    run_report_response::Part,
};
use futures::StreamExt as _;
use jiff::civil::{Date, date};
use mesh::calendar::date_to_proto;
use serde_json::{Value as Json, json};
use tonic::Status;

use super::{
    asked::{Asked, Known},
    list::{self, Report},
    rows,
    send::Sending,
};
use crate::{
    books::{Books, BooksError, preferences::Preferences},
    question::Question,
    testing::Practice,
};

mod files;
mod money;
mod patients;
mod schedule;
mod stopping;

/// The snapshot's date.
const D: Date = date(2026, 3, 31);

/// A row's values as text by column; null is not there.
type Row = BTreeMap<String, String>;

/// What came of a report.
struct Ran {
    rows: Vec<Row>,
    totals: Row,
    data: Vec<u8>,
    end: ReportEnd,
}

impl Ran {
    /// Of each row, these columns, with "-" for null.
    fn shown(&self, columns: &[&str]) -> Vec<String> {
        self.rows.iter().map(|row| cells(row, columns)).collect()
    }

    fn total(&self, columns: &[&str]) -> String {
        cells(&self.totals, columns)
    }
}

fn cells(row: &Row, columns: &[&str]) -> String {
    columns.iter().map(|name| row.get(*name).map_or("-", String::as_str)).collect::<Vec<_>>().join(" | ")
}

fn question() -> Question {
    Question { practice: "north".into(), currency: "USD".into(), date: D, now: D.at(1, 0, 0, 0) }
}

fn march(request: &mut RunReportRequest) {
    request.range = Some(range(date(2026, 3, 1), D));
}

fn range(from: Date, to: Date) -> DateRange {
    DateRange { start_date: Some(date_to_proto(from)), end_date: Some(date_to_proto(to)) }
}

/// Runs a report; `change` sets what is asked.
async fn run(practice: &Practice, id: &str, change: impl FnOnce(&mut RunReportRequest)) -> Ran {
    run_on(&practice.books().await, id, change).await
}

async fn run_on(books: &Books, id: &str, change: impl FnOnce(&mut RunReportRequest)) -> Ran {
    let (report, mut request) = (list::find(id).unwrap(), RunReportRequest::default());
    change(&mut request);
    let asked = Asked::read(report, "north", &request, D).unwrap();
    let known = Known::read(books).await.unwrap();
    known.check(&request).unwrap();
    let preferences = Preferences::read(books).await.unwrap();
    let rows = rows::read(report, books, &question(), &preferences, &asked, &known).await.unwrap();
    let sending = Sending { report, format: asked.format, currency: "USD".into() };
    let mut parts = sending.stream(Part::Head(Default::default()), rows, (), shown);
    let mut ran = Ran { rows: Vec::new(), totals: Row::new(), data: Vec::new(), end: ReportEnd::default() };
    let mut ended = false;
    while let Some(part) = parts.next().await {
        assert!(!ended, "nothing after the end");
        match part.unwrap() {
            Part::Head(_) => {}
            Part::Rows(part) => ran.rows.extend(part.rows.iter().map(|row| named(report, row))),
            Part::Data(bytes) => ran.data.extend(bytes),
            Part::End(end) => {
                ran.totals = named(report, end.totals.as_ref().unwrap());
                ran.end = end;
                ended = true;
            }
        }
    }
    assert!(ended, "{id} has no end");
    ran
}

fn shown(error: BooksError) -> Status {
    Status::internal(format!("{error:?}"))
}

fn named(report: &Report, row: &ReportRow) -> Row {
    assert_eq!(row.values.len(), report.columns.len());
    let cells = report.columns.iter().zip(&row.values);
    cells.filter_map(|(column, cell)| Some((column.id.to_owned(), words(cell.value.as_ref()?)))).collect()
}

fn words(value: &Value) -> String {
    let day = |date: &chairsync_proto::google_type::Date| format!("{:04}-{:02}-{:02}", date.year, date.month, date.day);
    match value {
        Value::Text(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Money(money) => {
            let cents = money.units * 100 + i64::from(money.nanos / 10_000_000);
            assert_eq!(money.currency_code, "USD");
            format!("{}{}.{:02}", if cents < 0 { "-" } else { "" }, cents.abs() / 100, cents.abs() % 100)
        }
        Value::Date(date) => day(date),
        Value::Percent(percent) => format!("{percent:.1}"),
        Value::Boolean(flag) => flag.to_string(),
        Value::LocalDateTime(at) => {
            let date = day(at.date.as_ref().unwrap());
            format!("{date}T{:02}:{:02}", at.minute_of_day / 60, at.minute_of_day % 60)
        }
    }
}

/// Codes 1 D1110 (hygiene), 2 D2740 (crown), 3 D0120 (exam), 4 D9986, 5 D9987, 6 custom; providers 1 DOC, 2 HYG.
fn office() -> Practice {
    let code = |(number, code): (usize, &str)| json!({"code_num": number + 1, "proc_code": code, "descript": "x"});
    let codes = ["D1110", "D2740", "D0120", "D9986", "D9987", "N100"];
    Practice::new()
        .all("procedure_code", codes.into_iter().enumerate().map(code))
        .with("provider", json!({"prov_num": 1, "abbr": "DOC"}))
        .with("provider", json!({"prov_num": 2, "abbr": "HYG", "is_secondary": 1, "hourly_prod_goal_amt": "100"}))
        .with("patient", person(1, 1, "Adams", "Ann"))
        .with("patient", person(2, 1, "Adams", "Bob"))
        .with("patient", person(3, 3, "Baker", "Cyn"))
}

fn person(number: i64, guarantor: i64, last: &str, first: &str) -> Json {
    json!({"pat_num": number, "guarantor": guarantor, "l_name": last, "f_name": first, "hm_phone": "555-0100"})
}

fn procedure(number: i64, patient: i64, code: i64, status: i64, day: &str, fee: &str) -> Json {
    json!({"proc_num": number, "pat_num": patient, "code_num": code, "proc_status": status, "proc_date": day,
        "proc_fee": fee, "unit_qty": 1, "prov_num": 1})
}

fn appointment(number: i64, patient: i64, status: i64, at: &str, length: usize) -> Json {
    json!({"apt_num": number, "pat_num": patient, "apt_status": status, "apt_date_time": at,
        "pattern": "X".repeat(length / 5), "prov_num": 1, "op": 1})
}

fn merged(mut row: Json, more: Json) -> Json {
    row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    row
}

/// Every report of a practice without a row is an empty one with its totals, whatever its form.
#[tokio::test]
async fn an_empty_practice_has_every_report() {
    let practice = Practice::new();
    let books = practice.books().await;
    let formats = [ReportFormat::Rows, ReportFormat::Csv, ReportFormat::Parquet, ReportFormat::ArrowIpc];
    for (report, format) in list::REPORTS.iter().zip(formats.into_iter().cycle()) {
        let ran = run_on(&books, report.id, |request| request.format = format.into()).await;
        assert_eq!(ran.end.row_count, if report.by_period { 31 } else { 0 }, "{}", report.id);
        assert_eq!(ran.end.byte_count, ran.data.len() as i64, "{}", report.id);
        assert_eq!(ran.data.is_empty(), format == ReportFormat::Rows, "{}", report.id);
        for column in report.columns.iter().filter(|c| c.totalled && c.origin == super::column::Origin::Itself) {
            let nothing = if column.kind == super::column::money("", "").kind { "0.00" } else { "0" };
            assert_eq!(ran.totals[column.id], nothing, "{} {}", report.id, column.id);
        }
    }
}

/// A report that lacks one of its tables would be wrong: the list names every table that its question reads.
#[tokio::test]
async fn the_list_names_the_tables_that_are_read() {
    let practice = Practice::new();
    let books = practice.books().await;
    let known = Known::default();
    for report in list::REPORTS {
        let asked = Asked::read(report, "north", &RunReportRequest::default(), D).unwrap();
        let read = rows::tables(report, &books, &question(), &Preferences::default(), &asked, &known).await.unwrap();
        let missing: Vec<&String> = read.iter().filter(|name| !report.needs.contains(&name.as_str())).collect();
        assert!(missing.is_empty(), "{} reads {missing:?} too", report.id);
        assert!(!read.is_empty(), "{}", report.id);
    }
}
