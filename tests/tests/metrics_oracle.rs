//! Promise: every metric, of the practice and of a provider, equals an independent SQL statement on MariaDB, to the cent and
//! row, and the rows behind it sum to it. Method: generated practices through the whole path (MariaDB, connector, runs,
//! Delta, facts), each figure as `ListBoardRows` totals it beside the answer of `tests/oracle/metrics.sql`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use chairsync_proto::{
    analytics::{
        Board, Focus, ListBoardRowsRequest, ListBoardRowsResponse, ListMetricsRequest, Metric, MetricValue, RowPart,
        analytics_service_client::AnalyticsServiceClient, metric_value::Value, row_part::Part,
    },
    google_type,
};
use chairsync_tests::{
    analytics::AnalyticsMesh,
    compared::{self, Compared},
    oracle::{Figures, Oracle, take},
    practice,
};
use jiff::{ToSpan, civil::Date};
use mesh::{error::reason_of, transport::Channel};
use mysql_async::prelude::Queryable;
use pms_connector::sample::Config;
use test_servers::MariaDb;

const PRACTICES: u64 = 6;
/// Practices under way together: while one waits for MariaDB another computes.
const AT_A_TIME: usize = 2;
/// Metrics of hours, which `minutes.sql` holds the schedule to, and of receivables, held by the collections board's test.
const ELSEWHERE: [&str; 5] =
    ["production_per_hour", "net_production_per_hour", "available_minutes", "utilization_pct", "openings"];

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_equals_the_oracle() {
    compared::all(compared::seeds("METRICS_ORACLE_SEED", PRACTICES), AT_A_TIME, 100, compare).await;
}

/// Loads, syncs and asks for one practice; the number of its figures and what differs.
async fn compare(seed: u64, pms: &MariaDb, mesh: &AnalyticsMesh) -> Compared {
    let ((id, zone), today) = (compared::synced(seed, 3, pms, mesh).await, compared::today());

    let request = |range: (Date, Date), provider: Option<i64>| ListBoardRowsRequest {
        practice: format!("practices/{id}"),
        board: Board::Scorecard.into(),
        range: Some(compared::range(range)),
        providers: provider.iter().map(|number| format!("practices/{id}/providers/{number}")).collect(),
        page_size: 1_000,
        ..Default::default()
    };
    // The board's freshness says up to when it goes; D and now follow from it and the zone.
    let first = ListBoardRowsRequest { metric: "visits".into(), ..request((today, today), None) };
    let through = page(mesh, first).await.freshness.unwrap().synced_through.unwrap();
    let now = jiff::Timestamp::new(through.seconds, through.nanos).unwrap();
    let now = now.to_zoned(jiff::tz::TimeZone::get(zone).unwrap()).datetime();
    let d = now.date();
    let mut oracle = Oracle::new(pms.root(&id).await, d, &now.strftime("%Y-%m-%d %H:%M:%S").to_string()).await;

    let metrics = metrics(mesh, &id).await;
    let one = format!("SELECT ProvNum FROM provider ORDER BY ProvNum LIMIT 1 OFFSET {}", seed % 2);
    let provider: i64 = pms.root(&id).await.query_first(one).await.unwrap().unwrap();
    let (mut expected, mut served) = (Figures::new(), Figures::new());
    let month = (d.saturating_sub(40.days()), d.saturating_add(5.days()));
    for (of, provider) in [("practice", None), ("provider", Some(provider))] {
        oracle.range(month.0, month.1).await;
        oracle.set("prov", &provider.unwrap_or_default().to_string()).await;
        for mut row in oracle.run(include_str!("../oracle/metrics.sql")).await {
            let metric = take(&mut row, "metric");
            let by = metrics.iter().find(|known| known.id == metric);
            if by.is_none_or(|by| provider.is_none() || by.splits().any(|focus| focus == Focus::Provider)) {
                expected.insert(
                    format!("{of}.{metric}"),
                    format!("{}/{}", take(&mut row, "above"), take(&mut row, "below")),
                );
            }
        }
        for metric in
            metrics.iter().filter(|metric| provider.is_none() || metric.splits().any(|f| f == Focus::Provider))
        {
            let request = ListBoardRowsRequest { metric: metric.id.clone(), ..request(month, provider) };
            served.insert(format!("{of}.{}", metric.id), figure(mesh, request).await);
        }
    }
    if let Some(care) = oracle_otc(&mut oracle).await {
        expected.insert("practice.otc_rate".into(), care);
    }
    let names: BTreeSet<&String> = expected.keys().chain(served.keys()).collect();
    let shown = |of: &Figures, name: &str| of.get(name).cloned().unwrap_or_else(|| "no such figure".to_owned());
    let rows = names.into_iter().map(|name| (name, shown(&expected, name), shown(&served, name)));
    let differences: Vec<String> = rows
        .filter(|(_, expected, served)| expected != served)
        .map(|(name, expected, served)| format!("seed {seed} ({d}) {name}: oracle {expected}, rows {served}"))
        .collect();
    println!("seed {seed}: {} figures, {} differ", expected.len(), differences.len());
    (expected.len(), differences)
}

async fn oracle_otc(oracle: &mut Oracle) -> Option<String> {
    let mut row = oracle.run(include_str!("../oracle/care.sql")).await.pop()?;
    Some(format!("{}/{}", take(&mut row, "otc_numerator"), take(&mut row, "otc_denominator")))
}

/// The metrics that are compared here.
async fn metrics(mesh: &AnalyticsMesh, id: &str) -> Vec<Metric> {
    let request = ListMetricsRequest { practice: format!("practices/{id}"), focus: 0 };
    let all = mesh.analytics().list_metrics(request).await.unwrap().into_inner().metrics;
    all.into_iter().filter(|m| !ELSEWHERE.contains(&m.id.as_str()) && m.group != "Receivables").collect()
}

async fn page(mesh: &AnalyticsMesh, request: ListBoardRowsRequest) -> ListBoardRowsResponse {
    let call = async |mut client: AnalyticsServiceClient<Channel>| client.list_board_rows(request.clone()).await;
    mesh.ask(call, |answer: &ListBoardRowsResponse| answer.total.is_some()).await
}

/// The figure as it is served, once the rows of all its pages have been seen to sum to it.
async fn figure(mesh: &AnalyticsMesh, mut request: ListBoardRowsRequest) -> String {
    let (mut above, mut below, mut rows) = (0i128, 0i128, 0i64);
    loop {
        let page = page(mesh, request.clone()).await;
        for row in &page.rows {
            above += parts(row.part.as_ref());
            below += parts(row.denominator_part.as_ref());
        }
        rows += i64::try_from(page.rows.len()).unwrap();
        if page.next_page_token.is_empty() {
            let total = page.total.unwrap();
            assert_eq!(rows, page.total_rows, "{}", request.metric);
            let (a, b) = values(&total);
            // Rows are rounded to cents one by one; the total is rounded once.
            let slack = i128::from(rows);
            assert!((a - above).abs() <= slack && (b.unwrap_or_default() - below).abs() <= slack, "{}", request.metric);
            return format!("{}/{}", text(a), b.map(text).unwrap_or_default());
        }
        request.page_token = page.next_page_token;
    }
}

/// A part in hundredths.
fn parts(part: Option<&RowPart>) -> i128 {
    match part.and_then(|part| part.part.as_ref()) {
        Some(Part::Money(money)) => cents(money),
        Some(Part::Count(count)) => i128::from(*count) * 100,
        None => 0,
    }
}

/// A value's parts in hundredths.
fn values(value: &MetricValue) -> (i128, Option<i128>) {
    let money = |money: &Option<google_type::Money>| cents(money.as_ref().unwrap());
    match value.value.as_ref().expect("a value") {
        Value::Money(amount) => (cents(amount), None),
        Value::Count(count) => (i128::from(*count) * 100, None),
        Value::MoneyRatio(ratio) => (money(&ratio.numerator), Some(money(&ratio.denominator))),
        Value::CountRatio(ratio) => (i128::from(ratio.numerator) * 100, Some(i128::from(ratio.denominator) * 100)),
        Value::MoneyRate(rate) => (money(&rate.numerator), Some((rate.denominator * 100.0).round() as i128)),
        Value::Number(number) => ((number * 100.0).round() as i128, None),
    }
}

fn cents(money: &google_type::Money) -> i128 {
    i128::from(money.units) * 100 + i128::from(money.nanos / 10_000_000)
}

fn text(hundredths: i128) -> String {
    let sign = if hundredths < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", hundredths.abs() / 100, hundredths.abs() % 100)
}

/// Whatever cannot be answered is refused by name of the field, and a token only opens the list that it is of.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_answered_is_refused_by_field() {
    let pms = MariaDb::start_with(&["--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0"]).await;
    let mesh = AnalyticsMesh::start();
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let config = Config { seed: 3, patients: 60, as_of: today, years: 1 };
    practice::load_as_of(&pms, "north", config).await;
    mesh.sync("north", practice::on(&pms, "north", "America/Chicago")).await;
    let year = (today.saturating_sub(300.days()), today);
    let good = ListBoardRowsRequest {
        practice: "practices/north".into(),
        board: Board::Performance.into(),
        metric: "gross_production".into(),
        range: Some(compared::range(year)),
        page_size: 3,
        ..Default::default()
    };
    let first = page(&mesh, good.clone()).await;
    assert!(!first.next_page_token.is_empty() && first.rows.len() == 3);
    let named =
        |row: &chairsync_proto::analytics::BoardRow| row.patient.as_ref().is_some_and(|p| p.display_name.len() > 1);
    assert!(first.rows.iter().all(named), "rows name their patients");
    let token = first.next_page_token;
    let long_ago = (today.saturating_sub(4_000.days()), today);
    let bad = [
        ("metric", ListBoardRowsRequest { metric: "goss_production".into(), ..good.clone() }),
        ("board", ListBoardRowsRequest { board: 0, ..good.clone() }),
        ("range", ListBoardRowsRequest { range: Some(compared::range((year.1, year.0))), ..good.clone() }),
        ("range", ListBoardRowsRequest { range: Some(compared::range(long_ago)), ..good.clone() }),
        ("split", ListBoardRowsRequest { split: "surgery".into(), ..good.clone() }),
        (
            "providers",
            ListBoardRowsRequest { providers: vec!["practices/north/providers/987654321".into()], ..good.clone() },
        ),
        (
            "providers[0]",
            ListBoardRowsRequest { providers: vec!["practices/south/providers/1".into()], ..good.clone() },
        ),
        (
            "procedure_codes",
            ListBoardRowsRequest {
                metric: "new_patients".into(),
                procedure_codes: vec!["D0120".into()],
                ..good.clone()
            },
        ),
        ("page_size", ListBoardRowsRequest { page_size: -1, ..good.clone() }),
        ("page_token", ListBoardRowsRequest { page_token: "x".into(), ..good.clone() }),
        ("page_token", ListBoardRowsRequest { page_token: token.clone(), metric: "visits".into(), ..good.clone() }),
        ("page_token", ListBoardRowsRequest { page_token: token.clone(), range: None, ..good.clone() }),
    ];
    for (field, request) in bad {
        let status = mesh.analytics().list_board_rows(request).await.err().unwrap_or_else(|| panic!("{field}"));
        let details = tonic_types::StatusExt::get_details_bad_request(&status).expect("a field");
        assert_eq!(details.field_violations[0].field, field);
        assert!(reason_of(&status).is_some());
    }
    let second = ListBoardRowsRequest { page_token: token, page_size: 1_000, ..good };
    assert!(!page(&mesh, second).await.rows.is_empty());
    mesh.end().await;
}
