//! A scorecard's periods: its own, and those that it is compared with.
//!
//! D is the snapshot's date. "Last" periods are whole and over on D; periods "to date" end on D. Weeks start on Sunday.

use chairsync_proto::analytics::{ComparisonKind, PeriodKind, Scorecard};
use jiff::{Span, civil::Date};
use mesh::{Refusal, calendar};

use crate::metrics::range::{Range, week_start};

/// The most periods that one may be compared with.
pub const TRAILING_MAX: i32 = 52;
/// The longest period of one's own, in days: ten years.
const CUSTOM_DAYS_MAX: i32 = 3_653;

/// A period's kind with what it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// The date before D.
    LastDay,
    /// Whole weeks.
    LastWeek,
    /// Whole months, so many together: 1, 3 or 12.
    LastMonths(i32),
    /// From Sunday to D.
    WeekToDate,
    /// From the first of the month to D.
    MonthToDate,
    /// From 1 January to D.
    YearToDate,
    /// These dates.
    Custom(Range),
}

/// What a period is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// So many periods before.
    Trailing(i32),
    /// The same period a year earlier.
    YearOverYear,
    /// Nothing.
    None,
}

impl Period {
    /// Reads a scorecard's; the last week where nothing is said.
    ///
    /// # Errors
    /// `INVALID_FIELD` under `scorecard.period`.
    pub fn of(scorecard: &Scorecard) -> Result<Self, Refusal> {
        let Some(period) = &scorecard.period else { return Ok(Self::LastWeek) };
        let kind = PeriodKind::try_from(period.kind)
            .map_err(|_| Refusal::invalid("scorecard.period.kind", "must be one of the API's kinds"))?;
        let field = "scorecard.period.custom";
        match (kind, &period.custom) {
            (PeriodKind::Custom, Some(range)) => {
                let date = |date: &Option<_>, name: &str| {
                    let field = format!("{field}.{name}");
                    let date = date.as_ref().ok_or_else(|| Refusal::invalid(&field, "is missing"))?;
                    calendar::date_from_proto(&field, date)
                };
                let (from, to) = (date(&range.start_date, "start_date")?, date(&range.end_date, "end_date")?);
                if from > to {
                    return Err(Refusal::invalid(field, "ends before it starts; swap its dates"));
                }
                if days(from, to) > CUSTOM_DAYS_MAX {
                    return Err(Refusal::invalid(field, "is longer than ten years; shorten it"));
                }
                Ok(Self::Custom((from, to)))
            }
            (PeriodKind::Custom, None) => Err(Refusal::invalid(field, "is missing: a period of this kind needs dates")),
            (_, Some(_)) => Err(Refusal::invalid(field, "is for a period of the kind CUSTOM only")),
            (PeriodKind::Unspecified | PeriodKind::LastWeek, None) => Ok(Self::LastWeek),
            (PeriodKind::LastDay, None) => Ok(Self::LastDay),
            (PeriodKind::LastMonth, None) => Ok(Self::LastMonths(1)),
            (PeriodKind::LastQuarter, None) => Ok(Self::LastMonths(3)),
            (PeriodKind::LastYear, None) => Ok(Self::LastMonths(12)),
            (PeriodKind::WeekToDate, None) => Ok(Self::WeekToDate),
            (PeriodKind::MonthToDate, None) => Ok(Self::MonthToDate),
            (PeriodKind::YearToDate, None) => Ok(Self::YearToDate),
        }
    }

    /// The period as of `d`, `back` periods earlier.
    pub fn range(self, d: Date, back: i32) -> Range {
        match self {
            Self::LastDay => {
                let day = plus_days(d, -1 - back);
                (day, day)
            }
            Self::LastWeek => {
                let sunday = plus_days(week_start(d), -7 * (back + 1));
                (sunday, plus_days(sunday, 6))
            }
            Self::LastMonths(months) => {
                // Quarters and years begin with months whose count from January is whole.
                let into = i32::from(d.month() - 1) % months;
                let first = plus_months(d.first_of_month(), -into - months * (back + 1));
                (first, plus_days(plus_months(first, months), -1))
            }
            Self::WeekToDate => (plus_days(week_start(d), -7 * back), plus_days(d, -7 * back)),
            Self::MonthToDate => {
                // A day that the earlier month does not have is its last one.
                let same_day = plus_months(d, -back);
                (same_day.first_of_month(), same_day)
            }
            Self::YearToDate => {
                let same_day = plus_months(d, -12 * back);
                (same_day.first_of_year(), same_day)
            }
            Self::Custom((from, to)) => {
                let length = days(from, to);
                (plus_days(from, -length * back), plus_days(to, -length * back))
            }
        }
    }

    /// The same period a year before the one as of `d`. Weeks go back by 52 of them, all else by the calendar.
    pub fn a_year_earlier(self, d: Date) -> Range {
        match self {
            Self::LastWeek | Self::WeekToDate => self.range(d, 52),
            Self::LastMonths(months) => self.range(d, 12 / months),
            Self::MonthToDate => self.range(d, 12),
            Self::YearToDate => self.range(d, 1),
            Self::LastDay | Self::Custom(_) => {
                let (from, to) = self.range(d, 0);
                (plus_months(from, -12), plus_months(to, -12))
            }
        }
    }
}

impl Comparison {
    /// Reads a scorecard's; the three periods before where nothing is said.
    ///
    /// # Errors
    /// `INVALID_FIELD` under `scorecard.comparison`.
    pub fn of(scorecard: &Scorecard) -> Result<Self, Refusal> {
        const TRAILING: i32 = 3;
        let comparison = scorecard.comparison.unwrap_or_default();
        let kind = ComparisonKind::try_from(comparison.kind)
            .map_err(|_| Refusal::invalid("scorecard.comparison.kind", "must be one of the API's kinds"))?;
        let field = "scorecard.comparison.periods";
        match (kind, comparison.periods) {
            (ComparisonKind::Trailing, periods) if (1..=TRAILING_MAX).contains(&periods) => Ok(Self::Trailing(periods)),
            (ComparisonKind::Trailing, _) => Err(Refusal::invalid(field, "must be 1 to 52")),
            (ComparisonKind::Unspecified, 0) => Ok(Self::Trailing(TRAILING)),
            (ComparisonKind::YearOverYear, 0) => Ok(Self::YearOverYear),
            (ComparisonKind::None, 0) => Ok(Self::None),
            _ => Err(Refusal::invalid(field, "is for a comparison of the kind TRAILING only")),
        }
    }
}

/// The period as of `d` and those that it is compared with, newest first.
pub fn ranges(period: Period, comparison: Comparison, d: Date) -> Vec<Range> {
    match comparison {
        Comparison::Trailing(periods) => (0..=periods).map(|back| period.range(d, back)).collect(),
        Comparison::YearOverYear => vec![period.range(d, 0), period.a_year_earlier(d)],
        Comparison::None => vec![period.range(d, 0)],
    }
}

fn days(from: Date, to: Date) -> i32 {
    calendar::to_days(to) - calendar::to_days(from) + 1
}

/// Dates of practices are far from the calendar's ends; there a date stays where it is.
fn plus_days(date: Date, days: i32) -> Date {
    date.checked_add(Span::new().days(days)).unwrap_or(date)
}

/// The same day of another month, or that month's last day.
fn plus_months(date: Date, months: i32) -> Date {
    date.checked_add(Span::new().months(months)).unwrap_or(date)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use chairsync_proto::analytics::{DateRange, ScorecardComparison, ScorecardPeriod};
    use mesh::calendar::date_to_proto;

    use super::*;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    fn range(text: &str) -> Range {
        let (from, to) = text.split_once("..").unwrap();
        (day(from), day(to))
    }

    #[test]
    fn periods_as_of_a_date() {
        let (week, month, quarter, year) =
            (Period::LastWeek, Period::LastMonths(1), Period::LastMonths(3), Period::LastMonths(12));
        for (period, d, back, expected) in [
            (Period::LastDay, "2026-03-31", 0, "2026-03-30..2026-03-30"),
            (Period::LastDay, "2026-01-01", 1, "2025-12-30..2025-12-30"),
            // A Tuesday, a Sunday, a Saturday.
            (week, "2026-03-31", 0, "2026-03-22..2026-03-28"),
            (week, "2026-03-29", 0, "2026-03-22..2026-03-28"),
            (week, "2026-03-28", 0, "2026-03-15..2026-03-21"),
            (week, "2026-01-01", 0, "2025-12-21..2025-12-27"),
            (week, "2026-01-05", 1, "2025-12-21..2025-12-27"),
            (month, "2024-03-31", 0, "2024-02-01..2024-02-29"),
            (month, "2026-03-01", 0, "2026-02-01..2026-02-28"),
            (month, "2026-01-15", 0, "2025-12-01..2025-12-31"),
            (month, "2026-01-15", 10, "2025-02-01..2025-02-28"),
            (quarter, "2026-03-31", 0, "2025-10-01..2025-12-31"),
            (quarter, "2026-04-01", 0, "2026-01-01..2026-03-31"),
            (quarter, "2026-12-31", 1, "2026-04-01..2026-06-30"),
            (year, "2026-12-31", 0, "2025-01-01..2025-12-31"),
            (year, "2025-01-01", 0, "2024-01-01..2024-12-31"),
            (Period::WeekToDate, "2026-03-31", 0, "2026-03-29..2026-03-31"),
            (Period::WeekToDate, "2026-03-29", 0, "2026-03-29..2026-03-29"),
            (Period::WeekToDate, "2026-01-03", 1, "2025-12-21..2025-12-27"),
            (Period::MonthToDate, "2026-03-31", 0, "2026-03-01..2026-03-31"),
            (Period::MonthToDate, "2026-03-31", 1, "2026-02-01..2026-02-28"),
            (Period::MonthToDate, "2024-03-30", 1, "2024-02-01..2024-02-29"),
            (Period::YearToDate, "2024-02-29", 0, "2024-01-01..2024-02-29"),
            (Period::YearToDate, "2024-02-29", 1, "2023-01-01..2023-02-28"),
            (Period::Custom(range("2026-03-10..2026-03-14")), "2026-03-31", 1, "2026-03-05..2026-03-09"),
            (Period::Custom(range("2024-02-29..2024-02-29")), "2026-03-31", 2, "2024-02-27..2024-02-27"),
        ] {
            assert_eq!(period.range(day(d), back), range(expected), "{period:?} as of {d}, {back} back");
        }
    }

    #[test]
    fn a_year_earlier() {
        for (period, d, expected) in [
            (Period::LastDay, "2024-03-01", "2023-02-28..2023-02-28"),
            (Period::LastWeek, "2026-03-31", "2025-03-23..2025-03-29"),
            (Period::WeekToDate, "2026-03-31", "2025-03-30..2025-04-01"),
            (Period::LastMonths(1), "2025-03-02", "2024-02-01..2024-02-29"),
            (Period::LastMonths(3), "2026-01-02", "2024-10-01..2024-12-31"),
            (Period::LastMonths(12), "2026-01-02", "2024-01-01..2024-12-31"),
            (Period::MonthToDate, "2024-02-29", "2023-02-01..2023-02-28"),
            (Period::YearToDate, "2024-02-29", "2023-01-01..2023-02-28"),
            (Period::Custom(range("2024-02-29..2024-03-01")), "2026-03-31", "2023-02-28..2023-03-01"),
        ] {
            assert_eq!(period.a_year_earlier(day(d)), range(expected), "{period:?} as of {d}");
        }
    }

    /// Trailing whole periods follow one another without gap or overlap, on every date of five years.
    #[test]
    fn trailing_periods_tile_time() {
        let mut d = day("2023-01-01");
        while d.year() < 2028 {
            for period in [Period::LastDay, Period::LastWeek, Period::LastMonths(1), Period::LastMonths(3)] {
                let ranges = ranges(period, Comparison::Trailing(5), d);
                assert!(ranges.len() == 6 && ranges[0].1 < d, "{period:?} as of {d}");
                for pair in ranges.windows(2) {
                    assert_eq!(pair[1].1.tomorrow().unwrap(), pair[0].0, "{period:?} as of {d}");
                }
                let next = plus_days(ranges[0].1, 1);
                let over = match period {
                    Period::LastDay => next == d,
                    Period::LastWeek => d < plus_days(next, 7),
                    Period::LastMonths(months) => d < plus_months(next, months),
                    _ => false,
                };
                assert!(over, "{period:?} as of {d} is not the last one");
            }
            d = d.tomorrow().unwrap();
        }
    }

    #[test]
    fn what_is_not_said_has_a_default_and_what_is_wrong_is_refused_by_field() {
        let nothing = Scorecard::default();
        assert_eq!(Period::of(&nothing).unwrap(), Period::LastWeek);
        assert_eq!(Comparison::of(&nothing).unwrap(), Comparison::Trailing(3));
        let period = |kind: i32, custom: Option<(&str, &str)>| Scorecard {
            period: Some(ScorecardPeriod {
                kind,
                custom: custom.map(|(from, to)| DateRange {
                    start_date: (!from.is_empty()).then(|| date_to_proto(day(from))),
                    end_date: (!to.is_empty()).then(|| date_to_proto(day(to))),
                }),
            }),
            ..Default::default()
        };
        let custom = PeriodKind::Custom as i32;
        for (scorecard, field) in [
            (period(99, None), "scorecard.period.kind"),
            (period(custom, None), "scorecard.period.custom"),
            (period(custom, Some(("2026-03-02", "2026-03-01"))), "scorecard.period.custom"),
            (period(custom, Some(("2016-01-01", "2026-03-01"))), "scorecard.period.custom"),
            (period(custom, Some(("", "2026-03-01"))), "scorecard.period.custom.start_date"),
            (period(PeriodKind::LastDay as i32, Some(("2026-03-01", "2026-03-01"))), "scorecard.period.custom"),
        ] {
            assert_eq!(Period::of(&scorecard).unwrap_err().field.unwrap().0, field);
        }
        let compared = |kind: i32, periods: i32| Scorecard {
            comparison: Some(ScorecardComparison { kind, periods }),
            ..Default::default()
        };
        let (trailing, year) = (ComparisonKind::Trailing as i32, ComparisonKind::YearOverYear as i32);
        assert_eq!(Comparison::of(&compared(trailing, 52)).unwrap(), Comparison::Trailing(52));
        for (kind, periods, field) in [
            (trailing, 0, "periods"),
            (trailing, 53, "periods"),
            (trailing, -1, "periods"),
            (year, 2, "periods"),
            (0, 2, "periods"),
            (99, 0, "kind"),
        ] {
            let refusal = Comparison::of(&compared(kind, periods)).unwrap_err();
            assert_eq!(refusal.field.unwrap().0, format!("scorecard.comparison.{field}"));
        }
    }
}
