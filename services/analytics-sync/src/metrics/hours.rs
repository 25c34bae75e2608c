//! Facts of the schedule: each provider's minutes on offer and booked, and the openings, by date.

use std::collections::BTreeMap;

use jiff::civil::Date;
use mesh::{calendar, money::Money};

use super::{
    fact::{Fact, Text},
    flags,
    names::Names,
    range::Range,
};
use crate::{
    books::{Books, BooksError, Given},
    hours::{PracticeHours, availability::OPENING_MINUTES_MIN, intervals::Interval},
};

/// The facts of a range. Amounts are whole minutes.
///
/// # Errors
/// When the tables cannot be read.
pub async fn facts(books: &Books, names: &Names, range: Range) -> Result<Vec<Fact>, BooksError> {
    let hours = PracticeHours::read(books, range.0).await?;
    let booked = booked(books, range).await?;
    let mut facts = Vec::new();
    for date in hours.dates(range.0, range.1) {
        for (provider, day) in hours.days(date, booked.get(&date).map_or(&[], Vec::as_slice)) {
            let known = if names.provider(provider).is_some() { provider } else { 0 };
            let fact = |flags, minutes: i64| Fact {
                key: provider,
                day: date,
                patient: 0,
                provider: known,
                clinic: 0,
                code: Text::default(),
                label: Text::default(),
                kind: 0,
                flags,
                amount: Money(minutes.into()),
            };
            facts.push(fact(flags::AVAILABLE, day.available_minutes()));
            facts.push(fact(flags::BOOKED, day.booked_minutes()));
            let openings = day.openings(OPENING_MINUTES_MIN);
            facts.extend(openings.into_iter().map(|(start, end)| fact(flags::OPENING, i64::from(end - start))));
        }
    }
    Ok(facts)
}

/// What is booked, by date, as (provider, minutes of the day).
async fn booked(books: &Books, range: Range) -> Result<BTreeMap<Date, Vec<(i64, Interval)>>, BooksError> {
    let given = [("from", Given::Date(range.0)), ("to", Given::Date(range.1))];
    let rows = books.ask(include_str!("sql/booked_minutes.sql"), &given).await?;
    let mut booked: BTreeMap<Date, Vec<(i64, Interval)>> = BTreeMap::new();
    for row in 0..rows.len() {
        let Some(at) = rows.time(row, "apt_date_time")? else { continue };
        let start = calendar::minute_of_day(at);
        let interval = (start, start + rows.small(row, "minutes")?);
        booked.entry(at.date()).or_default().push((rows.number(row, "provider")?, interval));
    }
    Ok(booked)
}
