//! Moments, dates and wall-clock times as they travel.

use chairsync_proto::google_type;
use jiff::{
    Timestamp,
    civil::{Date, DateTime},
};

use crate::error::Refusal;

/// A moment for the wire.
pub fn to_proto(moment: Timestamp) -> prost_types::Timestamp {
    // jiff counts a moment before 1970 backwards in both parts, the wire's nanoseconds always count forwards.
    let (seconds, nanos) = (moment.as_second(), moment.subsec_nanosecond());
    let before = i32::from(nanos < 0);
    prost_types::Timestamp { seconds: seconds - i64::from(before), nanos: nanos + before * 1_000_000_000 }
}

/// A moment from the wire.
///
/// # Errors
/// `INVALID_FIELD` that names `field`, for one that is out of range or not normal (nanoseconds below 0 or a second).
pub fn from_proto(field: &str, moment: &prost_types::Timestamp) -> Result<Timestamp, Refusal> {
    let normal = (0..1_000_000_000).contains(&moment.nanos);
    let read = normal.then(|| Timestamp::new(moment.seconds, moment.nanos).ok()).flatten();
    read.ok_or_else(|| {
        Refusal::invalid(field, "must be a moment of the years 1 to 9999 with 0 to 999999999 nanoseconds")
    })
}

/// A date for the wire.
pub fn date_to_proto(date: Date) -> google_type::Date {
    google_type::Date { year: date.year().into(), month: date.month().into(), day: date.day().into() }
}

/// A date from the wire.
///
/// # Errors
/// `INVALID_FIELD` that names `field`, for one that the calendar does not have or that lacks a part.
pub fn date_from_proto(field: &str, date: &google_type::Date) -> Result<Date, Refusal> {
    let read = || Date::new(date.year.try_into().ok()?, date.month.try_into().ok()?, date.day.try_into().ok()?).ok();
    // Year 0 on the wire is a date without a year.
    let whole = read().filter(|date| date.year() > 0);
    whole.ok_or_else(|| Refusal::invalid(field, "must be a whole date of the calendar, with year, month and day"))
}

/// The minute of the day of a wall-clock time: 0 to 1439.
pub fn minute_of_day(at: DateTime) -> i32 {
    i32::from(at.hour()) * 60 + i32::from(at.minute())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use jiff::civil::date;

    use super::*;

    #[test]
    fn moments_travel_whole() {
        for text in ["1969-12-31T23:59:59.25Z", "1970-01-01T00:00:00Z", "2026-03-08T08:30:00.000000001Z"] {
            let sent = to_proto(text.parse().unwrap());
            assert!((0..1_000_000_000).contains(&sent.nanos), "{text}");
            assert_eq!(from_proto("at", &sent).unwrap(), text.parse().unwrap());
        }
        for (seconds, nanos) in [(0, -1), (0, 1_000_000_000), (i64::MAX, 0), (i64::MIN, 0)] {
            let bad = prost_types::Timestamp { seconds, nanos };
            assert_eq!(from_proto("at", &bad).unwrap_err().field.unwrap().0, "at");
        }
    }

    #[test]
    fn dates_travel_whole_or_are_refused_by_field() {
        let day = date(2028, 2, 29);
        assert_eq!(date_from_proto("date", &date_to_proto(day)).unwrap(), day);
        for (year, month, day) in
            [(2026, 2, 29), (2026, 13, 1), (2026, 0, 1), (0, 5, 1), (2026, 5, 0), (i32::MAX, 1, 1)]
        {
            let bad = google_type::Date { year, month, day };
            assert_eq!(date_from_proto("date", &bad).unwrap_err().field.unwrap().0, "date");
        }
        assert_eq!(minute_of_day(day.at(23, 59, 59, 0)), 1439);
    }
}
