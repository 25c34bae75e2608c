//! The schedule of one date, appointment by appointment.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chairsync_proto::analytics::{
    DaySchedule, HuddleAlert, HuddleAlertKind, HuddleAppointment, Opening, ProcedureItem, RecallDue,
};
use jiff::civil::Date;
use mesh::{calendar::date_to_proto, money::Money};

use super::families::Unscheduled;
use crate::{
    books::{Answer, Books, BooksError, Given},
    confirmation::says_confirmed,
    figures::count_ratio,
    hours::{
        PracticeHours,
        availability::{OPENING_MINUTES_MIN, chair_of, goal},
        intervals::Interval,
    },
    question::Question,
    receivables::Accounts,
    refs,
};

/// What is known of the patients of both days, read once.
pub struct Patients {
    /// The accounts of their families.
    pub accounts: Accounts,
    /// Planned work that is on no live appointment from D on, by patient.
    pub unscheduled_treatment: HashMap<i64, Money>,
}

/// Planned work of the patients of two dates that is on no live appointment from `d` on.
///
/// # Errors
/// When the tables cannot be read.
pub async fn unscheduled_treatment(
    books: &Books,
    d: Date,
    today: Date,
    tomorrow: Date,
) -> Result<HashMap<i64, Money>, BooksError> {
    let given = [("d", Given::Date(d)), ("today", Given::Date(today)), ("tomorrow", Given::Date(tomorrow))];
    let rows = books.ask(include_str!("sql/unscheduled_treatment.sql"), &given).await?;
    (0..rows.len()).map(|row| Ok((rows.number(row, "pat_num")?, rows.amount(row, "amount")?))).collect()
}

/// Computes the section for the date.
///
/// # Errors
/// When the tables cannot be read.
pub async fn schedule(
    books: &Books,
    question: &Question,
    hours: &PracticeHours,
    patients: &Patients,
    day: Date,
) -> Result<DaySchedule, BooksError> {
    let currency = &question.currency;
    let on_day = [("day", Given::Date(day))];
    let rows =
        books.ask(include_str!("sql/day_appointments.sql"), &[on_day[0], ("now", Given::Time(question.now))]).await?;
    let mut procedures = procedures(books, question, &on_day).await?;
    let mut recalls = recalls(books, &[on_day[0], ("d", Given::Date(question.date))]).await?;
    let unscheduled = Unscheduled::read(books, day).await?;
    let worth = books.ask(include_str!("sql/on_schedule_production.sql"), &on_day).await?.amount(0, "amount")?;

    let mut appointments = Vec::with_capacity(rows.len());
    let mut families = BTreeSet::new();
    let mut family_unscheduled = BTreeSet::new();
    for row in 0..rows.len() {
        let mut appointment = appointment(question, &rows, row, day)?;
        let (patient, guarantor) = (rows.number(row, "pat_num")?, rows.number(row, "guarantor")?);
        let account = patients.accounts.get(&guarantor).copied().unwrap_or_default();
        let treatment = patients.unscheduled_treatment.get(&patient).copied().unwrap_or_default();
        let others: Vec<i64> = unscheduled.others(guarantor, patient).collect();
        appointment.procedures = procedures.remove(&rows.number(row, "apt_num")?).unwrap_or_default();
        appointment.past_due = Some(account.past_due().to_proto(currency));
        appointment.unscheduled_treatment = Some(treatment.to_proto(currency));
        appointment.recalls_due = recalls.get_mut(&patient).map(|due| due_of(due, account.total)).unwrap_or_default();
        appointment.unscheduled_family = i32::try_from(others.len()).unwrap_or(i32::MAX);
        families.insert(guarantor);
        if rows.number(row, "apt_status")? != BROKEN {
            family_unscheduled.extend(others);
        }
        appointments.push(appointment);
    }
    let past_due =
        families.iter().filter_map(|family| patients.accounts.get(family)).map(|a| a.past_due()).sum::<Money>();

    let booked = booked(books, &on_day, day).await?;
    let days = hours.days(day, &booked);
    let available = days.values().map(|d| d.available_minutes()).sum();
    let taken = days.values().map(|d| d.booked_minutes()).sum();
    Ok(DaySchedule {
        date: Some(date_to_proto(day)),
        on_schedule_production: Some(worth.to_proto(currency)),
        goal: hours.goal(day, day).map(|goal| goal.to_proto(currency)),
        appointment_count: appointments.len() as i64,
        new_patients: appointments.iter().filter(|a| a.is_new).count() as i64,
        unconfirmed: appointments.iter().filter(|a| !a.confirmed).count() as i64,
        available_minutes: available,
        booked_minutes: taken,
        utilization_pct: Some(count_ratio(taken, available)),
        openings: openings(question, hours, day, &booked),
        appointments,
        past_due: Some(past_due.to_proto(currency)),
        unscheduled_family: family_unscheduled.len() as i64,
    })
}

const BROKEN: i64 = 5;

fn appointment(question: &Question, rows: &Answer, row: usize, day: Date) -> Result<HuddleAppointment, BooksError> {
    let practice = &question.practice;
    let provider = rows.flag(row, "provider_known")?.then_some(rows.text(row, "provider_abbr")?);
    let op = rows.flag(row, "op_known")?.then_some(rows.text(row, "op_abbr")?);
    let status = rows.text(row, "confirmation")?;
    Ok(HuddleAppointment {
        appointment: refs::appointment(practice, rows.number(row, "apt_num")?),
        start: rows.time(row, "apt_date_time")?.map(refs::local),
        minutes: rows.small(row, "minutes")?,
        operatory: Some(refs::operatory(practice, rows.number(row, "op")?, op)),
        provider: Some(refs::provider(practice, rows.number(row, "provider")?, provider)),
        patient: Some(refs::patient(
            practice,
            rows.number(row, "pat_num")?,
            rows.text(row, "l_name")?,
            rows.text(row, "f_name")?,
            rows.text(row, "preferred")?,
        )),
        fee: Some(rows.amount(row, "fee")?.to_proto(&question.currency)),
        is_new: rows.flag(row, "is_new")?,
        confirmed: says_confirmed(status),
        confirmation_status: status.to_owned(),
        alerts: alerts(rows, row)?,
        birthday: rows.date(row, "birthdate")?.is_some_and(|born| is_birthday(born, day)),
        completed: rows.flag(row, "is_completed")?,
        hygiene: rows.flag(row, "has_hygiene")?,
        ..Default::default()
    })
}

fn alerts(rows: &Answer, row: usize) -> Result<Vec<HuddleAlert>, BooksError> {
    let mut alerts = Vec::new();
    let mut note = |kind: HuddleAlertKind, text: &str| {
        if !text.trim().is_empty() {
            alerts.push(HuddleAlert { kind: kind.into(), text: text.to_owned() });
        }
    };
    note(HuddleAlertKind::MedicalUrgent, rows.text(row, "med_urg_note")?);
    note(HuddleAlertKind::FamilyFinancial, rows.text(row, "fam_fin_urg_note")?);
    note(HuddleAlertKind::Appointment, rows.text(row, "appt_mod_note")?);
    note(HuddleAlertKind::Medical, rows.text(row, "medical")?);
    if rows.flag(row, "premed")? {
        alerts.push(HuddleAlert { kind: HuddleAlertKind::Premedication.into(), text: String::new() });
    }
    alerts.sort_by_key(|alert| alert.kind);
    Ok(alerts)
}

async fn procedures(
    books: &Books,
    question: &Question,
    on_day: &[(&str, Given)],
) -> Result<HashMap<i64, Vec<ProcedureItem>>, BooksError> {
    let rows = books.ask(include_str!("sql/day_procedures.sql"), on_day).await?;
    let mut by_appointment: HashMap<i64, Vec<ProcedureItem>> = HashMap::new();
    for row in 0..rows.len() {
        by_appointment.entry(rows.number(row, "apt_num")?).or_default().push(ProcedureItem {
            procedure: rows.number(row, "proc_num")?,
            code: rows.text(row, "code")?.to_owned(),
            description: rows.text(row, "descript")?.to_owned(),
            fee: Some(rows.amount(row, "fee")?.to_proto(&question.currency)),
            tooth: rows.text(row, "tooth_num")?.to_owned(),
        });
    }
    Ok(by_appointment)
}

/// A recall, and the family balance above which it is disabled (0: never).
struct Recall {
    due: RecallDue,
    disable_until_balance: Money,
}

async fn recalls(books: &Books, on_day: &[(&str, Given)]) -> Result<BTreeMap<i64, Vec<Recall>>, BooksError> {
    let rows = books.ask(include_str!("sql/recalls_due.sql"), on_day).await?;
    let mut by_patient: BTreeMap<i64, Vec<Recall>> = BTreeMap::new();
    for row in 0..rows.len() {
        let due = RecallDue {
            r#type: rows.text(row, "description")?.to_owned(),
            due_date: rows.date(row, "date_due")?.map(date_to_proto),
            scheduled: rows.flag(row, "is_scheduled")?,
        };
        let recall = Recall { due, disable_until_balance: rows.amount(row, "disable_until_balance")? };
        by_patient.entry(rows.number(row, "pat_num")?).or_default().push(recall);
    }
    Ok(by_patient)
}

fn due_of(recalls: &[Recall], family_balance: Money) -> Vec<RecallDue> {
    let enabled = |r: &&Recall| r.disable_until_balance.0 <= 0 || family_balance <= r.disable_until_balance;
    recalls.iter().filter(enabled).map(|r| r.due.clone()).collect()
}

async fn booked(books: &Books, on_day: &[(&str, Given)], day: Date) -> Result<Vec<(i64, Interval)>, BooksError> {
    let rows = books.ask(include_str!("sql/booked_minutes.sql"), on_day).await?;
    let mut booked = Vec::with_capacity(rows.len());
    for row in 0..rows.len() {
        let Some(start) = rows.time(row, "apt_date_time")?.filter(|at| at.date() == day) else { continue };
        let start = i32::from(start.hour()) * 60 + i32::from(start.minute());
        booked.push((rows.number(row, "provider")?, (start, start + rows.small(row, "minutes")?)));
    }
    Ok(booked)
}

fn openings(question: &Question, hours: &PracticeHours, day: Date, booked: &[(i64, Interval)]) -> Vec<Opening> {
    let practice = &question.practice;
    let blocks = hours.hours(day);
    let mut found: Vec<(i32, i64, i32)> = Vec::new();
    for (number, provider_day) in hours.days(day, booked) {
        found.extend(provider_day.openings(OPENING_MINUTES_MIN).iter().map(|(start, end)| (*start, number, *end)));
    }
    found.sort_unstable();
    let opening = |(start, number, end): (i32, i64, i32)| {
        let provider = hours.provider(number);
        let worth = provider.and_then(|p| goal([(i64::from(end - start), p.hourly_goal)]));
        Opening {
            provider: Some(refs::provider(practice, number, provider.map(|p| p.abbr.as_str()))),
            operatory: chair_of(&blocks, number, (start, end))
                .map(|chair| refs::operatory(practice, chair, hours.chair(chair))),
            start: Some(refs::local_minute(day, start)),
            minutes: end - start,
            opportunity: worth.map(|amount| amount.to_proto(&question.currency)),
        }
    };
    found.into_iter().map(opening).collect()
}

fn is_birthday(born: Date, day: Date) -> bool {
    (born.month(), born.day()) == (day.month(), day.day())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_birthday_is_a_day_of_the_year() {
        use jiff::civil::date;
        assert!(is_birthday(date(1980, 3, 31), date(2026, 3, 31)));
        assert!(!is_birthday(date(1980, 3, 30), date(2026, 3, 31)));
    }
}
