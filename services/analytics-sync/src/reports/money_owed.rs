//! What families owe, added to the rows of a question or deciding which of them stay.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{Array as _, ArrayRef, AsArray as _, BooleanArray, Decimal128Array, RecordBatch},
    compute::filter_record_batch,
    datatypes::{DataType, Decimal128Type, Field, Int64Type, Schema},
};
use datafusion::error::DataFusionError;
use futures::StreamExt as _;
use jiff::civil::Date;
use mesh::{
    aging::{Aging, BUCKETS},
    money::Money,
};

use super::rows::Batches;
use crate::{
    books::{Books, BooksError, answer::ColumnFault, preferences::Preferences},
    receivables::{self, Accounts, Estimates, Families},
};

/// The question behind both lists of families.
pub(super) const FAMILIES: &str = include_str!("sql/families.sql");
const GUARANTOR: &str = "guarantor_number";

/// The families that owe on `as_of`.
///
/// # Errors
/// When the tables cannot be read.
pub async fn receivables(books: &Books, preferences: &Preferences, as_of: Date) -> Result<Batches, BooksError> {
    let accounts = receivables::accounts(books, preferences, Families::All, as_of).await?;
    let estimates = receivables::estimates(books, Families::All, as_of).await?;
    let families = books.stream(FAMILIES, &[("to", as_of.into())]).await?;
    Ok(families.map(move |batch| with_debts(&batch?, &accounts, &estimates)).boxed())
}

/// The families whose balance is below zero on `as_of`.
///
/// # Errors
/// When the tables cannot be read.
pub async fn credit_balances(books: &Books, preferences: &Preferences, as_of: Date) -> Result<Batches, BooksError> {
    let accounts = receivables::accounts(books, preferences, Families::All, as_of).await?;
    let families = books.stream(FAMILIES, &[("to", as_of.into())]).await?;
    Ok(families.map(move |batch| with_credits(&batch?, &accounts)).boxed())
}

/// The balance of each family as of `as_of`.
///
/// # Errors
/// When the tables cannot be read.
pub async fn balances(
    books: &Books,
    preferences: &Preferences,
    as_of: Date,
) -> Result<HashMap<i64, Money>, BooksError> {
    let accounts = receivables::accounts(books, preferences, Families::All, as_of).await?;
    Ok(accounts.into_iter().map(|(guarantor, aging)| (guarantor, aging.total)).collect())
}

/// The recalls whose family owes no more than `disable_until_balance`, where that is set.
///
/// # Errors
/// When the batch lacks a column.
pub fn within_balance(batch: &RecordBatch, balances: &HashMap<i64, Money>) -> Result<RecordBatch, BooksError> {
    let guarantors = guarantors(batch)?;
    let column = batch.column_by_name("disable_until_balance").ok_or(ColumnFault("disable_until_balance"))?;
    let limits = column.as_primitive_opt::<Decimal128Type>().ok_or(ColumnFault("disable_until_balance"))?;
    let stays = |row: usize| {
        let (limit, owed) =
            (Money(limits.value(row)), balances.get(&guarantors.value(row)).copied().unwrap_or_default());
        Some(limit <= Money::ZERO || owed <= limit)
    };
    kept(batch, &(0..batch.num_rows()).map(stays).collect())
}

fn with_debts(batch: &RecordBatch, accounts: &Accounts, estimates: &Estimates) -> Result<RecordBatch, BooksError> {
    let guarantors = guarantors(batch)?;
    let each: Vec<(Aging, Money)> = guarantors
        .values()
        .iter()
        .map(|number| {
            let aging = accounts.get(number).copied().unwrap_or_default();
            (aging, estimates.get(number).copied().unwrap_or_default())
        })
        .collect();
    let bucket = |place: usize| amounts(each.iter().map(|(aging, _)| aging.buckets[place]));
    const NAMES: [&str; BUCKETS] = ["age_0_30", "age_31_60", "age_61_90", "age_over_90"];
    let mut columns = Vec::with_capacity(BUCKETS + 3);
    for (place, name) in NAMES.into_iter().enumerate() {
        columns.push((name, bucket(place)?));
    }
    columns.push(("total", amounts(each.iter().map(|(aging, _)| aging.total))?));
    columns.push(("insurance", amounts(each.iter().map(|(_, insurance)| *insurance))?));
    columns.push(("patient", amounts(each.iter().map(|(aging, insurance)| aging.total - *insurance))?));
    let owes = each.iter().map(|(aging, _)| Some(aging.total > Money::ZERO)).collect();
    kept(&with_columns(batch, columns)?, &owes)
}

fn with_credits(batch: &RecordBatch, accounts: &Accounts) -> Result<RecordBatch, BooksError> {
    let guarantors = guarantors(batch)?;
    let balance = |number: &i64| accounts.get(number).map(|aging| aging.total).unwrap_or_default();
    let balances: Vec<Money> = guarantors.values().iter().map(balance).collect();
    let column = amounts(balances.iter().copied())?;
    let has_credit = balances.iter().map(|balance| Some(*balance < Money::ZERO)).collect();
    kept(&with_columns(batch, vec![("balance", column)])?, &has_credit)
}

fn guarantors(batch: &RecordBatch) -> Result<&arrow::array::Int64Array, BooksError> {
    let column = batch.column_by_name(GUARANTOR).ok_or(ColumnFault(GUARANTOR))?;
    Ok(column.as_primitive_opt::<Int64Type>().ok_or(ColumnFault(GUARANTOR))?)
}

fn amounts(values: impl Iterator<Item = Money>) -> Result<ArrayRef, BooksError> {
    let array: Decimal128Array = values.map(|amount| Some(amount.0)).collect();
    Ok(Arc::new(array.with_precision_and_scale(38, 4).map_err(DataFusionError::from)?))
}

fn kept(batch: &RecordBatch, stays: &BooleanArray) -> Result<RecordBatch, BooksError> {
    Ok(filter_record_batch(batch, stays).map_err(DataFusionError::from)?)
}

/// A batch with further columns.
///
/// # Errors
/// When they are not as long as it.
pub fn with_columns(batch: &RecordBatch, more: Vec<(&'static str, ArrayRef)>) -> Result<RecordBatch, BooksError> {
    let mut fields: Vec<Arc<Field>> = batch.schema().fields().iter().cloned().collect();
    let mut columns = batch.columns().to_vec();
    for (name, array) in more {
        let kind: DataType = array.data_type().clone();
        fields.push(Arc::new(Field::new(name, kind, true)));
        columns.push(array);
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(DataFusionError::from)?)
}
