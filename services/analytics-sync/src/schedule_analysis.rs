//! Schedule Analysis: `features.md` §5 — how well hours and chairs are used, within 90 days of D.
//!
//! Each date has lanes ([`lanes`]): a provider's hours with the provider's appointments, or a chair's open time with those
//! in it. What a lane's day holds is summed into rows ([`sheet`]). All minutes are of the wall clock: a date on which
//! clocks change has the hours that its calendar shows.

mod appointments;
mod lanes;
mod sheet;

use std::collections::{BTreeMap, BTreeSet};

use chairsync_proto::analytics::{AbsentSection, GetScheduleAnalysisRequest, GetScheduleAnalysisResponse};
use jiff::{ToSpan as _, civil::Date};
use mesh::{Refusal, names};

pub use self::sheet::Group;
use self::{appointments::Appointment, lanes::Places, sheet::Sheet};
use crate::{
    absent,
    books::{Books, BooksError, preferences::Preferences},
    hours::{
        PracticeHours,
        availability::OPENING_MINUTES_MIN,
        intervals::{Interval, intersect, union},
    },
    metrics::{
        names::Names,
        range::{self, Range},
        scope::Scope,
    },
    question::Question,
};

/// How far from D a range may reach, before and after it.
const DAYS_FROM_D: i32 = 90;
/// The days from D on that are analysed unless a range is asked for.
const DAYS_DEFAULT: i32 = 30;

/// What the answer is computed from.
const NEEDS: &[&str] = &[
    "patient",
    "provider",
    "clinic",
    "operatory",
    "definition",
    "preference",
    "appointment",
    "schedule",
    "schedule_operatory",
    "procedure",
    "procedure_code",
];

/// What is asked.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The range; none for the default.
    pub range: Option<Range>,
    /// What the rows are.
    pub group: Group,
    /// Whose appointments and hours, and at which locations.
    pub scope: Scope,
    /// The chairs; none for all.
    pub chairs: Option<BTreeSet<i64>>,
    /// Whether openings are listed.
    pub include_openings: bool,
}

impl Asked {
    /// Reads a request to a practice.
    ///
    /// # Errors
    /// `INVALID_FIELD` that names the field.
    pub fn parse(practice: &str, request: &GetScheduleAnalysisRequest) -> Result<Self, Refusal> {
        let group = Group::from_proto(request.grouping);
        // The default follows the snapshot's date, which is not known yet.
        let asked_range = request.range.as_ref();
        Ok(Self {
            range: asked_range.map(|asked| range::read("range", Some(asked), (Date::MIN, Date::MIN))).transpose()?,
            group: group.ok_or_else(|| {
                Refusal::invalid("grouping", "must be one of the groupings; leave it out for providers")
            })?,
            scope: Scope::parse(practice, &request.providers, &request.clinics, &[])?,
            chairs: chairs(practice, &request.operatories)?,
            include_openings: request.include_openings,
        })
    }

    /// The range, which must lie around `d`.
    ///
    /// # Errors
    /// `INVALID_FIELD` on the date that lies too far away.
    pub fn range_at(&self, d: Date) -> Result<Range, Refusal> {
        let default = (d, d.saturating_add((DAYS_DEFAULT - 1).days()));
        let (from, to) = self.range.unwrap_or(default);
        let too_far = |field| Refusal::invalid(field, "must lie within 90 days before and after the snapshot's date");
        if from < d.saturating_sub(DAYS_FROM_D.days()) || from > d.saturating_add(DAYS_FROM_D.days()) {
            return Err(too_far("range.start_date"));
        }
        if to > d.saturating_add(DAYS_FROM_D.days()) {
            return Err(too_far("range.end_date"));
        }
        Ok((from, to))
    }
}

fn chairs(practice: &str, asked: &[String]) -> Result<Option<BTreeSet<i64>>, Refusal> {
    let one = |(place, name): (usize, &String)| -> Result<i64, Refusal> {
        let field = format!("operatories[{place}]");
        let (of, id) = names::under(&field, name, "operatories")?;
        if of != practice {
            return Err(Refusal::invalid(field, "is of another practice"));
        }
        let number = id.parse::<i64>().ok().filter(|number| *number > 0);
        number.ok_or_else(|| Refusal::invalid(field, "the operatory's id must be the PMS's number, above 0"))
    };
    let numbers = asked.iter().enumerate().map(one).collect::<Result<BTreeSet<i64>, Refusal>>()?;
    Ok(Some(numbers).filter(|numbers| !numbers.is_empty()))
}

/// The sections that cannot be computed from the datasets that are there.
pub fn missing(present: &BTreeSet<String>) -> Vec<AbsentSection> {
    absent::missing(&[("total", NEEDS), ("rows", NEEDS)], present)
}

/// Computes the analysis, without its freshness. `present` are the datasets that `books` really has.
///
/// # Errors
/// See [`BooksError`]; refused for a range too far from D and for names that the practice does not have.
pub async fn compute(
    books: &Books,
    question: &Question,
    asked: &Asked,
    present: &BTreeSet<String>,
) -> Result<GetScheduleAnalysisResponse, BooksError> {
    let (from, to) = asked.range_at(question.date)?;
    let mut answer = GetScheduleAnalysisResponse {
        range: Some(range::to_proto((from, to))),
        grouping: asked.group.to_proto().into(),
        absent_sections: missing(present),
        ..Default::default()
    };
    if !answer.absent_sections.is_empty() {
        return Ok(answer);
    }
    asked.scope.check(&Names::read(books).await?)?;
    let hours = PracticeHours::read(books, from).await?;
    let unknown = asked.chairs.iter().flatten().any(|chair| hours.chair(*chair).is_none());
    if unknown {
        return Err(Refusal::invalid("operatories", "names an operatory that the practice does not have").into());
    }
    answer.preferences = Preferences::read(books).await?.in_force();

    let places = Places { scope: &asked.scope, chairs: asked.chairs.as_ref(), hours: &hours };
    let by_date = appointments::read(books, from, to).await?;
    let mut sheet = Sheet::new(question, &hours, asked.group, asked.include_openings);
    let mut date = from;
    while date <= to {
        let all = by_date.get(&date).map_or(&[][..], Vec::as_slice);
        add_day(&mut sheet, &places, date, all);
        match date.tomorrow() {
            Ok(next) => date = next,
            Err(_) => break,
        }
    }
    let (total, rows) = sheet.finish();
    answer.total = Some(total);
    answer.rows = rows;
    Ok(answer)
}

/// Sums a date up.
fn add_day(sheet: &mut Sheet<'_>, places: &Places<'_>, date: Date, all: &[Appointment]) {
    let by_chair = sheet.group() == Group::Chair;
    let lane_of = |a: &Appointment| if by_chair { a.chair } else { a.provider };
    let mine: Vec<&Appointment> = all.iter().filter(|a| places.takes(a)).collect();
    let hours = places.hours_of(date);
    let lanes = lanes::of(&hours, &places.hours.blockouts(date), &mine, by_chair);

    let mut openings: Vec<(Interval, i64)> = Vec::new();
    for (number, lane) in &lanes {
        sheet.minutes(*number, date, &lane.available, |row| &mut row.available);
        sheet.minutes(*number, date, &lane.booked(), |row| &mut row.booked);
        sheet.minutes(*number, date, &lane.outside(), |row| &mut row.outside_hours);
        sheet.minutes(*number, date, &lane.double_booked(), |row| &mut row.double_booked);
        sheet.minutes(*number, date, &lane.blocked(), |row| &mut row.blocked);
        openings.extend(lane.openings(OPENING_MINUTES_MIN).into_iter().map(|opening| (opening, *number)));
    }
    openings.sort_unstable();
    for (opening, number) in openings {
        sheet.opening(number, date, opening, &hours);
    }

    // A broken appointment's chair may be filled by anyone, also by appointments that are not asked for.
    let mut filled: BTreeMap<i64, Vec<Interval>> = BTreeMap::new();
    for a in all.iter().filter(|a| !a.broken && a.chair != 0) {
        filled.entry(a.chair).or_default().push(a.interval);
    }
    let filled: BTreeMap<i64, Vec<Interval>> = filled.into_iter().map(|(chair, times)| (chair, union(times))).collect();
    for a in mine {
        let lane = lane_of(a);
        if a.broken {
            sheet.minutes(lane, date, &[a.interval], |row| &mut row.broken);
            let others = filled.get(&a.chair).map_or(&[][..], Vec::as_slice);
            sheet.minutes(lane, date, &intersect(&[a.interval], others), |row| &mut row.broken_refilled);
        } else if a.counted {
            sheet.appointment(lane, date, a);
        }
    }
    for a in all.iter().filter(|a| !a.broken && places.takes_place(a)) {
        for (provider, amount) in a.production.iter().filter(|(provider, _)| places.takes_provider(*provider)) {
            sheet.production(if by_chair { a.chair } else { *provider }, date, a.interval, *amount);
        }
    }
}

#[cfg(test)]
mod tests;
