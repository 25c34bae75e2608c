//! Nightly, once per local date: when a practice's nightly run is due.
//!
//! A run's identity is (practice, local date): that is what makes it happen once, whatever the clock does. Its time is
//! the window's start plus a share of the window that depends only on the practice's id, so that a fleet does not start
//! at once. A wall-clock time that a change of clocks skips is taken after the gap, one that comes twice the first time.

use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};

use mesh::calendar;

use super::state::Settings;

/// A local date's nightly run: when it is due, and when its window closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Night {
    /// The practice's local date.
    pub date: Date,
    /// When the run is due.
    pub due_at: Timestamp,
    /// When the window closes; a run that starts later is late.
    pub closes_at: Timestamp,
}

/// The zone of a practice. Settings are checked when they are stored; a zone that a newer time-zone database no longer
/// has counts as UTC, so that a practice is synced at an odd hour and not never.
pub fn zone(settings: &Settings) -> TimeZone {
    TimeZone::get(&settings.time_zone).unwrap_or(TimeZone::UTC)
}

/// The nightly run of a local date.
pub fn night(id: &str, settings: &Settings, date: Date) -> Night {
    let zone = zone(settings);
    let length = i64::from(settings.window_end.saturating_sub(settings.window_start)) * 60;
    // The last tenth stays free, so that a run that starts last can still end inside.
    let offset = (length * 9 / 10).max(1);
    let spread = (hash(id) % offset.unsigned_abs()) as i64;
    let start = at(&zone, date, i64::from(settings.window_start) * 60 + spread);
    let end = at(&zone, date, i64::from(settings.window_end) * 60);
    // A change of clocks can leave nothing between the two: the window is as long as it was meant to be, then.
    let closes_at = if end > start { end } else { start + SignedDuration::from_secs(length) };
    Night { date, due_at: start, closes_at }
}

/// Whether a zone has no moment of this date: it moved over the date line then. Such a date has no night.
pub fn skipped(date: Date, zone: &TimeZone) -> bool {
    calendar::day(date, zone).is_some_and(|day| day.is_empty())
}

/// The first nightly run that is due at or after what `last` has covered, as seen at `now`: today's unless it was queued
/// already, else that of the next date that the zone has. A date before today that nobody looked at is due at once; see
/// [`super::schedule`].
pub fn next(id: &str, settings: &Settings, last: Option<Date>, now: Timestamp) -> Night {
    let zone = zone(settings);
    let mut date = calendar::date_at(now, &zone);
    if let Some(last) = last
        && last >= date
    {
        date = following(last, &zone);
    }
    night(id, settings, date)
}

/// The next `count` nights that are due, nearest first, as seen at `now` when `last` is covered.
pub fn due_times(id: &str, settings: &Settings, last: Option<Date>, now: Timestamp, count: usize) -> Vec<Night> {
    let zone = zone(settings);
    let first = next(id, settings, last, now);
    let dates = std::iter::successors(Some(first.date), |date| Some(following(*date, &zone)));
    dates.take(count).map(|date| night(id, settings, date)).collect()
}

/// The date after this one that a zone has.
fn following(date: Date, zone: &TimeZone) -> Date {
    let mut next = date.tomorrow().unwrap_or(date);
    while skipped(next, zone) {
        next = next.tomorrow().unwrap_or(next);
    }
    next
}

/// A local wall-clock second of a date as a moment.
fn at(zone: &TimeZone, date: Date, second: i64) -> Timestamp {
    let wall: DateTime = date.at(0, 0, 0, 0) + SignedDuration::from_secs(second);
    zone.to_ambiguous_timestamp(wall).compatible().unwrap_or(Timestamp::MAX)
}

/// FNV-1a: stable over releases and machines, which the standard library's hashes are not.
pub(super) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;
    use crate::core::state::{Overlap, Source};

    fn settings(zone: &str) -> Settings {
        Settings {
            display_name: String::new(),
            time_zone: zone.to_owned(),
            window_start: 60,
            window_end: 300,
            source: Source::Sample { seed: 1, patients: 1, live: false, as_of_date: String::new(), years: 1 },
            automatic_write_back: false,
            paused: false,
            pause_note: String::new(),
            currency_code: "USD".to_owned(),
            group: String::new(),
            overlap: Overlap::QueueOne,
        }
    }

    /// Clocks go from 2:00 to 3:00 on 8 March 2026 and from 2:00 back to 1:00 on 1 November in Chicago: each of those
    /// dates has one run, inside its window.
    #[test]
    fn a_change_of_clocks_gives_one_run() {
        let settings = settings("America/Chicago");
        for day in [date(2026, 3, 8), date(2026, 11, 1)] {
            for id in ["a", "b", "north", "south", "west"] {
                let night = night(id, &settings, day);
                let local = night.due_at.to_zoned(zone(&settings)).datetime();
                assert_eq!(local.date(), day);
                assert!((1..5).contains(&local.hour()), "{local}");
                assert!(night.due_at < night.closes_at);
            }
        }
    }

    #[test]
    fn fleets_are_spread() {
        let settings = settings("UTC");
        let due = |n: u32| night(&format!("p{n}"), &settings, date(2026, 5, 5)).due_at;
        let mut times: Vec<_> = (0..1000).map(due).collect();
        times.sort();
        times.dedup();
        assert!(times.len() > 900);
    }

    proptest! {
        /// Whatever zone and moment: the next run is never for a date that was covered, and a date that is covered is
        /// never due again after the zone or the window changed.
        #[test]
        fn a_date_is_due_once(second in 0_i64..4_000_000_000, other in 0_usize..5, first in 0_usize..5, start in 0_u16..1439) {
            let zones = ["America/Chicago", "Pacific/Apia", "Asia/Kathmandu", "Europe/Berlin", "Pacific/Kiritimati"];
            let now = Timestamp::from_second(second).unwrap();
            let settings = settings(zones[first]);
            let done = next("a", &settings, None, now);
            let mut changed = settings.clone();
            changed.time_zone = zones[other].to_owned();
            changed.window_start = start;
            changed.window_end = 1440;
            let again = next("a", &changed, Some(done.date), done.due_at.max(now));
            prop_assert!(again.date > done.date);
        }
    }
}
