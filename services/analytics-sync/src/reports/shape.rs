//! Rows in the forms of a report's columns, and the totals that add up on the way.
//!
//! Amounts are added with all the places that they have and rounded to cents once, in the totals as in each row; ratios of
//! the totals are those of the sums.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array, RecordBatch},
    compute::cast,
    datatypes::{DataType, Decimal128Type, Field, Int64Type, Schema, SchemaRef},
};
use chairsync_proto::analytics::{ReportColumnKind, ReportRow, ReportValue, report_value::Value};
use datafusion::error::DataFusionError;
use mesh::money::{Money, divide_half_away};

use super::{
    column::{Column, Origin},
    list::Report,
};
use crate::{
    books::{BooksError, answer::ColumnFault},
    figures,
};

/// The places of a cent.
const CENT_PLACES: u32 = 2;
/// The most digits that a decimal has.
const DIGITS_MAX: u8 = 38;

/// Shapes the batches of one report.
pub struct Shape {
    report: &'static Report,
    schema: SchemaRef,
    /// Sums of what the totals need, by the question's column.
    sums: BTreeMap<&'static str, Sum>,
    rows: i64,
}

/// A sum of a whole column so far.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    value: i128,
    /// Decimal places; 0 for counts.
    places: u32,
}

impl Shape {
    /// For a report of which nothing has been read.
    pub fn new(report: &'static Report) -> Self {
        let field = |column: &Column| Field::new(column.id, column.arrow(), true);
        let schema = Arc::new(Schema::new(report.columns.iter().map(field).collect::<Vec<_>>()));
        Self { report, schema, sums: BTreeMap::new(), rows: 0 }
    }

    /// The columns' names and types.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// The rows so far.
    pub fn rows(&self) -> i64 {
        self.rows
    }

    /// A batch of the question in the report's form; its amounts are added to the totals.
    ///
    /// # Errors
    /// When the question does not bring a column, or an amount has more digits than a decimal.
    pub fn take(&mut self, batch: &RecordBatch) -> Result<RecordBatch, BooksError> {
        let mut columns = Vec::with_capacity(self.report.columns.len());
        for column in self.report.columns {
            columns.push(match column.origin {
                Origin::Itself => {
                    if column.totalled {
                        self.add(batch, column.id)?;
                    }
                    itself(raw(batch, column.id)?, column)?
                }
                Origin::Ratio { above, below } => ratio(batch, column, above, below)?,
            });
        }
        // What ratios are made of need not be shown, so that no column above has added it.
        for column in self.report.columns {
            if let Origin::Ratio { above, below } = column.origin {
                for name in [above, below] {
                    if !self.report.columns.iter().any(|shown| shown.id == name && shown.totalled) {
                        self.add(batch, name)?;
                    }
                }
            }
        }
        self.rows += i64::try_from(batch.num_rows()).unwrap_or(i64::MAX);
        Ok(RecordBatch::try_new(self.schema.clone(), columns).map_err(DataFusionError::from)?)
    }

    /// The totals: a value for each column, null where none is summed up.
    pub fn totals(&self, currency: &str) -> ReportRow {
        let sum = |name: &str| self.sums.get(name).copied().unwrap_or_default();
        let value = |column: &Column| {
            if !column.totalled {
                return None;
            }
            match (column.origin, column.kind) {
                (Origin::Itself, ReportColumnKind::Money) => Some(Value::Money(sum(column.id).money(currency))),
                (Origin::Itself, _) => Some(Value::Integer(i64::try_from(sum(column.id).value).unwrap_or(i64::MAX))),
                (Origin::Ratio { above, below }, ReportColumnKind::Money) => {
                    each(sum(above), sum(below)).map(|cents| Value::Money(Money::cents(cents).to_proto(currency)))
                }
                (Origin::Ratio { above, below }, _) => {
                    figures::percent(sum(above).value, sum(below).value).map(Value::Percent)
                }
            }
        };
        ReportRow { values: self.report.columns.iter().map(|c| ReportValue { value: value(c) }).collect() }
    }

    fn add(&mut self, batch: &RecordBatch, name: &'static str) -> Result<(), BooksError> {
        let (values, places) = numbers(raw(batch, name)?, name)?;
        let sum = self.sums.entry(name).or_default();
        sum.places = places;
        sum.value += values.into_iter().flatten().sum::<i128>();
        Ok(())
    }
}

impl Sum {
    fn cents(self) -> i128 {
        to_cents(self.value, self.places)
    }

    fn money(self, currency: &str) -> chairsync_proto::google_type::Money {
        Money::cents(self.cents()).to_proto(currency)
    }
}

fn to_cents(value: i128, places: u32) -> i128 {
    match places.checked_sub(CENT_PLACES) {
        Some(more) => divide_half_away(value, 10_i128.pow(more)),
        None => value * 10_i128.pow(CENT_PLACES - places),
    }
}

/// An amount by the piece, in cents; none where there is no piece.
fn each(above: Sum, below: Sum) -> Option<i128> {
    let pieces = below.value.abs();
    let amount = if below.value < 0 { -above.value } else { above.value };
    let parts = 10_i128.pow(above.places.saturating_sub(CENT_PLACES));
    (pieces != 0).then(|| divide_half_away(amount, parts * pieces))
}

fn raw<'a>(batch: &'a RecordBatch, name: &'static str) -> Result<&'a ArrayRef, ColumnFault> {
    batch.column_by_name(name).ok_or(ColumnFault(name))
}

/// The numbers of a column and their decimal places.
fn numbers(array: &ArrayRef, name: &'static str) -> Result<(Vec<Option<i128>>, u32), ColumnFault> {
    match array.data_type() {
        DataType::Decimal128(_, places) => {
            let places = u32::try_from(*places).map_err(|_| ColumnFault(name))?;
            Ok((array.as_primitive::<Decimal128Type>().iter().collect(), places))
        }
        DataType::Int64 => {
            Ok((array.as_primitive::<Int64Type>().iter().map(|value| value.map(i128::from)).collect(), 0))
        }
        _ => Err(ColumnFault(name)),
    }
}

fn itself(array: &ArrayRef, column: &Column) -> Result<ArrayRef, BooksError> {
    if column.kind == ReportColumnKind::Money {
        let (values, places) = numbers(array, column.id)?;
        return decimal(values.into_iter().map(|value| value.map(|value| to_cents(value, places))));
    }
    let wanted = column.arrow();
    let fits = match column.kind {
        ReportColumnKind::Integer => array.data_type() == &DataType::Int64,
        ReportColumnKind::Date => array.data_type() == &DataType::Date32,
        ReportColumnKind::Boolean => array.data_type() == &DataType::Boolean,
        ReportColumnKind::LocalDateTime => matches!(array.data_type(), DataType::Timestamp(_, None)),
        _ => matches!(array.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View),
    };
    match fits {
        true => Ok(cast(array, &wanted).map_err(DataFusionError::from)?),
        false => Err(ColumnFault(column.id).into()),
    }
}

fn ratio(
    batch: &RecordBatch,
    column: &Column,
    above: &'static str,
    below: &'static str,
) -> Result<ArrayRef, BooksError> {
    let (upper, upper_places) = numbers(raw(batch, above)?, above)?;
    let (lower, places) = numbers(raw(batch, below)?, below)?;
    let pairs = upper.into_iter().zip(lower).map(|(upper, lower)| Some((upper?, lower?)));
    if column.kind == ReportColumnKind::Percent {
        let percents = pairs.map(|pair| pair.and_then(|(upper, lower)| figures::percent(upper, lower)));
        return Ok(Arc::new(percents.collect::<Float64Array>()));
    }
    decimal(pairs.map(|pair| {
        let (upper, lower) = pair?;
        each(Sum { value: upper, places: upper_places }, Sum { value: lower, places })
    }))
}

fn decimal(cents: impl Iterator<Item = Option<i128>>) -> Result<ArrayRef, BooksError> {
    let array: Decimal128Array = cents.collect();
    let array = array.with_precision_and_scale(DIGITS_MAX, CENT_PLACES as i8).map_err(DataFusionError::from)?;
    Ok(Arc::new(array))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_rounded_once_half_away_from_zero() {
        assert_eq!((to_cents(333_350, 4), to_cents(-333_350, 4), to_cents(333_349, 4)), (3_334, -3_334, 3_333));
        assert_eq!((to_cents(7, 0), to_cents(7, 2), to_cents(50_000_000, 10)), (700, 7, 1));
        let each_of = |value, pieces| each(Sum { value, places: 4 }, Sum { value: pieces, places: 0 });
        assert_eq!((each_of(1_000_000, 3), each_of(-1_000_000, 3), each_of(5, 0)), (Some(3_333), Some(-3_333), None));
        assert_eq!(each_of(50, 1), Some(1));
    }
}
