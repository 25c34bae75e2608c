//! A report of a million rows through the gateway, beside DataFusion's own answer to the same question over the same files,
//! and the memory that it takes beside a report of a tenth of the rows.

use std::time::Instant;

use analytics_sync::{
    books::preferences::Preferences,
    metrics::range::to_proto,
    question::Question,
    reports::{
        asked::{Asked, Known},
        list, rows,
    },
};
use chairsync_proto::analytics::{
    ReportFormat, RunReportRequest, analytics_service_client::AnalyticsServiceClient, run_report_response::Part,
};
use futures::StreamExt as _;
use jiff::ToSpan as _;
use state_bench::figures::{Goal, figure};

use super::{
    memory::{forget_peak, peak_mb},
    whole::{self, ID, NAME, Size, Whole, patiently},
};

const SIZE: Size = Size { patients: 20_000, years: 5 };
const ROUNDS: usize = 3;
const REPORT: &str = "day-sheet";
const ROWS: usize = 1_000_000;
const FORMATS: [ReportFormat; 4] =
    [ReportFormat::ArrowIpc, ReportFormat::Parquet, ReportFormat::Csv, ReportFormat::Rows];

/// Runs it. Prints its figures.
///
/// # Panics
/// When something cannot be started or read, or the practice is too small for a million rows.
pub async fn run() {
    let mut whole = whole::practice(SIZE.given_or(), true).await;
    let question = whole.question().await;
    // As many months back as it takes.
    let mut months = 3;
    let mut a_tenth = (0, 0);
    let rows = loop {
        let (rows, _) = by_datafusion(&whole, &question, months).await;
        if a_tenth.0 < ROWS / 10 {
            a_tenth = (rows, months);
        }
        if rows >= ROWS {
            break rows;
        }
        assert!(months < 118, "the practice has too few rows: {rows}");
        months = (months * 4 / 3 + 1).min(118);
    };
    eprintln!("measuring: {rows} rows of {months} months, {} of {}", a_tenth.0, a_tenth.1);

    let mut bare = Vec::new();
    let mut ours = FORMATS.map(|format| (format, Vec::new()));
    for _ in 0..ROUNDS {
        bare.push(by_datafusion(&whole, &question, months).await.1);
        for (format, rates) in &mut ours {
            rates.push(through_gateway(&whole, &question, months, *format).await.1);
        }
    }
    for (format, rates) in &ours {
        let name = format!("rows_per_s, {}", format.as_str_name());
        figure("reports", &name, "rows/s", rates, &bare, Goal::RatioAtLeast(0.5));
    }
    for format in FORMATS {
        let mut peaks = Vec::new();
        for months in [a_tenth.1, months] {
            whole.restart_analytics().await;
            let pid = whole.mesh.pid("analytics-sync");
            through_gateway(&whole, &question, 1, format).await;
            forget_peak(pid);
            through_gateway(&whole, &question, months, format).await;
            peaks.push(peak_mb(pid));
        }
        let name = format!("rss_mb, {}", format.as_str_name());
        figure("reports", &name, "MB", &peaks[1..], &peaks[..1], Goal::RatioAtMost(1.5));
    }
}

fn request(question: &Question, months: i32, format: ReportFormat) -> RunReportRequest {
    let from = question.date.saturating_sub(months.months());
    RunReportRequest {
        name: format!("{NAME}/reports/{REPORT}"),
        range: Some(to_proto((from, question.date))),
        format: format.into(),
        ..Default::default()
    }
}

/// The rows and the rows a second of the question in this process: its batches are counted and let go.
async fn by_datafusion(whole: &Whole, question: &Question, months: i32) -> (usize, f64) {
    let report = list::find(REPORT).expect("a report");
    let request = request(question, months, ReportFormat::Rows);
    let asked = Asked::read(report, ID, &request, question.date).expect("a request");
    let begun = Instant::now();
    let books = whole.books().await;
    let known = Known::read(&books).await.expect("providers");
    let preferences = Preferences::read(&books).await.expect("preferences");
    let batches = rows::read(report, &books, question, &preferences, &asked, &known).await;
    let mut batches = batches.expect("rows");
    let mut count = 0;
    while let Some(batch) = batches.next().await {
        count += batch.expect("a batch").num_rows();
    }
    (count, count as f64 / begun.elapsed().as_secs_f64())
}

/// The rows and the rows a second of the report as a caller has it.
async fn through_gateway(whole: &Whole, question: &Question, months: i32, format: ReportFormat) -> (usize, f64) {
    let begun = Instant::now();
    let mut client = AnalyticsServiceClient::new(whole.mesh.gateway());
    let answer = client.run_report(patiently(request(question, months, format))).await;
    let mut parts = answer.expect("a report").into_inner();
    let mut rows = None;
    while let Some(part) = parts.message().await.expect("the report goes on") {
        if let Some(Part::End(end)) = part.part {
            rows = usize::try_from(end.row_count).ok();
        }
    }
    let rows = rows.expect("an end");
    (rows, rows as f64 / begun.elapsed().as_secs_f64())
}
