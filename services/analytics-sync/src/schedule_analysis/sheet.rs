//! The rows of the analysis and their total, as minutes, money and counts are put into them.

use std::collections::{BTreeMap, BTreeSet};

use chairsync_proto::analytics::{
    MoneyRate, Opening, ScheduleGrouping, ScheduleRow, WeekdayHour, schedule_row::Key as RowKey,
};
use jiff::civil::Date;
use mesh::{
    calendar::date_to_proto,
    money::{Money, divide_half_away},
};

use super::appointments::Appointment;
use crate::{
    figures::count_ratio,
    hours::{
        PracticeHours,
        availability::{Hours, chair_of, goal},
        intervals::Interval,
    },
    question::Question,
    refs,
};

/// What the rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Providers.
    Provider,
    /// Chairs.
    Chair,
    /// Dates.
    Day,
    /// Hours of weekdays.
    WeekdayHour,
}

impl Group {
    /// As the API names it; providers unless it is set, none for a number that it does not have.
    pub fn from_proto(grouping: i32) -> Option<Self> {
        Some(match ScheduleGrouping::try_from(grouping).ok()? {
            ScheduleGrouping::Unspecified | ScheduleGrouping::Provider => Self::Provider,
            ScheduleGrouping::Operatory => Self::Chair,
            ScheduleGrouping::Day => Self::Day,
            ScheduleGrouping::WeekdayHour => Self::WeekdayHour,
        })
    }

    /// For the wire.
    pub fn to_proto(self) -> ScheduleGrouping {
        match self {
            Self::Provider => ScheduleGrouping::Provider,
            Self::Chair => ScheduleGrouping::Operatory,
            Self::Day => ScheduleGrouping::Day,
            Self::WeekdayHour => ScheduleGrouping::WeekdayHour,
        }
    }
}

/// Which row. Providers and chairs that the PMS does not know are 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Provider(i64),
    Chair(i64),
    Day(Date),
    WeekdayHour(i32, i32),
}

/// What a row has so far; times in minutes.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// On offer.
    pub available: i64,
    /// Booked of it.
    pub booked: i64,
    /// Booked outside of it.
    pub outside_hours: i64,
    /// Surplus of double booking.
    pub double_booked: i64,
    /// Taken out by blockouts.
    pub blocked: i64,
    /// Broken appointments.
    pub broken: i64,
    /// Of these, filled by others.
    pub broken_refilled: i64,
    opening_count: i64,
    opening_minutes: i64,
    /// Minutes × hourly goal, to be divided by 60; none while no opening has a goal.
    opportunity_sixtieths: Option<i128>,
    openings: Vec<Opening>,
    lead_days: Vec<i32>,
    production: Money,
    appointments: i64,
}

/// The rows and their total.
pub struct Sheet<'a> {
    question: &'a Question,
    hours: &'a PracticeHours,
    group: Group,
    lists_openings: bool,
    rows: BTreeMap<Key, Tally>,
    total: Tally,
}

impl<'a> Sheet<'a> {
    /// An empty one.
    pub fn new(question: &'a Question, hours: &'a PracticeHours, group: Group, lists_openings: bool) -> Self {
        Self { question, hours, group, lists_openings, rows: BTreeMap::new(), total: Tally::default() }
    }

    /// What its rows are.
    pub fn group(&self) -> Group {
        self.group
    }

    /// Adds the minutes of some times of a lane's date.
    pub fn minutes(&mut self, lane: i64, date: Date, times: &[Interval], to: fn(&mut Tally) -> &mut i64) {
        for time in times {
            for (minute, length) in self.pieces(*time) {
                *to(self.row(lane, date, minute)) += i64::from(length);
                *to(&mut self.total) += i64::from(length);
            }
        }
    }

    /// Adds an opening. It is counted and listed where it starts; its minutes stand in their own hours.
    pub fn opening(&mut self, lane: i64, date: Date, opening: Interval, hours: &[Hours]) {
        let chair = if self.group == Group::Chair { Some(lane) } else { chair_of(hours, lane, opening) };
        let provider = if self.group == Group::Chair { provider_of(hours, lane, opening) } else { Some(lane) };
        let known = provider.and_then(|number| self.hours.provider(number));
        let hourly = known.map(|p| p.hourly_goal).filter(|hourly| *hourly != Money::ZERO);
        for (minute, length) in self.pieces(opening) {
            let worth = hourly.map(|hourly| hourly.0 * i128::from(length));
            self.both(lane, date, minute, |row| {
                row.opening_minutes += i64::from(length);
                if let Some(worth) = worth {
                    *row.opportunity_sixtieths.get_or_insert_default() += worth;
                }
            });
        }
        self.both(lane, date, opening.0, |row| row.opening_count += 1);
        if self.lists_openings {
            let practice = &self.question.practice;
            let minutes = opening.1 - opening.0;
            let worth = hourly.and_then(|hourly| goal([(i64::from(minutes), hourly)]));
            let listed = Opening {
                provider: Some(refs::provider(practice, provider.unwrap_or(0), known.map(|p| p.abbr.as_str()))),
                operatory: chair.map(|number| refs::operatory(practice, number, self.hours.chair(number))),
                start: Some(refs::local_minute(date, opening.0)),
                minutes,
                opportunity: worth.map(|amount| amount.to_proto(&self.question.currency)),
            };
            self.row(lane, date, opening.0).openings.push(listed);
        }
    }

    /// Counts an appointment, where it starts.
    pub fn appointment(&mut self, lane: i64, date: Date, a: &Appointment) {
        self.both(lane, date, a.interval.0, |row| {
            row.appointments += 1;
            row.lead_days.extend(a.lead_days);
        });
    }

    /// Adds what work on an appointment is worth, spread evenly over the appointment's minutes.
    pub fn production(&mut self, lane: i64, date: Date, time: Interval, amount: Money) {
        let all = i128::from(time.1 - time.0);
        if all <= 0 {
            return self.both(lane, date, time.0, |row| row.production += amount);
        }
        // Each piece gets what the whole has reached by its end less what it had reached by its start: no part is lost.
        let reached = |minute: i32| Money((amount.0 * i128::from(minute - time.0)).div_euclid(all));
        for (minute, length) in self.pieces(time) {
            let part = reached(minute + length) - reached(minute);
            self.both(lane, date, minute, |row| row.production += part);
        }
    }

    fn both(&mut self, lane: i64, date: Date, minute: i32, add: impl Fn(&mut Tally)) {
        add(self.row(lane, date, minute));
        add(&mut self.total);
    }

    fn row(&mut self, lane: i64, date: Date, minute: i32) -> &mut Tally {
        let key = self.key(lane, date, minute);
        self.rows.entry(key).or_default()
    }

    fn key(&self, lane: i64, date: Date, minute: i32) -> Key {
        match self.group {
            Group::Provider => Key::Provider(self.hours.provider(lane).map_or(0, |_| lane)),
            Group::Chair => Key::Chair(self.hours.chair(lane).map_or(0, |_| lane)),
            Group::Day => Key::Day(date),
            Group::WeekdayHour => {
                // What reaches past midnight belongs to the next weekday.
                let (days, hour) = (minute.div_euclid(1_440), minute.rem_euclid(1_440) / 60);
                let weekday = i32::from(date.weekday().to_monday_zero_offset()) + days;
                Key::WeekdayHour(weekday.rem_euclid(7) + 1, hour)
            }
        }
    }

    /// A time as the pieces that belong to one row each: (first minute, length).
    fn pieces(&self, (start, end): Interval) -> Vec<(i32, i32)> {
        if self.group != Group::WeekdayHour {
            return vec![(start, end - start)];
        }
        let mut pieces = Vec::new();
        let mut from = start;
        while from < end {
            let to = end.min((from.div_euclid(60) + 1) * 60);
            pieces.push((from, to - from));
            from = to;
        }
        pieces
    }

    /// The total and the rows: providers and chairs by name, "unassigned" last; dates and hours in order.
    pub fn finish(self) -> (ScheduleRow, Vec<ScheduleRow>) {
        let currency = &self.question.currency;
        let mut rows: Vec<(Key, Tally)> = self.rows.into_iter().collect();
        let name = |key: &Key| match key {
            Key::Provider(number) => self.hours.provider(*number).map_or("", |p| p.abbr.as_str()),
            Key::Chair(number) => self.hours.chair(*number).unwrap_or_default(),
            Key::Day(_) | Key::WeekdayHour(..) => "",
        };
        let unassigned = |key: &Key| matches!(key, Key::Provider(0) | Key::Chair(0));
        rows.sort_by(|(a, _), (b, _)| (unassigned(a), name(a), a).cmp(&(unassigned(b), name(b), b)));
        let practice = &self.question.practice;
        let keyed = |(key, tally): (Key, Tally)| {
            let shown = match key {
                Key::Provider(number) => {
                    let abbr = self.hours.provider(number).map(|p| p.abbr.as_str());
                    RowKey::Provider(refs::provider(practice, number, abbr))
                }
                Key::Chair(number) => RowKey::Operatory(refs::operatory(practice, number, self.hours.chair(number))),
                Key::Day(date) => RowKey::Day(date_to_proto(date)),
                Key::WeekdayHour(weekday, hour) => RowKey::WeekdayHour(WeekdayHour { weekday, hour }),
            };
            tally.row(Some(shown), currency)
        };
        (self.total.row(None, currency), rows.into_iter().map(keyed).collect())
    }
}

/// The provider of an opening of a chair, where exactly one has hours there then.
fn provider_of(hours: &[Hours], chair: i64, opening: Interval) -> Option<i64> {
    let overlaps = |h: &&Hours| h.chairs.contains(&chair) && h.interval.0 < opening.1 && h.interval.1 > opening.0;
    let providers: BTreeSet<i64> = hours.iter().filter(overlaps).map(|h| h.provider).collect();
    providers.first().copied().filter(|_| providers.len() == 1)
}

impl Tally {
    fn row(mut self, key: Option<RowKey>, currency: &str) -> ScheduleRow {
        // One rounding to the cent: straight from the exact quotient.
        let opportunity = self.opportunity_sixtieths.map(|sum| Money::cents(divide_half_away(sum, 60 * 100)));
        ScheduleRow {
            key,
            available_minutes: self.available,
            booked_minutes: self.booked,
            utilization_pct: Some(count_ratio(self.booked, self.available)),
            opening_count: self.opening_count,
            opening_minutes: self.opening_minutes,
            opening_opportunity: opportunity.map(|amount| amount.to_proto(currency)),
            openings: self.openings,
            outside_hours_minutes: self.outside_hours,
            double_booked_minutes: self.double_booked,
            blocked_minutes: self.blocked,
            broken_minutes: self.broken,
            broken_refilled_pct: Some(count_ratio(self.broken_refilled, self.broken)),
            median_lead_days: median(&mut self.lead_days),
            production_per_open_hour: Some(per_open_hour(self.production, self.available, currency)),
            appointments: self.appointments,
        }
    }
}

fn median(days: &mut [i32]) -> Option<f64> {
    days.sort_unstable();
    let middle = days.len() / 2;
    match (days.len() % 2, days.get(middle)) {
        (_, None) => None,
        (1, Some(day)) => Some(f64::from(*day)),
        (_, Some(day)) => Some((f64::from(days[middle - 1]) + f64::from(*day)) / 2.0),
    }
}

fn per_open_hour(production: Money, minutes: i64, currency: &str) -> MoneyRate {
    let value = (minutes > 0)
        .then(|| Money::cents(divide_half_away(production.0 * 60, i128::from(minutes) * 100)).to_proto(currency));
    MoneyRate {
        value,
        numerator: Some(production.to_proto(currency)),
        #[allow(clippy::cast_precision_loss)] // minutes of 181 days are small
        denominator: minutes as f64 / 60.0,
    }
}
