//! A practice of 200 operatories and 20 years: the memory that analytics-sync takes for the initial sync, each board, the rows
//! behind a figure of ten years, reports, the finder and a night.

use std::time::Instant;

use analytics_sync::metrics::range::to_proto;
use chairsync_proto::{
    analytics::{
        self, FindPatientsRequest, ListBoardRowsRequest, ReportFormat, RunReportRequest,
        analytics_service_client::AnalyticsServiceClient,
    },
    sync::{RunState, StartSyncRequest, sync_service_client::SyncServiceClient},
};
use jiff::{ToSpan as _, civil::Date};
use mysql_async::prelude::Queryable as _;
use state_bench::figures::{Goal, figure};

use super::{
    memory::{forget_peak, peak_mb},
    whole::{self, Board, ID, NAME, PATIENCE, Size, Whole, patiently},
};
use crate::{practice, processes::SERVICES};

/// About 200 operatories and 10 million procedures.
const SIZE: Size = Size { patients: 77_000, years: 20 };
/// 1.5 GB in MiB.
const MOST: f64 = 1_430.0;
/// The pages of rows that are turned.
const PAGES: usize = 3;

/// Runs it. Prints its figures.
///
/// # Panics
/// When something cannot be started or read.
pub async fn run() {
    let whole = whole::practice(SIZE.given_or(), true).await;
    eprintln!("measuring");
    figure("big", "procedures", "", &[whole.procedures as f64], &[], Goal::Told);
    told(&whole, "initial sync", whole.read_s);
    for board in Board::ALL {
        let begun = Instant::now();
        board.ask(whole.mesh.gateway()).await;
        told(&whole, &format!("{board:?}"), begun.elapsed().as_secs_f64());
    }
    let d = whole.question().await.date;
    let range = (d.saturating_sub(10.years()).saturating_add(1.day()), d);
    for metric in ["gross_production", "collections", "visits", "active_patients"] {
        let begun = Instant::now();
        let rows = pages(&whole, metric, range).await;
        told(&whole, &format!("{PAGES} pages of {rows} rows of ten years' {metric}"), begun.elapsed().as_secs_f64());
    }
    for (report, range) in [
        ("production-and-income", Some(range)),
        ("day-sheet", Some((d.saturating_sub(1.year()), d))),
        ("accounts-receivable-aging", None),
    ] {
        let begun = Instant::now();
        run_report(&whole, report, range).await;
        told(&whole, &format!("report {report}"), begun.elapsed().as_secs_f64());
    }
    let begun = Instant::now();
    let request = FindPatientsRequest {
        practice: NAME.to_owned(),
        filter: "status = patient AND active = true".to_owned(),
        order_by: "last_visit desc".to_owned(),
        ..Default::default()
    };
    AnalyticsServiceClient::new(whole.mesh.gateway()).find_patients(patiently(request)).await.expect("patients");
    told(&whole, "finder", begun.elapsed().as_secs_f64());

    let newest = format!("ORDER BY ProcNum DESC LIMIT {}", whole.procedures / 100);
    let change = format!("UPDATE procedurelog SET ProcFee = ProcFee + 1 {newest}");
    whole.pms.root(ID).await.query_drop(change).await.expect("procedures change");
    let begun = Instant::now();
    let request = StartSyncRequest { practice: NAME.to_owned(), ..Default::default() };
    let asked = SyncServiceClient::new(whole.mesh.gateway()).start_sync(request).await.expect("a run").into_inner();
    let run = practice::finished(whole.mesh.gateway(), &asked.run.expect("a run").name, PATIENCE).await;
    assert_eq!(run.state(), RunState::Succeeded, "{:?}", run.error);
    told(&whole, "a night with 1 % of the procedures changed", begun.elapsed().as_secs_f64());
}

/// Tells how long a step took and the most memory that was held meanwhile, and lets the peaks begin anew.
fn told(whole: &Whole, step: &str, seconds: f64) {
    let pids = SERVICES.map(|service| whole.mesh.pid(service));
    let all: f64 = pids.iter().map(|pid| peak_mb(*pid)).sum();
    let analytics = whole.mesh.pid("analytics-sync");
    figure("big", &format!("rss_mb, {step}"), "MB", &[peak_mb(analytics)], &[], Goal::Below(MOST));
    figure("big", &format!("rss_mb of all five, {step}"), "MB", &[all], &[], Goal::Told);
    figure("big", &format!("seconds, {step}"), "s", &[seconds], &[], Goal::Told);
    pids.into_iter().for_each(forget_peak);
}

/// Turns some pages of the rows behind a figure; how many rows there are.
async fn pages(whole: &Whole, metric: &str, range: (Date, Date)) -> i64 {
    let mut request = ListBoardRowsRequest {
        practice: NAME.to_owned(),
        board: analytics::Board::Performance.into(),
        metric: metric.to_owned(),
        range: Some(to_proto(range)),
        page_size: 1_000,
        ..Default::default()
    };
    let mut rows = 0;
    for _ in 0..PAGES {
        let mut client = AnalyticsServiceClient::new(whole.mesh.gateway()).max_decoding_message_size(64 << 20);
        let page = client.list_board_rows(patiently(request.clone())).await.expect("a page").into_inner();
        rows = page.total_rows;
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    rows
}

async fn run_report(whole: &Whole, report: &str, range: Option<(Date, Date)>) {
    let request = RunReportRequest {
        name: format!("{NAME}/reports/{report}"),
        range: range.map(to_proto),
        format: ReportFormat::Parquet.into(),
        ..Default::default()
    };
    let answer = AnalyticsServiceClient::new(whole.mesh.gateway()).run_report(patiently(request)).await;
    let mut parts = answer.expect("a report").into_inner();
    while parts.message().await.expect("the report goes on").is_some() {}
}
