//! All patients of a practice with all that is known of each, computed once for each set of accepted tables.
//!
//! The SQL stands in `finder/sql`, one file for a question; a file here for each subject puts its answers into the rows.

mod appointments;
mod care;
mod insurance;
mod money;
mod person;

use std::collections::{BTreeSet, HashMap};

use chairsync_proto::analytics::{AbsenceReason, AbsentSection, PreferenceInForce};
use jiff::civil::Date;

use super::{
    needs::{self, Part},
    row::{Row, Words},
};
use crate::{
    absent::absence,
    books::{Books, BooksError, preferences::Preferences},
};

/// The longest time that broken appointments can be counted over, in months.
pub const BROKEN_MONTHS_MAX: i32 = 120;

/// The patients of a practice as of a date, by number.
#[derive(Debug, Default)]
pub struct Table {
    /// D: the date as of which all is computed.
    pub date: Date,
    /// The patients who are not deleted, by number.
    pub rows: Vec<Row>,
    /// The parts that could not be computed, with the datasets that they lack.
    pub missing: Vec<(Part, Vec<String>)>,
    /// The preferences that shaped the figures.
    pub preferences: Vec<PreferenceInForce>,
    /// The memory that the texts shared by rows take.
    pub shared_bytes: usize,
}

impl Table {
    /// One of a practice of which nothing is read.
    pub fn unread() -> Self {
        Self { missing: needs::missing(&BTreeSet::new()), ..Self::default() }
    }

    /// The row of a patient.
    pub fn get(&self, number: i64) -> Option<&Row> {
        self.rows.binary_search_by_key(&number, |row| row.number).ok().map(|place| &self.rows[place])
    }

    /// The memory that the table takes.
    pub fn bytes(&self) -> usize {
        self.shared_bytes + self.rows.iter().map(Row::bytes).sum::<usize>()
    }

    /// The datasets that a part lacks, if it could not be computed.
    pub fn lacks(&self, part: Part) -> Option<&[String]> {
        self.missing.iter().find(|(missing, _)| *missing == part).map(|(_, lacking)| lacking.as_slice())
    }

    /// The columns that are not filled, with the reason.
    pub fn absent_columns(&self) -> Vec<AbsentSection> {
        let lacking = self.missing.iter().flat_map(|(part, lacking)| {
            part.columns().iter().map(|column| absence(column, AbsenceReason::PartialData, lacking.clone()))
        });
        let never = absence("insurance_remaining", AbsenceReason::NotRead, Vec::new());
        lacking.chain([never]).collect()
    }
}

/// Where a part's answers go.
struct Filling<'a> {
    books: &'a Books,
    preferences: &'a Preferences,
    date: Date,
    rows: Vec<Row>,
    places: HashMap<i64, usize>,
    words: Words,
}

impl Filling<'_> {
    fn row(&mut self, number: i64) -> Option<&mut Row> {
        self.places.get(&number).map(|place| &mut self.rows[*place])
    }

    /// The row of a patient, and the words.
    fn entry(&mut self, number: i64) -> (Option<&mut Row>, &mut Words) {
        (self.places.get(&number).map(|place| &mut self.rows[*place]), &mut self.words)
    }
}

/// Computes the table as of `date`. `present` are the datasets that `books` really has.
///
/// # Errors
/// See [`BooksError`].
pub async fn build(books: &Books, date: Date, present: &BTreeSet<String>) -> Result<Table, BooksError> {
    let missing = needs::missing(present);
    let wanted = |part: Part| !missing.iter().any(|(missing, _)| *missing == part);
    let preferences = Preferences::read(books).await?;
    let mut filling = Filling {
        books,
        preferences: &preferences,
        date,
        rows: Vec::new(),
        places: HashMap::new(),
        words: Words::default(),
    };
    if wanted(Part::Person) {
        person::fill(&mut filling).await?;
    }
    for part in Part::ALL.into_iter().filter(|part| wanted(*part)) {
        match part {
            Part::Person => {}
            Part::Referral => person::referrals(&mut filling).await?,
            Part::Visits => care::visits(&mut filling).await?,
            Part::Appointments => appointments::next(&mut filling).await?,
            Part::Broken => appointments::broken(&mut filling).await?,
            Part::Balances => money::balances(&mut filling).await?,
            Part::LastPayment => money::last_payments(&mut filling).await?,
            // Balances come before: they may disable a recall.
            Part::Recalls => appointments::recalls(&mut filling).await?,
            Part::Treatment => care::treatment(&mut filling).await?,
            Part::Forms => person::forms(&mut filling).await?,
            Part::Messages => person::messages(&mut filling).await?,
            Part::Insurance => insurance::fill(&mut filling).await?,
        }
    }
    let (rows, shared_bytes) = (filling.rows, filling.words.bytes());
    Ok(Table { date, rows, missing, preferences: preferences.in_force(), shared_bytes })
}

#[cfg(test)]
pub(super) mod tests;
