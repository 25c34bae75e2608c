//! Rows as messages.

use arrow::{
    array::{Array as _, ArrayRef, AsArray as _, RecordBatch},
    datatypes::{Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType},
};
use chairsync_proto::analytics::{ReportColumnKind, ReportRow, ReportValue, report_value::Value};
use mesh::{calendar, money::Money};

use super::column::Column;
use crate::refs;

/// The rows of a shaped batch from `start` on, `count` of them at most.
pub fn rows(columns: &[Column], batch: &RecordBatch, start: usize, count: usize, currency: &str) -> Vec<ReportRow> {
    let end = batch.num_rows().min(start.saturating_add(count));
    let row = |row: usize| {
        let cell = |(column, array): (&Column, &ArrayRef)| ReportValue { value: value(column, array, row, currency) };
        ReportRow { values: columns.iter().zip(batch.columns()).map(cell).collect() }
    };
    (start..end).map(row).collect()
}

fn value(column: &Column, array: &ArrayRef, row: usize, currency: &str) -> Option<Value> {
    if array.is_null(row) {
        return None;
    }
    // A shaped batch has these types: see `Column::arrow`.
    Some(match column.kind {
        ReportColumnKind::Integer => Value::Integer(array.as_primitive::<Int64Type>().value(row)),
        ReportColumnKind::Money => {
            Value::Money(Money::cents(array.as_primitive::<Decimal128Type>().value(row)).to_proto(currency))
        }
        ReportColumnKind::Date => {
            let date = calendar::from_days(array.as_primitive::<Date32Type>().value(row).into())?;
            Value::Date(calendar::date_to_proto(date))
        }
        ReportColumnKind::Percent => Value::Percent(array.as_primitive::<Float64Type>().value(row)),
        ReportColumnKind::Boolean => Value::Boolean(array.as_boolean().value(row)),
        ReportColumnKind::LocalDateTime => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            Value::LocalDateTime(refs::local(calendar::from_micros(micros)?))
        }
        ReportColumnKind::Text | ReportColumnKind::Unspecified => {
            Value::Text(array.as_string::<i32>().value(row).to_owned())
        }
    })
}
