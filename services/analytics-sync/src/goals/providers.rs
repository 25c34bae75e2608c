//! The practice's providers, as goals and hours need them.

use mesh::money::Money;

use crate::books::{Books, BooksError};

/// A provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// The PMS's number.
    pub number: i64,
    /// The abbreviation.
    pub abbr: String,
    /// Hygienist or doctor.
    pub hygienist: bool,
    /// The hourly goal in the PMS; 0: none.
    pub hourly_goal: Money,
}

/// All providers, by name.
///
/// # Errors
/// When the tables cannot be read.
pub async fn read(books: &Books) -> Result<Vec<Provider>, BooksError> {
    let rows = books.ask(include_str!("providers.sql"), &[]).await?;
    let provider = |row| {
        Ok(Provider {
            number: rows.number(row, "prov_num")?,
            abbr: rows.text(row, "abbr")?.to_owned(),
            hygienist: rows.flag(row, "is_hygienist")?,
            hourly_goal: rows.amount(row, "hourly_goal")?,
        })
    };
    (0..rows.len()).map(provider).collect()
}
