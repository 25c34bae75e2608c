//! The rows of an answer, read by column name.

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    datatypes::{
        DataType, Date32Type, Decimal128Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
        TimestampNanosecondType,
    },
};
use jiff::civil;
use mesh::{calendar, money::Money};

/// The rows that a question brought.
pub struct Answer {
    rows: RecordBatch,
}

/// A column that a question's SQL does not bring, or in another type: a fault in the SQL file.
#[derive(Debug, thiserror::Error)]
#[error("the answer has no column {0} of the type asked for")]
pub struct ColumnFault(pub &'static str);

type Read<T> = Result<T, ColumnFault>;

impl Answer {
    /// Wraps the rows.
    pub fn new(rows: RecordBatch) -> Self {
        Self { rows }
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.rows.num_rows()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A number; 0 for null.
    ///
    /// # Errors
    /// [`ColumnFault`]; so for all below.
    pub fn number(&self, row: usize, column: &'static str) -> Read<i64> {
        let array = self.column(column)?;
        if array.is_null(row) {
            return Ok(0);
        }
        match array.data_type() {
            DataType::Int64 => Ok(array.as_primitive::<Int64Type>().value(row)),
            DataType::Int32 => Ok(array.as_primitive::<Int32Type>().value(row).into()),
            _ => Err(ColumnFault(column)),
        }
    }

    /// A small number; 0 for null.
    pub fn small(&self, row: usize, column: &'static str) -> Read<i32> {
        i32::try_from(self.number(row, column)?).map_err(|_| ColumnFault(column))
    }

    /// An amount of four places; 0 for null.
    pub fn amount(&self, row: usize, column: &'static str) -> Read<Money> {
        let array = self.column(column)?;
        match array.data_type() {
            DataType::Decimal128(_, 4) if array.is_null(row) => Ok(Money::default()),
            DataType::Decimal128(_, 4) => Ok(Money(array.as_primitive::<Decimal128Type>().value(row))),
            _ => Err(ColumnFault(column)),
        }
    }

    /// A date.
    pub fn date(&self, row: usize, column: &'static str) -> Read<Option<civil::Date>> {
        let array = self.column(column)?;
        match array.data_type() {
            DataType::Date32 if array.is_null(row) => Ok(None),
            DataType::Date32 => Ok(calendar::from_days(array.as_primitive::<Date32Type>().value(row).into())),
            _ => Err(ColumnFault(column)),
        }
    }

    /// A wall-clock time.
    pub fn time(&self, row: usize, column: &'static str) -> Read<Option<civil::DateTime>> {
        let array = self.column(column)?;
        let micros = match array.data_type() {
            DataType::Timestamp(TimeUnit::Microsecond, None) => {
                array.as_primitive::<TimestampMicrosecondType>().value(row)
            }
            DataType::Timestamp(TimeUnit::Nanosecond, None) => {
                array.as_primitive::<TimestampNanosecondType>().value(row).div_euclid(1_000)
            }
            _ => return Err(ColumnFault(column)),
        };
        Ok(if array.is_null(row) { None } else { calendar::from_micros(micros) })
    }

    /// Text; empty for null.
    pub fn text(&self, row: usize, column: &'static str) -> Read<&str> {
        let array = self.column(column)?;
        match array.data_type() {
            _ if array.is_null(row) => Ok(""),
            DataType::Utf8 => Ok(array.as_string::<i32>().value(row)),
            DataType::LargeUtf8 => Ok(array.as_string::<i64>().value(row)),
            DataType::Utf8View => Ok(array.as_string_view().value(row)),
            _ => Err(ColumnFault(column)),
        }
    }

    /// Yes or no; no for null.
    pub fn flag(&self, row: usize, column: &'static str) -> Read<bool> {
        let array = self.column(column)?;
        match array.data_type() {
            DataType::Boolean => Ok(!array.is_null(row) && array.as_boolean().value(row)),
            _ => Err(ColumnFault(column)),
        }
    }

    fn column(&self, column: &'static str) -> Read<&ArrayRef> {
        self.rows.column_by_name(column).ok_or(ColumnFault(column))
    }
}
