//! Batches as text, for tests that compare rows.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use arrow::{
    array::{Array, RecordBatch},
    util::display::{ArrayFormatter, FormatOptions},
};

/// Rows by key, each as text.
pub(crate) type Seen = BTreeMap<String, Vec<Option<String>>>;

/// Reads a batch; the key is its first column.
pub(crate) fn rows(batch: &RecordBatch) -> Seen {
    let options = FormatOptions::default();
    let columns: Vec<ArrayFormatter<'_>> =
        batch.columns().iter().map(|c| ArrayFormatter::try_new(c.as_ref(), &options).unwrap()).collect();
    let text = |row: usize, column: usize| {
        (!batch.column(column).is_null(row)).then(|| columns[column].value(row).to_string())
    };
    let row = |row: usize| (0..batch.num_columns()).map(|column| text(row, column)).collect::<Vec<_>>();
    (0..batch.num_rows()).map(|at| (text(at, 0).unwrap(), row(at))).collect()
}
