//! Who in the families of the day's patients has no appointment.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use crate::books::{Books, BooksError};

/// People without a live appointment, by family.
#[derive(Debug, Default)]
pub struct Unscheduled {
    by_family: BTreeMap<i64, BTreeSet<i64>>,
}

impl Unscheduled {
    /// Reads who in the families of the patients of `day` has no live appointment from then on.
    ///
    /// # Errors
    /// When the tables cannot be read.
    pub async fn read(books: &Books, day: Date) -> Result<Self, BooksError> {
        let rows = books.ask(include_str!("sql/unscheduled_family.sql"), &[("day", day.into())]).await?;
        let mut by_family: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
        for row in 0..rows.len() {
            by_family.entry(rows.number(row, "guarantor")?).or_default().insert(rows.number(row, "pat_num")?);
        }
        Ok(Self { by_family })
    }

    /// The other members of a patient's family.
    pub fn others(&self, guarantor: i64, patient: i64) -> impl Iterator<Item = i64> + '_ {
        self.by_family.get(&guarantor).into_iter().flatten().copied().filter(move |other| *other != patient)
    }
}
