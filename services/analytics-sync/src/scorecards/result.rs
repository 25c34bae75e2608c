//! A scorecard worked out: a row for each member, a cell for each metric, a value for each period.

use std::collections::{BTreeMap, BTreeSet};

use chairsync_proto::analytics::{Focus, ScorecardCell, ScorecardResult, ScorecardRow};
use mesh::Refusal;

use super::{check::Checked, periods};
use crate::{
    books::{Books, BooksError, preferences::Preferences},
    metrics::{
        Facts, Figure, Member, Metric, Names, Scope,
        range::{self, Range},
        trend::trend,
    },
    question::Question,
};

/// The datasets that a scorecard is worked out from.
pub fn datasets(checked: &Checked) -> BTreeSet<&'static str> {
    let of_metrics = checked.metrics.iter().flat_map(|metric| metric.datasets());
    of_metrics.chain(["provider", "clinic", "preference"]).collect()
}

/// Refuses members that the practice does not have. Codes are not looked up: one that nobody used has a row of nothing.
///
/// # Errors
/// `INVALID_FIELD` on the member.
pub fn known(checked: &Checked, names: &Names) -> Result<(), Refusal> {
    let unknown = checked.members.iter().position(|member| match member {
        Member::Provider(number) => names.provider(*number).is_none(),
        Member::Clinic(number) => names.clinic(*number).is_none(),
        Member::Code(_) => false,
    });
    match unknown {
        None => Ok(()),
        Some(place) => {
            let fault = "is not in the PMS as of this snapshot; leave it out";
            Err(Refusal::invalid(format!("scorecard.members[{place}]"), fault))
        }
    }
}

/// Works a scorecard out as of the question's date.
///
/// # Errors
/// See [`BooksError`].
pub async fn work_out(books: &Books, question: &Question, checked: &Checked) -> Result<ScorecardResult, BooksError> {
    let preferences = Preferences::read(books).await?;
    let ranges = periods::ranges(checked.period, checked.comparison, question.date);
    let span =
        ranges.iter().fold((question.date, question.date), |span, range| (span.0.min(range.0), span.1.max(range.1)));
    let facts = Facts::read(books, question, &preferences, &checked.metrics, span).await?;
    known(checked, facts.names())?;
    let columns: Vec<Column> =
        checked.metrics.iter().map(|metric| Column::of(&facts, checked, metric, &ranges)).collect();
    let row = |member: &Member| ScorecardRow {
        member: member.name(&question.practice),
        display_name: facts.label(member),
        cells: columns.iter().map(|column| column.cell(&facts, Some(member))).collect(),
    };
    let total =
        ScorecardRow { cells: columns.iter().map(|column| column.cell(&facts, None)).collect(), ..Default::default() };
    Ok(ScorecardResult {
        periods: ranges.iter().map(|range| range::to_proto(*range)).collect(),
        rows: members(&facts, checked, &columns).iter().map(row).collect(),
        total: Some(total),
        preferences: preferences.in_force(),
    })
}

/// The rows: those that the scorecard names, or all that have data, by name, "unassigned" last.
fn members(facts: &Facts, checked: &Checked, columns: &[Column]) -> Vec<Member> {
    if !checked.members.is_empty() {
        return checked.members.clone();
    }
    let found: BTreeSet<&Member> =
        columns.iter().flat_map(|column| &column.periods).flat_map(|p| p.by.keys()).collect();
    let mut found: Vec<Member> = found.into_iter().cloned().collect();
    let unassigned = |member: &Member| match member {
        Member::Provider(number) | Member::Clinic(number) => *number == 0,
        Member::Code(code) => code.is_empty(),
    };
    found.sort_by_cached_key(|member| (unassigned(member), facts.label(member), member.clone()));
    found
}

/// A metric in all periods, newest first.
struct Column {
    metric: &'static Metric,
    periods: Vec<InPeriod>,
}

/// A metric in one period.
struct InPeriod {
    range: Range,
    by: BTreeMap<Member, Figure>,
    /// Of a member without data.
    nothing: Figure,
    total: Figure,
}

impl Column {
    fn of(facts: &Facts, checked: &Checked, metric: &'static Metric, ranges: &[Range]) -> Self {
        let everyone = Scope::default();
        let nobody = match checked.focus {
            Focus::Location => Scope { clinics: Some(BTreeSet::new()), ..Scope::default() },
            Focus::ProcedureCode => Scope { codes: Some(BTreeSet::new()), ..Scope::default() },
            _ => Scope { providers: Some(BTreeSet::new()), ..Scope::default() },
        };
        let period = |(place, range): (usize, &Range)| {
            // What a state was before the snapshot cannot be told of every metric.
            if place > 0 && !metric.has_history() {
                return InPeriod { range: *range, by: BTreeMap::new(), nothing: Figure::None, total: Figure::None };
            }
            InPeriod {
                range: *range,
                by: facts.by(metric, *range, &everyone, checked.focus),
                nothing: facts.figure(metric, *range, &nobody),
                total: facts.figure(metric, *range, &everyone),
            }
        };
        Self { metric, periods: ranges.iter().enumerate().map(period).collect() }
    }

    /// The cell of a member, or of the total.
    fn cell(&self, facts: &Facts, member: Option<&Member>) -> ScorecardCell {
        let figure = |period: &InPeriod| match member {
            Some(member) => period.by.get(member).copied().unwrap_or(period.nothing),
            None => period.total,
        };
        let figures: Vec<(Range, Figure)> = self.periods.iter().map(|period| (period.range, figure(period))).collect();
        let with_value = figures.iter().filter(|(_, figure)| figure.shown(self.metric.unit).is_some()).count();
        let oldest_first: Vec<(Range, Figure)> = figures.iter().rev().copied().collect();
        ScorecardCell {
            metric: self.metric.id.to_owned(),
            values: figures.iter().map(|(_, figure)| facts.shown(self.metric, *figure)).collect(),
            trend: (with_value >= 2)
                .then(|| trend(&oldest_first, self.metric.unit, self.metric.polarity, facts.currency())),
        }
    }
}
