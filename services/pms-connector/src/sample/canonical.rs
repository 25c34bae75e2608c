//! Rows of the sample in canonical columns, by the same rules as the Open Dental connector's.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, Date32Builder, Decimal128Builder, Int32Builder, Int64Builder, RecordBatch, StringBuilder,
        Time32SecondBuilder, TimestampMicrosecondBuilder,
    },
    error::ArrowError,
};
use mesh::datasets::{ColumnType, schema};

use super::{
    store::Source,
    value::{Moment, Row, Value},
};
use crate::convert;

/// Builds a batch of the source's dataset.
///
/// # Errors
/// When a column cannot be built; generated rows always can.
pub(crate) fn batch(source: &Source, rows: &[&Row]) -> Result<RecordBatch, ArrowError> {
    let columns = source.dataset.columns.iter().zip(&source.columns).map(|(column, &place)| {
        let values = rows.iter().map(move |row| &row[place]);
        build(column.kind, values, rows.len())
    });
    RecordBatch::try_new(schema(source.dataset), columns.collect::<Result<_, _>>()?)
}

fn build<'a>(kind: ColumnType, values: impl Iterator<Item = &'a Value>, count: usize) -> Result<ArrayRef, ArrowError> {
    Ok(match kind {
        ColumnType::Id => {
            let mut to = Int64Builder::with_capacity(count);
            values.for_each(|v| to.append_option(whole(v)));
            Arc::new(to.finish())
        }
        ColumnType::Code => {
            let mut to = Int32Builder::with_capacity(count);
            values.for_each(|v| to.append_option(whole(v).and_then(|i| i32::try_from(i).ok())));
            Arc::new(to.finish())
        }
        ColumnType::Money => {
            let mut to = Decimal128Builder::with_capacity(count).with_precision_and_scale(18, 4)?;
            values.for_each(|v| to.append_option(if let Value::Double(d) = v { convert::money(*d) } else { None }));
            Arc::new(to.finish())
        }
        ColumnType::Date => {
            let mut to = Date32Builder::with_capacity(count);
            values.for_each(|v| {
                to.append_option(if let Value::Date(d) = v { (!d.is_zero()).then_some(d.0) } else { None })
            });
            Arc::new(to.finish())
        }
        ColumnType::LocalDateTime => {
            let mut to = TimestampMicrosecondBuilder::with_capacity(count);
            values.for_each(|v| to.append_option(wall_clock(v)));
            Arc::new(to.finish())
        }
        ColumnType::Instant => {
            let mut to = TimestampMicrosecondBuilder::with_capacity(count);
            values.for_each(|v| to.append_option(if let Value::Stamp(s) = v { Some(s.0 * 1_000_000) } else { None }));
            Arc::new(to.finish().with_timezone("UTC"))
        }
        ColumnType::Time => {
            let mut to = Time32SecondBuilder::with_capacity(count);
            values.for_each(|v| to.append_option(if let Value::Time(t) = v { Some(t.0) } else { None }));
            Arc::new(to.finish())
        }
        ColumnType::Text => {
            let mut to = StringBuilder::with_capacity(count, count * 8);
            values.for_each(|v| to.append_option(if let Value::Text(t) = v { Some(t.as_ref()) } else { None }));
            Arc::new(to.finish())
        }
    })
}

fn whole(value: &Value) -> Option<i64> {
    if let Value::Int(number) = value { Some(*number) } else { None }
}

/// A wall-clock time in microseconds; a date is its midnight, a zero time is none.
fn wall_clock(value: &Value) -> Option<i64> {
    let at = match value {
        Value::DateTime(at) => *at,
        Value::Date(day) => day.at(0),
        _ => return None,
    };
    (at != Moment::ZERO).then_some(at.0 * 1_000_000)
}
