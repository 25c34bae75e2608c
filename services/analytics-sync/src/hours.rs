//! The practice's hours by date, and the goals that follow from them.

use std::collections::{BTreeMap, HashMap};

use jiff::civil::Date;
use mesh::money::Money;

use self::{
    availability::{Blockout, Hours, ProviderDay},
    intervals::Interval,
};
use crate::books::{Books, BooksError, Given};

pub mod availability;
pub mod intervals;

const HOLIDAY: i32 = 2;

/// Minutes on offer by date and provider; only where there are hours.
pub type Offered = BTreeMap<Date, BTreeMap<i64, i64>>;

/// A provider, as far as hours need one.
#[derive(Debug, Clone, Default)]
pub struct Provider {
    /// The abbreviation.
    pub abbr: String,
    /// The hourly production goal; 0: none.
    pub hourly_goal: Money,
}

/// A chair.
#[derive(Debug, Clone)]
struct Chair {
    abbr: String,
    clinic: i64,
    providers: [i64; 2],
}

#[derive(Debug, Clone)]
struct Block {
    number: i64,
    kind: i32,
    status: i32,
    interval: Interval,
    provider: i64,
    clinic: i64,
    no_schedule: bool,
}

/// Hours, holidays and blockouts from a date on, with the providers and chairs that they name.
pub struct PracticeHours {
    blocks: BTreeMap<Date, Vec<Block>>,
    tied: HashMap<i64, Vec<i64>>,
    chairs: BTreeMap<i64, Chair>,
    providers: BTreeMap<i64, Provider>,
}

impl PracticeHours {
    /// Reads what stands from `from` on.
    ///
    /// # Errors
    /// When the tables cannot be read.
    pub async fn read(books: &Books, from: Date) -> Result<Self, BooksError> {
        let given = [("from", Given::Date(from))];
        let rows = books.ask(include_str!("hours/schedule_blocks.sql"), &given).await?;
        let mut blocks: BTreeMap<Date, Vec<Block>> = BTreeMap::new();
        for row in 0..rows.len() {
            let Some(date) = rows.date(row, "sched_date")? else { continue };
            let interval = (rows.small(row, "start_time")? / 60, rows.small(row, "stop_time")? / 60);
            blocks.entry(date).or_default().push(Block {
                number: rows.number(row, "schedule_num")?,
                kind: rows.small(row, "sched_type")?,
                status: rows.small(row, "status")?,
                interval,
                provider: rows.number(row, "prov_num")?,
                clinic: rows.number(row, "clinic_num")?,
                no_schedule: rows.flag(row, "no_schedule")?,
            });
        }
        let rows = books.ask(include_str!("hours/schedule_chairs.sql"), &given).await?;
        let mut tied: HashMap<i64, Vec<i64>> = HashMap::new();
        for row in 0..rows.len() {
            tied.entry(rows.number(row, "schedule_num")?).or_default().push(rows.number(row, "operatory_num")?);
        }
        let rows = books.ask(include_str!("hours/chairs.sql"), &[]).await?;
        let mut chairs = BTreeMap::new();
        for row in 0..rows.len() {
            let providers = [rows.number(row, "prov_dentist")?, rows.number(row, "prov_hygienist")?];
            let (abbr, clinic) = (rows.text(row, "abbr")?.to_owned(), rows.number(row, "clinic_num")?);
            let chair = Chair { abbr, clinic, providers };
            chairs.insert(rows.number(row, "operatory_num")?, chair);
        }
        let rows = books.ask(include_str!("hours/providers.sql"), &[]).await?;
        let mut providers = BTreeMap::new();
        for row in 0..rows.len() {
            let provider =
                Provider { abbr: rows.text(row, "abbr")?.to_owned(), hourly_goal: rows.amount(row, "hourly_goal")? };
            providers.insert(rows.number(row, "prov_num")?, provider);
        }
        Ok(Self { blocks, tied, chairs, providers })
    }

    /// The hours of a date; none for blocks that a holiday of the whole practice or of their clinic takes.
    pub fn hours(&self, date: Date) -> Vec<Hours> {
        let blocks = self.on(date);
        let holiday = |clinic: i64| {
            blocks.iter().any(|b| b.kind == 0 && b.status == HOLIDAY && (b.clinic == 0 || b.clinic == clinic))
        };
        let hours = blocks.iter().filter(|b| b.kind == 1 && !holiday(b.clinic));
        hours.map(|b| Hours { provider: b.provider, interval: b.interval, chairs: self.chairs_of(b) }).collect()
    }

    /// The no-schedule blockouts of a date.
    pub fn blockouts(&self, date: Date) -> Vec<Blockout> {
        let blocks = self.on(date).iter().filter(|b| b.kind == 2 && b.no_schedule);
        let each = |b: &Block| {
            let chairs = self.tied.get(&b.number).cloned().unwrap_or_default();
            chairs.into_iter().map(|chair| Blockout { chair, interval: b.interval }).collect::<Vec<_>>()
        };
        blocks.flat_map(each).collect()
    }

    /// Each provider's day, with the appointments (provider, interval) that take of it.
    pub fn days(&self, date: Date, booked: &[(i64, Interval)]) -> BTreeMap<i64, ProviderDay> {
        availability::days(&self.hours(date), &self.blockouts(date), booked)
    }

    /// What is on offer in a range of dates, ends included.
    pub fn offered(&self, from: Date, to: Date) -> Offered {
        let minutes = |(provider, day): (i64, ProviderDay)| (provider, day.available_minutes());
        let day = |date: &Date| (*date, self.days(*date, &[]).into_iter().map(minutes).collect());
        self.blocks.range(from..=to).map(|(date, _)| day(date)).collect()
    }

    /// The goal of a range of dates, ends included: hours on offer × hourly goals; none where nobody has one.
    pub fn goal(&self, from: Date, to: Date) -> Option<Money> {
        let mut minutes: BTreeMap<i64, i64> = BTreeMap::new();
        for (date, _) in self.blocks.range(from..=to) {
            for (provider, day) in self.days(*date, &[]) {
                *minutes.entry(provider).or_default() += day.available_minutes();
            }
        }
        let each = |(number, provider): (&i64, &Provider)| {
            (minutes.get(number).copied().unwrap_or_default(), provider.hourly_goal)
        };
        availability::goal(self.providers.iter().map(each))
    }

    /// The dates of a range, ends included, with hours, holidays or blockouts.
    pub fn dates(&self, from: Date, to: Date) -> impl Iterator<Item = Date> + '_ {
        self.blocks.range(from..=to).map(|(date, _)| *date)
    }

    /// The first date after another on which someone has hours.
    pub fn next_with_hours(&self, after: Date) -> Option<Date> {
        let later = self.blocks.range((std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded));
        let open = |date: &Date| self.days(*date, &[]).values().any(|day| day.available_minutes() > 0);
        later.map(|(date, _)| *date).find(open)
    }

    /// A provider; `None` for numbers that the PMS does not know.
    pub fn provider(&self, number: i64) -> Option<&Provider> {
        self.providers.get(&number)
    }

    /// A chair's abbreviation; `None` for numbers that the PMS does not know.
    pub fn chair(&self, number: i64) -> Option<&str> {
        self.chairs.get(&number).map(|chair| chair.abbr.as_str())
    }

    /// A chair's location; 0 for none and for chairs that the PMS does not know.
    pub fn clinic_of(&self, chair: i64) -> i64 {
        self.chairs.get(&chair).map_or(0, |chair| chair.clinic)
    }

    fn on(&self, date: Date) -> &[Block] {
        self.blocks.get(&date).map_or(&[], Vec::as_slice)
    }

    /// Those that the block is tied to, else those where its provider is set.
    fn chairs_of(&self, block: &Block) -> Vec<i64> {
        if let Some(tied) = self.tied.get(&block.number) {
            return tied.clone();
        }
        let own =
            self.chairs.iter().filter(|(_, chair)| block.provider != 0 && chair.providers.contains(&block.provider));
        own.map(|(number, _)| *number).collect()
    }
}
