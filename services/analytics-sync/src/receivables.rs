//! What families owe the practice, and insurances: `features.md` §1 "Receivables", `books.md` "Patient balances and A/R
//! aging".
//!
//! Which transactions an account has is SQL (`receivables/sql/ledger.sql`, asked by age or by night), how they fill
//! buckets is `mesh::aging`. Everything is as of a date, also one in the past: what is dated later is not known yet.

pub mod claims;
pub mod insurance;
pub mod people;

use std::collections::BTreeMap;

use futures::TryStreamExt as _;
use jiff::civil::Date;
use mesh::{
    aging::{Aging, Entry, age},
    calendar,
    money::Money,
};

use crate::books::{Answer, Books, BooksError, Given, preferences::Preferences};

/// What moves accounts: the datasets that a ledger is put together from.
pub const LEDGER: &[&str] = &[
    "patient",
    "definition",
    "preference",
    "procedure",
    "procedure_code",
    "claim_line",
    "payment_split",
    "adjustment",
    "payment_plan",
    "payment_plan_charge",
];

/// Family accounts by guarantor.
pub type Accounts = BTreeMap<i64, Aging>;
/// `est_insurance` by guarantor; families without any are left out.
pub type Estimates = BTreeMap<i64, Money>;

/// The families whose accounts are asked for.
#[derive(Debug, Clone, Copy)]
pub enum Families<'a> {
    /// All of them.
    All,
    /// Those of the patients with an appointment on one of two dates.
    OfDays(Date, Date),
    /// Those of these guarantors.
    These(&'a [i64]),
}

impl Families<'_> {
    /// The question that follows, over these families.
    fn asked(self, question: &str) -> String {
        let families = match self {
            Self::All => include_str!("receivables/sql/families_all.sql").to_owned(),
            Self::OfDays(..) => include_str!("receivables/sql/families_of_days.sql").to_owned(),
            // Zero is no guarantor; it keeps an empty list a list.
            Self::These(guarantors) => {
                let list: String = guarantors.iter().map(|number| format!(", {number}")).collect();
                format!("SELECT DISTINCT guarantor FROM family_member WHERE guarantor IN (0{list})")
            }
        };
        format!("WITH family AS (\n{families}\n),\n{question}")
    }

    fn given(self) -> Vec<(&'static str, Given)> {
        match self {
            Self::OfDays(today, tomorrow) => vec![("today", today.into()), ("tomorrow", tomorrow.into())],
            Self::All | Self::These(_) => Vec::new(),
        }
    }
}

/// Ages the accounts of families as of a date; those without any transaction are left out.
///
/// # Errors
/// When the tables cannot be read.
pub async fn accounts(
    books: &Books,
    preferences: &Preferences,
    families: Families<'_>,
    as_of: Date,
) -> Result<Accounts, BooksError> {
    let question = include_str!("receivables/sql/aging.sql");
    let (sql, given) = ledger(preferences, families, as_of, question, &[]);
    let mut entries = books.stream(&sql, &given).await?;
    // They come family by family: no more than one account's entries are held at a time.
    let (mut accounts, mut open) = (Accounts::new(), (0, Vec::new()));
    while let Some(batch) = entries.try_next().await? {
        let rows = Answer::new(batch);
        for row in 0..rows.len() {
            let guarantor = rows.number(row, "guarantor")?;
            if guarantor != open.0 && !open.1.is_empty() {
                accounts.insert(open.0, age(std::mem::take(&mut open.1), as_of));
            }
            open.0 = guarantor;
            open.1.push(Entry {
                date: rows.date(row, "day")?.unwrap_or(Date::MIN),
                amount: rows.amount(row, "amount")?,
                lowers_bucket: rows.flag(row, "lowers_bucket")?,
            });
        }
    }
    if !open.1.is_empty() {
        accounts.insert(open.0, age(open.1, as_of));
    }
    Ok(accounts)
}

/// A question asked of the ledger, and what is given to it.
fn ledger(
    preferences: &Preferences,
    families: Families<'_>,
    as_of: Date,
    question: &str,
    more: &[(&'static str, Given)],
) -> (String, Vec<(&'static str, Given)>) {
    let sql = families.asked(&format!("{}{question}", include_str!("receivables/sql/ledger.sql")));
    let mut given = families.given();
    given.extend([
        ("d", Given::Date(as_of)),
        ("lifo", preferences.procedure_lifo()),
        ("plans", preferences.plans_version()),
    ]);
    given.extend(more);
    (sql, given)
}

/// `est_insurance` of families as of a date: estimates and write-offs of lines that were not received yet.
///
/// # Errors
/// When the tables cannot be read.
pub async fn estimates(books: &Books, families: Families<'_>, as_of: Date) -> Result<Estimates, BooksError> {
    let mut given = families.given();
    given.push(("d", Given::Date(as_of)));
    let rows = books.ask(&families.asked(include_str!("receivables/sql/estimates.sql")), &given).await?;
    (0..rows.len()).map(|row| Ok((rows.number(row, "guarantor")?, rows.amount(row, "amount")?))).collect()
}

/// `accounts_receivable` as of the night of each date from `first` to `last`, oldest first, as the books have it now:
/// entries are dated, so each night can be told. Nights before the books' first entry are left out.
///
/// # Errors
/// When the tables cannot be read.
pub async fn nights(
    books: &Books,
    preferences: &Preferences,
    first: Date,
    last: Date,
) -> Result<Vec<Money>, BooksError> {
    let question = include_str!("receivables/sql/nights.sql");
    let given = [("first", Given::Date(first))];
    let (sql, given) = ledger(preferences, Families::All, last, question, &given);
    let rows = books.ask(&sql, &given).await?;
    let (start, end) = (calendar::to_days(first), calendar::to_days(last));
    let count = usize::try_from(end - start + 1).unwrap_or_default();
    let mut changes: BTreeMap<i64, Vec<(usize, Money)>> = BTreeMap::new();
    let mut earliest: Option<Date> = None;
    for row in 0..rows.len() {
        let Some(day) = rows.date(row, "day")? else { continue };
        let night = usize::try_from(calendar::to_days(day) - start).unwrap_or_default();
        changes.entry(rows.number(row, "guarantor")?).or_default().push((night, rows.amount(row, "amount")?));
        earliest = [earliest, rows.date(row, "earliest")?].into_iter().flatten().min();
    }
    let Some(earliest) = earliest else { return Ok(Vec::new()) };
    let known = usize::try_from(calendar::to_days(earliest) - start).unwrap_or_default();
    Ok(owed_by_night(count, changes.into_values()).split_off(known.min(count)))
}

/// Σ of balances above zero after each of `count` nights; an account's changes come in the order of their nights.
fn owed_by_night(count: usize, accounts: impl IntoIterator<Item = Vec<(usize, Money)>>) -> Vec<Money> {
    let mut owed = vec![Money::ZERO; count];
    for changes in accounts {
        let mut balance = Money::ZERO;
        let mut changes = changes.into_iter().peekable();
        for (night, sum) in owed.iter_mut().enumerate() {
            while let Some((_, amount)) = changes.next_if(|(when, _)| *when <= night) {
                balance += amount;
            }
            *sum += balance.max(Money::ZERO);
        }
    }
    owed
}

/// What all accounts together say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Owed {
    /// The balances above zero by age; their sum is `accounts_receivable`.
    pub aging: Aging,
    /// `est_insurance`, of all families.
    pub est_insurance: Money,
    /// `accounts_past_due`.
    pub accounts_past_due: i64,
    /// Families with a balance above zero.
    pub accounts_owing: i64,
    /// `credit_balances`: Σ of the balances below zero.
    pub credit_balances: Money,
}

impl Owed {
    /// `est_patient`: what is owed less what insurances are expected to settle; may be below zero.
    pub fn est_patient(&self) -> Money {
        self.aging.total - self.est_insurance
    }
}

/// Adds accounts up; credits are never netted with what is owed.
pub fn owed(accounts: &Accounts, estimates: &Estimates) -> Owed {
    let mut all = Owed { est_insurance: estimates.values().copied().sum(), ..Owed::default() };
    for account in accounts.values() {
        if account.total > Money::ZERO {
            all.accounts_owing += 1;
            all.aging.total += account.total;
            for (sum, bucket) in all.aging.buckets.iter_mut().zip(account.buckets) {
                *sum += bucket;
            }
        } else {
            all.credit_balances += account.total;
        }
        all.accounts_past_due += i64::from(account.past_due() > Money::ZERO);
    }
    all
}

/// The accounts below zero as guarantor and balance, the largest credit first.
pub fn credits(accounts: &Accounts) -> Vec<(i64, Money)> {
    let below = accounts.iter().filter(|(_, account)| account.total < Money::ZERO);
    let mut credits: Vec<(i64, Money)> = below.map(|(guarantor, account)| (*guarantor, account.total)).collect();
    credits.sort_by_key(|(guarantor, balance)| (*balance, *guarantor));
    credits
}

#[cfg(test)]
mod tests;
