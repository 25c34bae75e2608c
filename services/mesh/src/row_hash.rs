//! Checksums of rows, as `RangeDigest.content_hash` defines them: a database server computes them from its own columns,
//! whoever holds the rows in canonical columns computes them here.

use std::fmt::Write as _;

use arrow::{
    array::{
        Array, AsArray as _, Date32Array, Decimal128Array, Int32Array, Int64Array, RecordBatch, StringArray,
        Time32SecondArray, TimestampMicrosecondArray,
    },
    datatypes::{
        DataType, Date32Type, Decimal128Type, Int32Type, Int64Type, Time32SecondType, TimeUnit,
        TimestampMicrosecondType,
    },
    error::ArrowError,
};
use sha2::{Digest as _, Sha256};

use crate::{calendar, datasets::Dataset};

const DAY: i64 = 86_400_000_000;

/// The hash of each row of a batch in a dataset's columns; a column that the batch lacks is null. Times of day may be
/// seconds in an integer, as tables hold them.
///
/// # Errors
/// When a column has a type that no canonical column has.
pub fn hashes(dataset: &Dataset, batch: &RecordBatch) -> Result<Vec<u64>, ArrowError> {
    let columns = dataset.columns.iter().map(|column| Cells::of(batch, column.name)).collect::<Result<Vec<_>, _>>()?;
    let (mut text, mut value) = (String::new(), String::new());
    let hash = |row: usize| {
        text.clear();
        for cells in &columns {
            value.clear();
            // Writing to a string cannot fail.
            let _ = match cells.write(row, &mut value) {
                Some(()) => write!(text, "{}:{value}", value.len()),
                None => write!(text, "-"),
            };
        }
        let digest = Sha256::digest(text.as_bytes());
        digest.iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
    };
    Ok((0..batch.num_rows()).map(hash).collect())
}

/// A column's values.
enum Cells<'a> {
    Absent,
    Long(&'a Int64Array),
    Int(&'a Int32Array),
    Time(&'a Time32SecondArray),
    Money(&'a Decimal128Array),
    Date(&'a Date32Array),
    Moment(&'a TimestampMicrosecondArray),
    Text(&'a StringArray),
}

impl<'a> Cells<'a> {
    fn of(batch: &'a RecordBatch, name: &str) -> Result<Self, ArrowError> {
        let Some(column) = batch.column_by_name(name) else { return Ok(Cells::Absent) };
        Ok(match column.data_type() {
            DataType::Int64 => Cells::Long(column.as_primitive::<Int64Type>()),
            DataType::Int32 => Cells::Int(column.as_primitive::<Int32Type>()),
            DataType::Time32(TimeUnit::Second) => Cells::Time(column.as_primitive::<Time32SecondType>()),
            DataType::Decimal128(_, 4) => Cells::Money(column.as_primitive::<Decimal128Type>()),
            DataType::Date32 => Cells::Date(column.as_primitive::<Date32Type>()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                Cells::Moment(column.as_primitive::<TimestampMicrosecondType>())
            }
            DataType::Utf8 => Cells::Text(column.as_string::<i32>()),
            other => {
                return Err(ArrowError::SchemaError(format!("column {name} is {other}, which no canonical one is")));
            }
        })
    }

    /// Writes a row's value; none where it is null.
    fn write(&self, row: usize, to: &mut String) -> Option<()> {
        let _ = match self {
            Cells::Absent => return None,
            Cells::Long(of) => write!(to, "{}", valid(*of, row)?.value(row)),
            Cells::Int(of) => write!(to, "{}", valid(*of, row)?.value(row)),
            Cells::Time(of) => write!(to, "{}", valid(*of, row)?.value(row)),
            Cells::Money(of) => {
                let value = valid(*of, row)?.value(row);
                let (sign, parts) = (if value < 0 { "-" } else { "" }, value.unsigned_abs());
                write!(to, "{sign}{}.{:04}", parts / 10_000, parts % 10_000)
            }
            Cells::Date(of) => match calendar::from_days(valid(*of, row)?.value(row).into()) {
                Some(date) => write!(to, "{date}"),
                None => write!(to, "?"),
            },
            Cells::Moment(of) => moment(valid(*of, row)?.value(row), to),
            Cells::Text(of) => {
                to.push_str(valid(*of, row)?.value(row));
                Ok(())
            }
        };
        Some(())
    }
}

fn valid<A: Array>(of: &A, row: usize) -> Option<&A> {
    of.is_valid(row).then_some(of)
}

fn moment(micros: i64, to: &mut String) -> std::fmt::Result {
    let Some(date) = calendar::from_days(micros.div_euclid(DAY)) else { return write!(to, "?") };
    let of_day = micros.rem_euclid(DAY);
    let (seconds, micros) = (of_day / 1_000_000, of_day % 1_000_000);
    write!(to, "{date} {:02}:{:02}:{:02}.{micros:06}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use arrow::{array::new_null_array, datatypes::Schema};

    use super::*;
    use crate::datasets;

    #[test]
    fn the_hash_is_that_of_the_text_of_the_contract() {
        let dataset = datasets::get("schedule_operatory").unwrap();
        let schema = datasets::schema(dataset);
        let numbers = |value| Arc::new(Int64Array::from(vec![Some(value), None])) as Arc<dyn Array>;
        let columns = (0..schema.fields().len()).map(|place| numbers(place as i64 + 10)).collect();
        let batch = RecordBatch::try_new(schema, columns).unwrap();
        let of = |text: &str| {
            let digest = Sha256::digest(text.as_bytes());
            u64::from_be_bytes(digest[..8].try_into().unwrap())
        };
        assert_eq!(hashes(dataset, &batch).unwrap(), [of("2:102:112:12"), of("---")]);
    }

    #[test]
    fn every_canonical_column_has_a_text_and_a_missing_one_is_null() {
        for dataset in datasets::all() {
            let schema = datasets::schema(dataset);
            let nulls = schema.fields().iter().map(|f| new_null_array(f.data_type(), 1)).collect();
            let whole = RecordBatch::try_new(schema.clone(), nulls).unwrap();
            let part = whole.project(&[0]).unwrap();
            assert_eq!(hashes(dataset, &whole).unwrap(), hashes(dataset, &part).unwrap(), "{}", dataset.name);
        }
        let odd = Schema::new(vec![arrow::datatypes::Field::new("pat_num", DataType::Boolean, true)]);
        let odd = RecordBatch::try_new(Arc::new(odd), vec![new_null_array(&DataType::Boolean, 1)]).unwrap();
        assert!(hashes(datasets::get("patient").unwrap(), &odd).is_err());
    }

    #[test]
    fn times_are_written_as_a_server_writes_them() {
        let text = |micros| {
            let mut text = String::new();
            moment(micros, &mut text).unwrap();
            text
        };
        assert_eq!(text(0), "1970-01-01 00:00:00.000000");
        assert_eq!(text(-1), "1969-12-31 23:59:59.999999");
        assert_eq!(text(1_700_000_000_000_001), "2023-11-14 22:13:20.000001");
    }
}
