//! Ranges of dates: as requests bring them, and the weeks and years that boards compare.

use chairsync_proto::analytics::DateRange;
use jiff::{ToSpan, civil::Date};
use mesh::{Refusal, calendar};

/// A closed range of dates.
pub type Range = (Date, Date);

/// The longest range that is answered.
const YEARS_MAX: i32 = 10;

/// Reads a range of a request; `default` where it is left out.
///
/// # Errors
/// `INVALID_FIELD` on `field` or its dates: one that is missing or not of the calendar, an end before the start, more than
/// ten years.
pub fn read(field: &str, range: Option<&DateRange>, default: Range) -> Result<Range, Refusal> {
    let Some(range) = range else { return Ok(default) };
    let date = |part: &str, date: Option<&chairsync_proto::google_type::Date>| {
        let field = format!("{field}.{part}");
        match date {
            Some(date) => calendar::date_from_proto(&field, date),
            None => Err(Refusal::invalid(field, "is required; leave the whole range out for the default")),
        }
    };
    let (start, end) = (date("start_date", range.start_date.as_ref())?, date("end_date", range.end_date.as_ref())?);
    if end < start {
        return Err(Refusal::invalid(field, "ends before it starts; swap the two dates"));
    }
    if end >= start.saturating_add(YEARS_MAX.years()) {
        return Err(Refusal::invalid(field, format!("is longer than {YEARS_MAX} years; ask for shorter ones in turn")));
    }
    Ok((start, end))
}

/// A range for the wire.
pub fn to_proto(range: Range) -> DateRange {
    DateRange { start_date: Some(calendar::date_to_proto(range.0)), end_date: Some(calendar::date_to_proto(range.1)) }
}

/// The first day of a date's week; weeks start on Sunday.
pub fn week_start(date: Date) -> Date {
    date.saturating_sub(i64::from(date.weekday().to_sunday_zero_offset()).days())
}

/// A date's week.
pub fn week_of(date: Date) -> Range {
    let start = week_start(date);
    (start, start.saturating_add(6.days()))
}

/// The last whole week that is over as of `d`.
pub fn week_before(d: Date) -> Range {
    week_of(week_start(d).saturating_sub(1.day()))
}

/// The last `count` whole weeks that are over as of `d`, oldest first.
pub fn weeks_before(d: Date, count: u8) -> Vec<Range> {
    let this = week_start(d);
    let week = |back: u8| week_of(this.saturating_sub((7 * i64::from(back)).days()));
    (1..=count).rev().map(week).collect()
}

/// The same dates a year earlier; 29 February becomes the 28th.
pub fn year_earlier(range: Range) -> Range {
    (range.0.saturating_sub(1.year()), range.1.saturating_sub(1.year()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use jiff::civil::date;

    use super::*;

    #[test]
    fn weeks_are_whole_and_over() {
        // 31 March 2026 is a Tuesday.
        let weeks = weeks_before(date(2026, 3, 31), 13);
        assert_eq!(weeks.len(), 13);
        assert_eq!(weeks[12], (date(2026, 3, 22), date(2026, 3, 28)));
        assert_eq!(weeks[0], (date(2025, 12, 28), date(2026, 1, 3)));
        // On a Sunday the week before has just ended; on a Saturday this one has not.
        assert_eq!(weeks_before(date(2026, 3, 29), 1), [(date(2026, 3, 22), date(2026, 3, 28))]);
        assert_eq!(weeks_before(date(2026, 3, 28), 1), [(date(2026, 3, 15), date(2026, 3, 21))]);
        assert_eq!(week_before(date(2026, 3, 28)), (date(2026, 3, 15), date(2026, 3, 21)));
        for pair in weeks.windows(2) {
            assert_eq!(pair[0].1.tomorrow().unwrap(), pair[1].0);
        }
    }

    #[test]
    fn ranges_are_read_or_refused_by_field() {
        let default = (date(2026, 3, 1), date(2026, 3, 31));
        let refused = |range: DateRange| read("range", Some(&range), default).unwrap_err().field.unwrap().0;
        assert_eq!(read("range", None, default).unwrap(), default);
        assert_eq!(read("range", Some(&to_proto(default)), default).unwrap(), default);
        assert_eq!(refused(to_proto((date(2026, 3, 2), date(2026, 3, 1)))), "range");
        assert_eq!(refused(to_proto((date(2016, 3, 1), date(2026, 3, 1)))), "range");
        assert!(read("range", Some(&to_proto((date(2016, 3, 2), date(2026, 3, 1)))), default).is_ok());
        assert_eq!(refused(DateRange { end_date: None, ..to_proto(default) }), "range.end_date");
        let never = chairsync_proto::google_type::Date { year: 2026, month: 2, day: 30 };
        assert_eq!(refused(DateRange { start_date: Some(never), ..to_proto(default) }), "range.start_date");
    }

    #[test]
    fn a_year_earlier_is_the_same_dates() {
        assert_eq!(year_earlier((date(2028, 2, 1), date(2028, 2, 29))), (date(2027, 2, 1), date(2027, 2, 28)));
    }
}
