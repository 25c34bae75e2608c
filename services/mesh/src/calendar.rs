//! Moments, dates and local days: the one place that knows time zones.
//!
//! On the wire a moment is a `google.protobuf.Timestamp` in UTC (`wire`); what a practice calls "today" or "01:00" is
//! computed here with its IANA zone. A wall-clock time that a change of clocks skips is the moment as long after the
//! change as it was meant to be after midnight's offset (02:30 becomes 03:30); one that happens twice is the first. Rows
//! hold dates and wall-clock times as numbers (`counted`).

mod counted;
mod wire;

use std::ops::Range;

use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};

pub use self::{
    counted::{from_days, from_micros, to_days, to_micros},
    wire::{date_from_proto, date_to_proto, from_proto, minute_of_day, to_proto},
};
use crate::error::Refusal;

/// Reads the name of an IANA zone, e.g. `America/Chicago`. Fixed offsets and abbreviations have no rules for daylight
/// saving and are no zones here; `UTC` is one.
///
/// # Errors
/// `INVALID_FIELD` that names `field`.
pub fn zone(field: &str, name: &str) -> Result<TimeZone, Refusal> {
    let named = name == "UTC" || name.contains('/');
    match TimeZone::get(name) {
        Ok(zone) if named => Ok(zone),
        _ => Err(Refusal::invalid(field, "must be an IANA time zone, e.g. America/Chicago")),
    }
}

/// The wall clock at a moment.
pub fn wall_clock(moment: Timestamp, zone: &TimeZone) -> DateTime {
    zone.to_datetime(moment)
}

/// The local date at a moment.
pub fn date_at(moment: Timestamp, zone: &TimeZone) -> Date {
    wall_clock(moment, zone).date()
}

/// A local day: from its first moment to that of the next, which is 23 to 25 hours in most zones and none at all for a
/// date that a zone skipped. `None` at the calendar's end.
pub fn day(date: Date, zone: &TimeZone) -> Option<Range<Timestamp>> {
    Some(first_moment(date, zone)?..first_moment(date.tomorrow().ok()?, zone)?)
}

fn first_moment(date: Date, zone: &TimeZone) -> Option<Timestamp> {
    // Midnight itself may be skipped, in zones that change their clocks then: the day begins after the gap.
    let midnight = zone.to_ambiguous_zoned(date.at(0, 0, 0, 0));
    Some(midnight.compatible().ok()?.start_of_day().ok()?.timestamp())
}

/// The moment of a wall-clock minute after local midnight; minutes of 1440 and more are those of the next day. `None`
/// outside the calendar.
pub fn moment(date: Date, minute: u16, zone: &TimeZone) -> Option<Timestamp> {
    moment_of(date.at(0, 0, 0, 0).checked_add(SignedDuration::from_mins(minute.into())).ok()?, zone)
}

/// The moment of a wall-clock time. `None` outside the calendar.
pub fn moment_of(wall: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    zone.to_ambiguous_timestamp(wall).compatible().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use jiff::civil::date;

    use super::*;

    /// Zones with every kind of change: none, an hour, half an hour, at midnight, a skipped day, Ramadan, far east and west.
    const ZONES: [&str; 12] = [
        "UTC",
        "America/Chicago",
        "America/Phoenix",
        "America/St_Johns",
        "America/Sao_Paulo",
        "America/Havana",
        "Europe/Dublin",
        "Africa/Casablanca",
        "Asia/Beirut",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "Pacific/Kiritimati",
    ];

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// Every day of twenty years in every zone: days follow one another without gap or overlap, and begin and end on
    /// their own date.
    #[test]
    fn days_tile_time() {
        for name in ZONES {
            let zone = zone("zone", name).unwrap();
            let mut today = date(2008, 1, 1);
            let mut end = day(today, &zone).unwrap().start;
            while today.year() < 2028 {
                let span = day(today, &zone).unwrap();
                assert_eq!(span.start, end, "{name} {today}");
                if name == "Pacific/Apia" && today == date(2011, 12, 30) {
                    assert!(span.is_empty(), "Samoa had no such day");
                } else {
                    let last = span.end - SignedDuration::from_nanos(1);
                    assert_eq!((date_at(span.start, &zone), date_at(last, &zone)), (today, today), "{name}");
                }
                (end, today) = (span.end, today.tomorrow().unwrap());
            }
        }
    }

    /// Each half hour's wall-clock time leads back to that moment, or to the first of two.
    #[test]
    fn a_wall_clock_minute_leads_back_to_its_moment() {
        for name in ZONES {
            let zone = zone("zone", name).unwrap();
            for half_hours in 0..3 * 17_520 {
                let then = at("2023-01-01T00:00:00Z") + SignedDuration::from_mins(30 * half_hours);
                let wall = zone.to_datetime(then);
                let minute = u16::try_from(i32::from(wall.hour()) * 60 + i32::from(wall.minute())).unwrap();
                let back = moment(wall.date(), minute, &zone).unwrap();
                assert!(back <= then && zone.to_datetime(back) == wall, "{name} {then}");
            }
        }
    }

    #[test]
    fn a_skipped_minute_moves_on_and_a_doubled_one_is_the_first() {
        let chicago = zone("zone", "America/Chicago").unwrap();
        assert_eq!(moment(date(2026, 3, 8), 150, &chicago), Some(at("2026-03-08T08:30:00Z"))); // 02:30 is 03:30 CDT
        assert_eq!(moment(date(2026, 11, 1), 90, &chicago), Some(at("2026-11-01T06:30:00Z"))); // 01:30 CDT, not CST
        let havana = zone("zone", "America/Havana").unwrap();
        let spring = day(date(2026, 3, 8), &havana).unwrap(); // 00:00 does not exist
        assert_eq!((spring.start, spring.end), (at("2026-03-08T05:00:00Z"), at("2026-03-09T04:00:00Z")));
        assert_eq!(moment(date(2026, 3, 7), 1440 + 90, &havana), moment(date(2026, 3, 8), 90, &havana));
    }

    #[test]
    fn what_is_no_zone_is_refused_by_field() {
        for bad in ["", "CST", "EST5EDT", "+05:00", "Mars/Base", "America/", "../etc/passwd"] {
            assert_eq!(zone("practice.time_zone", bad).unwrap_err().field.unwrap().0, "practice.time_zone", "{bad}");
        }
    }
}
