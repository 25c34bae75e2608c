//! What the last working day brought.

use chairsync_proto::analytics::{BrokenAppointment, BrokenBasis, YesterdaySummary};
use jiff::civil::Date;
use mesh::calendar::date_to_proto;

use super::money;
use crate::{
    books::{Books, BooksError, Given, preferences::Preferences},
    figures::{count_ratio, money_ratio},
    hours::PracticeHours,
    question::Question,
    refs,
};

/// Computes the section for the date.
///
/// # Errors
/// When the tables cannot be read.
pub async fn summary(
    books: &Books,
    question: &Question,
    preferences: &Preferences,
    hours: &PracticeHours,
    day: Date,
) -> Result<YesterdaySummary, BooksError> {
    let currency = &question.currency;
    let made = money::production(books, preferences, day, day).await?;
    let came_in = money::collections(books, day, day).await?;
    let on_day = [("day", Given::Date(day))];

    let counter = books.ask(include_str!("sql/over_the_counter.sql"), &on_day).await?;
    let visits = books.ask(include_str!("sql/visits.sql"), &on_day).await?;
    let accepted = books.ask(include_str!("sql/acceptance.sql"), &on_day).await?;

    let by_procedure = preferences.broken_by_procedure();
    let broken_given = [on_day[0], ("by_procedure", Given::Number(i32::from(by_procedure)))];
    let broken = broken(books, question, &broken_given).await?;
    let kept = books.ask(include_str!("sql/kept.sql"), &broken_given).await?.number(0, "kept")?;
    let broken_count = broken.len() as i64;
    let basis = if by_procedure { BrokenBasis::Procedures } else { BrokenBasis::Appointments };

    let presented = accepted.number(0, "presented_patients")?;
    Ok(YesterdaySummary {
        date: Some(date_to_proto(day)),
        gross_production: Some(made.gross.to_proto(currency)),
        adjustments: Some(made.adjustments.to_proto(currency)),
        write_offs: Some(made.write_offs.to_proto(currency)),
        net_production: Some(made.net().to_proto(currency)),
        goal: hours.goal(day, day).map(|goal| goal.to_proto(currency)),
        collections: Some((came_in.patient + came_in.insurance).to_proto(currency)),
        patient_collections: Some(came_in.patient.to_proto(currency)),
        insurance_collections: Some(came_in.insurance.to_proto(currency)),
        otc_rate: Some(money_ratio(counter.amount(0, "paid")?, counter.amount(0, "due")?, currency)),
        visits: visits.number(0, "visits")?,
        new_patients: visits.number(0, "new_patients")?,
        hygiene_reappointment_pct: Some(count_ratio(
            visits.number(0, "reappointed")?,
            visits.number(0, "hygiene_visits")?,
        )),
        diagnostic_pct: Some(count_ratio(presented, accepted.number(0, "visitors")?)),
        patient_acceptance_pct: Some(count_ratio(accepted.number(0, "accepted_patients")?, presented)),
        treatment_acceptance_pct: Some(money_ratio(
            accepted.amount(0, "accepted_fee")?,
            accepted.amount(0, "presented_fee")?,
            currency,
        )),
        broken_pct: Some(count_ratio(broken_count, broken_count + kept)),
        broken_basis: basis.into(),
        broken_appointments: broken,
    })
}

async fn broken(
    books: &Books,
    question: &Question,
    given: &[(&str, Given)],
) -> Result<Vec<BrokenAppointment>, BooksError> {
    let practice = &question.practice;
    let rows = books.ask(include_str!("sql/broken.sql"), given).await?;
    let one = |row: usize| -> Result<BrokenAppointment, BooksError> {
        let number = rows.number(row, "apt_num")?;
        let known = number != 0;
        let provider = rows.flag(row, "provider_known")?.then_some(rows.text(row, "provider_abbr")?);
        let op = rows.number(row, "op")?;
        let rebooked = rows.time(row, "rebooked_start")?;
        Ok(BrokenAppointment {
            appointment: if known { refs::appointment(practice, number) } else { String::new() },
            patient: Some(refs::patient(
                practice,
                rows.number(row, "pat_num")?,
                rows.text(row, "l_name")?,
                rows.text(row, "f_name")?,
                rows.text(row, "preferred")?,
            )),
            provider: Some(refs::provider(practice, rows.number(row, "provider")?, provider)),
            operatory: (op != 0)
                .then(|| Ok::<_, BooksError>(refs::operatory(practice, op, Some(rows.text(row, "op_abbr")?))))
                .transpose()?,
            start: rows.time(row, "apt_date_time")?.map(refs::local),
            minutes: rows.small(row, "minutes")?,
            fee: Some(rows.amount(row, "fee")?.to_proto(&question.currency)),
            kind: rows.small(row, "kind")?,
            rebooked: rebooked.is_some(),
            rebooked_start: rebooked.map(refs::local),
        })
    };
    (0..rows.len()).map(one).collect()
}
