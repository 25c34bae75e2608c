//! A page of the rows behind one figure of a board, with the names of their patients.
//!
//! Rows that belong to dates are read year by year: a large practice has millions in ten years, and the memory for those of
//! one year is enough. What was read is kept for the pages that are turned next.

use std::{
    collections::{BTreeSet, HashMap},
    hash::Hash,
    ops,
    sync::Arc,
};

use chairsync_proto::analytics::{BoardRow, ListBoardRowsResponse, PatientRef};
use futures::TryStreamExt as _;
use jiff::{ToSpan as _, civil::Date};
use mesh::Refusal;

use super::{
    Facts, Figure, Metric, Names, Range, Scope,
    rows::{Row, part},
};
use crate::{
    books::{Answer, Books, BooksError, Given, preferences::Preferences},
    cache::Cache,
    question::Question,
    refs,
};

/// Which figure's rows are asked for, and which page of them.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The metric.
    pub metric: &'static Metric,
    /// The dates of the figure.
    pub dates: Dates,
    /// Whose and where.
    pub scope: Scope,
    /// The part of the figure; empty: all of it.
    pub split: String,
    /// How many rows come before the page.
    pub after: usize,
    /// The most rows of the page.
    pub size: usize,
}

/// The dates of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dates {
    /// A range.
    Range(Range),
    /// The last date before D with a visit or an appointment, as the huddle's "yesterday"; D itself where there is none.
    Yesterday,
}

impl Asked {
    /// Refuses what the metric cannot be narrowed by or split into.
    ///
    /// # Errors
    /// `INVALID_FIELD` on `providers`, `clinics`, `procedure_codes` or `split`.
    pub fn check(&self) -> Result<(), Refusal> {
        part(self.metric, &self.split)?;
        let narrowed = [
            ("providers", Scope { clinics: None, codes: None, ..self.scope.clone() }),
            ("clinics", Scope { providers: None, codes: None, ..self.scope.clone() }),
            ("procedure_codes", Scope { providers: None, clinics: None, ..self.scope.clone() }),
        ];
        match narrowed.iter().find(|(_, scope)| !scope.covers(self.metric)) {
            Some((field, _)) => {
                let fault = format!("{} cannot be split so; leave it empty, see `Metric.splits`", self.metric.id);
                Err(Refusal::invalid(*field, fault))
            }
            None => Ok(()),
        }
    }
}

/// The bytes of rows that are kept.
const KEPT_BYTES: usize = 96 << 20;
/// The figures whose rows are counted.
const KEPT_COUNTS: usize = 1_000;

/// Rows that were read, for the pages that are turned next. `S` tells the data of one snapshot from another's.
pub struct Kept<S> {
    parts: Cache<(OneFigure<S>, Range), Part>,
    counts: Cache<(OneFigure<S>, Range), Counts>,
}

/// A figure, whatever its dates.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct OneFigure<S> {
    snapshot: S,
    metric: &'static str,
    scope: Scope,
    split: String,
}

/// The rows of a part of a figure's dates, in their order.
struct Part {
    rows: Vec<Row>,
    figure: Figure,
    /// What rows are named with; its facts are let go.
    names: Facts,
}

/// How many rows each part of a figure has, and the figure of all.
#[derive(Debug, Clone)]
struct Counts {
    rows: Vec<usize>,
    figure: Figure,
}

impl<S: Clone + Eq + Hash> Default for Kept<S> {
    fn default() -> Self {
        Self { parts: Cache::new(KEPT_BYTES, Part::bytes), counts: Cache::new(KEPT_COUNTS, |_| 1) }
    }
}

impl Part {
    async fn read(
        books: &Books,
        question: &Question,
        preferences: &Preferences,
        asked: &Asked,
        dates: Range,
    ) -> Result<Self, BooksError> {
        let metric = asked.metric;
        let mut facts = Facts::read(books, question, preferences, &[metric], dates).await?;
        let rows = facts.rows(metric, dates, &asked.scope, &asked.split)?;
        let figure = facts.figure_of(metric, dates, &asked.scope, part(metric, &asked.split)?);
        facts.by_family.clear();
        Ok(Self { rows, figure, names: facts })
    }

    fn bytes(&self) -> usize {
        self.rows.len() * size_of::<Row>()
    }
}

/// The parts in which the rows of a range are read, in the order of their dates.
fn parts(metric: &Metric, range: Range) -> Vec<Range> {
    if !metric.adds_up_by_date() {
        return vec![range];
    }
    let (mut from, mut parts) = (range.0, Vec::new());
    loop {
        let next = from.saturating_add(1.year());
        let last = next.saturating_sub(1.day()).min(range.1);
        parts.push((from, last));
        if last == range.1 {
            return parts;
        }
        from = next;
    }
}

/// Reads the page. Its token is the caller's to add; freshness too.
///
/// # Errors
/// See [`BooksError`]; refused where a provider or location is named that the practice does not have.
pub async fn page<S: Clone + Eq + Hash>(
    kept: &Kept<S>,
    snapshot: S,
    books: &Books,
    question: &Question,
    asked: &Asked,
) -> Result<ListBoardRowsResponse, BooksError> {
    let names = Names::read(books).await?;
    asked.scope.check(&names)?;
    let preferences = Preferences::read(books).await?;
    let metric = asked.metric;
    let range = match asked.dates {
        Dates::Range(range) => range,
        Dates::Yesterday => {
            let day = last_worked(books, question.date).await?.unwrap_or(question.date);
            (day, day)
        }
    };
    let (scope, split) = (asked.scope.clone(), asked.split.clone());
    let figure = OneFigure { snapshot, metric: metric.id, scope, split };
    let parts = parts(metric, range);
    let part = |dates: Range| {
        let read = Part::read(books, question, &preferences, asked, dates);
        kept.parts.get((figure.clone(), dates), read)
    };
    let count = async {
        let mut counts = Counts { rows: Vec::with_capacity(parts.len()), figure: Figure::None };
        for dates in &parts {
            let part = part(*dates).await?;
            counts.rows.push(part.rows.len());
            counts.figure = counts.figure.plus(part.figure);
        }
        Ok::<_, BooksError>(counts)
    };
    let counts = kept.counts.get((figure.clone(), range), count).await?;

    let mut shown: Vec<(Arc<Part>, ops::Range<usize>)> = Vec::new();
    let (end, mut before) = (asked.after.saturating_add(asked.size), 0);
    for (dates, count) in parts.iter().zip(&counts.rows) {
        let from = asked.after.max(before) - before;
        let until = end.min(before + count).saturating_sub(before);
        if from < until {
            shown.push((part(*dates).await?, from..until));
        }
        before += count;
    }
    let shown = || shown.iter().flat_map(|(part, these)| part.rows[these.clone()].iter().map(move |row| (part, row)));
    let wanted: BTreeSet<i64> = shown().map(|(_, row)| row.patient).filter(|patient| *patient != 0).collect();
    let patients = patients(books, &question.practice, &wanted).await?;
    let row = |(part, row): (&Arc<Part>, &Row)| -> BoardRow {
        part.names.row_to_proto(metric, row, patients.get(&row.patient).cloned())
    };
    Ok(ListBoardRowsResponse {
        rows: shown().map(row).collect(),
        total: Some(counts.figure.to_value(metric.unit, &question.currency)),
        total_rows: i64::try_from(before).unwrap_or(i64::MAX),
        ..Default::default()
    })
}

async fn last_worked(books: &Books, d: Date) -> Result<Option<Date>, BooksError> {
    let dates = books.ask(include_str!("../huddle/sql/dates.sql"), &[("d", Given::Date(d))]).await?;
    Ok(dates.date(0, "last_worked")?)
}

/// The patients of a page, by number; those that the PMS no longer has are named by their number alone.
async fn patients(
    books: &Books,
    practice: &str,
    wanted: &BTreeSet<i64>,
) -> Result<HashMap<i64, PatientRef>, BooksError> {
    let unknown = |number: &i64| (*number, refs::patient(practice, *number, "", "", ""));
    let mut found: HashMap<i64, PatientRef> = wanted.iter().map(unknown).collect();
    if wanted.is_empty() {
        return Ok(found);
    }
    let mut stream = books.stream(include_str!("sql/patients.sql"), &[]).await?;
    while let Some(batch) = stream.try_next().await? {
        let rows = Answer::new(batch);
        for row in 0..rows.len() {
            let number = rows.number(row, "pat_num")?;
            if let Some(patient) = found.get_mut(&number) {
                let (last, first) = (rows.text(row, "l_name")?, rows.text(row, "f_name")?);
                *patient = refs::patient(practice, number, last, first, rows.text(row, "preferred")?);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]
    use jiff::civil::date;

    use super::*;
    use crate::metrics;

    #[test]
    fn parts_are_the_range_without_gaps() {
        let production = metrics::get("gross_production").expect("a metric");
        for (from, to, count) in [
            (date(2024, 2, 29), date(2024, 2, 29), 1),
            (date(2024, 2, 29), date(2025, 2, 28), 2),
            (date(2016, 3, 1), date(2026, 2, 28), 10),
        ] {
            let parts = parts(production, (from, to));
            assert_eq!((parts.len(), parts[0].0, parts[count - 1].1), (count, from, to));
            assert!(parts.windows(2).all(|two| two[0].1.saturating_add(1.day()) == two[1].0), "{parts:?}");
        }
    }

    #[test]
    fn what_counts_patients_or_looks_back_is_read_whole() {
        let whole = (date(2016, 3, 1), date(2026, 2, 28));
        for metric in metrics::all().iter().filter(|metric| !metric.adds_up_by_date()) {
            assert_eq!(parts(metric, whole), [whole], "{}", metric.id);
        }
        for (metric, adds_up) in [("visits", true), ("collections", true), ("active_patients", false)] {
            assert_eq!(metrics::get(metric).expect("a metric").adds_up_by_date(), adds_up, "{metric}");
        }
    }
}
