//! `ListBoardRows`: the rows behind one figure of a board.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use chairsync_proto::{
    analytics::{Board, ListBoardRowsRequest, ListBoardRowsResponse},
    feature::Feature,
};
use jiff::civil::Date;
use mesh::{ErrorReason, Refusal, names, pages};
use prost::Message;
use tonic::{Code, Status};

use super::{Analytics, snapshot::Snapshot};
use crate::{
    collections,
    metrics::{
        self, Scope,
        board_rows::{self, Asked, Dates},
        range,
    },
    performance,
};

const PAGE_DEFAULT: i32 = 100;
const PAGE_MAX: i32 = 1_000;

impl Analytics {
    pub(super) async fn board_rows(&self, request: ListBoardRowsRequest) -> Result<ListBoardRowsResponse, Status> {
        let id = names::practice("practice", &request.practice)?;
        let (feature, shown) = board(request.board)?;
        let metric = metrics::find("metric", &request.metric)?;
        let size = pages::size(request.page_size, PAGE_DEFAULT, PAGE_MAX)?;
        let scope = Scope::parse(id, &request.providers, &request.clinics, &request.procedure_codes)?;
        // The default follows the snapshot's date, which is not known yet.
        let named = request.range.as_ref();
        let named = named.map(|named| range::read("range", Some(named), (Date::MIN, Date::MIN))).transpose()?;
        let filters = filters(&request);
        let list = pages::List { what: "board_rows", of: &filters };
        let position = list.position(&request.page_token)?;
        let mut asked = Asked { metric, dates: Dates::Yesterday, scope, split: request.split.clone(), after: 0, size };
        asked.check()?;

        let snapshot = self.snapshot(id, feature).await?;
        let freshness = Some(snapshot.freshness.clone());
        let nothing = ListBoardRowsResponse { freshness: freshness.clone(), ..Default::default() };
        let Some(question) = snapshot.question(None)? else { return Ok(nothing) };
        asked.dates = named.map_or_else(|| shown(question.date), Dates::Range);
        let needed: BTreeSet<&str> = metric.datasets().into_iter().chain(["provider", "clinic", "patient"]).collect();
        let version = version(&snapshot, &needed);
        if let Some(position) = position {
            asked.after = after(&position, &version)?;
        }
        // While the initial sync runs there is no figure to show the rows of.
        if needed.iter().any(|dataset| !snapshot.versions.contains_key(*dataset)) {
            return Ok(nothing);
        }

        let begun = asked.after;
        let page: ListBoardRowsResponse = self
            .computed("ListBoardRows", &request, snapshot, move |books| async move {
                board_rows::page(&books, &question, &asked).await
            })
            .await?;
        let end = begun.saturating_add(page.rows.len());
        let more = i64::try_from(end).is_ok_and(|end| end < page.total_rows) && !page.rows.is_empty();
        let next_page_token = if more { list.token(&format!("{version}/{end}")) } else { String::new() };
        Ok(ListBoardRowsResponse { next_page_token, freshness, ..page })
    }
}

/// The dates that a board shows as of D.
type Shown = fn(Date) -> Dates;

/// A board's feature, and the dates that it shows unless others are asked for.
fn board(board: i32) -> Result<(Feature, Shown), Refusal> {
    match Board::try_from(board) {
        Ok(Board::MorningHuddle) => Ok((Feature::MorningHuddle, |_| Dates::Yesterday)),
        Ok(Board::Performance) => Ok((Feature::PerformanceBoard, |d| Dates::Range(performance::default_range(d)))),
        Ok(Board::Collections) => Ok((Feature::CollectionsBoard, |d| Dates::Range(collections::default_range(d)))),
        Ok(Board::ProviderPulse) => Ok((Feature::ProviderPulse, |d| Dates::Range(range::week_of(d)))),
        Ok(Board::Scorecard) => Ok((Feature::Scorecards, |d| Dates::Range(range::week_before(d)))),
        Ok(Board::Unspecified) | Err(_) => {
            Err(Refusal::invalid("board", "is required: the board that shows the figure"))
        }
    }
}

/// What a token is bound to beside the data: all of the request but its page.
fn filters(request: &ListBoardRowsRequest) -> String {
    let bound = ListBoardRowsRequest { page_size: 0, page_token: String::new(), ..request.clone() };
    let mut hasher = DefaultHasher::new();
    bound.encode_to_vec().hash(&mut hasher);
    format!("{}/{:016x}", request.practice, hasher.finish())
}

/// What tells one set of the accepted tables that a figure is `read` from, and one date, from another: a dataset that it
/// is not read from may come meanwhile.
fn version(snapshot: &Snapshot, read: &BTreeSet<&str>) -> String {
    let versions: Vec<_> = snapshot.versions.iter().filter(|(dataset, _)| read.contains(dataset.as_str())).collect();
    let mut hasher = DefaultHasher::new();
    (&snapshot.registered, versions, snapshot.now.map(|now| now.to_string())).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// How many rows come before the page of a position.
fn after(position: &str, version: &str) -> Result<usize, Refusal> {
    let refused = |sentence: &str| {
        Refusal::new(Code::InvalidArgument, ErrorReason::PageTokenInvalid, sentence).on_field("page_token")
    };
    let not_one = "is not a token of this list; leave it empty to start over";
    let (of, after) = position.split_once('/').ok_or_else(|| refused(not_one))?;
    if of != version {
        return Err(refused("is of data that has been synced again since; leave it empty to start over"));
    }
    after.parse().map_err(|_| refused(not_one))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_token_is_of_one_figure_and_one_snapshot() {
        let request = ListBoardRowsRequest {
            practice: "practices/north".into(),
            metric: "gross_production".into(),
            board: Board::Performance.into(),
            ..Default::default()
        };
        let token_of = |request: &ListBoardRowsRequest| {
            let filters = filters(request);
            pages::List { what: "board_rows", of: &filters }.token("v1/100")
        };
        let token = token_of(&request);
        let read = |request: &ListBoardRowsRequest| {
            let filters = filters(request);
            pages::List { what: "board_rows", of: &filters }.position(&token)
        };
        assert_eq!(read(&request).unwrap().as_deref(), Some("v1/100"));
        let paged = ListBoardRowsRequest { page_size: 7, page_token: token.clone(), ..request.clone() };
        assert!(read(&paged).is_ok(), "the size of the page may change");
        let day = jiff::civil::date(2026, 3, 31);
        let changed = [
            ListBoardRowsRequest { metric: "collections".into(), ..request.clone() },
            ListBoardRowsRequest { split: "hygiene".into(), ..request.clone() },
            ListBoardRowsRequest { providers: vec!["practices/north/providers/1".into()], ..request.clone() },
            ListBoardRowsRequest { board: Board::Scorecard.into(), ..request.clone() },
            ListBoardRowsRequest { practice: "practices/south".into(), ..request.clone() },
            ListBoardRowsRequest { range: Some(range::to_proto((day, day))), ..request.clone() },
        ];
        for other in &changed {
            assert_eq!(read(other).unwrap_err().reason, ErrorReason::PageTokenInvalid);
        }
        assert_eq!(after("v1/100", "v1").unwrap(), 100);
        for bad in ["v2/100", "v1/x", "v1", ""] {
            assert_eq!(after(bad, "v1").unwrap_err().field.unwrap().0, "page_token", "{bad}");
        }
    }

    #[test]
    fn every_board_has_a_feature_and_dates() {
        let d = jiff::civil::date(2026, 3, 31);
        for known in
            [Board::MorningHuddle, Board::Performance, Board::Collections, Board::ProviderPulse, Board::Scorecard]
        {
            let (_, dates) = board(known.into()).unwrap();
            assert!(matches!(dates(d), Dates::Yesterday) || matches!(dates(d), Dates::Range((from, to)) if from <= to));
        }
        for unknown in [0, 99, -1] {
            assert_eq!(board(unknown).err().unwrap().field.unwrap().0, "board");
        }
    }
}
