//! Provider hours on offer, booked and free: features.md §1, `available_minutes`, `utilization_pct`, `openings`.

use std::collections::{BTreeMap, BTreeSet};

use mesh::money::{Money, divide_half_away};

use super::intervals::{Interval, intersect, minutes, subtract, union};

/// Openings shorter than this are not shown; the default of the setting `opening_minutes_min`.
pub const OPENING_MINUTES_MIN: i32 = 30;

/// A block of a provider's hours on one date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    /// The provider.
    pub provider: i64,
    /// When.
    pub interval: Interval,
    /// The chairs offered: those the block is tied to, else those where the provider is set.
    pub chairs: Vec<i64>,
}

/// A time in which a chair must not be scheduled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blockout {
    /// The chair.
    pub chair: i64,
    /// When.
    pub interval: Interval,
}

/// A provider's day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProviderDay {
    /// What is on offer.
    pub available: Vec<Interval>,
    /// What is booked of it.
    pub booked: Vec<Interval>,
}

impl ProviderDay {
    /// Minutes on offer.
    pub fn available_minutes(&self) -> i64 {
        minutes(&self.available)
    }

    /// Minutes booked within those on offer, double booking once.
    pub fn booked_minutes(&self) -> i64 {
        minutes(&self.booked)
    }

    /// The free intervals of at least `shortest` minutes.
    pub fn openings(&self, shortest: i32) -> Vec<Interval> {
        let free = subtract(&self.available, &self.booked);
        free.into_iter().filter(|(start, end)| end - start >= shortest).collect()
    }
}

/// Each provider's day: the union of the hours less the times when every chair then offered is blocked, and what
/// appointments (provider, interval) take of it. Hours without any chair cannot be blocked.
pub fn days(hours: &[Hours], blockouts: &[Blockout], booked: &[(i64, Interval)]) -> BTreeMap<i64, ProviderDay> {
    let mut blocked: BTreeMap<i64, Vec<Interval>> = BTreeMap::new();
    for blockout in blockouts {
        blocked.entry(blockout.chair).or_default().push(blockout.interval);
    }
    let blocked: BTreeMap<i64, Vec<Interval>> =
        blocked.into_iter().map(|(chair, times)| (chair, union(times))).collect();

    let mut by_provider: BTreeMap<i64, Vec<&Hours>> = BTreeMap::new();
    for block in hours {
        by_provider.entry(block.provider).or_default().push(block);
    }
    let day = |(provider, blocks): (i64, Vec<&Hours>)| {
        let available = available(&blocks, &blocked);
        let taken = union(booked.iter().filter(|(p, _)| *p == provider).map(|(_, interval)| *interval));
        let booked = intersect(&available, &taken);
        (provider, ProviderDay { available, booked })
    };
    by_provider.into_iter().map(day).collect()
}

fn available(blocks: &[&Hours], blocked: &BTreeMap<i64, Vec<Interval>>) -> Vec<Interval> {
    let none = Vec::new();
    let open = |block: &Hours, chair: i64| subtract(&[block.interval], blocked.get(&chair).unwrap_or(&none));
    // A minute is on offer when some chair offered then is not blocked.
    union(blocks.iter().flat_map(|block| {
        if block.chairs.is_empty() {
            vec![block.interval]
        } else {
            block.chairs.iter().flat_map(|chair| open(block, *chair)).collect()
        }
    }))
}

/// The chair of an opening, where the hours that it lies in name exactly one.
pub fn chair_of(hours: &[Hours], provider: i64, opening: Interval) -> Option<i64> {
    let overlaps = |h: &&Hours| h.provider == provider && h.interval.0 < opening.1 && h.interval.1 > opening.0;
    let chairs: BTreeSet<i64> = hours.iter().filter(overlaps).flat_map(|h| h.chairs.iter().copied()).collect();
    chairs.first().copied().filter(|_| chairs.len() == 1)
}

/// Minutes × hourly goal ÷ 60, exact but for the last 1/10,000, of several providers together; none when nobody has a
/// goal.
pub fn goal(minutes_and_goals: impl IntoIterator<Item = (i64, Money)>) -> Option<Money> {
    let set = minutes_and_goals.into_iter().filter(|(_, hourly)| hourly.0 != 0);
    let sum = set.fold(None, |sum: Option<i128>, (minutes, hourly)| {
        Some(sum.unwrap_or_default() + i128::from(minutes) * hourly.0)
    });
    // One rounding to the cent: straight from the exact quotient.
    sum.map(|sixtieths| Money::cents(divide_half_away(sixtieths, 60 * 100)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(hour: i32, minute: i32) -> i32 {
        hour * 60 + minute
    }

    /// features.md §2, example 5.
    #[test]
    fn hours_less_blockouts_booked_and_free() {
        let hours = [
            Hours { provider: 1, interval: (at(8, 0), at(12, 0)), chairs: vec![1, 2] },
            Hours { provider: 1, interval: (at(13, 0), at(17, 0)), chairs: vec![1] },
        ];
        let blockouts = [Blockout { chair: 1, interval: (at(16, 30), at(17, 0)) }];
        let booked = [(1, (at(8, 0), at(9, 0))), (1, (at(8, 30), at(9, 30))), (1, (at(13, 0), at(16, 0)))];
        let day = &days(&hours, &blockouts, &booked)[&1];
        assert_eq!((day.available_minutes(), day.booked_minutes()), (450, 270));
        assert_eq!(crate::figures::percent(270, 450), Some(60.0));
        let openings = day.openings(OPENING_MINUTES_MIN);
        assert_eq!(openings, [(at(9, 30), at(12, 0)), (at(16, 0), at(16, 30))]);
        assert_eq!(openings.map_chairs(&hours), [None, Some(1)]);
    }

    trait MapChairs {
        fn map_chairs(&self, hours: &[Hours]) -> Vec<Option<i64>>;
    }
    impl MapChairs for Vec<Interval> {
        fn map_chairs(&self, hours: &[Hours]) -> Vec<Option<i64>> {
            self.iter().map(|opening| chair_of(hours, 1, *opening)).collect()
        }
    }

    #[test]
    fn a_blockout_takes_hours_only_when_no_chair_is_left() {
        let hours = [Hours { provider: 1, interval: (480, 600), chairs: vec![1, 2] }];
        let one = [Blockout { chair: 1, interval: (480, 540) }];
        assert_eq!(days(&hours, &one, &[])[&1].available_minutes(), 120);
        let both = [one[0], Blockout { chair: 2, interval: (510, 540) }];
        assert_eq!(days(&hours, &both, &[])[&1].available, [(480, 510), (540, 600)]);
        let untied = [Hours { provider: 1, interval: (480, 600), chairs: vec![] }];
        assert_eq!(days(&untied, &both, &[])[&1].available_minutes(), 120);
    }

    #[test]
    fn goals_are_summed_before_they_are_rounded() {
        assert_eq!(goal([(450, Money::cents(40_000))]), Some(Money::cents(300_000)));
        assert_eq!(goal([(450, Money(0))]), None);
        assert_eq!(goal([(0, Money::cents(100)), (60, Money(0))]), Some(Money(0)));
        // Twice a third of a cent is two thirds: one cent, not none.
        assert_eq!(goal([(20, Money(100)), (20, Money(100))]), Some(Money::cents(1)));
    }
}
