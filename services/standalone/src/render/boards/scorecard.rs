//! A scorecard.

use chairsync_proto::analytics::{GetScorecardResponse, ScorecardResult, ScorecardRow};
use jiff::Timestamp;

use super::{foot, head, part};
use crate::render::{
    figures::{metric, range, trend},
    printable,
    table::table_of_figures,
};

/// A table for each metric: the period, the one before it, the trend over all.
pub fn lines(answer: &GetScorecardResponse, now: Timestamp) -> Vec<String> {
    let card = answer.scorecard.clone().unwrap_or_default();
    let periods = answer.result.as_ref().map(|result| result.periods.as_slice()).unwrap_or_default();
    let mut lines = head(&printable(&card.display_name), &range(periods.first()), answer.freshness.as_ref(), now);
    if let Some(result) = &answer.result {
        for (place, id) in card.metrics.iter().enumerate() {
            part(&mut lines, &id.replace('_', " "), table(result, place));
        }
        foot(&mut lines, &[], &result.preferences);
    }
    lines
}

fn table(result: &ScorecardResult, place: usize) -> Vec<String> {
    let total = result.total.iter().map(|row| ("total".to_owned(), row));
    let rows = result.rows.iter().map(|row| (printable(&row.display_name), row));
    let cells = |(name, row): (String, &ScorecardRow)| {
        let cell = row.cells.get(place);
        let value = |n: usize| metric(cell.and_then(|cell| cell.values.get(n)));
        [name, value(0), value(1), trend(cell.and_then(|cell| cell.trend.as_ref()))]
    };
    let rows: Vec<[String; 4]> = total.chain(rows).map(cells).collect();
    table_of_figures(["", "PERIOD", "BEFORE", "TREND"], &rows)
}
