//! When patients come, when they did not, and when they are due.

use std::collections::HashMap;

use jiff::{ToSpan as _, civil::Date};
use mesh::money::Money;

use super::{BROKEN_MONTHS_MAX, Filling, person};
use crate::{
    books::{BooksError, Given},
    confirmation,
    finder::row::Word,
};

/// The next appointments, and who of a family has none.
pub(super) async fn next(filling: &mut Filling<'_>) -> Result<(), BooksError> {
    let given = [("d", filling.date.into())];
    let answer = filling.books.ask(include_str!("../sql/next_appointments.sql"), &given).await?;
    for place in 0..answer.len() {
        let Some(row) = filling.row(answer.number(place, "pat_num")?) else { continue };
        row.next_appointment = answer.time(place, "next_start")?;
        row.next_hygiene_appointment = answer.time(place, "next_hygiene_start")?;
        row.unconfirmed = Some(!confirmation::says_confirmed(answer.text(place, "confirmation")?));
    }
    person::mark(filling, include_str!("../sql/unscheduled_list.sql"), |row| row.unscheduled_list = true).await?;

    let mut without: HashMap<i64, u32> = HashMap::new();
    for row in filling.rows.iter().filter(|row| row.status == 0 && row.next_appointment.is_none()) {
        *without.entry(row.family).or_default() += 1;
    }
    for row in &mut filling.rows {
        let themselves = u32::from(row.status == 0 && row.next_appointment.is_none());
        row.family_unscheduled = without.get(&row.family).is_some_and(|count| *count > themselves);
    }
    Ok(())
}

/// The days of broken appointments.
pub(super) async fn broken(filling: &mut Filling<'_>) -> Result<(), BooksError> {
    let from = filling.date.saturating_sub(i64::from(BROKEN_MONTHS_MAX).months());
    let by_procedure = Given::Number(i32::from(filling.preferences.broken_by_procedure()));
    let given = [("from", from.into()), ("d", filling.date.into()), ("by_procedure", by_procedure)];
    let answer = filling.books.ask(include_str!("../sql/broken.sql"), &given).await?;
    let mut days: HashMap<i64, Vec<Date>> = HashMap::new();
    for place in 0..answer.len() {
        let day = answer.date(place, "day")?;
        days.entry(answer.number(place, "pat_num")?).or_default().extend(day);
    }
    for (patient, days) in days {
        if let Some(row) = filling.row(patient) {
            row.broken = days.into();
        }
    }
    Ok(())
}

/// The recalls that the family's balance does not disable.
pub(super) async fn recalls(filling: &mut Filling<'_>) -> Result<(), BooksError> {
    let today = filling.date;
    let answer = filling.books.ask(include_str!("../sql/recalls.sql"), &[("d", today.into())]).await?;
    let mut types: HashMap<i64, Vec<Word>> = HashMap::new();
    for place in 0..answer.len() {
        let patient = answer.number(place, "pat_num")?;
        let (row, words) = filling.entry(patient);
        let Some(row) = row else { continue };
        let most = answer.amount(place, "disable_until_balance")?;
        let balance = row.family_balance.unwrap_or_default();
        if most > Money::ZERO && Money::cents(balance.into()) > most {
            continue;
        }
        let due = answer.date(place, "date_due")?;
        row.recall_due = row.recall_due.or(due);
        row.recall_not_scheduled |= due.is_some_and(|due| due <= today) && !answer.flag(place, "is_scheduled")?;
        if let Some(word) = words.word(answer.text(place, "description")?) {
            let types = types.entry(patient).or_default();
            if !types.contains(&word) {
                types.push(word);
            }
        }
    }
    for (patient, types) in types {
        if let Some(row) = filling.row(patient) {
            row.recall_types = types.into();
        }
    }
    Ok(())
}
