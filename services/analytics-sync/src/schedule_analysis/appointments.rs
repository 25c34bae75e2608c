//! The appointments of a range, with what the work on them is worth.

use std::collections::{BTreeMap, HashMap};

use jiff::civil::Date;
use mesh::{calendar, money::Money};

use crate::{
    books::{Books, BooksError, Given},
    hours::intervals::Interval,
};

const BROKEN: i64 = 5;

/// An appointment of a date.
#[derive(Debug, Clone)]
pub struct Appointment {
    /// Whose time it takes.
    pub provider: i64,
    /// The chair; 0 for none.
    pub chair: i64,
    /// The location.
    pub clinic: i64,
    /// When, in minutes of the date's wall clock; may reach past midnight.
    pub interval: Interval,
    /// Whether it was broken.
    pub broken: bool,
    /// Whether it is in counts.
    pub counted: bool,
    /// The days from its making to its date.
    pub lead_days: Option<i32>,
    /// What is planned and done on it, by the procedures' providers.
    pub production: Vec<(i64, Money)>,
}

/// Reads them by date, each date's by start.
///
/// # Errors
/// When the tables cannot be read.
pub async fn read(books: &Books, from: Date, to: Date) -> Result<BTreeMap<Date, Vec<Appointment>>, BooksError> {
    let given = [("from", Given::Date(from)), ("to", Given::Date(to))];
    let rows = books.ask(include_str!("sql/production.sql"), &given).await?;
    let mut production: HashMap<i64, Vec<(i64, Money)>> = HashMap::new();
    for row in 0..rows.len() {
        let part = (rows.number(row, "prov_num")?, rows.amount(row, "amount")?);
        production.entry(rows.number(row, "apt_num")?).or_default().push(part);
    }
    let rows = books.ask(include_str!("sql/appointments.sql"), &given).await?;
    let mut by_date: BTreeMap<Date, Vec<Appointment>> = BTreeMap::new();
    for row in 0..rows.len() {
        let Some(at) = rows.time(row, "apt_date_time")? else { continue };
        let start = calendar::minute_of_day(at);
        let made = rows.date(row, "made")?;
        by_date.entry(at.date()).or_default().push(Appointment {
            provider: rows.number(row, "provider")?,
            chair: rows.number(row, "op")?,
            clinic: rows.number(row, "clinic_num")?,
            interval: (start, start + rows.small(row, "minutes")?),
            broken: rows.number(row, "apt_status")? == BROKEN,
            counted: rows.flag(row, "is_counted")?,
            lead_days: made.map(|made| calendar::to_days(at.date()) - calendar::to_days(made)),
            production: production.remove(&rows.number(row, "apt_num")?).unwrap_or_default(),
        });
    }
    Ok(by_date)
}
