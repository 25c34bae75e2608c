//! Values of a generated row, in the Open Dental database's own types.

use std::{borrow::Cow, fmt};

use jiff::civil::{Date, DateTime};

/// A local calendar date, in days after 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub i32);

impl Day {
    /// `0001-01-01`, Open Dental's "none".
    pub const ZERO: Day = Day(-719_162);
    /// `0000-00-00`, which older versions left behind for the same.
    pub const NOUGHT: Day = Day(i32::MIN);

    /// The day of a calendar date.
    pub fn of(date: Date) -> Self {
        let days = (date - jiff::civil::date(1970, 1, 1)).get_days();
        Day(days)
    }

    /// The calendar date; none for a zero date.
    pub fn date(self) -> Option<Date> {
        if self.is_zero() {
            return None;
        }
        jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().days(self.0)).ok()
    }

    /// Whether it stands for "none".
    pub fn is_zero(self) -> bool {
        self == Self::ZERO || self == Self::NOUGHT
    }

    /// The weekday, Monday being 0.
    pub fn weekday(self) -> i32 {
        (self.0 + 3).rem_euclid(7)
    }

    /// A number of days later (or earlier); zero stays zero.
    pub fn plus(self, days: i32) -> Self {
        if self.is_zero() { self } else { Day(self.0 + days) }
    }

    /// A time of this day; zero for a zero date.
    pub fn at(self, minutes: i32) -> Moment {
        if self.is_zero() { Moment::ZERO } else { Moment(i64::from(self.0) * 86_400 + i64::from(minutes) * 60) }
    }
}

impl Default for Day {
    fn default() -> Self {
        Self::ZERO
    }
}

/// A wall-clock time without zone, in seconds after 1970-01-01 00:00:00.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub i64);

impl Moment {
    /// `0001-01-01 00:00:00`, Open Dental's "none".
    pub const ZERO: Moment = Moment(-719_162 * 86_400);

    /// The wall-clock time as seconds after 1970.
    pub fn of(at: DateTime) -> Self {
        let seconds = i64::from(at.hour()) * 3600 + i64::from(at.minute()) * 60 + i64::from(at.second());
        Moment(i64::from(Day::of(at.date()).0) * 86_400 + seconds)
    }

    /// The date it lies on.
    pub fn day(self) -> Day {
        Day(i32::try_from(self.0.div_euclid(86_400)).unwrap_or(Day::ZERO.0))
    }
}

impl Default for Moment {
    fn default() -> Self {
        Self::ZERO
    }
}

/// A moment in UTC, in seconds after 1970: what a change column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Stamp(pub i64);

/// A time of day, in seconds after midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimeOfDay(pub i32);

/// Text of a column that is never null.
pub type Text = Cow<'static, str>;

/// Text of a column that is null unless set.
pub type Note = Option<Cow<'static, str>>;

/// A value of a row. `Debug` names its kind only: it may hold patient data.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// SQL's null.
    Null,
    /// Any integer column.
    Int(i64),
    /// A `double` column.
    Double(f64),
    /// A `date` column.
    Date(Day),
    /// A `datetime` column.
    DateTime(Moment),
    /// A `timestamp` column.
    Stamp(Stamp),
    /// A `time` column.
    Time(TimeOfDay),
    /// A text column.
    Text(Text),
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Value::Null => "Null",
            Value::Int(_) => "Int(..)",
            Value::Double(_) => "Double(..)",
            Value::Date(_) => "Date(..)",
            Value::DateTime(_) => "DateTime(..)",
            Value::Stamp(_) => "Stamp(..)",
            Value::Time(_) => "Time(..)",
            Value::Text(_) => "Text(..)",
        })
    }
}

macro_rules! from {
    ($($kind:ident($type:ty)),*) => { $(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Value::$kind(value)
            }
        }
    )* };
}

from!(Int(i64), Double(f64), Date(Day), DateTime(Moment), Stamp(Stamp), Time(TimeOfDay), Text(Text));

impl From<Note> for Value {
    fn from(value: Note) -> Self {
        value.map_or(Value::Null, Value::Text)
    }
}

/// A row: its values in the order of its table's columns, the key first.
pub type Row = Vec<Value>;
