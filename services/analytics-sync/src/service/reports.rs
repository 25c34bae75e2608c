//! `ListReports` and `RunReport`.

use std::time::Duration;

use chairsync_proto::{
    analytics::{
        ListReportsRequest, ListReportsResponse, PreferenceInForce, ReportHead, RunReportRequest, RunReportResponse,
        run_report_response::Part,
    },
    feature::Feature,
};
use futures::StreamExt as _;
use mesh::{ErrorReason, Refusal, names};
use tonic::{Code, Status, codegen::BoxStream};

use super::{Analytics, refusal, snapshot::Snapshot};
use crate::{
    books::preferences::Preferences,
    question::Question,
    reports::{
        asked::{Asked, Known},
        files,
        list::{self, Report},
        rows,
        send::Sending,
    },
};

/// Reports under way at the same time.
pub(super) const REPORTS_AT_ONCE: usize = 4;
/// How long one waits for its turn.
const TURN_LIMIT: Duration = Duration::from_secs(10);
/// When a caller who came too early or in a crowd may try again.
const RETRY: Duration = Duration::from_secs(30);

impl Analytics {
    pub(super) async fn reports(&self, request: ListReportsRequest) -> Result<ListReportsResponse, Status> {
        let id = names::practice("practice", &request.practice)?;
        self.states.get(id).await?;
        Ok(ListReportsResponse { reports: list::REPORTS.iter().map(|report| report.to_proto(id)).collect() })
    }

    pub(super) async fn report(&self, request: RunReportRequest) -> Result<BoxStream<RunReportResponse>, Status> {
        let (id, report) = names::under("name", &request.name, "reports")?;
        let report = list::find(report).ok_or_else(not_found)?;
        let snapshot = self.snapshot(id, Feature::GeneralReports).await?;
        let question = question(report, &snapshot)?;
        let asked = Asked::read(report, id, &request, question.date)?;

        let turn = tokio::time::timeout(TURN_LIMIT, self.reporting.clone().acquire_owned()).await;
        let hand = turn.map_err(|_| crowded())?.map_err(|_| Refusal::internal("no report can be run"))?;
        let begin = async {
            let books = self.books(&snapshot).await?;
            let known = Known::read(&books).await?;
            known.check(&request)?;
            let preferences = Preferences::read(&books).await?;
            let rows = rows::read(report, &books, &question, &preferences, &asked, &known).await?;
            Ok((preferences.in_force(), rows))
        };
        let (preferences, rows) = begin.await.map_err(refusal)?;
        let head = Part::Head(head(report, id, &asked, preferences));
        let sending = Sending { report, format: asked.format, currency: question.currency };
        let freshness = snapshot.freshness;
        let parts = sending.stream(head, rows, hand, refusal);
        let answer = move |part: Result<Part, Status>| {
            part.map(|part| RunReportResponse { freshness: Some(freshness.clone()), part: Some(part) })
        };
        Ok(Box::pin(parts.map(answer)))
    }
}

/// As of when the report is asked for. A report cannot leave a part out: without all that it needs there is none.
fn question(report: &Report, snapshot: &Snapshot) -> Result<Question, Refusal> {
    let whole = report.needs.iter().all(|name| snapshot.present.contains(*name));
    snapshot.question(None)?.filter(|_| whole).ok_or_else(|| {
        let message = "the practice's initial sync has not brought all that this report needs yet; \
                       `SyncService/GetFeatureStatus` shows how far it is";
        Refusal::new(Code::FailedPrecondition, ErrorReason::InitialSyncIncomplete, message).retry_after(RETRY)
    })
}

fn head(report: &Report, practice: &str, asked: &Asked, preferences: Vec<PreferenceInForce>) -> ReportHead {
    let (media_type, ending) = files::media_type(asked.format).unwrap_or_default();
    let dates = asked.range(report).map(|_| format!("-{}-{}", asked.from, asked.to)).unwrap_or_default();
    let file_name = match ending {
        "" => String::new(),
        ending => format!("{practice}-{}{dates}.{ending}", report.id),
    };
    ReportHead {
        report: Some(report.to_proto(practice)),
        range: asked.range(report),
        preferences: preferences.into_iter().filter(|p| report.preferences.contains(&p.key.as_str())).collect(),
        media_type: media_type.to_owned(),
        file_name,
    }
}

fn not_found() -> Refusal {
    let message = "there is no such report; `AnalyticsService/ListReports` lists those that there are";
    Refusal::new(Code::NotFound, ErrorReason::ResourceNotFound, message)
}

fn crowded() -> Refusal {
    let message = "other reports are under way; try again, or ask for less at a time";
    Refusal::new(Code::ResourceExhausted, ErrorReason::Overloaded, message).retry_after(RETRY)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::{BTreeMap, BTreeSet};

    use jiff::civil::date;

    use super::*;

    fn snapshot(present: BTreeSet<String>) -> Snapshot {
        Snapshot {
            saved_version: 0,
            practice: "north".into(),
            currency: "USD".into(),
            registered: String::new(),
            versions: BTreeMap::new(),
            present,
            freshness: Default::default(),
            now: Some(date(2026, 3, 31).at(1, 0, 0, 0)),
        }
    }

    /// It is refused, with when to try again, until the last dataset that it needs is there.
    #[test]
    fn a_report_waits_for_all_that_it_needs() {
        for report in list::REPORTS {
            let whole: BTreeSet<String> = report.needs.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(question(report, &snapshot(whole.clone())).unwrap().date, date(2026, 3, 31));
            for lacking in report.needs {
                let mut present = whole.clone();
                present.remove(*lacking);
                let refusal = question(report, &snapshot(present)).unwrap_err();
                assert_eq!(refusal.reason, ErrorReason::InitialSyncIncomplete, "{} without {lacking}", report.id);
                assert_eq!((refusal.code, refusal.retry_after), (Code::FailedPrecondition, Some(RETRY)));
            }
        }
        let nothing = Snapshot { now: None, ..snapshot(BTreeSet::new()) };
        assert!(question(&list::REPORTS[0], &nothing).is_err());
        assert_eq!((not_found().code, not_found().reason), (Code::NotFound, ErrorReason::ResourceNotFound));
    }

    #[test]
    fn a_file_is_named_by_what_was_asked_for() {
        let request = RunReportRequest { format: 3, ..Default::default() };
        let name = |id: &str| {
            let report = list::find(id).unwrap();
            let asked = Asked::read(report, "north", &request, date(2026, 3, 31)).unwrap();
            head(report, "north", &asked, Vec::new()).file_name
        };
        assert_eq!(name("payments"), "north-payments-2026-03-01-2026-03-31.parquet");
        assert_eq!(name("outstanding-claims"), "north-outstanding-claims.parquet");
    }
}
