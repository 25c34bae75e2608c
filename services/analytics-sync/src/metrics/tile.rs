//! Tiles of boards: a figure with its parts, trend, and the year before.

use chairsync_proto::analytics::{Tile, TileFigure};
use jiff::{ToSpan, civil::Date};

use super::{
    facts::Facts,
    list,
    metric::{Metric, Time},
    range::{Range, week_start, weeks_before, year_earlier},
    scope::Scope,
    trend::{trend_of, year_over_year},
};

/// The weeks of a tile's trend.
pub const TREND_WEEKS: u8 = 13;

/// What a tile shows.
#[derive(Debug, Clone, Copy)]
pub struct TileSpec {
    /// The tile's id, stable.
    pub id: &'static str,
    /// What people call it.
    pub display_name: &'static str,
    /// The metric's id.
    pub metric: &'static str,
    /// The ids of metrics that stand beside it.
    pub figures: &'static [&'static str],
}

impl TileSpec {
    /// Its metrics, its own first.
    pub fn metrics(&self) -> impl Iterator<Item = &'static Metric> + use<> {
        std::iter::once(self.metric).chain(self.figures.iter().copied()).filter_map(list::get)
    }
}

/// The span of facts that tiles over `range` need as of `d`: the range, the same a year earlier, and the weeks.
pub fn span(range: Range, d: Date) -> Range {
    let first = year_earlier((range.0.min(d), range.1)).0;
    let weeks = week_start(d).saturating_sub((7 * i64::from(TREND_WEEKS)).days());
    (first.min(weeks), range.1.max(d))
}

/// Works out a tile. What is a state is shown as of D. None where the list lacks its metric.
pub fn tile(facts: &Facts, spec: &TileSpec, range: Range, scope: &Scope) -> Option<Tile> {
    let metric = list::get(spec.metric)?;
    let over = |metric: &Metric| if metric.point_in_time() { (facts.d(), facts.d()) } else { range };
    let figure = |id: &&'static str| {
        let metric = list::get(id)?;
        Some(TileFigure {
            metric: metric.id.to_owned(),
            display_name: metric.display_name.to_owned(),
            value: Some(facts.value(metric, over(metric), scope)),
        })
    };
    let told = metric.time != Time::Snapshot;
    Some(Tile {
        id: spec.id.to_owned(),
        display_name: spec.display_name.to_owned(),
        metric: metric.id.to_owned(),
        value: Some(facts.value(metric, over(metric), scope)),
        definition: metric.definition.to_owned(),
        polarity: metric.polarity.into(),
        splits: facts.parts(metric, over(metric), scope),
        figures: spec.figures.iter().filter_map(figure).collect(),
        weekly_trend: told.then(|| trend_of(facts, metric, &weeks_before(facts.d(), TREND_WEEKS), scope)),
        year_over_year: told.then(|| year_over_year(facts, metric, over(metric), scope)),
    })
}
