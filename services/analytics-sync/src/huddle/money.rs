//! Production and collections of a range of dates.

use jiff::civil::Date;
use mesh::money::Money;

use crate::books::{Books, BooksError, Given, preferences::Preferences};

/// What was produced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Production {
    /// `gross_production`.
    pub gross: Money,
    /// `adjustments`, signed.
    pub adjustments: Money,
    /// `write_offs`, above zero when they lower production.
    pub write_offs: Money,
}

impl Production {
    /// `net_production`.
    pub fn net(&self) -> Money {
        self.gross + self.adjustments - self.write_offs
    }
}

/// What came in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collections {
    /// `patient_collections`.
    pub patient: Money,
    /// `insurance_collections`.
    pub insurance: Money,
}

/// Production of the dates, ends included.
///
/// # Errors
/// When the tables cannot be read.
pub async fn production(
    books: &Books,
    preferences: &Preferences,
    from: Date,
    to: Date,
) -> Result<Production, BooksError> {
    let given = [("from", from.into()), ("to", to.into()), ("basis", preferences.write_off_basis())];
    let row = books.ask(include_str!("sql/production.sql"), &given).await?;
    Ok(Production {
        gross: row.amount(0, "fees")? - row.amount(0, "capitation")?,
        adjustments: row.amount(0, "adjustments")?,
        write_offs: row.amount(0, "write_offs")?,
    })
}

/// Collections of the dates, ends included.
///
/// # Errors
/// When the tables cannot be read.
pub async fn collections(books: &Books, from: Date, to: Date) -> Result<Collections, BooksError> {
    let given = [("from", Given::Date(from)), ("to", Given::Date(to))];
    let row = books.ask(include_str!("sql/collections.sql"), &given).await?;
    Ok(Collections { patient: row.amount(0, "patient_money")?, insurance: row.amount(0, "insurance_money")? })
}

/// What is still to do on the dates, ends included: `scheduled_production`.
///
/// # Errors
/// When the tables cannot be read.
pub async fn scheduled(books: &Books, preferences: &Preferences, from: Date, to: Date) -> Result<Money, BooksError> {
    let given = [("from", from.into()), ("to", to.into()), ("subtract_estimates", preferences.subtract_estimates())];
    let row = books.ask(include_str!("sql/scheduled_production.sql"), &given).await?;
    Ok(row.amount(0, "fees")? - row.amount(0, "estimates")?)
}
