//! CSV as in RFC 4180: a header line, CRLF, quotes only where they are needed; UTF-8. Null is nothing between two commas.

use std::fmt::Write as _;

use arrow::{
    array::{Array as _, ArrayRef, AsArray as _, RecordBatch},
    datatypes::{DataType, Date32Type, Decimal128Type, Float64Type, Int64Type, SchemaRef, TimestampMicrosecondType},
};
use datafusion::error::DataFusionError;
use mesh::calendar;

use super::FileWriter;

/// Writes CSV.
pub struct Csv {
    head: Option<String>,
}

impl Csv {
    /// For batches of `schema`.
    pub fn new(schema: &SchemaRef) -> Self {
        let mut head = String::new();
        for (place, field) in schema.fields().iter().enumerate() {
            separate(&mut head, place);
            quoted(&mut head, field.name());
        }
        head.push_str("\r\n");
        Self { head: Some(head) }
    }
}

impl FileWriter for Csv {
    fn write(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, DataFusionError> {
        let mut text = self.head.take().unwrap_or_default();
        for row in 0..batch.num_rows() {
            for (place, array) in batch.columns().iter().enumerate() {
                separate(&mut text, place);
                if array.is_valid(row) {
                    value(&mut text, array, row)?;
                }
            }
            text.push_str("\r\n");
        }
        Ok(text.into_bytes())
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<u8>, DataFusionError> {
        Ok(self.head.take().unwrap_or_default().into_bytes())
    }
}

fn separate(text: &mut String, place: usize) {
    if place > 0 {
        text.push(',');
    }
}

fn value(text: &mut String, array: &ArrayRef, row: usize) -> Result<(), DataFusionError> {
    let written = match array.data_type() {
        DataType::Utf8 => {
            quoted(text, array.as_string::<i32>().value(row));
            Ok(())
        }
        DataType::Int64 => write!(text, "{}", array.as_primitive::<Int64Type>().value(row)),
        DataType::Decimal128(_, 2) => {
            let cents = array.as_primitive::<Decimal128Type>().value(row);
            let (sign, cents) = (if cents < 0 { "-" } else { "" }, cents.unsigned_abs());
            write!(text, "{sign}{}.{:02}", cents / 100, cents % 100)
        }
        DataType::Date32 => match calendar::from_days(array.as_primitive::<Date32Type>().value(row).into()) {
            Some(date) => write!(text, "{date}"),
            None => Ok(()),
        },
        DataType::Float64 => write!(text, "{:.1}", array.as_primitive::<Float64Type>().value(row)),
        DataType::Boolean => write!(text, "{}", array.as_boolean().value(row)),
        DataType::Timestamp(_, _) => {
            match calendar::from_micros(array.as_primitive::<TimestampMicrosecondType>().value(row)) {
                Some(at) => write!(text, "{at}"),
                None => Ok(()),
            }
        }
        other => return Err(DataFusionError::NotImplemented(format!("{other} in a CSV file"))),
    };
    written.map_err(|_| DataFusionError::Internal("a String takes every text".into()))
}

fn quoted(text: &mut String, value: &str) {
    if !value.contains(['"', ',', '\r', '\n']) {
        text.push_str(value);
        return;
    }
    text.push('"');
    text.push_str(&value.replace('"', "\"\""));
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_break_a_line_is_quoted() {
        let mut text = String::new();
        for value in ["plain", "O'Hara, Ann", "say \"ah\"", "two\r\nlines", "", " blank "] {
            quoted(&mut text, value);
            text.push(';');
        }
        assert_eq!(text, "plain;\"O'Hara, Ann\";\"say \"\"ah\"\"\";\"two\r\nlines\";; blank ;");
    }
}
