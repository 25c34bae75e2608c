//! Rows of the server's binary protocol straight into Arrow columns, by position.

use std::{hash::Hasher as _, sync::Arc};

use arrow::{
    array::{
        ArrayRef, Date32Builder, Decimal128Builder, Int32Builder, Int64Builder, RecordBatch, StringBuilder,
        Time32SecondBuilder, TimestampMicrosecondBuilder,
    },
    datatypes::SchemaRef,
};
use mesh::{
    Refusal,
    datasets::{self, ColumnType, Dataset},
};
use mysql_async::{Row, Value};

use super::tables::Table;
use crate::convert;

/// A part of a chunk is closed at this size, well below the limit of a message.
pub(super) const BATCH_BYTES: usize = 8 << 20;

/// What a row is identified by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum RowKey {
    /// Most keys.
    Number(i64),
    /// The keys of the practice's settings.
    Text(Box<str>),
}

impl RowKey {
    /// The key as it travels.
    pub(super) fn text(&self) -> String {
        match self {
            RowKey::Number(number) => number.to_string(),
            RowKey::Text(text) => text.to_string(),
        }
    }
}

/// The columns to select from a table: the key first, then the others that this version has.
#[derive(Debug, Clone)]
pub(super) struct Selection {
    pub dataset: &'static Dataset,
    /// The columns in SQL.
    pub columns: String,
    /// For each selected column its position in the dataset.
    places: Vec<usize>,
    schema: SchemaRef,
}

impl Selection {
    pub(super) fn of(table: &Table) -> Self {
        let dataset = table.dataset;
        let mut places: Vec<usize> = (0..dataset.columns.len()).filter(|&i| table.columns[i].is_some()).collect();
        places.sort_by_key(|&i| dataset.columns[i].name != dataset.key);
        let names: Vec<_> = places.iter().filter_map(|&i| table.column(dataset.columns[i].name)).collect();
        Self { dataset, columns: names.join(", "), places, schema: datasets::schema(dataset) }
    }

    /// The place of a dataset's column in a selected row.
    pub(super) fn selected(&self, place: usize) -> Option<usize> {
        self.places.iter().position(|&p| p == place)
    }
}

/// The key of a selected row.
pub(super) fn key(row: &Row) -> Option<RowKey> {
    match row.as_ref(0)? {
        Value::Int(number) => Some(RowKey::Number(*number)),
        Value::UInt(number) => i64::try_from(*number).ok().map(RowKey::Number),
        Value::Bytes(text) => Some(RowKey::Text(String::from_utf8_lossy(text).into())),
        _ => None,
    }
}

/// A stamp of a selected row, in seconds of the epoch.
pub(super) fn stamp(row: &Row, place: usize) -> Option<i64> {
    stamp_micros(row, place).map(|micros| micros.div_euclid(1_000_000))
}

/// A stamp of a selected row, in microseconds of the epoch.
pub(super) fn stamp_micros(row: &Row, place: usize) -> Option<i64> {
    row.as_ref(place).and_then(moment)
}

/// A hash of a row's contents, good within this process.
pub(super) fn hash(row: &Row) -> u64 {
    let mut hash = std::hash::DefaultHasher::new();
    for place in 0..row.len() {
        match row.as_ref(place) {
            None | Some(Value::NULL) => hash.write_u8(0),
            Some(Value::Bytes(bytes)) => {
                hash.write_usize(bytes.len());
                hash.write(bytes);
            }
            Some(Value::Int(i)) => hash.write_i64(*i),
            Some(Value::UInt(u)) => hash.write_u64(*u),
            Some(Value::Float(f)) => hash.write_u32(f.to_bits()),
            Some(Value::Double(d)) => hash.write_u64(d.to_bits()),
            Some(Value::Date(y, mo, d, h, mi, s, us)) => {
                hash.write_u16(*y);
                hash.write(&[*mo, *d, *h, *mi, *s]);
                hash.write_u32(*us);
            }
            Some(Value::Time(negative, d, h, m, s, us)) => {
                hash.write(&[u8::from(*negative), *h, *m, *s]);
                hash.write_u32(*d);
                hash.write_u32(*us);
            }
        }
    }
    hash.finish()
}

/// A batch as it travels.
pub(super) fn encode(batch: &RecordBatch) -> Result<bytes::Bytes, Refusal> {
    mesh::rows::encode(batch).map_err(|error| {
        tracing::error!(%error, "a batch cannot be encoded");
        Refusal::internal("rows of the PMS cannot be encoded")
    })
}

enum Cells {
    Id(Int64Builder),
    Code(Int32Builder),
    Money(Decimal128Builder),
    Date(Date32Builder),
    Moment(TimestampMicrosecondBuilder, bool),
    Time(Time32SecondBuilder),
    Text(StringBuilder),
}

/// Builds batches of a selection.
pub(super) struct Batcher {
    selection: Arc<Selection>,
    /// One for each selected column.
    cells: Vec<Cells>,
    rows: usize,
    bytes: usize,
}

impl Batcher {
    pub(super) fn new(selection: Arc<Selection>, capacity: usize) -> Self {
        let kinds = selection.places.iter().map(|&place| selection.dataset.columns[place].kind);
        let cells = kinds.map(|kind| Cells::new(kind, capacity)).collect();
        Self { selection, cells, rows: 0, bytes: 0 }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// About how large the batch is by now.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn push(&mut self, row: &Row) {
        for (place, cells) in self.cells.iter_mut().enumerate() {
            self.bytes += cells.push(row.as_ref(place).unwrap_or(&Value::NULL));
        }
        self.rows += 1;
    }

    /// The batch, in the dataset's schema: what this version lacks is null. The next one begins empty.
    pub(super) fn finish(&mut self) -> Result<RecordBatch, Refusal> {
        let selection = &self.selection;
        let mut arrays: Vec<Option<ArrayRef>> = vec![None; selection.dataset.columns.len()];
        for (&place, cells) in selection.places.iter().zip(&mut self.cells) {
            arrays[place] = Some(cells.finish());
        }
        let fields = selection.schema.fields().iter();
        let arrays = arrays
            .into_iter()
            .zip(fields)
            .map(|(array, field)| array.unwrap_or_else(|| arrow::array::new_null_array(field.data_type(), self.rows)));
        let batch = RecordBatch::try_new(Arc::clone(&selection.schema), arrays.collect()).map_err(|error| {
            tracing::error!(%error, dataset = selection.dataset.name, "a batch cannot be built");
            Refusal::internal("rows of the PMS cannot be put into columns")
        });
        (self.rows, self.bytes) = (0, 0);
        batch
    }
}

impl Cells {
    fn new(kind: ColumnType, capacity: usize) -> Self {
        match kind {
            ColumnType::Id => Cells::Id(Int64Builder::with_capacity(capacity)),
            ColumnType::Code => Cells::Code(Int32Builder::with_capacity(capacity)),
            ColumnType::Money => {
                Cells::Money(Decimal128Builder::with_capacity(capacity).with_data_type(ColumnType::Money.arrow()))
            }
            ColumnType::Date => Cells::Date(Date32Builder::with_capacity(capacity)),
            ColumnType::LocalDateTime => Cells::Moment(TimestampMicrosecondBuilder::with_capacity(capacity), false),
            ColumnType::Instant => Cells::Moment(TimestampMicrosecondBuilder::with_capacity(capacity), true),
            ColumnType::Time => Cells::Time(Time32SecondBuilder::with_capacity(capacity)),
            ColumnType::Text => Cells::Text(StringBuilder::with_capacity(capacity, capacity * 8)),
        }
    }

    /// Adds a value and says how many bytes it takes. What does not fit the type is null.
    fn push(&mut self, value: &Value) -> usize {
        match self {
            Cells::Id(to) => to.append_option(whole(value)),
            Cells::Code(to) => to.append_option(whole(value).and_then(|i| i32::try_from(i).ok())),
            Cells::Money(to) => to.append_option(amount(value)),
            Cells::Date(to) => to.append_option(date(value)),
            Cells::Moment(to, _) => to.append_option(moment(value)),
            Cells::Time(to) => to.append_option(time(value)),
            Cells::Text(to) => return text(value, to),
        }
        8
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Cells::Id(from) => Arc::new(from.finish()),
            Cells::Code(from) => Arc::new(from.finish()),
            Cells::Money(from) => Arc::new(from.finish()),
            Cells::Date(from) => Arc::new(from.finish()),
            Cells::Moment(from, false) => Arc::new(from.finish()),
            Cells::Moment(from, true) => Arc::new(from.finish().with_timezone("UTC")),
            Cells::Time(from) => Arc::new(from.finish()),
            Cells::Text(from) => Arc::new(from.finish()),
        }
    }
}

fn ascii(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().map(str::trim)
}

#[allow(clippy::cast_possible_truncation)] // whole numbers below 2^53
fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        Value::UInt(number) => i64::try_from(*number).ok(),
        Value::Bytes(bytes) => ascii(bytes)?.parse().ok(),
        Value::Double(double) if double.fract() == 0.0 && double.abs() < 9e15 => Some(*double as i64),
        Value::Float(float) if float.fract() == 0.0 && float.abs() < 1.6e7 => Some(*float as i64),
        _ => None,
    }
}

fn amount(value: &Value) -> Option<i128> {
    match value {
        Value::Double(double) => convert::money(*double),
        // A float's shortest text is what the server shows of it.
        Value::Float(float) => convert::money(float.to_string().parse().ok()?),
        Value::Int(number) => Some(i128::from(*number) * 10_000),
        Value::UInt(number) => Some(i128::from(*number) * 10_000),
        Value::Bytes(bytes) => convert::money(ascii(bytes)?.parse().ok()?),
        _ => None,
    }
}

/// Days after 1970-01-01 of a date of the Gregorian calendar.
fn days(year: u16, month: u8, day: u8) -> i32 {
    // Counted from March, so that the leap day ends the year.
    let (month, day) = (i32::from(month), i32::from(day));
    let year = i32::from(year) - i32::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn date(value: &Value) -> Option<i32> {
    match value {
        Value::Date(year, month, day, ..) if !is_zero(*year, *month, *day) => Some(days(*year, *month, *day)),
        _ => None,
    }
}

/// Open Dental's words for no date: 0000-00-00 and 0001-01-01; the server also allows zero months and days.
fn is_zero(year: u16, month: u8, day: u8) -> bool {
    year == 0 || month == 0 || day == 0 || (year, month, day) == (1, 1, 1)
}

fn moment(value: &Value) -> Option<i64> {
    match value {
        Value::Date(1, 1, 1, h, m, s, us) if (*h, *m, *s, *us) != (0, 0, 0, 0) => {
            Some(i64::from(days(1, 1, 1)) * 86_400_000_000 + micros(*h, *m, *s, *us))
        }
        Value::Date(year, month, day, h, m, s, us) if !is_zero(*year, *month, *day) => {
            Some(i64::from(days(*year, *month, *day)) * 86_400_000_000 + micros(*h, *m, *s, *us))
        }
        _ => None,
    }
}

fn micros(hour: u8, minute: u8, second: u8, micros: u32) -> i64 {
    (i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second)) * 1_000_000 + i64::from(micros)
}

fn time(value: &Value) -> Option<i32> {
    let seconds = |h: u8, m: u8, s: u8| i32::from(h) * 3_600 + i32::from(m) * 60 + i32::from(s);
    match value {
        // Arrow knows times of one day only.
        Value::Time(false, 0, h, m, s, _) if *h < 24 => Some(seconds(*h, *m, *s)),
        Value::Date(_, _, _, h, m, s, _) => Some(seconds(*h, *m, *s)),
        _ => None,
    }
}

fn text(value: &Value, to: &mut StringBuilder) -> usize {
    match value {
        Value::Bytes(bytes) => {
            to.append_value(String::from_utf8_lossy(bytes));
            bytes.len() + 4
        }
        Value::Int(number) => {
            to.append_value(number.to_string());
            16
        }
        Value::UInt(number) => {
            to.append_value(number.to_string());
            16
        }
        _ => {
            to.append_null();
            4
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn dates_are_those_of_the_calendar(year in 1_i16..=9999, month in 1_i8..=12, day in 1_i8..=28) {
            let date = jiff::civil::date(year, month, day);
            let since = date.since((jiff::Unit::Day, jiff::civil::date(1970, 1, 1))).map(|s| s.get_days());
            let counted = days(u16::try_from(year).unwrap_or(0), u8::try_from(month).unwrap_or(0), u8::try_from(day).unwrap_or(0));
            prop_assert_eq!(since.ok(), Some(counted));
        }
    }

    #[test]
    fn zero_dates_are_none() {
        for zero in [(0, 0, 0), (1, 1, 1), (2024, 0, 1), (2024, 1, 0)] {
            let value = Value::Date(zero.0, zero.1, zero.2, 0, 0, 0, 0);
            assert_eq!((date(&value), moment(&value)), (None, None), "{zero:?}");
        }
    }
}
