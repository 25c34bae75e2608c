//! The canonical datasets: what every PMS is translated into, and the only place where their columns stand.
//!
//! A connector reads its PMS into these columns, the Delta tables have them, and the features compute on them. Names
//! are the field's; a PMS's own names stay in its connector. To add a dataset: add it here, teach each connector where
//! it is, and name it in the catalog (`feature.proto`) under the features that use it.

mod insurance;
mod messages;
mod money;
mod people;
mod schedule;
mod treatment;

/// What a column holds. Every column may be null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// A key or a reference to one. Arrow `Int64`; 0 means none.
    Id,
    /// A small number: an enum of the PMS, a flag (0, 1), a count. Arrow `Int32`.
    Code,
    /// Money in the practice's currency, four places, converted once from the PMS's double: its shortest decimal text,
    /// rounded half away from zero. Arrow `Decimal128(18, 4)`.
    Money,
    /// A local calendar date; zero dates are null. Arrow `Date32`.
    Date,
    /// The practice's wall clock, without zone; zero times are null. Arrow `Timestamp(Microsecond)`.
    LocalDateTime,
    /// A moment, from the server's change columns. Arrow `Timestamp(Microsecond, "UTC")`.
    Instant,
    /// A time of day, in seconds after local midnight. Arrow `Time32(Second)`.
    Time,
    /// Text. Arrow `Utf8`.
    Text,
}

/// A column of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its canonical name.
    pub name: &'static str,
    /// What it holds.
    pub kind: ColumnType,
}

/// A canonical dataset.
#[derive(Debug, Clone, Copy)]
pub struct Dataset {
    /// Its name, as in the catalog, the Delta tables and the API.
    pub name: &'static str,
    /// What a row of it is.
    pub about: &'static str,
    /// The column that identifies a row.
    pub key: &'static str,
    /// Its columns, in order.
    pub columns: &'static [Column],
}

impl Dataset {
    /// The position of a column.
    pub fn position(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == column)
    }

    /// The column that shows when a row changed, if the dataset has one.
    pub fn change_column(&self) -> Option<&'static Column> {
        self.columns.iter().find(|c| c.kind == ColumnType::Instant)
    }

    /// Whether the key is a number; the practice's settings are keyed by name.
    pub fn has_numeric_key(&self) -> bool {
        self.columns.iter().any(|c| c.name == self.key && c.kind == ColumnType::Id)
    }
}

const fn column(name: &'static str, kind: ColumnType) -> Column {
    Column { name, kind }
}

const FAMILIES: [&[Dataset]; 6] = [
    people::DATASETS,
    schedule::DATASETS,
    treatment::DATASETS,
    insurance::DATASETS,
    money::DATASETS,
    messages::DATASETS,
];

/// Every dataset, in the order in which an initial run reads them.
pub fn all() -> impl Iterator<Item = &'static Dataset> {
    FAMILIES.into_iter().flatten()
}

/// A dataset by its name.
pub fn get(name: &str) -> Option<&'static Dataset> {
    all().find(|d| d.name == name)
}

#[cfg(feature = "rows")]
mod arrow_schema;
#[cfg(feature = "rows")]
pub use arrow_schema::schema;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_are_unique_and_keys_exist() {
        let mut names = std::collections::BTreeSet::new();
        for dataset in all() {
            assert!(names.insert(dataset.name), "{} twice", dataset.name);
            assert!(dataset.position(dataset.key).is_some(), "{} has no key", dataset.name);
            let mut columns = std::collections::BTreeSet::new();
            assert!(dataset.columns.iter().all(|c| columns.insert(c.name)), "{} repeats a column", dataset.name);
        }
    }

    #[test]
    fn the_catalog_names_only_datasets_that_exist() {
        for row in chairsync_proto::catalog::features() {
            for dataset in &row.policy.datasets {
                assert!(get(dataset).is_some(), "{}: {dataset}", row.policy.title);
            }
        }
    }
}
