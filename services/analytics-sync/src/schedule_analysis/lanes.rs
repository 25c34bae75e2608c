//! A date's lanes: what is on offer and what takes it, of one provider or in one chair.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use super::appointments::Appointment;
use crate::{
    hours::{
        PracticeHours,
        availability::{self, Blockout, Hours},
        intervals::{Interval, intersect, subtract, surplus, union},
    },
    metrics::scope::Scope,
};

/// The providers, locations and chairs in question.
pub struct Places<'a> {
    /// Providers and locations.
    pub scope: &'a Scope,
    /// Chairs; none for all.
    pub chairs: Option<&'a BTreeSet<i64>>,
    /// The practice's hours and chairs.
    pub hours: &'a PracticeHours,
}

impl Places<'_> {
    /// Whether an appointment is in question.
    pub fn takes(&self, a: &Appointment) -> bool {
        self.takes_provider(a.provider) && self.takes_place(a)
    }

    /// Whether an appointment's chair and location are in question.
    pub fn takes_place(&self, a: &Appointment) -> bool {
        self.chairs.is_none_or(|chairs| chairs.contains(&a.chair)) && holds(&self.scope.clinics, a.clinic)
    }

    /// Whether a provider is in question.
    pub fn takes_provider(&self, provider: i64) -> bool {
        holds(&self.scope.providers, provider)
    }

    /// The hours of a date: of these providers and cut to these chairs. Where chairs or locations are chosen, hours without
    /// a chair are nowhere.
    pub fn hours_of(&self, date: Date) -> Vec<Hours> {
        let everywhere = self.chairs.is_none() && self.scope.clinics.is_none();
        let chosen = |chair: &i64| {
            self.chairs.is_none_or(|chairs| chairs.contains(chair))
                && holds(&self.scope.clinics, self.hours.clinic_of(*chair))
        };
        let hours = self.hours.hours(date).into_iter().filter(|h| self.takes_provider(h.provider));
        let cut = hours.map(|h| Hours { chairs: h.chairs.iter().copied().filter(chosen).collect(), ..h });
        cut.filter(|h| everywhere || !h.chairs.is_empty()).collect()
    }
}

fn holds(set: &Option<BTreeSet<i64>>, number: i64) -> bool {
    set.as_ref().is_none_or(|set| set.contains(&number))
}

/// What is on offer in a lane on a date, and what takes it.
#[derive(Debug, Clone, Default)]
pub struct Lane {
    /// The hours, before blockouts.
    pub hours: Vec<Interval>,
    /// What is on offer.
    pub available: Vec<Interval>,
    /// Each appointment's time.
    pub taken: Vec<Interval>,
}

impl Lane {
    /// Booked within what is on offer, double booking once.
    pub fn booked(&self) -> Vec<Interval> {
        intersect(&self.available, &self.busy())
    }

    /// Booked outside of it, double booking once.
    pub fn outside(&self) -> Vec<Interval> {
        subtract(&self.busy(), &self.available)
    }

    /// The surplus of each minute that is booked twice or more.
    pub fn double_booked(&self) -> Vec<Interval> {
        surplus(&self.taken)
    }

    /// Hours that blockouts take.
    pub fn blocked(&self) -> Vec<Interval> {
        subtract(&self.hours, &self.available)
    }

    /// The free intervals of at least `shortest` minutes.
    pub fn openings(&self, shortest: i32) -> Vec<Interval> {
        let free = subtract(&self.available, &self.busy());
        free.into_iter().filter(|(start, end)| end - start >= shortest).collect()
    }

    fn busy(&self) -> Vec<Interval> {
        union(self.taken.iter().copied())
    }
}

/// The lanes of a date, by provider or by chair. Broken appointments take nothing.
pub fn of(
    hours: &[Hours],
    blockouts: &[Blockout],
    appointments: &[&Appointment],
    by_chair: bool,
) -> BTreeMap<i64, Lane> {
    let mut lanes = if by_chair { chairs(hours, blockouts) } else { providers(hours, blockouts) };
    for a in appointments.iter().filter(|a| !a.broken) {
        let number = if by_chair { a.chair } else { a.provider };
        lanes.entry(number).or_default().taken.push(a.interval);
    }
    lanes
}

fn providers(hours: &[Hours], blockouts: &[Blockout]) -> BTreeMap<i64, Lane> {
    let days = availability::days(hours, blockouts, &[]);
    let lane = |(provider, day): (i64, availability::ProviderDay)| {
        let own = hours.iter().filter(|h| h.provider == provider).map(|h| h.interval);
        (provider, Lane { hours: union(own), available: day.available, taken: Vec::new() })
    };
    days.into_iter().map(lane).collect()
}

fn chairs(hours: &[Hours], blockouts: &[Blockout]) -> BTreeMap<i64, Lane> {
    let offered: BTreeSet<i64> = hours.iter().flat_map(|h| h.chairs.iter().copied()).collect();
    let lane = |chair: i64| {
        let open = union(hours.iter().filter(|h| h.chairs.contains(&chair)).map(|h| h.interval));
        let shut = union(blockouts.iter().filter(|b| b.chair == chair).map(|b| b.interval));
        (chair, Lane { available: subtract(&open, &shut), hours: open, taken: Vec::new() })
    };
    offered.into_iter().map(lane).collect()
}
