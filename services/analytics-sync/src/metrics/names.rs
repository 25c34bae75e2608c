//! The providers and locations that the PMS knows.

use std::collections::BTreeMap;

use chairsync_proto::analytics::{ClinicRef, ProviderRef};

use crate::{
    books::{Books, BooksError},
    refs,
};

/// Providers and locations by number, hidden and ended ones too.
#[derive(Debug, Clone, Default)]
pub struct Names {
    providers: BTreeMap<i64, String>,
    clinics: BTreeMap<i64, String>,
}

impl Names {
    /// Reads them.
    ///
    /// # Errors
    /// When the tables cannot be read.
    pub async fn read(books: &Books) -> Result<Self, BooksError> {
        let rows = books.ask(include_str!("sql/names.sql"), &[]).await?;
        let mut names = Self::default();
        for row in 0..rows.len() {
            let of = if rows.text(row, "kind")? == "provider" { &mut names.providers } else { &mut names.clinics };
            of.insert(rows.number(row, "number")?, rows.text(row, "name")?.to_owned());
        }
        // 0 stands for none, whatever a row under it says.
        names.providers.remove(&0);
        names.clinics.remove(&0);
        Ok(names)
    }

    /// A provider's abbreviation; `None` for numbers that the PMS does not know.
    pub fn provider(&self, number: i64) -> Option<&str> {
        self.providers.get(&number).map(String::as_str)
    }

    /// A location's abbreviation; `None` for numbers that the PMS does not know.
    pub fn clinic(&self, number: i64) -> Option<&str> {
        self.clinics.get(&number).map(String::as_str)
    }

    /// The numbers of all providers.
    pub fn providers(&self) -> impl Iterator<Item = i64> + '_ {
        self.providers.keys().copied()
    }

    /// The numbers of all locations.
    pub fn clinics(&self) -> impl Iterator<Item = i64> + '_ {
        self.clinics.keys().copied()
    }

    /// A provider as a row names one.
    pub fn provider_ref(&self, practice: &str, number: i64) -> ProviderRef {
        refs::provider(practice, number, self.provider(number))
    }

    /// A location as a row names one.
    pub fn clinic_ref(&self, practice: &str, number: i64) -> ClinicRef {
        refs::clinic(practice, number, self.clinic(number))
    }
}
