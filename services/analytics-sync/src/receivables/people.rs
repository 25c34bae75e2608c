//! Who stands for a family.

use std::collections::HashMap;

use chairsync_proto::analytics::PatientRef;

use crate::{
    books::{Books, BooksError},
    refs,
};

/// Every guarantor as rows name one; without a display name where the PMS has no such patient.
///
/// # Errors
/// When the tables cannot be read.
pub async fn guarantors(books: &Books, practice: &str) -> Result<HashMap<i64, PatientRef>, BooksError> {
    let rows = books.ask(include_str!("sql/guarantors.sql"), &[]).await?;
    let one = |row: usize| -> Result<(i64, PatientRef), BooksError> {
        let number = rows.number(row, "guarantor")?;
        let (last, first) = (rows.text(row, "l_name")?, rows.text(row, "f_name")?);
        Ok((number, refs::patient(practice, number, last, first, rows.text(row, "preferred")?)))
    };
    (0..rows.len()).map(one).collect()
}
