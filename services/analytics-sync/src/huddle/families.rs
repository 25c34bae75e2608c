//! What the families of the day's patients owe, and who of them has no appointment.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::civil::Date;
use mesh::aging::{Aging, Entry, age};

use crate::books::{Books, BooksError, Given, preferences::Preferences};

/// Family accounts by guarantor.
pub type Accounts = HashMap<i64, Aging>;

/// Ages the accounts of the families of the patients of two dates, as of `as_of`.
///
/// # Errors
/// When the tables cannot be read.
pub async fn accounts(
    books: &Books,
    preferences: &Preferences,
    as_of: Date,
    today: Date,
    tomorrow: Date,
) -> Result<Accounts, BooksError> {
    let given = [
        ("d", Given::Date(as_of)),
        ("today", Given::Date(today)),
        ("tomorrow", Given::Date(tomorrow)),
        ("lifo", preferences.procedure_lifo()),
        ("plans", preferences.plans_version()),
    ];
    let rows = books.ask(include_str!("sql/aging.sql"), &given).await?;
    let mut by_family: HashMap<i64, Vec<Entry>> = HashMap::new();
    for row in 0..rows.len() {
        let entry = Entry {
            date: rows.date(row, "day")?.unwrap_or(Date::MIN),
            amount: rows.amount(row, "amount")?,
            lowers_bucket: rows.flag(row, "lowers_bucket")?,
        };
        by_family.entry(rows.number(row, "guarantor")?).or_default().push(entry);
    }
    Ok(by_family.into_iter().map(|(guarantor, account)| (guarantor, age(account, as_of))).collect())
}

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
