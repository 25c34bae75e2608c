//! Performance Board.

use chairsync_proto::analytics::{GetPerformanceBoardResponse, Ticker, Tile};
use jiff::Timestamp;

use super::{foot, head, pairs, part};
use crate::render::{
    count,
    figures::{count_ratio, metric, money, percent, range, rate, sense, trend},
    printable,
    table::table_of_figures,
    time::NONE,
};

/// The board: its ticker, then a line for each tile.
pub fn lines(board: &GetPerformanceBoardResponse, now: Timestamp) -> Vec<String> {
    let mut lines = head("Performance Board", &range(board.range.as_ref()), board.freshness.as_ref(), now);
    if let Some(figures) = &board.ticker {
        part(&mut lines, "ticker", ticker(figures));
    }
    part(&mut lines, "tiles", tiles(&board.tiles));
    foot(&mut lines, &board.absent_sections, &board.preferences);
    lines
}

fn ticker(figures: &Ticker) -> Vec<String> {
    let number = |n: Option<i64>| n.map_or_else(|| NONE.to_owned(), count);
    pairs([
        ("yesterday produced", money(figures.yesterday_production.as_ref())),
        ("today on schedule", money(figures.today_on_schedule_production.as_ref())),
        ("tomorrow on schedule", money(figures.tomorrow_on_schedule_production.as_ref())),
        ("active patients", number(figures.active_patients)),
        ("active in hygiene", number(figures.active_hygiene)),
        ("pre-appointed", count_ratio(figures.pre_appointment_pct.as_ref())),
        ("hygiene pre-appointed", count_ratio(figures.hygiene_pre_appointment_pct.as_ref())),
        ("future appointments", number(figures.future_appointments)),
        ("production a visit", rate(figures.production_per_visit.as_ref())),
        ("perio", count_ratio(figures.perio_pct.as_ref())),
    ])
}

/// A table of tiles, each with its parts under it.
pub(super) fn tiles(tiles: &[Tile]) -> Vec<String> {
    let mut rows: Vec<[String; 4]> = Vec::new();
    for tile in tiles {
        let year = tile.year_over_year.as_ref();
        let change = year.and_then(|year| year.change_percent).map(|change| {
            let sense = year.map_or("", |year| sense(year.sense()));
            format!("{}{}{sense}", if change > 0.0 { "+" } else { "" }, percent(Some(change)))
        });
        rows.push([
            printable(&tile.display_name),
            metric(tile.value.as_ref()),
            trend(tile.weekly_trend.as_ref()),
            change.unwrap_or_else(|| NONE.to_owned()),
        ]);
        let splits = tile.splits.iter().map(|split| (&split.display_name, &split.value));
        let figures = tile.figures.iter().map(|figure| (&figure.display_name, &figure.value));
        rows.extend(splits.chain(figures).map(|(name, value)| {
            [format!("  {}", printable(name)), metric(value.as_ref()), String::new(), String::new()]
        }));
    }
    match rows.is_empty() {
        true => Vec::new(),
        false => table_of_figures(["", "VALUE", "LAST 13 WEEKS", "YEAR OVER YEAR"], &rows),
    }
}
