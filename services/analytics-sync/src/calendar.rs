//! Local dates and wall-clock times, as the features count them.

use chairsync_proto::{analytics::LocalDateTime, google_type};
use jiff::{Timestamp, civil, tz::TimeZone};

/// The date that lies `days` after 1970-01-01; `None` outside the calendar's range.
pub fn from_days(days: i32) -> Option<civil::Date> {
    civil::date(1970, 1, 1).checked_add(jiff::Span::new().try_days(i64::from(days)).ok()?).ok()
}

/// The days of a date after 1970-01-01.
pub fn to_days(date: civil::Date) -> i32 {
    let epoch = civil::date(1970, 1, 1);
    i32::try_from(epoch.duration_until(date).as_hours() / 24).unwrap_or_default()
}

/// The date that lies `days` later (or earlier, below zero); the calendar's end where there is none.
pub fn plus_days(date: civil::Date, days: i32) -> civil::Date {
    from_days(to_days(date).saturating_add(days)).unwrap_or(date)
}

/// The wall clock of a moment in a zone; `None` when the zone is unknown or the moment out of range.
pub fn wall_clock(at: &prost_types::Timestamp, zone: &str) -> Option<civil::DateTime> {
    let at = Timestamp::new(at.seconds, at.nanos).ok()?;
    Some(at.to_zoned(TimeZone::get(zone).ok()?).datetime())
}

/// A wall-clock time from microseconds after 1970-01-01T00:00, both without zone.
pub fn from_micros(micros: i64) -> Option<civil::DateTime> {
    Some(Timestamp::from_microsecond(micros).ok()?.to_zoned(TimeZone::UTC).datetime())
}

/// The microseconds of a wall-clock time after 1970-01-01T00:00.
pub fn to_micros(at: civil::DateTime) -> i64 {
    let seconds = i64::from(to_days(at.date())) * 86_400
        + i64::from(at.hour()) * 3_600
        + i64::from(at.minute()) * 60
        + i64::from(at.second());
    seconds * 1_000_000 + i64::from(at.subsec_nanosecond() / 1_000)
}

/// A date as the API has it.
pub fn date_message(date: civil::Date) -> google_type::Date {
    google_type::Date { year: date.year().into(), month: date.month().into(), day: date.day().into() }
}

/// A date that a request names; `None` when it is not one of the calendar.
pub fn read_date(date: &google_type::Date) -> Option<civil::Date> {
    let (year, month, day) = (date.year.try_into().ok()?, date.month.try_into().ok()?, date.day.try_into().ok()?);
    civil::Date::new(year, month, day).ok()
}

/// A wall-clock time as the API has it.
pub fn local_message(at: civil::DateTime) -> LocalDateTime {
    let minute = i32::from(at.hour()) * 60 + i32::from(at.minute());
    LocalDateTime { date: Some(date_message(at.date())), minute_of_day: minute }
}

/// A wall-clock time of a date as the API has it.
pub fn minute_message(date: civil::Date, minute: i32) -> LocalDateTime {
    LocalDateTime { date: Some(date_message(date)), minute_of_day: minute }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use jiff::civil::date;

    #[test]
    fn days_and_micros_round_trip() {
        for day in [date(1970, 1, 1), date(2026, 2, 28), date(1899, 12, 31), date(2028, 2, 29)] {
            assert_eq!(from_days(to_days(day)).unwrap(), day);
            let at = day.at(13, 45, 7, 1_000);
            assert_eq!(from_micros(to_micros(at)).unwrap(), at);
        }
        assert_eq!(plus_days(date(2026, 3, 1), -1), date(2026, 2, 28));
    }

    #[test]
    fn the_wall_clock_is_the_practices() {
        let at = prost_types::Timestamp { seconds: 1_774_929_600, nanos: 0 }; // 2026-03-31T04:00Z
        assert_eq!(wall_clock(&at, "America/Chicago").unwrap(), date(2026, 3, 30).at(23, 0, 0, 0));
        assert!(wall_clock(&at, "Mars/Base").is_none());
    }
}
