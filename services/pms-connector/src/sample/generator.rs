//! The generator: from a seed, a size and a date to the rows of a believable Open Dental database.
//!
//! It works in three passes. [`staff`] and [`lists`] make what is small and fixed; [`book`] fills the calendar of every
//! chair, so that no chair holds two patients unless it was meant to; then each family ([`family`]) is told with its
//! visits ([`treatment`]), claims ([`claims`]), payments ([`payments`]) and messages ([`contact`]). Rows leave as they
//! are made: memory grows with the number of visits (16 bytes each), not of rows.

mod book;
mod calendar;
mod claims;
mod codes;
mod contact;
mod dice;
mod family;
mod finance;
pub(crate) mod fresh;
mod lists;
mod names;
mod payments;
mod staff;
#[cfg(test)]
pub(crate) mod tests;
mod treatment;

use std::ops::ControlFlow;

use jiff::civil::Date;

pub(crate) use self::{dice::Dice, lists::def};
use super::{
    tables::{Table, TableRow},
    value::{Day, Moment, Row, Stamp},
};

/// What to generate. The same values give the same rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Config {
    /// The seed.
    pub seed: u64,
    /// The number of patients, 1 to 1,000,000.
    pub patients: u32,
    /// The practice's current local date; the day itself has not begun.
    pub as_of: Date,
    /// Years of history before that date, 1 to 30.
    pub years: u32,
}

impl Config {
    /// The current date as a day.
    pub fn as_of_day(&self) -> Day {
        Day::of(self.as_of)
    }

    /// The first day of history.
    pub fn first_day(&self) -> Day {
        self.as_of_day().plus(-365 * i32::try_from(self.years).unwrap_or(30))
    }
}

/// Where rows go: a function that may stop the generation.
pub struct Out<'a> {
    sink: &'a mut dyn FnMut(&'static Table, Row) -> ControlFlow<()>,
    only: &'a [&'a str],
    stopped: bool,
}

impl Out<'_> {
    /// Hands a row over, if its table is wanted.
    fn put<T: TableRow>(&mut self, row: T) {
        let wanted = self.only.is_empty() || self.only.contains(&T::TABLE.name);
        if wanted && !self.stopped && (self.sink)(T::TABLE, row.into_row()).is_break() {
            self.stopped = true;
        }
    }
}

/// Generates every row, family by family, into `sink`, which ends it by breaking. With `only`, rows of other tables are
/// left out; those that come are the same.
pub fn generate(config: &Config, only: &[&str], sink: &mut dyn FnMut(&'static Table, Row) -> ControlFlow<()>) {
    let mut out = Out { sink, only, stopped: false };
    let staff = staff::Staff::new(config);
    lists::write(config, &mut out);
    staff.write(config, &mut out);
    calendar::write(config, &staff, &mut out);
    let visits = book::visits(config, &staff);
    let mut world = World { config, staff: &staff, out, keys: Keys::default(), checks: claims::Checks::default() };
    family::write_fixed(&mut world);
    let mut first = 0;
    let mut number = 0;
    let mut rest = visits.as_slice();
    while first < config.patients && !world.out.stopped {
        let mut dice = Dice::new(config.seed, "family", number);
        let members = book::family_size(&mut dice).min(config.patients - first);
        let end = rest.partition_point(|v| v.patient < first + members);
        let (theirs, others) = rest.split_at(end);
        family::write(&mut world, &mut dice, first, members, theirs);
        rest = others;
        first += members;
        number += 1;
    }
    claims::write_checks(&mut world);
}

/// What the passes over families share.
struct World<'a> {
    config: &'a Config,
    staff: &'a staff::Staff,
    out: Out<'a>,
    keys: Keys,
    checks: claims::Checks,
}

impl World<'_> {
    /// The practice's current date.
    fn as_of(&self) -> Day {
        self.config.as_of_day()
    }

    /// The change column of something done at a time: never later than ten in the morning before the current date, so
    /// that it lies in the past in every zone.
    fn stamp(&self, at: Moment) -> Stamp {
        stamp(self.config, at)
    }

    /// When something of a day was typed in: mostly at once, now and then days late, never after yesterday.
    fn entered(&self, dice: &mut Dice, day: Day) -> Day {
        let late = if dice.chance(30) { dice.days(1, 9) } else { 0 };
        day.plus(late).min(self.as_of().plus(-1))
    }
}

/// See [`World::stamp`].
fn stamp(config: &Config, at: Moment) -> Stamp {
    let latest = config.as_of_day().plus(-1).at(10 * 60);
    Stamp(if at == Moment::ZERO { latest.0 } else { at.0.min(latest.0) })
}

/// Kinds of keys.
#[derive(Clone, Copy)]
enum Key {
    Appointment,
    History,
    Procedure,
    Plan,
    PlanLine,
    PlanLink,
    Claim,
    ClaimLine,
    Payment,
    Split,
    Adjustment,
    PayPlan,
    PayPlanCharge,
    Recall,
    Commlog,
    SmsIn,
    SmsOut,
    Sheet,
    RefAttach,
    InsSub,
    PatPlan,
    Statement,
    SecurityLog,
}

/// The next keys. Rows are made family by family, so keys do not follow time; one in fifty of some tables is far off,
/// as where keys are drawn at random for replication.
#[derive(Default)]
struct Keys([i64; 23]);

/// Where far-off keys begin.
const FAR: i64 = 5_000_000_000_000;

impl Keys {
    fn next(&mut self, key: Key) -> i64 {
        let counter = &mut self.0[key as usize];
        *counter += 1;
        *counter + 100
    }

    fn scattered(&mut self, key: Key, dice: &mut Dice) -> i64 {
        let near = self.next(key);
        if dice.chance(20) { FAR + near.wrapping_mul(7_919_000_017) % FAR } else { near }
    }
}

/// Dollars of cents.
#[allow(clippy::cast_precision_loss)] // far below 2^53
pub(crate) fn dollars(cents: i64) -> f64 {
    cents as f64 / 100.0
}

/// Cents of dollars, to the nearest.
#[allow(clippy::cast_possible_truncation)] // a fee has a few digits
fn cents(dollars: f64) -> i64 {
    (dollars * 100.0).round() as i64
}
