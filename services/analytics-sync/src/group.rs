//! A board across practices: each practice's figures, exact, and their sums.
//!
//! Figures are added before they are rounded or divided: a group's ratio is the ratio of the sums, never a mean of ratios.
//! Amounts of two currencies are not added.

use std::collections::BTreeSet;

use chairsync_proto::analytics::{Board, GetGroupBoardRequest, MetricValue, ScorecardCell};
use mesh::Refusal;

use crate::{
    books::{Books, BooksError, preferences::Preferences},
    collections,
    metrics::{self, Facts, Figure, Metric, Range, Scope, range, trend::trend},
    performance,
    question::Question,
    scorecards::{
        check,
        periods::{self, Comparison, Period},
    },
};

/// The practices of a group board.
pub const PRACTICES_MAX: usize = 50;

/// What is asked of each practice.
#[derive(Clone)]
pub struct Asked {
    /// The metrics, in order.
    pub metrics: Vec<&'static Metric>,
    periods: Periods,
}

#[derive(Clone, Copy)]
enum Periods {
    /// This range.
    Of(Range),
    /// The month so far.
    Month,
    /// A scorecard's.
    Scorecard(Period, Comparison),
}

/// A practice's figures: a row for each metric, a figure for each period, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// The periods.
    pub periods: Vec<Range>,
    /// By metric, by period.
    pub rows: Vec<Vec<Figure>>,
}

impl Asked {
    /// Reads what is asked.
    ///
    /// # Errors
    /// `INVALID_FIELD` on `board`, `range`, or under `scorecard`.
    pub fn parse(request: &GetGroupBoardRequest) -> Result<Self, Refusal> {
        let tiles = match Board::try_from(request.board) {
            Ok(Board::Performance) => performance::TILES.iter().map(|tile| tile.metric).collect(),
            Ok(Board::Collections) => collections::shown().map(|metric| metric.id).collect::<Vec<_>>(),
            Ok(Board::Scorecard) => return Self::of_scorecard(request),
            _ => {
                return Err(Refusal::invalid(
                    "board",
                    "must be the performance board, the collections board or a scorecard",
                ));
            }
        };
        if request.scorecard.is_some() {
            return Err(Refusal::invalid("scorecard", "must be left out with another board"));
        }
        let given = request.range.as_ref();
        let nothing = (jiff::civil::Date::MIN, jiff::civil::Date::MIN);
        let given = given.map(|given| range::read("range", Some(given), nothing)).transpose()?;
        let metrics = tiles.into_iter().filter_map(metrics::get).collect();
        Ok(Self { metrics, periods: given.map_or(Periods::Month, Periods::Of) })
    }

    fn of_scorecard(request: &GetGroupBoardRequest) -> Result<Self, Refusal> {
        let Some(scorecard) = &request.scorecard else { return Err(Refusal::invalid("scorecard", "is missing")) };
        if request.range.is_some() {
            return Err(Refusal::invalid("range", "must be left out: the scorecard says its period"));
        }
        if scorecard.focus != 0 || !scorecard.members.is_empty() {
            return Err(Refusal::invalid("scorecard.focus", "must be left out: the rows are the practices"));
        }
        let metrics = check::metrics_of_practices(scorecard)?;
        Ok(Self { metrics, periods: Periods::Scorecard(Period::of(scorecard)?, Comparison::of(scorecard)?) })
    }

    /// The datasets that it is worked out from.
    pub fn datasets(&self) -> BTreeSet<&'static str> {
        let of_metrics = self.metrics.iter().flat_map(|metric| metric.datasets());
        of_metrics.chain(["provider", "clinic", "preference"]).collect()
    }

    /// The periods as of a practice's date, newest first.
    fn ranges(&self, d: jiff::civil::Date) -> Vec<Range> {
        match self.periods {
            Periods::Of(range) => vec![range],
            Periods::Month => vec![performance::default_range(d)],
            Periods::Scorecard(period, comparison) => periods::ranges(period, comparison, d),
        }
    }
}

/// Works out a practice's figures.
///
/// # Errors
/// See [`BooksError`].
pub async fn work_out(books: &Books, question: &Question, asked: &Asked) -> Result<Figures, BooksError> {
    let preferences = Preferences::read(books).await?;
    let d = question.date;
    let periods = asked.ranges(d);
    let span = periods.iter().fold((d, d), |span, range| (span.0.min(range.0), span.1.max(range.1)));
    let facts = Facts::read(books, question, &preferences, &asked.metrics, span).await?;
    let everyone = Scope::default();
    let figures = |metric: &&'static Metric| {
        let figure = |(place, range): (usize, &Range)| match place > 0 && !metric.has_history() {
            true => Figure::None, // what a state was before the snapshot cannot be told of every metric
            false => facts.figure(metric, *range, &everyone),
        };
        periods.iter().enumerate().map(figure).collect()
    };
    Ok(Figures { rows: asked.metrics.iter().map(figures).collect(), periods })
}

/// A practice's cells.
pub fn cells(metrics: &[&'static Metric], figures: &Figures, currency: &str) -> Vec<ScorecardCell> {
    let cell = |(metric, row): (&&'static Metric, &Vec<Figure>)| {
        let points: Vec<(Range, Figure)> = figures.periods.iter().copied().zip(row.iter().copied()).collect();
        let with_value = points.iter().filter(|(_, figure)| figure.shown(metric.unit).is_some()).count();
        let oldest_first: Vec<_> = points.into_iter().rev().collect();
        ScorecardCell {
            metric: metric.id.to_owned(),
            values: values(metric, row, currency),
            trend: (with_value >= 2).then(|| trend(&oldest_first, metric.unit, metric.polarity, currency)),
        }
    };
    metrics.iter().zip(&figures.rows).map(cell).collect()
}

/// The cells of practices together.
pub fn total(metrics: &[&'static Metric], practices: &[&Figures], currency: &str) -> Vec<ScorecardCell> {
    let Some((first, others)) = practices.split_first() else { return Vec::new() };
    let mut sums = first.rows.clone();
    for other in others {
        for (sum, figure) in sums.iter_mut().flatten().zip(other.rows.iter().flatten()) {
            *sum = sum.with(*figure);
        }
    }
    let cell = |(metric, row): (&&'static Metric, &Vec<Figure>)| ScorecardCell {
        metric: metric.id.to_owned(),
        values: values(metric, row, currency),
        trend: None,
    };
    metrics.iter().zip(&sums).map(cell).collect()
}

fn values(metric: &Metric, row: &[Figure], currency: &str) -> Vec<MetricValue> {
    row.iter().map(|figure| figure.to_value(metric.unit, currency)).collect()
}
