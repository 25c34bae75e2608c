//! Morning Huddle: `features.md` §3, computed once for each set of accepted table versions and date.
//!
//! The SQL stands in `huddle/sql`, one file for a question; what SQL is clumsy at (the age of debts, sets of minutes) is
//! arithmetic beside it.

mod day;
mod families;
pub mod money;
mod yesterday;

use std::collections::BTreeSet;

use chairsync_proto::analytics::{AbsenceReason, AbsentSection, DateRange, GetMorningHuddleResponse, MonthToDate};
use mesh::calendar::date_to_proto;

use crate::{
    absent::{self, absence},
    books::{Books, BooksError, Given, preferences::Preferences},
    hours::PracticeHours,
    question::Question,
    receivables::{self, Families},
    refs,
};

/// What each section of the answer is computed from.
const NEEDS: [(&str, &[&str]); 4] = [
    (
        "yesterday",
        &[
            "patient",
            "provider",
            "operatory",
            "definition",
            "preference",
            "appointment",
            "schedule",
            "schedule_operatory",
            "procedure",
            "procedure_code",
            "claim_line",
            "claim_payment",
            "payment",
            "payment_split",
            "adjustment",
        ],
    ),
    ("today", DAY),
    ("tomorrow", DAY),
    (
        "month_to_date",
        &[
            "provider",
            "operatory",
            "definition",
            "preference",
            "appointment",
            "schedule",
            "schedule_operatory",
            "procedure",
            "procedure_code",
            "claim_line",
            "claim_payment",
            "payment",
            "payment_split",
            "adjustment",
        ],
    ),
];

const DAY: &[&str] = &[
    "patient",
    "patient_note",
    "provider",
    "operatory",
    "definition",
    "preference",
    "appointment",
    "schedule",
    "schedule_operatory",
    "procedure",
    "procedure_code",
    "claim_line",
    "payment_split",
    "adjustment",
    "payment_plan",
    "payment_plan_charge",
    "recall",
    "recall_type",
];

/// Every dataset that a huddle reads; the appointments' history only where it is there.
pub fn datasets() -> BTreeSet<&'static str> {
    let needed = NEEDS.iter().flat_map(|(_, needed)| needed.iter().copied());
    needed.chain(["appointment_history"]).collect()
}

/// The sections that cannot be computed from the datasets that are there.
pub fn missing(present: &BTreeSet<String>) -> Vec<AbsentSection> {
    absent::missing(&NEEDS, present)
}

/// Computes a huddle, without its freshness. `present` are the datasets that `books` really has.
///
/// # Errors
/// See [`BooksError`].
pub async fn compute(
    books: &Books,
    question: &Question,
    present: &BTreeSet<String>,
) -> Result<GetMorningHuddleResponse, BooksError> {
    let d = question.date;
    let mut absent = missing(present);
    let wanted = |absent: &[AbsentSection], section: &str| !absent.iter().any(|a| a.section == section);
    let mut answer = GetMorningHuddleResponse {
        date: Some(date_to_proto(d)),
        as_of: Some(refs::local(question.now)),
        ..Default::default()
    };
    if absent.len() == NEEDS.len() {
        answer.absent_sections = absent;
        return Ok(answer);
    }

    let preferences = Preferences::read(books).await?;
    let dates = books.ask(include_str!("huddle/sql/dates.sql"), &[("d", Given::Date(d))]).await?;
    let last_worked = dates.date(0, "last_worked")?;
    let month_start = d.first_of_month();
    let hours = PracticeHours::read(books, last_worked.map_or(month_start, |day| day.min(month_start))).await?;
    answer.preferences = preferences.in_force();

    if wanted(&absent, "yesterday") {
        match last_worked {
            Some(day) => answer.yesterday = Some(yesterday::summary(books, question, &preferences, &hours, day).await?),
            None => absent.push(absence("yesterday", AbsenceReason::NothingThere, Vec::new())),
        }
    }
    if wanted(&absent, "today") {
        let next = [dates.date(0, "next_booked")?, hours.next_with_hours(d)].into_iter().flatten().min();
        let patients = day::Patients {
            accounts: receivables::accounts(books, &preferences, Families::OfDays(d, next.unwrap_or(d)), d).await?,
            unscheduled_treatment: day::unscheduled_treatment(books, d, d, next.unwrap_or(d)).await?,
        };
        answer.today = Some(day::schedule(books, question, &hours, &patients, d).await?);
        match next {
            Some(next) => answer.tomorrow = Some(day::schedule(books, question, &hours, &patients, next).await?),
            None => absent.push(absence("tomorrow", AbsenceReason::NothingThere, Vec::new())),
        }
    }
    if wanted(&absent, "month_to_date") {
        answer.month_to_date = Some(month_to_date(books, question, &preferences, &hours).await?);
    }
    answer.absent_sections = absent;
    Ok(answer)
}

async fn month_to_date(
    books: &Books,
    question: &Question,
    preferences: &Preferences,
    hours: &PracticeHours,
) -> Result<MonthToDate, BooksError> {
    let d = question.date;
    let (first, last) = (d.first_of_month(), d.last_of_month());
    let made = money::production(books, preferences, first, d).await?;
    let came_in = money::collections(books, first, d).await?;
    let to_do = money::scheduled(books, preferences, d, last).await?;
    let currency = &question.currency;
    Ok(MonthToDate {
        range: Some(DateRange { start_date: Some(date_to_proto(first)), end_date: Some(date_to_proto(d)) }),
        gross_production: Some(made.gross.to_proto(currency)),
        adjustments: Some(made.adjustments.to_proto(currency)),
        write_offs: Some(made.write_offs.to_proto(currency)),
        net_production: Some(made.net().to_proto(currency)),
        collections: Some((came_in.patient + came_in.insurance).to_proto(currency)),
        scheduled_production: Some(to_do.to_proto(currency)),
        goal: hours.goal(first, last).map(|goal| goal.to_proto(currency)),
    })
}

#[cfg(test)]
mod tests;
