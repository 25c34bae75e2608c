//! What a metric is: its words, and the form in which it is computed.

use std::collections::BTreeSet;

use chairsync_proto::analytics::{self, Focus, MetricUnit, Polarity};

use super::family::Family;

/// A metric. The table of all is [`super::list`].
#[derive(Clone, Copy)]
pub struct Metric {
    /// The id, stable.
    pub id: &'static str,
    /// What people call it.
    pub display_name: &'static str,
    /// What it counts and what not, in sentences.
    pub definition: &'static str,
    /// The exact formula.
    pub formula: &'static str,
    /// The date by which rows fall into a range.
    pub dated_by: &'static str,
    /// The form of its value.
    pub unit: MetricUnit,
    /// Which way is better.
    pub polarity: Polarity,
    /// What it can be split by.
    pub splits: &'static [Focus],
    /// What a range means to it.
    pub time: Time,
    /// The group that it is listed under.
    pub group: &'static str,
    /// The parts that a tile shows of it.
    pub parts: Parts,
    /// How facts make it up.
    pub figure: Formula,
}

/// What a range means to a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// What happened in the range.
    Range,
    /// The state at the range's end, as far as today's rows tell it.
    RangeEnd,
    /// The state as of D, whatever the range: what it was earlier cannot be told.
    Snapshot,
}

/// The parts of a metric's value.
#[derive(Debug, Clone, Copy)]
pub enum Parts {
    /// None.
    Whole,
    /// Fixed ones. A fact may belong to more than one.
    Fixed(&'static [Part]),
    /// By the facts' kind, named by their label, e.g. adjustments by type. A part's id is the kind's number.
    Kinds,
}

/// A part of a metric's value.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// The id, stable.
    pub id: &'static str,
    /// What people call it.
    pub display_name: &'static str,
    /// The facts that belong to it.
    pub filter: Filter,
}

/// Which facts count. In distinct counts a unit counts that has a fact with all flags that must be set, and no fact at all
/// with one that must not: a visit is uncategorized when none of its rows is hygiene or restorative.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Filter {
    /// Flags that must be set.
    pub all: u32,
    /// Flags that must not be set.
    pub none: u32,
    /// The kind that facts must have.
    pub kind: Option<i64>,
}

impl Filter {
    /// Everything.
    pub const ALL: Self = Self { all: 0, none: 0, kind: None };

    /// Whether a fact with these flags counts.
    pub const fn takes(&self, flags: u32) -> bool {
        flags & self.all == self.all && flags & self.none == 0
    }

    /// What passes both; `None` where both name kinds that differ.
    pub fn and(self, other: Self) -> Option<Self> {
        let kind = match (self.kind, other.kind) {
            (Some(a), Some(b)) if a != b => return None,
            (a, b) => a.or(b),
        };
        Some(Self { all: self.all | other.all, none: self.none | other.none, kind })
    }
}

/// How facts make up a metric.
#[derive(Debug, Clone, Copy)]
pub enum Formula {
    /// A sum.
    Sum(&'static [Term]),
    /// A ratio, in percent.
    Ratio {
        /// Above the line.
        above: &'static [Term],
        /// Below the line.
        below: &'static [Term],
        /// Whether there is none over a negative denominator either.
        positive: bool,
    },
    /// Money for each of something.
    Rate {
        /// Above the line.
        above: &'static [Term],
        /// Below the line.
        below: &'static [Term],
        /// How many of what is counted below make one: 60 minutes an hour.
        per: u32,
    },
}

/// A signed sum or count over the facts of one family.
#[derive(Debug, Clone, Copy)]
pub struct Term {
    /// Whose facts.
    pub family: Family,
    /// What is taken of them.
    pub measure: Measure,
    /// Which of them.
    pub filter: Filter,
    /// 1 or −1.
    pub sign: i8,
    /// From when.
    pub window: Window,
}

/// What is taken of facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// The sum of their amounts.
    Amount,
    /// Their number.
    Rows,
    /// The number of patients.
    Patients,
    /// The number of patients and dates.
    Visits,
    /// The number of dates.
    Days,
}

/// From when facts are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// Those of the range.
    Range,
    /// Those of so many calendar months up to the range's end.
    Months(i32),
    /// All: the family's facts are as of D.
    AsOf,
}

/// The sum of the amounts of a family's facts.
pub const fn amount(family: Family) -> Term {
    Term { family, measure: Measure::Amount, filter: Filter::ALL, sign: 1, window: family.window() }
}

/// The number of a family's facts.
pub const fn rows(family: Family) -> Term {
    Term { measure: Measure::Rows, ..amount(family) }
}

/// The number of patients with facts of a family.
pub const fn patients(family: Family) -> Term {
    Term { measure: Measure::Patients, ..amount(family) }
}

/// The number of patients and dates with facts of a family.
pub const fn visits(family: Family) -> Term {
    Term { measure: Measure::Visits, ..amount(family) }
}

/// The number of dates with facts of a family.
pub const fn days(family: Family) -> Term {
    Term { measure: Measure::Days, ..amount(family) }
}

impl Term {
    /// Only with these flags.
    pub const fn with(mut self, flags: u32) -> Self {
        self.filter.all |= flags;
        self
    }

    /// Only without these flags.
    pub const fn without(mut self, flags: u32) -> Self {
        self.filter.none |= flags;
        self
    }

    /// Taken off.
    pub const fn minus(mut self) -> Self {
        self.sign = -1;
        self
    }

    /// Over the calendar months up to the range's end.
    pub const fn months(mut self, months: i32) -> Self {
        self.window = Window::Months(months);
        self
    }

    /// Only of this kind.
    pub const fn of_kind(mut self, kind: i64) -> Self {
        self.filter.kind = Some(kind);
        self
    }
}

impl std::fmt::Debug for Metric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id)
    }
}

impl Metric {
    /// As the API lists it.
    pub fn to_proto(&self) -> analytics::Metric {
        analytics::Metric {
            id: self.id.to_owned(),
            display_name: self.display_name.to_owned(),
            definition: self.definition.to_owned(),
            formula: self.formula.to_owned(),
            dated_by: self.dated_by.to_owned(),
            unit: self.unit.into(),
            polarity: self.polarity.into(),
            splits: self.splits.iter().map(|focus| (*focus).into()).collect(),
            point_in_time: self.point_in_time(),
            group: self.group.to_owned(),
        }
    }

    /// Whether it is a state and has no range of its own.
    pub fn point_in_time(&self) -> bool {
        self.time != Time::Range
    }

    /// Whether it can be told for times before the snapshot.
    pub fn has_history(&self) -> bool {
        self.time != Time::Snapshot
    }

    /// Whether it can be split so; the practice as a whole always can.
    pub fn splits_by(&self, focus: Focus) -> bool {
        focus == Focus::Unspecified || self.splits.contains(&focus)
    }

    /// Its terms, above the line and below.
    pub fn terms(&self) -> impl Iterator<Item = &'static Term> + use<> {
        let (above, below): (&'static [Term], &'static [Term]) = match self.figure {
            Formula::Sum(terms) => (terms, &[]),
            Formula::Ratio { above, below, .. } | Formula::Rate { above, below, .. } => (above, below),
        };
        above.iter().chain(below)
    }

    /// The datasets that it is computed from.
    pub fn datasets(&self) -> BTreeSet<&'static str> {
        self.terms().flat_map(|term| term.family.datasets().iter().copied()).collect()
    }
}
