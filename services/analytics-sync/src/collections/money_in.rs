//! The money that came in over a range, row by row, with the patient and the date of the work.

use jiff::civil::Date;
use mesh::money::Money;

use super::takes;
use crate::{
    books::{Books, BooksError},
    metrics::{Range, Scope},
};

/// Where money came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Patients,
    Insurances,
    Unearned,
}

/// Money of a patient that came on a date for work of a date; a refund when below zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoneyIn {
    source: Source,
    /// The patient.
    pub patient: i64,
    /// The date on which it came.
    pub came: Date,
    /// The date of the work that it pays; none when it belongs to none.
    pub served: Option<Date>,
    /// How much.
    pub amount: Money,
}

impl MoneyIn {
    /// A patient's money, for tests.
    #[cfg(test)]
    pub fn patients(came: Date, served: Option<Date>, amount: Money) -> Self {
        Self { source: Source::Patients, patient: 1, came, served, amount }
    }

    /// Whether it is of `patient_collections`.
    pub fn is_patients(&self) -> bool {
        self.source == Source::Patients
    }

    /// Whether it is of `insurance_collections`.
    pub fn is_insurances(&self) -> bool {
        self.source == Source::Insurances
    }

    /// Whether it is `unearned`.
    pub fn is_unearned(&self) -> bool {
        self.source == Source::Unearned
    }
}

/// Reads what came in.
///
/// # Errors
/// When the tables cannot be read.
pub async fn read(books: &Books, range: Range, scope: &Scope) -> Result<Vec<MoneyIn>, BooksError> {
    let given = [("from", range.0.into()), ("to", range.1.into())];
    let rows = books.ask(include_str!("sql/money_in.sql"), &given).await?;
    let mut money = Vec::with_capacity(rows.len());
    for row in 0..rows.len() {
        if !takes(scope, rows.number(row, "prov_num")?, rows.number(row, "clinic_num")?) {
            continue;
        }
        let Some(came) = rows.date(row, "came")? else { continue };
        money.push(MoneyIn {
            source: match rows.number(row, "source")? {
                0 => Source::Patients,
                1 => Source::Insurances,
                _ => Source::Unearned,
            },
            patient: rows.number(row, "pat_num")?,
            came,
            served: rows.date(row, "served")?,
            amount: rows.amount(row, "amount")?,
        });
    }
    Ok(money)
}
