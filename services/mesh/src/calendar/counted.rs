//! Dates and wall-clock times as rows hold them: counted from 1970-01-01T00:00, without zone.

use jiff::{
    SignedDuration,
    civil::{Date, DateTime, date},
};

const EPOCH: Date = date(1970, 1, 1);
const DAY_SECONDS: i64 = 86_400;

/// The days of a date after 1970-01-01.
pub fn to_days(date: Date) -> i32 {
    let days = date.duration_since(EPOCH).as_secs() / DAY_SECONDS;
    i32::try_from(days).unwrap_or_default() // the calendar has less than 8 million days
}

/// The date that lies `days` after 1970-01-01; `None` outside the calendar.
pub fn from_days(days: i64) -> Option<Date> {
    EPOCH.checked_add(SignedDuration::from_secs(days.checked_mul(DAY_SECONDS)?)).ok()
}

/// The microseconds of a wall-clock time after 1970-01-01T00:00.
pub fn to_micros(at: DateTime) -> i64 {
    let micros = at.duration_since(EPOCH.at(0, 0, 0, 0)).as_micros();
    i64::try_from(micros).unwrap_or_default() // the calendar's 20,000 years fit
}

/// The wall-clock time that lies `micros` microseconds after 1970-01-01T00:00; `None` outside the calendar.
pub fn from_micros(micros: i64) -> Option<DateTime> {
    EPOCH.at(0, 0, 0, 0).checked_add(SignedDuration::from_micros(micros)).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn days_and_micros_go_both_ways() {
        let days = [EPOCH, date(2026, 2, 28), date(1899, 12, 31), date(1969, 12, 31), date(2028, 2, 29)];
        for day in [days, [Date::MIN, Date::MAX, EPOCH, EPOCH, EPOCH]].concat() {
            assert_eq!(from_days(to_days(day).into()), Some(day));
            let at = day.at(13, 45, 7, 1_000);
            assert_eq!(from_micros(to_micros(at)), Some(at));
        }
        assert_eq!((to_days(date(1970, 1, 2)), to_micros(date(1970, 1, 2).at(0, 0, 0, 0))), (1, 86_400_000_000));
        assert_eq!((to_days(date(1969, 12, 31)), from_micros(-1).unwrap().date()), (-1, date(1969, 12, 31)));
    }

    #[test]
    fn what_lies_outside_the_calendar_is_none() {
        let end = i64::from(to_days(Date::MAX));
        for days in [end + 1, i64::MAX, i64::MIN] {
            assert_eq!(from_days(days), None);
        }
        assert_eq!((from_micros(i64::MAX), from_micros(i64::MIN)), (None, None));
    }
}
