//! `chairsync report` and `chairsync reports`: a General Report as a table or a file, and what reports there are.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, anyhow, bail};
use chairsync_proto::analytics::{
    DateRange, ListReportsRequest, Report, ReportEnd, ReportFormat, ReportHead, ReportInterval, RunReportRequest,
    RunReportResponse, analytics_service_client::AnalyticsServiceClient, run_report_response::Part,
};
use clap::ValueEnum as _;
use jiff::civil::Date;
use mesh::calendar::date_to_proto;
use serde_json::json;
use tonic::Streaming;

use self::file::{Out, Whole};
use crate::{
    client::{GatewayArgs, practice_name},
    render::{self, reports},
};

mod file;

/// How long the next part of a report may take.
const PART_LIMIT: Duration = Duration::from_secs(120);

/// Which report to run, on what, and where to.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The report, e.g. `production-and-income`; `chairsync reports` lists them
    pub report: String,
    /// The practice
    #[arg(long, default_value = "sample")]
    pub practice: String,
    /// The first date, e.g. 2026-03-01 [default: the first of the month]
    #[arg(long, value_name = "DATE")]
    pub from: Option<Date>,
    /// The last date, included [default: the date of the data]
    #[arg(long, value_name = "DATE")]
    pub to: Option<Date>,
    /// Only this provider, by the PMS's number; 0: what is credited to nobody; may be repeated
    #[arg(long, value_name = "NUMBER")]
    pub provider: Vec<u64>,
    /// Only this clinic, by the PMS's number; may be repeated
    #[arg(long, value_name = "NUMBER")]
    pub clinic: Vec<u64>,
    /// The period of a row
    #[arg(long)]
    pub interval: Option<Interval>,
    /// The form of the file [default: what --out ends with]
    #[arg(long)]
    pub format: Option<Form>,
    /// Write a file; it appears when it is whole
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// A JSON object a line: each row, then the totals
    #[arg(long, conflicts_with_all = ["out", "format"])]
    pub json: bool,
    /// Where the gateway is.
    #[command(flatten)]
    pub gateway: GatewayArgs,
}

/// Whose reports to list.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// The practice
    #[arg(long, default_value = "sample")]
    pub practice: String,
    /// A JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Where the gateway is.
    #[command(flatten)]
    pub gateway: GatewayArgs,
}

/// The length of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Interval {
    /// A day.
    Day,
    /// A month.
    Month,
    /// A year.
    Year,
}

/// The form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// CSV with a header line.
    Csv,
    /// Parquet.
    Parquet,
    /// An Arrow IPC stream.
    Arrow,
}

impl Interval {
    fn asked(self) -> ReportInterval {
        match self {
            Self::Day => ReportInterval::Day,
            Self::Month => ReportInterval::Month,
            Self::Year => ReportInterval::Year,
        }
    }
}

impl Form {
    fn asked(self) -> ReportFormat {
        match self {
            Self::Csv => ReportFormat::Csv,
            Self::Parquet => ReportFormat::Parquet,
            Self::Arrow => ReportFormat::ArrowIpc,
        }
    }
}

/// Lists the reports.
///
/// # Errors
/// The gateway's refusal.
pub async fn list(args: ListArgs) -> anyhow::Result<()> {
    let mut client = AnalyticsServiceClient::new(args.gateway.channel());
    let request = ListReportsRequest { practice: practice_name(&args.practice) };
    let reports = args.gateway.ask(client.list_reports(request)).await?.reports;
    match args.json {
        true => super::print(reports.iter().map(|report| reports::described(report).to_string())),
        false => super::print(reports::lines(&reports)),
    }
    Ok(())
}

/// Runs a report and prints it or writes its file.
///
/// # Errors
/// The gateway's refusal, a file that cannot be written, or a stream that ends before the report does.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let form = args.form()?;
    let request = args.request(form)?;
    let mut client = AnalyticsServiceClient::new(args.gateway.channel());
    let mut parts = Parts { stream: args.gateway.ask(client.run_report(request)).await?, gateway: &args.gateway };
    let Some(Part::Head(head)) = parts.next().await? else { bail!("the answer has no head") };
    if form.is_none() {
        return show(&args, &head, &mut parts).await;
    }
    let mut out = Out::open(args.out.as_deref())?;
    let end = loop {
        match parts.next().await? {
            Some(Part::Data(bytes)) => out.write(&bytes)?,
            Some(Part::End(end)) => break end,
            Some(_) => bail!("the answer holds rows where a file was asked for"),
            None => bail!("the stream ended before the report did; nothing was kept"),
        }
    };
    let Whole { path, bytes } = out.finish(end.byte_count)?;
    if let Some(path) = path {
        let rows = render::count(end.row_count);
        println!("{rows} rows, {} bytes in {}", render::count(bytes), path.display());
        println!("{}", reports::totals(&columns(&head), &end));
        if head.report.is_some_and(|report| report.holds_patient_data) {
            println!("The file holds patient data.");
        }
    }
    Ok(())
}

impl Args {
    /// The file's form; none for a table.
    fn form(&self) -> anyhow::Result<Option<Form>> {
        let Some(out) = self.out.as_ref().filter(|_| self.format.is_none()) else { return Ok(self.format) };
        let ending = out.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        let form = Form::from_str(ending, true);
        form.map(Some).map_err(|_| anyhow!("--out must end with .csv, .parquet or .arrow, or --format say which it is"))
    }

    fn request(&self, form: Option<Form>) -> anyhow::Result<RunReportRequest> {
        let practice = practice_name(&self.practice);
        let range = match (self.from, self.to) {
            (None, None) => None,
            (Some(from), Some(to)) => {
                Some(DateRange { start_date: Some(date_to_proto(from)), end_date: Some(date_to_proto(to)) })
            }
            (from, _) => {
                let missing = if from.is_some() { "--to" } else { "--from" };
                bail!("{missing} is missing: a range has both its ends");
            }
        };
        let names = |what: &str, numbers: &[u64]| numbers.iter().map(|n| format!("{practice}/{what}/{n}")).collect();
        Ok(RunReportRequest {
            name: format!("{practice}/reports/{}", self.report),
            range,
            providers: names("providers", &self.provider),
            clinics: names("clinics", &self.clinic),
            interval: self.interval.map(Interval::asked).unwrap_or_default().into(),
            format: form.map_or(ReportFormat::Rows, Form::asked).into(),
        })
    }
}

async fn show(args: &Args, head: &ReportHead, parts: &mut Parts<'_>) -> anyhow::Result<()> {
    let report = head.report.clone().unwrap_or_default();
    let mut table = reports::Table::new(&columns(head));
    if !args.json {
        super::print(reports::title(head, &report));
    }
    loop {
        match parts.next().await? {
            Some(Part::Rows(part)) if args.json => {
                super::print(part.rows.iter().map(|row| reports::object(&report.columns, row).to_string()));
            }
            Some(Part::Rows(part)) => super::print(table.rows(&part.rows)),
            Some(Part::End(end)) => {
                finish(args, &report, &mut table, &end);
                return Ok(());
            }
            Some(_) => bail!("the answer holds a file where rows were asked for"),
            None => bail!("the stream ended before the report did: what stands above is not whole"),
        }
    }
}

fn finish(args: &Args, report: &Report, table: &mut reports::Table, end: &ReportEnd) {
    let totals = end.totals.clone().unwrap_or_default();
    if args.json {
        let totals = reports::object(&report.columns, &totals);
        println!("{}", json!({"totals": totals, "row_count": end.row_count}));
    } else {
        super::print(table.end(&totals));
        println!("{} rows", render::count(end.row_count));
    }
}

fn columns(head: &ReportHead) -> Vec<chairsync_proto::analytics::ReportColumn> {
    head.report.as_ref().map(|report| report.columns.clone()).unwrap_or_default()
}

/// The parts of a running report.
struct Parts<'a> {
    stream: Streaming<RunReportResponse>,
    gateway: &'a GatewayArgs,
}

impl Parts<'_> {
    async fn next(&mut self) -> anyhow::Result<Option<Part>> {
        let next = tokio::time::timeout(PART_LIMIT, self.stream.message()).await;
        let message = next.with_context(|| format!("no part of the report within {} s", PART_LIMIT.as_secs()))?;
        Ok(message.map_err(|status| self.gateway.refused(&status))?.and_then(|message| message.part))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        args: Args,
    }

    fn typed(words: &[&str]) -> Args {
        Typed::try_parse_from(["report"].iter().chain(words)).unwrap().args
    }

    #[test]
    fn the_form_is_what_the_file_ends_with() {
        let form = |words: &[&str]| typed(words).form();
        assert_eq!(form(&["day-sheet"]).unwrap(), None);
        assert_eq!(form(&["day-sheet", "--out", "a/b.Parquet"]).unwrap(), Some(Form::Parquet));
        assert_eq!(form(&["day-sheet", "--out", "b.arrow"]).unwrap(), Some(Form::Arrow));
        assert_eq!(form(&["day-sheet", "--out", "b", "--format", "csv"]).unwrap(), Some(Form::Csv));
        assert!(form(&["day-sheet", "--out", "b.xlsx"]).unwrap_err().to_string().contains("--format"));
    }

    #[test]
    fn what_is_typed_becomes_the_request() {
        let args = typed(&[
            "payments",
            "--practice",
            "north",
            "--from",
            "2026-03-01",
            "--to",
            "2026-03-31",
            "--provider",
            "0",
        ]);
        let request = args.request(Some(Form::Csv)).unwrap();
        assert_eq!(request.name, "practices/north/reports/payments");
        assert_eq!(request.providers, ["practices/north/providers/0"]);
        assert_eq!(request.range.unwrap().end_date, Some(date_to_proto(jiff::civil::date(2026, 3, 31))));
        let half = typed(&["payments", "--from", "2026-03-01"]).request(None).unwrap_err();
        assert!(half.to_string().starts_with("--to"), "{half}");
    }
}
