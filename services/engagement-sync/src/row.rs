//! A row of a canonical dataset in memory: read from Arrow, kept in few bytes, shown as a `Struct`.

mod arrow;
mod codec;
mod shown;

use std::fmt;

use jiff::{Timestamp, civil};
use mesh::{
    calendar,
    datasets::{ColumnType, Dataset},
    money::Money,
};

pub use self::{
    arrow::rows_of,
    codec::{decode, encode},
    shown::to_struct,
};

/// A column's value. Numbers, money (ten-thousandths), dates (days), moments and wall-clock times (microseconds) and
/// times of day (seconds) are all `Int`; the column's type says which it is.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub enum Value {
    /// Null.
    #[default]
    Null,
    /// Anything but text.
    Int(i64),
    /// Text.
    Text(String),
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Value(redacted)")
    }
}

/// A row. It may hold patient data: its `Debug` names the dataset only.
#[derive(Clone)]
pub struct Row {
    dataset: &'static Dataset,
    values: Vec<Value>,
}

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        self.dataset.name == other.dataset.name && self.values == other.values
    }
}

impl Eq for Row {}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Row({}, redacted)", self.dataset.name)
    }
}

impl Row {
    /// A row of a dataset, all null.
    pub fn new(dataset: &'static Dataset) -> Self {
        Self { dataset, values: vec![Value::Null; dataset.columns.len()] }
    }

    /// Sets a column; one that the dataset does not have is ignored.
    pub fn with(mut self, column: &str, value: impl Into<Value>) -> Self {
        if let Some(at) = self.dataset.position(column) {
            self.values[at] = value.into();
        }
        self
    }

    /// Its dataset.
    pub fn dataset(&self) -> &'static Dataset {
        self.dataset
    }

    /// Its key in the PMS, as text.
    pub fn key(&self) -> String {
        match self.value(self.dataset.key) {
            Value::Null => String::new(),
            Value::Int(number) => number.to_string(),
            Value::Text(text) => text.clone(),
        }
    }

    /// A column's value; null where there is none.
    pub fn value(&self, column: &str) -> &Value {
        self.dataset.position(column).and_then(|at| self.values.get(at)).unwrap_or(&Value::Null)
    }

    /// A number, where the column has one.
    pub fn int(&self, column: &str) -> Option<i64> {
        match self.value(column) {
            Value::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// A key, a reference or a code; 0 when null.
    pub fn id(&self, column: &str) -> i64 {
        self.int(column).unwrap_or_default()
    }

    /// An amount; zero when null.
    pub fn money(&self, column: &str) -> Money {
        self.id(column).into()
    }

    /// Text; empty when null.
    pub fn text(&self, column: &str) -> &str {
        match self.value(column) {
            Value::Text(text) => text,
            _ => "",
        }
    }

    /// A local date.
    pub fn date(&self, column: &str) -> Option<civil::Date> {
        calendar::from_days(self.int(column)?)
    }

    /// A time on the practice's wall clock.
    pub fn date_time(&self, column: &str) -> Option<civil::DateTime> {
        calendar::from_micros(self.int(column)?)
    }

    /// A moment.
    pub fn instant(&self, column: &str) -> Option<Timestamp> {
        Timestamp::from_microsecond(self.int(column)?).ok()
    }

    /// The patient that it belongs to; `None` in datasets without patients.
    pub fn patient(&self) -> Option<i64> {
        has_patient(self.dataset).then(|| self.id("pat_num")).filter(|patient| *patient > 0)
    }

    /// The number that the live view indexes it by: the family (guarantor) of a patient, the patient of any other row, 0
    /// where there is neither.
    pub fn group(&self) -> i64 {
        match self.dataset.name {
            "patient" => self.id("guarantor"),
            _ => self.patient().unwrap_or_default(),
        }
    }

    /// When the PMS last changed it, as far as the dataset shows that.
    pub fn changed_at(&self) -> Option<Timestamp> {
        self.instant(self.dataset.change_column()?.name)
    }

    fn columns(&self) -> impl Iterator<Item = (&'static str, ColumnType, &Value)> {
        self.dataset.columns.iter().zip(&self.values).map(|(column, value)| (column.name, column.kind, value))
    }
}

/// Whether a dataset's rows belong to patients.
pub fn has_patient(dataset: &Dataset) -> bool {
    dataset.position("pat_num").is_some()
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Money> for Value {
    fn from(money: Money) -> Self {
        Self::Int(i64::try_from(money.0).unwrap_or(i64::MAX)) // a cell's amount fits: it has 18 digits
    }
}

impl From<civil::Date> for Value {
    fn from(date: civil::Date) -> Self {
        Self::Int(calendar::to_days(date).into())
    }
}

impl From<civil::DateTime> for Value {
    fn from(at: civil::DateTime) -> Self {
        Self::Int(calendar::to_micros(at))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn dates_and_times_go_both_ways() {
        let day = civil::date(2026, 3, 31);
        let row = Row::new(mesh::datasets::get("appointment").unwrap())
            .with("apt_date_time", day.at(9, 30, 0, 0))
            .with("pat_num", 7);
        assert_eq!(row.date_time("apt_date_time").unwrap(), day.at(9, 30, 0, 0));
        assert_eq!((row.patient(), row.group()), (Some(7), 7));
        let recall = Row::new(mesh::datasets::get("recall").unwrap()).with("date_due", civil::date(1969, 12, 31));
        assert_eq!(recall.date("date_due").unwrap(), civil::date(1969, 12, 31));
        assert_eq!(format!("{recall:?}"), "Row(recall, redacted)");
    }
}
