//! What insurances owe each family: `books.md` "Insurance".

use std::collections::BTreeMap;

use jiff::civil::Date;
use mesh::{
    aging::{BUCKETS, Entry, age},
    money::Money,
};

use crate::books::{Books, BooksError, Given};

/// Half a cent: families whose buckets are all below it are left out.
const HALF_A_CENT: Money = Money(50);

/// What a carrier owes a family, by age of the work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InsuranceDebt {
    /// The family.
    pub guarantor: i64,
    /// The carrier; 0 where none is known.
    pub carrier: i64,
    /// The carrier's name.
    pub carrier_name: String,
    /// 0–30, 31–60, 61–90 and more than 90 days from the work.
    pub buckets: [Money; BUCKETS],
}

impl InsuranceDebt {
    /// The buckets together.
    pub fn total(&self) -> Money {
        self.buckets.iter().copied().sum()
    }
}

/// Ages what insurances owe as of a date, by guarantor, then carrier.
///
/// # Errors
/// When the tables cannot be read.
pub async fn insurance_aging(books: &Books, as_of: Date) -> Result<Vec<InsuranceDebt>, BooksError> {
    let rows = books.ask(include_str!("sql/insurance_aging.sql"), &[("d", Given::Date(as_of))]).await?;
    let mut families: BTreeMap<i64, Vec<InsuranceDebt>> = BTreeMap::new();
    for row in 0..rows.len() {
        let (guarantor, carrier) = (rows.number(row, "guarantor")?, rows.number(row, "carrier_num")?);
        let entry = Entry {
            date: rows.date(row, "day")?.unwrap_or(Date::MIN),
            amount: rows.amount(row, "amount")?,
            lowers_bucket: false,
        };
        let debts = families.entry(guarantor).or_default();
        // Rows come by family and carrier: a carrier's debt is the last one or a new one.
        if debts.last().is_none_or(|last| last.carrier != carrier) {
            let carrier_name = rows.text(row, "carrier_name")?.to_owned();
            debts.push(InsuranceDebt { guarantor, carrier, carrier_name, buckets: Default::default() });
        }
        if let Some(debt) = debts.last_mut() {
            add(debt, entry, as_of);
        }
    }
    let worth_showing = |debts: &Vec<InsuranceDebt>| {
        (0..BUCKETS).any(|place| debts.iter().map(|debt| debt.buckets[place]).sum::<Money>() >= HALF_A_CENT)
    };
    Ok(families.into_values().filter(worth_showing).flatten().collect())
}

/// Puts an estimate into the bucket of its date; one below zero lowers it.
fn add(debt: &mut InsuranceDebt, entry: Entry, as_of: Date) {
    let sign = if entry.amount < Money::ZERO { -1 } else { 1 };
    let aged = age([Entry { amount: entry.amount * sign, ..entry }], as_of);
    for (bucket, amount) in debt.buckets.iter_mut().zip(aged.buckets) {
        *bucket += amount * sign;
    }
}
