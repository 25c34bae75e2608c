//! Filters: conditions on the fields of a row, all of which must hold.
//!
//! A field without a value is neither in a range nor outside of it: it passes only what asks for emptiness. A condition
//! comes as a message ([`condition`]) or out of an expression ([`parse`], [`compile`]).

pub mod compile;
pub mod expression;
pub mod parse;

use std::{collections::HashSet, fmt};

use chairsync_proto::{
    analytics::{
        DateRange, IntegerRange, MoneyRange, PatientField as Field, PatientFilter, RelativeDays, StringList,
        patient_filter::Condition as Asked,
    },
    google_type,
};
use jiff::civil::Date;
use mesh::{
    Refusal,
    calendar::{date_from_proto, to_days},
    money::PARTS,
    names,
};

use super::{
    field::{self, AsOf, Kind, Value},
    row::{Cents, Row, fold},
};

/// The most filters of a request.
pub const FILTERS_MAX: usize = 46;
/// The most texts of a filter.
const VALUES_MAX: usize = 1_000;

/// What a condition is read for.
#[derive(Debug, Clone, Copy)]
pub struct Practice<'a> {
    /// The practice's id.
    pub id: &'a str,
    /// The code of its currency.
    pub currency: &'a str,
    /// D.
    pub date: Date,
}

/// What a field is held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// One of the texts, in lower case, or a text that begins so.
    AnyOf {
        /// The texts.
        texts: HashSet<String>,
        /// Their beginnings.
        beginnings: Vec<String>,
    },
    /// One of the resources with these numbers.
    Numbers(HashSet<i64>),
    /// Yes, or no.
    Is(bool),
    /// A number, an amount in cents or a date in days, between these, ends included.
    Between(Option<i64>, Option<i64>),
    /// Without a value, or with one.
    Empty(bool),
}

/// Tests of one field, one of which must hold.
#[derive(Clone, PartialEq, Eq)]
pub struct Condition {
    /// The field.
    pub field: Field,
    /// The tests, each with whether it must fail instead.
    pub any: Vec<(Test, bool)>,
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", field::name(self.field), self.any)
    }
}

impl Condition {
    /// Whether a row meets it.
    pub fn holds(&self, row: &Row, as_of: AsOf) -> bool {
        let value = field::value(self.field, row, as_of);
        self.any.iter().any(|(test, negated)| match (test, value) {
            (Test::Empty(empty), value) => (*empty == (value == Value::Null)) != *negated,
            (_, Value::Null) => false,
            (test, value) => test.meets(value) != *negated,
        })
    }
}

impl Test {
    fn meets(&self, value: Value<'_>) -> bool {
        let text = |texts: &HashSet<String>, beginnings: &[String], text: &str| {
            texts.contains(text) || beginnings.iter().any(|beginning| text.starts_with(beginning.as_str()))
        };
        match (self, value) {
            (Self::AnyOf { texts, beginnings }, Value::Text(word)) => text(texts, beginnings, word.folded()),
            (Self::AnyOf { texts, beginnings }, Value::Name(name)) => text(texts, beginnings, name),
            (Self::AnyOf { texts, beginnings }, Value::Texts(words)) => {
                words.iter().any(|word| text(texts, beginnings, word.folded()))
            }
            (Self::Numbers(numbers), Value::Number(number)) => numbers.contains(&number),
            (Self::Is(wanted), Value::Flag(flag)) => *wanted == flag,
            (Self::Between(min, max), Value::Number(number)) => {
                min.is_none_or(|min| min <= number) && max.is_none_or(|max| number <= max)
            }
            _ => false,
        }
    }
}

/// Reads the filters of a request.
///
/// # Errors
/// `INVALID_FIELD` that names the part of `filters` at fault.
pub fn conditions(filters: &[PatientFilter], practice: Practice<'_>) -> Result<Vec<Condition>, Refusal> {
    if filters.len() > FILTERS_MAX {
        return Err(Refusal::invalid("filters", format!("must be at most {FILTERS_MAX}")));
    }
    filters.iter().enumerate().map(|(place, filter)| condition(place, filter, practice)).collect()
}

fn condition(place: usize, filter: &PatientFilter, practice: Practice<'_>) -> Result<Condition, Refusal> {
    let at = |part: &str| format!("filters[{place}].{part}");
    let field = Field::try_from(filter.field).ok().filter(|field| *field != Field::Unspecified);
    let field = field.ok_or_else(|| Refusal::invalid(at("field"), "must be a known field of PatientField"))?;
    let asked = filter.condition.as_ref();
    let asked = asked.ok_or_else(|| Refusal::invalid(at("condition"), format!("must be {}", expected(field))))?;
    let kind = field::kind(field);
    let test = match (kind, asked) {
        (_, Asked::IsEmpty(empty)) => Test::Empty(*empty),
        (Kind::Text | Kind::Code | Kind::OneOf(_) | Kind::Resource(_), Asked::AnyOf(list)) => {
            any_of(&at("any_of"), kind, list, practice)?
        }
        (Kind::Flag, Asked::Is(flag)) => Test::Is(*flag),
        (Kind::Number, Asked::Integers(range)) => integers(&at("integers"), range)?,
        (Kind::Money, Asked::Money(range)) => money(&at("money"), range, practice)?,
        (Kind::Day, Asked::Dates(range)) => dates(&at("dates"), range)?,
        (Kind::Day, Asked::Days(days)) => relative(&at("days"), days, practice.date)?,
        (_, other) => return Err(Refusal::invalid(at(form(other)), format!("must be {}", expected(field)))),
    };
    if filter.negate && matches!(asked, Asked::Is(_) | Asked::IsEmpty(_)) {
        return Err(Refusal::invalid(
            at("negate"),
            "must not be set with is or is_empty; give the other value instead",
        ));
    }
    Ok(Condition { field, any: vec![(test, filter.negate)] })
}

/// The name of a form of condition.
fn form(asked: &Asked) -> &'static str {
    match asked {
        Asked::AnyOf(_) => "any_of",
        Asked::Is(_) => "is",
        Asked::Integers(_) => "integers",
        Asked::Money(_) => "money",
        Asked::Dates(_) => "dates",
        Asked::Days(_) => "days",
        Asked::IsEmpty(_) => "is_empty",
    }
}

/// What a field takes, in words.
fn expected(field: Field) -> String {
    let name = field::name(field);
    let forms = match field::kind(field) {
        Kind::Text | Kind::Code | Kind::OneOf(_) | Kind::Resource(_) => "any_of or is_empty",
        Kind::Flag => "is or is_empty",
        Kind::Number => "integers or is_empty",
        Kind::Money => "money or is_empty",
        Kind::Day => "dates, days or is_empty",
        Kind::Never => "is_empty: it needs the PMS's benefit table, which is not read",
    };
    format!("{forms} for the field {name}")
}

fn any_of(at: &str, kind: Kind, list: &StringList, practice: Practice<'_>) -> Result<Test, Refusal> {
    if list.values.is_empty() || list.values.len() > VALUES_MAX {
        return Err(Refusal::invalid(format!("{at}.values"), format!("must be 1 to {VALUES_MAX} texts")));
    }
    let mut test = none_of(kind);
    for (place, value) in list.values.iter().enumerate() {
        let put = put(&mut test, kind, value, practice);
        put.map_err(|fault| Refusal::invalid(format!("{at}.values[{place}]"), fault))?;
    }
    Ok(test)
}

/// A test that nothing meets yet, for fields of this kind.
fn none_of(kind: Kind) -> Test {
    match kind {
        Kind::Resource(_) => Test::Numbers(HashSet::new()),
        _ => Test::AnyOf { texts: HashSet::new(), beginnings: Vec::new() },
    }
}

/// Adds a text to what meets a test; the fault is what was expected instead.
fn put(test: &mut Test, kind: Kind, text: &str, practice: Practice<'_>) -> Result<(), String> {
    if text.is_empty() {
        return Err("must not be empty; is_empty asks for what has no value".to_owned());
    }
    match (kind, test) {
        (Kind::Resource(collection), Test::Numbers(numbers)) => {
            let read = names::under("", text, collection).ok().filter(|(id, _)| *id == practice.id);
            let number = read.and_then(|(_, number)| number.parse::<i64>().ok()).filter(|number| *number > 0);
            let wanted = || format!("must be practices/{}/{collection}/ and a number above 0", practice.id);
            numbers.insert(number.ok_or_else(wanted)?);
        }
        (Kind::OneOf(names), Test::AnyOf { texts, .. }) => {
            let name = fold(text);
            if !names.contains(&name.as_str()) {
                return Err(format!("must be one of {}", names.join(", ")));
            }
            texts.insert(name);
        }
        (Kind::Code, Test::AnyOf { texts, beginnings }) => match fold(text).strip_suffix('*') {
            Some(beginning) if !beginning.contains('*') => beginnings.push(beginning.to_owned()),
            None if !text.contains('*') => drop(texts.insert(fold(text))),
            _ => return Err("must have a * at its end only".to_owned()),
        },
        (_, Test::AnyOf { texts, .. }) => drop(texts.insert(fold(text))),
        _ => {}
    }
    Ok(())
}

/// A range with at least one end, the first not above the last.
fn between(at: &str, ends: [&str; 2], min: Option<i64>, max: Option<i64>) -> Result<Test, Refusal> {
    if min.is_none() && max.is_none() {
        let fault = format!("must have {} or {}; is_empty asks for what has a value", ends[0], ends[1]);
        return Err(Refusal::invalid(at, fault));
    }
    if min.zip(max).is_some_and(|(min, max)| min > max) {
        return Err(Refusal::invalid(format!("{at}.{}", ends[1]), format!("must not be below {}", ends[0])));
    }
    Ok(Test::Between(min, max))
}

fn integers(at: &str, range: &IntegerRange) -> Result<Test, Refusal> {
    between(at, ["min", "max"], range.min, range.max)
}

fn money(at: &str, range: &MoneyRange, practice: Practice<'_>) -> Result<Test, Refusal> {
    let end = |name: &str, amount: &Option<google_type::Money>| {
        let read = amount.as_ref().map(|amount| cents(amount, practice.currency));
        read.transpose().map_err(|fault| Refusal::invalid(format!("{at}.{name}"), fault))
    };
    between(at, ["min", "max"], end("min", &range.min)?, end("max", &range.max)?)
}

/// An amount that travels, in cents; the fault is what was expected instead.
fn cents(amount: &google_type::Money, currency: &str) -> Result<Cents, String> {
    const NANOS_OF_CENT: i32 = 10_000_000;
    if !amount.currency_code.is_empty() && amount.currency_code != currency {
        return Err(format!("must be in the practice's currency, {currency}"));
    }
    let one_sign = amount.units == 0 || amount.nanos == 0 || (amount.units < 0) == (amount.nanos < 0);
    if !one_sign || amount.nanos % NANOS_OF_CENT != 0 || amount.nanos.abs() >= 100 * NANOS_OF_CENT {
        return Err("must be whole cents, units and nanos with the same sign".to_owned());
    }
    let cents = amount.units.checked_mul(100).and_then(|c| c.checked_add((amount.nanos / NANOS_OF_CENT).into()));
    cents.filter(|cents| cents.abs() < i64::MAX / PARTS as i64).ok_or_else(|| "is out of range".to_owned())
}

fn dates(at: &str, range: &DateRange) -> Result<Test, Refusal> {
    let end = |name: &str, date: &Option<google_type::Date>| {
        let date = date.as_ref().map(|date| date_from_proto(&format!("{at}.{name}"), date));
        Ok::<_, Refusal>(date.transpose()?.map(|date| to_days(date).into()))
    };
    let (first, last) = (end("start_date", &range.start_date)?, end("end_date", &range.end_date)?);
    between(at, ["start_date", "end_date"], first, last)
}

fn relative(at: &str, days: &RelativeDays, date: Date) -> Result<Test, Refusal> {
    let end = |days: Option<i32>| days.map(|days| i64::from(to_days(date)) + i64::from(days));
    between(at, ["from_days", "to_days"], end(days.from_days), end(days.to_days))
}

#[cfg(test)]
mod tests;
