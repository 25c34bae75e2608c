//! What is asked of a report: its dates, providers, clinics, period and form, checked against what it takes.

use std::collections::BTreeSet;

use chairsync_proto::analytics::{self, DateRange, ReportFilter, ReportFormat, ReportInterval, RunReportRequest};
use jiff::{ToSpan as _, civil::Date};
use mesh::{Refusal, calendar, names};

use super::list::Report;
use crate::books::{Books, BooksError, Given};

/// The longest range.
const YEARS_MAX: i64 = 10;
/// The most providers or clinics that can be named.
const NAMES_MAX: usize = 1_000;

/// A request, read.
#[derive(Clone, PartialEq, Eq)]
pub struct Asked {
    /// The first date.
    pub from: Date,
    /// The last date, included.
    pub to: Date,
    /// Only these providers; none: all. 0 stands for "unassigned".
    pub providers: Option<BTreeSet<i64>>,
    /// Only these clinics; none: all. 0 stands for "unassigned".
    pub clinics: Option<BTreeSet<i64>>,
    /// The length of a period, where rows are periods.
    pub interval: ReportInterval,
    /// The form of the answer.
    pub format: ReportFormat,
}

impl Asked {
    /// Reads a request for `report` of `practice`, as of `d`.
    ///
    /// # Errors
    /// `INVALID_FIELD` on what the report does not take, on a range that is reversed or longer than ten years, and on names
    /// that are malformed or another practice's.
    pub fn read(report: &Report, practice: &str, request: &RunReportRequest, d: Date) -> Result<Self, Refusal> {
        refuse_unless_taken(report, ReportFilter::Dates, "range", request.range.is_some())?;
        refuse_unless_taken(report, ReportFilter::Providers, "providers", !request.providers.is_empty())?;
        refuse_unless_taken(report, ReportFilter::Clinics, "clinics", !request.clinics.is_empty())?;
        let (from, to) = match &request.range {
            Some(range) => dates(range)?,
            None => (d.first_of_month(), d),
        };
        Ok(Self {
            from,
            to,
            providers: numbers("providers", practice, &request.providers)?,
            clinics: numbers("clinics", practice, &request.clinics)?,
            interval: interval(report, request.interval)?,
            format: format(request.format)?,
        })
    }

    /// The dates as an answer tells them; none for a report that is not of dates.
    pub fn range(&self, report: &Report) -> Option<analytics::DateRange> {
        report.takes(ReportFilter::Dates).then(|| DateRange {
            start_date: Some(calendar::date_to_proto(self.from)),
            end_date: Some(calendar::date_to_proto(self.to)),
        })
    }

    /// The period as the SQL knows it.
    pub fn interval_given(&self) -> Given {
        Given::Number(match self.interval {
            ReportInterval::Month => 2,
            ReportInterval::Year => 3,
            ReportInterval::Day | ReportInterval::Unspecified => 1,
        })
    }
}

fn refuse_unless_taken(report: &Report, filter: ReportFilter, field: &str, given: bool) -> Result<(), Refusal> {
    if !given || report.takes(filter) {
        return Ok(());
    }
    Err(Refusal::invalid(field, format!("the report {} does not take this filter; leave it out", report.id)))
}

fn dates(range: &DateRange) -> Result<(Date, Date), Refusal> {
    let date = |field: &str, date: &Option<chairsync_proto::google_type::Date>| match date {
        Some(date) => calendar::date_from_proto(field, date),
        None => Err(Refusal::invalid(field, "must be set; a range has both its ends")),
    };
    let from = date("range.start_date", &range.start_date)?;
    let to = date("range.end_date", &range.end_date)?;
    if to < from {
        return Err(Refusal::invalid("range", "ends before it starts; swap start_date and end_date"));
    }
    if from.checked_add(YEARS_MAX.years()).is_ok_and(|end| to >= end) {
        return Err(Refusal::invalid("range", format!("is longer than {YEARS_MAX} years; ask for it in parts")));
    }
    Ok((from, to))
}

fn numbers(collection: &str, practice: &str, given: &[String]) -> Result<Option<BTreeSet<i64>>, Refusal> {
    if given.is_empty() {
        return Ok(None);
    }
    if given.len() > NAMES_MAX {
        return Err(Refusal::invalid(collection, format!("names more than {NAMES_MAX}; leave it out for all")));
    }
    let number = |(place, name): (usize, &String)| {
        let field = format!("{collection}[{place}]");
        let (of, id) = names::under(&field, name, collection)?;
        if of != practice {
            return Err(Refusal::invalid(field, "belongs to another practice than the report"));
        }
        id.parse::<i64>().ok().filter(|number| *number >= 0).ok_or_else(|| {
            Refusal::invalid(field, "the id must be the PMS's number; 0 stands for what is credited to nobody")
        })
    };
    given.iter().enumerate().map(number).collect::<Result<_, _>>().map(Some)
}

fn interval(report: &Report, value: i32) -> Result<ReportInterval, Refusal> {
    let interval = ReportInterval::try_from(value)
        .map_err(|_| Refusal::invalid("interval", "must be a day, a month or a year; leave it out for a day"))?;
    if interval != ReportInterval::Unspecified && !report.by_period {
        return Err(Refusal::invalid("interval", format!("the rows of {} are not periods; leave it out", report.id)));
    }
    Ok(interval)
}

fn format(value: i32) -> Result<ReportFormat, Refusal> {
    match ReportFormat::try_from(value) {
        Ok(ReportFormat::Unspecified) => Ok(ReportFormat::Rows),
        Ok(format) => Ok(format),
        Err(_) => Err(Refusal::invalid("format", "must be rows, CSV, Parquet or Arrow IPC; leave it out for rows")),
    }
}

/// The numbers of a practice's providers or clinics.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Of its providers.
    pub providers: BTreeSet<i64>,
    /// Of its clinics.
    pub clinics: BTreeSet<i64>,
}

impl Known {
    /// Reads them.
    ///
    /// # Errors
    /// When the tables cannot be read.
    pub async fn read(books: &Books) -> Result<Self, BooksError> {
        Ok(Self {
            providers: read(books, "SELECT prov_num AS number FROM provider ORDER BY prov_num").await?,
            clinics: read(books, "SELECT clinic_num AS number FROM clinic ORDER BY clinic_num").await?,
        })
    }

    /// Checks that all that is named is there.
    ///
    /// # Errors
    /// `INVALID_FIELD` on the first name that the practice does not have.
    pub fn check(&self, request: &RunReportRequest) -> Result<(), Refusal> {
        for (collection, given, known) in
            [("providers", &request.providers, &self.providers), ("clinics", &request.clinics, &self.clinics)]
        {
            for (place, name) in given.iter().enumerate() {
                let number = name.rsplit('/').next().and_then(|id| id.parse::<i64>().ok());
                if number.is_none_or(|number| number != 0 && !known.contains(&number)) {
                    let fault = format!("the practice's {collection} have no such number");
                    return Err(Refusal::invalid(format!("{collection}[{place}]"), fault));
                }
            }
        }
        Ok(())
    }
}

async fn read(books: &Books, sql: &str) -> Result<BTreeSet<i64>, BooksError> {
    let rows = books.ask(sql, &[]).await?;
    (0..rows.len()).map(|row| Ok(rows.number(row, "number")?)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use jiff::civil::date;
    use mesh::calendar::date_to_proto;

    use super::*;
    use crate::reports::list;

    const D: Date = date(2026, 3, 31);

    fn read(id: &str, change: impl FnOnce(&mut RunReportRequest)) -> Result<Asked, Refusal> {
        let mut request = RunReportRequest { name: format!("practices/north/reports/{id}"), ..Default::default() };
        change(&mut request);
        Asked::read(list::find(id).unwrap(), "north", &request, D)
    }

    fn refused(id: &str, change: impl FnOnce(&mut RunReportRequest)) -> String {
        read(id, change).err().unwrap().field.unwrap().0
    }

    fn range(from: Date, to: Date) -> Option<DateRange> {
        Some(DateRange { start_date: Some(date_to_proto(from)), end_date: Some(date_to_proto(to)) })
    }

    #[test]
    fn the_default_is_the_month_so_far_in_rows() {
        let asked = read("day-sheet", |_| {}).ok().unwrap();
        assert_eq!((asked.from, asked.to), (date(2026, 3, 1), D));
        assert!(asked.format == ReportFormat::Rows && asked.providers.is_none() && asked.clinics.is_none());
    }

    #[test]
    fn ranges_are_forward_and_ten_years_at_most() {
        let asked = read("day-sheet", |r| r.range = range(date(2016, 1, 1), date(2025, 12, 31))).unwrap();
        assert_eq!(asked.to, date(2025, 12, 31));
        assert_eq!(refused("day-sheet", |r| r.range = range(date(2016, 1, 1), date(2026, 1, 1))), "range");
        assert_eq!(refused("day-sheet", |r| r.range = range(D, date(2026, 3, 30))), "range");
        assert_eq!(refused("day-sheet", |r| r.range = Some(DateRange::default())), "range.start_date");
        let half = |r: &mut RunReportRequest| {
            r.range = Some(DateRange { start_date: Some(date_to_proto(D)), end_date: None });
        };
        assert_eq!(refused("day-sheet", half), "range.end_date");
    }

    #[test]
    fn what_a_report_does_not_take_is_refused_by_field() {
        let names = |what: &str| vec![format!("practices/north/{what}/1")];
        assert_eq!(refused("outstanding-claims", |r| r.range = range(D, D)), "range");
        assert_eq!(refused("credit-balances", |r| r.providers = names("providers")), "providers");
        assert_eq!(refused("credit-balances", |r| r.clinics = names("clinics")), "clinics");
        assert_eq!(refused("day-sheet", |r| r.interval = ReportInterval::Month.into()), "interval");
        assert_eq!(refused("day-sheet", |r| r.interval = 99), "interval");
        assert_eq!(refused("day-sheet", |r| r.format = 99), "format");
        let month = |r: &mut RunReportRequest| r.interval = ReportInterval::Month.into();
        assert!(read("production-and-income", month).is_ok_and(|asked| asked.interval == ReportInterval::Month));
    }

    #[test]
    fn names_must_be_the_practices_own() {
        let providers = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            move |r: &mut RunReportRequest| r.providers = names
        };
        let asked =
            read("payments", providers(&["practices/north/providers/2", "practices/north/providers/0"])).ok().unwrap();
        assert_eq!(asked.providers, Some([0, 2].into()));
        for bad in ["practices/south/providers/2", "practices/north/clinics/2", "practices/north/providers/x", "2", ""]
        {
            assert_eq!(refused("payments", providers(&["practices/north/providers/1", bad])), "providers[1]", "{bad}");
        }
        let known = Known { providers: [1, 2].into(), clinics: BTreeSet::new() };
        let mut request =
            RunReportRequest { providers: vec!["practices/north/providers/3".into()], ..Default::default() };
        assert_eq!(known.check(&request).unwrap_err().field.unwrap().0, "providers[0]");
        request.providers = vec!["practices/north/providers/0".into(), "practices/north/providers/2".into()];
        known.check(&request).unwrap();
        request.clinics = vec!["practices/north/clinics/1".into()];
        assert_eq!(known.check(&request).unwrap_err().field.unwrap().0, "clinics[0]");
    }
}
