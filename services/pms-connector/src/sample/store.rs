//! A practice's tables in memory, and the log of what changed in them.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::ControlFlow,
};

use mesh::datasets::{self, Dataset};

use super::{
    generator::{Config, generate},
    tables::{self, Table, TableRow},
    value::{Row, Stamp, Text, Value},
};

/// How many changes are remembered; who asks for older ones must read the whole again.
const LOG_LIMIT: usize = 200_000;

/// A row's key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// A number.
    Number(i64),
    /// A name, for the practice's settings.
    Name(Text),
}

impl Key {
    fn of(row: &Row) -> Self {
        match row.first() {
            Some(Value::Int(number)) => Key::Number(*number),
            Some(Value::Text(name)) => Key::Name(name.clone()),
            _ => Key::Number(0),
        }
    }

    /// The key as text, as it travels in a change.
    pub(crate) fn text(&self) -> String {
        match self {
            Key::Number(number) => number.to_string(),
            Key::Name(name) => name.to_string(),
        }
    }

    /// The key as a number; names have none.
    pub(crate) fn number(&self) -> Option<i64> {
        match self {
            Key::Number(number) => Some(*number),
            Key::Name(_) => None,
        }
    }
}

/// The rows of one table in key order.
pub(crate) type Rows = BTreeMap<Key, Row>;

/// The tables and the log of their changes.
pub(crate) struct Store {
    tables: BTreeMap<&'static str, Rows>,
    log: VecDeque<(&'static str, Key)>,
    /// The number of changes that are no longer in the log.
    forgotten: u64,
}

impl Store {
    /// Generates a practice into memory.
    pub(crate) fn generated(config: &Config) -> Self {
        let mut tables: BTreeMap<&'static str, Rows> = tables::ALL.iter().map(|t| (t.name, Rows::new())).collect();
        generate(config, &[], &mut |table, row| {
            tables.entry(table.name).or_default().insert(Key::of(&row), row);
            ControlFlow::Continue(())
        });
        Self { tables, log: VecDeque::new(), forgotten: 0 }
    }

    /// The rows of a table.
    pub(crate) fn rows(&self, table: &'static Table) -> &Rows {
        static NONE: Rows = Rows::new();
        self.tables.get(table.name).unwrap_or(&NONE)
    }

    /// The number of the latest change; 0 before the first.
    pub(crate) fn position(&self) -> u64 {
        self.forgotten + self.log.len() as u64
    }

    /// The keys of a table that changed after a position, in key order; none when the log does not reach back so far or
    /// the position lies ahead.
    pub(crate) fn changed(&self, table: &Table, after: u64) -> Option<BTreeSet<Key>> {
        let skip = usize::try_from(after.checked_sub(self.forgotten)?).ok()?;
        if skip > self.log.len() {
            return None;
        }
        Some(self.log.range(skip..).filter(|(name, _)| *name == table.name).map(|(_, key)| key.clone()).collect())
    }

    /// Adds or replaces a row.
    pub(crate) fn put<T: TableRow>(&mut self, row: T) {
        self.put_row(T::TABLE, row.into_row());
    }

    fn put_row(&mut self, table: &'static Table, row: Row) {
        let key = Key::of(&row);
        self.tables.entry(table.name).or_default().insert(key.clone(), row);
        self.note(table, key);
    }

    /// Sets columns of a row and its change column. A row that is not there stays away.
    pub(crate) fn set<T: TableRow>(&mut self, key: i64, at: Stamp, columns: &[(&str, Value)]) {
        let table = T::TABLE;
        let key = Key::Number(key);
        let Some(row) = self.tables.get_mut(table.name).and_then(|rows| rows.get_mut(&key)) else { return };
        for (column, value) in columns {
            if let Some(position) = table.position(column) {
                row[position] = value.clone();
            }
        }
        if let Some(position) = table.stamp() {
            row[position] = Value::Stamp(at);
        }
        self.note(table, key);
    }

    /// Removes a row.
    pub(crate) fn remove<T: TableRow>(&mut self, key: i64) {
        let key = Key::Number(key);
        if self.tables.get_mut(T::TABLE.name).and_then(|rows| rows.remove(&key)).is_some() {
            self.note(T::TABLE, key);
        }
    }

    fn note(&mut self, table: &'static Table, key: Key) {
        self.log.push_back((table.name, key));
        if self.log.len() > LOG_LIMIT {
            self.log.pop_front();
            self.forgotten += 1;
        }
    }
}

/// The table that a canonical dataset is read from, and for each canonical column its place in a row.
pub(crate) struct Source {
    /// The dataset.
    pub dataset: &'static Dataset,
    /// Its table.
    pub table: &'static Table,
    /// The place of each canonical column.
    pub columns: Vec<usize>,
}

impl Source {
    /// The source of a dataset: the one table that has its key first and all of its columns, by names without
    /// underscores and case.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let dataset = datasets::get(name)?;
        tables::ALL.iter().find_map(|table| {
            let columns: Option<Vec<usize>> =
                dataset.columns.iter().map(|c| table.columns.iter().position(|t| same(t, c.name))).collect();
            let source = Source { dataset, table, columns: columns? };
            (source.columns.first() == Some(&0)).then_some(source)
        })
    }
}

/// Whether two column names are the same but for underscores and case.
fn same(one: &str, other: &str) -> bool {
    let plain = |name: &str| name.bytes().filter(|b| *b != b'_').map(|b| b.to_ascii_lowercase()).collect::<Vec<u8>>();
    plain(one) == plain(other)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_dataset_has_its_own_table() {
        let mut seen = BTreeSet::new();
        for dataset in datasets::all() {
            let source = Source::of(dataset.name).unwrap();
            assert!(seen.insert(source.table.name), "{} twice", source.table.name);
        }
    }
}
