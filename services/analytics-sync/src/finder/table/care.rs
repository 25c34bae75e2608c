//! When patients were here, what is to be done for them, and what was done.

use std::collections::HashMap;

use mesh::money::Money;

use super::Filling;
use crate::{
    books::BooksError,
    finder::{row::Word, table::money::cents},
};

pub(super) async fn visits(filling: &mut Filling<'_>) -> Result<(), BooksError> {
    let answer = filling.books.ask(include_str!("../sql/visits.sql"), &[("d", filling.date.into())]).await?;
    for place in 0..answer.len() {
        let Some(row) = filling.row(answer.number(place, "pat_num")?) else { continue };
        row.first_visit = answer.date(place, "first_visit")?;
        row.last_visit = answer.date(place, "last_visit")?;
        row.last_hygiene_visit = answer.date(place, "last_hygiene_visit")?;
    }
    Ok(())
}

pub(super) async fn treatment(filling: &mut Filling<'_>) -> Result<(), BooksError> {
    unscheduled(filling).await?;
    done(filling).await?;
    let answer = filling.books.ask(include_str!("../sql/presented.sql"), &[("d", filling.date.into())]).await?;
    for place in 0..answer.len() {
        if let Some(row) = filling.row(answer.number(place, "pat_num")?) {
            row.treatment_presented = answer.date(place, "day")?;
        }
    }
    Ok(())
}

/// Planned work that is on no live appointment.
#[derive(Default)]
struct Planned {
    amount: Money,
    codes: Vec<Word>,
    priorities: Vec<Word>,
}

async fn unscheduled(filling: &mut Filling<'_>) -> Result<(), BooksError> {
    let given = [("d", filling.date.into())];
    let answer = filling.books.ask(include_str!("../sql/unscheduled_treatment.sql"), &given).await?;
    let mut planned: HashMap<i64, Planned> = HashMap::new();
    for place in 0..answer.len() {
        let of = planned.entry(answer.number(place, "pat_num")?).or_default();
        of.amount += answer.amount(place, "amount")?;
        let mut put = |list: &mut Vec<Word>, text: &str| {
            list.extend(filling.words.word(text).filter(|word| !list.contains(word)));
        };
        put(&mut of.codes, answer.text(place, "code")?);
        put(&mut of.priorities, answer.text(place, "priority")?);
    }
    for row in &mut filling.rows {
        let mut planned = planned.remove(&row.number).unwrap_or_default();
        planned.codes.sort_by(|a, b| a.shown().cmp(b.shown()));
        row.unscheduled_treatment = Some(cents(planned.amount));
        row.treatment_codes = planned.codes.into();
        row.treatment_priorities = planned.priorities.into();
    }
    Ok(())
}

async fn done(filling: &mut Filling<'_>) -> Result<(), BooksError> {
    let answer = filling.books.ask(include_str!("../sql/done.sql"), &[("d", filling.date.into())]).await?;
    let mut codes: Vec<Word> = Vec::new();
    for place in 0..answer.len() {
        let patient = answer.number(place, "pat_num")?;
        let code = answer.text(place, "code")?;
        codes.extend(filling.words.word(code));
        // Rows come by patient: the next one's begin here.
        let last = place + 1 == answer.len() || answer.number(place + 1, "pat_num")? != patient;
        let Some(row) = filling.row(patient) else {
            codes.clear();
            continue;
        };
        row.treatment_done = row.treatment_done.max(answer.date(place, "treated")?);
        if last {
            row.done_codes = std::mem::take(&mut codes).into();
        }
    }
    Ok(())
}
