//! A fact, and how a batch of rows becomes facts.

use std::collections::HashMap;

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    datatypes::{DataType, Date32Type, Decimal128Type, Int32Type, Int64Type},
};
use jiff::civil::Date;
use mesh::{calendar, money::Money};

use super::{flags, names::Names};
use crate::books::{BooksError, answer::ColumnFault};

/// One row's contribution.
#[derive(Debug, Clone, Copy)]
pub struct Fact {
    /// The row's key in the PMS.
    pub key: i64,
    /// The date by which it falls into a range.
    pub day: Date,
    /// The patient; for a family the guarantor; 0 for none.
    pub patient: i64,
    /// The provider credited; 0: unassigned.
    pub provider: i64,
    /// The location; 0: unassigned.
    pub clinic: i64,
    /// The procedure code; empty for none.
    pub code: Text,
    /// What it is, in words.
    pub label: Text,
    /// Its kind, where its family tells kinds apart, e.g. an adjustment's type.
    pub kind: i64,
    /// What is true of it: [`flags`].
    pub flags: u32,
    /// The amount; minutes are whole numbers in it.
    pub amount: Money,
}

/// A text that many facts share.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(pub(super) u32);

/// The texts of facts, each once. The first is empty.
#[derive(Debug, Clone)]
pub struct Texts {
    all: Vec<String>,
    places: HashMap<String, Text>,
}

impl Default for Texts {
    fn default() -> Self {
        Self { all: vec![String::new()], places: HashMap::from([(String::new(), Text(0))]) }
    }
}

impl Texts {
    /// The place of a text, new or known.
    pub fn put(&mut self, text: &str) -> Text {
        if let Some(known) = self.places.get(text) {
            return *known;
        }
        let place = Text(u32::try_from(self.all.len()).unwrap_or(u32::MAX));
        self.all.push(text.to_owned());
        self.places.insert(text.to_owned(), place);
        place
    }

    /// The place of a text, if it is known.
    pub fn find(&self, text: &str) -> Option<Text> {
        self.places.get(text).copied()
    }

    /// The text at a place.
    pub fn get(&self, text: Text) -> &str {
        self.all.get(text.0 as usize).map_or("", String::as_str)
    }
}

/// Appends the facts of a batch. Columns that a family does not bring are 0 or empty; rows without a day are left out.
/// Providers and locations that the PMS does not know are unassigned.
///
/// # Errors
/// When a column is not of the type that facts have, or a boolean one is no flag.
pub fn append(batch: &RecordBatch, texts: &mut Texts, names: &Names, to: &mut Vec<Fact>) -> Result<(), BooksError> {
    let columns = Columns::of(batch)?;
    to.reserve(batch.num_rows());
    for row in 0..batch.num_rows() {
        let Some(day) = columns.day(row) else { continue };
        let provider = columns.provider.at(row);
        let clinic = columns.clinic.at(row);
        let mut set = 0;
        for (array, flag) in &columns.flags {
            if !array.is_null(row) && array.as_boolean().value(row) {
                set |= flag;
            }
        }
        to.push(Fact {
            key: columns.key.at(row),
            day,
            patient: columns.patient.at(row),
            provider: if names.provider(provider).is_some() { provider } else { 0 },
            clinic: if names.clinic(clinic).is_some() { clinic } else { 0 },
            code: texts.put(columns.code.at(row)),
            label: texts.put(columns.label.at(row)),
            kind: columns.kind.at(row),
            flags: set,
            amount: columns.amount(row),
        });
    }
    Ok(())
}

struct Columns<'a> {
    key: Numbers<'a>,
    day: &'a ArrayRef,
    patient: Numbers<'a>,
    provider: Numbers<'a>,
    clinic: Numbers<'a>,
    code: Words<'a>,
    label: Words<'a>,
    kind: Numbers<'a>,
    amount: Option<&'a ArrayRef>,
    flags: Vec<(&'a ArrayRef, u32)>,
}

impl<'a> Columns<'a> {
    fn of(batch: &'a RecordBatch) -> Result<Self, ColumnFault> {
        let day = batch.column_by_name("day").filter(|array| *array.data_type() == DataType::Date32);
        let amount = batch.column_by_name("amount");
        if amount.is_some_and(|array| !matches!(array.data_type(), DataType::Decimal128(_, 4))) {
            return Err(ColumnFault("amount"));
        }
        let mut set = Vec::new();
        for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            if *field.data_type() == DataType::Boolean {
                set.push((array, flags::of_column(field.name()).ok_or(ColumnFault("a flag"))?));
            }
        }
        Ok(Self {
            key: Numbers::of(batch, "key_num")?,
            day: day.ok_or(ColumnFault("day"))?,
            patient: Numbers::of(batch, "pat_num")?,
            provider: Numbers::of(batch, "prov_num")?,
            clinic: Numbers::of(batch, "clinic_num")?,
            code: Words::of(batch, "code")?,
            label: Words::of(batch, "label")?,
            kind: Numbers::of(batch, "kind")?,
            amount,
            flags: set,
        })
    }

    fn day(&self, row: usize) -> Option<Date> {
        if self.day.is_null(row) {
            return None;
        }
        calendar::from_days(self.day.as_primitive::<Date32Type>().value(row).into())
    }

    fn amount(&self, row: usize) -> Money {
        let present = self.amount.filter(|array| !array.is_null(row));
        present.map_or(Money::ZERO, |array| Money(array.as_primitive::<Decimal128Type>().value(row)))
    }
}

/// A column of whole numbers; one that is not there is all 0.
struct Numbers<'a>(Option<&'a ArrayRef>);

impl<'a> Numbers<'a> {
    fn of(batch: &'a RecordBatch, column: &'static str) -> Result<Self, ColumnFault> {
        let array = batch.column_by_name(column);
        match array.map(|array| array.data_type()) {
            None | Some(DataType::Int64 | DataType::Int32) => Ok(Self(array)),
            Some(_) => Err(ColumnFault(column)),
        }
    }

    fn at(&self, row: usize) -> i64 {
        match self.0 {
            Some(array) if array.is_null(row) => 0,
            Some(array) if *array.data_type() == DataType::Int64 => array.as_primitive::<Int64Type>().value(row),
            Some(array) => array.as_primitive::<Int32Type>().value(row).into(),
            None => 0,
        }
    }
}

/// A column of text; one that is not there is all empty.
struct Words<'a>(Option<&'a ArrayRef>);

impl<'a> Words<'a> {
    fn of(batch: &'a RecordBatch, column: &'static str) -> Result<Self, ColumnFault> {
        let array = batch.column_by_name(column);
        match array.map(|array| array.data_type()) {
            None | Some(DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => Ok(Self(array)),
            Some(_) => Err(ColumnFault(column)),
        }
    }

    fn at(&self, row: usize) -> &'a str {
        match self.0 {
            Some(array) if array.is_null(row) => "",
            Some(array) => match array.data_type() {
                DataType::Utf8 => array.as_string::<i32>().value(row),
                DataType::LargeUtf8 => array.as_string::<i64>().value(row),
                _ => array.as_string_view().value(row),
            },
            None => "",
        }
    }
}
