//! A page of the rows behind one figure of a board, with the names of their patients.

use std::collections::{BTreeSet, HashMap};

use chairsync_proto::analytics::{BoardRow, ListBoardRowsResponse, PatientRef};
use futures::TryStreamExt as _;
use jiff::civil::Date;
use mesh::Refusal;

use super::{
    Facts, Metric, Names, Range, Scope,
    rows::{Row, part},
};
use crate::{
    books::{Answer, Books, BooksError, Given, preferences::Preferences},
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

/// Reads the page. Its token is the caller's to add; freshness too.
///
/// # Errors
/// See [`BooksError`]; refused where a provider or location is named that the practice does not have.
pub async fn page(books: &Books, question: &Question, asked: &Asked) -> Result<ListBoardRowsResponse, BooksError> {
    asked.scope.check(&Names::read(books).await?)?;
    let preferences = Preferences::read(books).await?;
    let metric = asked.metric;
    let range = match asked.dates {
        Dates::Range(range) => range,
        Dates::Yesterday => {
            let day = last_worked(books, question.date).await?.unwrap_or(question.date);
            (day, day)
        }
    };
    let facts = Facts::read(books, question, &preferences, &[metric], range).await?;
    let rows = facts.rows(metric, range, &asked.scope, &asked.split)?;
    let total = facts.figure_of(metric, range, &asked.scope, part(metric, &asked.split)?);
    let end = asked.after.saturating_add(asked.size).min(rows.len());
    let shown = rows.get(asked.after..end).unwrap_or_default();
    let wanted: BTreeSet<i64> = shown.iter().map(|row| row.patient).filter(|patient| *patient != 0).collect();
    let patients = patients(books, &question.practice, &wanted).await?;
    let row = |row: &Row| -> BoardRow { facts.row_to_proto(metric, row, patients.get(&row.patient).cloned()) };
    Ok(ListBoardRowsResponse {
        rows: shown.iter().map(row).collect(),
        total: Some(facts.shown(metric, total)),
        total_rows: i64::try_from(rows.len()).unwrap_or(i64::MAX),
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
