//! Facts of what is owed: families' accounts and claims as of D, and the nights before it.

use jiff::{ToSpan as _, civil::Date};
use mesh::money::Money;

use super::{
    fact::{Fact, Text, Texts},
    facts::Facts,
    family::Family,
    flags,
    names::Names,
};
use crate::{
    books::{Books, BooksError, preferences::Preferences},
    huddle::money,
    question::Question,
    receivables::{self, Families, claims},
};

/// The nights that `ar_days` is over, at most.
const NIGHTS_MAX: i32 = 90;
/// Below this many nights there is no `ar_days`.
const NIGHTS_MIN: usize = 30;

/// The kind of a night's fact that is what was owed.
pub const NIGHT_OWED: i64 = 1;
/// The kind of the one that is the net production of all nights' dates.
pub const NIGHT_PRODUCED: i64 = 2;

/// The buckets of ages, by kind from 1 on.
const AGES: [&str; 4] = ["0 to 30 days", "31 to 60 days", "61 to 90 days", "more than 90 days"];

/// Families' accounts: a fact for each bucket that has something, one for a credit balance and one for what insurances are
/// expected to settle. Keys are guarantors.
///
/// # Errors
/// When the tables cannot be read.
pub async fn accounts(
    books: &Books,
    question: &Question,
    preferences: &Preferences,
    texts: &mut Texts,
) -> Result<Vec<Fact>, BooksError> {
    let d = question.date;
    let accounts = receivables::accounts(books, preferences, Families::All, d).await?;
    let estimates = receivables::estimates(books, Families::All, d).await?;
    let ages = AGES.map(|age| texts.put(age));
    let (credit, waiting) = (texts.put("credit balance"), texts.put("expected from insurance"));
    let mut facts = Vec::with_capacity(accounts.len());
    for (guarantor, account) in accounts {
        let mut put = |kind, label, flags, amount| {
            facts.push(Fact { patient: guarantor, kind, label, flags, ..fact(guarantor, d, amount) });
        };
        for ((kind, label), amount) in (1..).zip(ages).zip(account.buckets) {
            if amount != Money::ZERO {
                let past_due = if kind > 1 { flags::PAST_DUE } else { 0 };
                put(kind, label, flags::OWED | past_due, amount);
            }
        }
        if account.total < Money::ZERO {
            put(0, credit, flags::CREDIT, account.total);
        }
    }
    let expected = estimates.into_iter().map(|(guarantor, amount)| Fact {
        patient: guarantor,
        label: waiting,
        ..fact(guarantor, d, amount)
    });
    facts.extend(expected);
    Ok(facts)
}

/// Claims that are not settled, by the date from which they age (D for those without any), at their fees.
///
/// # Errors
/// When the tables cannot be read.
pub async fn claims(
    books: &Books,
    question: &Question,
    names: &Names,
    texts: &mut Texts,
) -> Result<Vec<Fact>, BooksError> {
    let d = question.date;
    let one = |claim: claims::Claim| Fact {
        patient: claim.patient,
        provider: names.provider(claim.provider).map_or(0, |_| claim.provider),
        clinic: names.clinic(claim.clinic).map_or(0, |_| claim.clinic),
        label: texts.put(&claim.carrier_name),
        kind: i64::try_from(claim.age_bucket(d)).unwrap_or_default() + 1,
        flags: if claim.is_sent() { flags::SENT } else { 0 },
        ..fact(claim.number, claim.aged_from.unwrap_or(d), claim.fee)
    };
    Ok(claims::claims(books).await?.into_iter().map(one).collect())
}

/// What was owed after each of the nights before D, oldest first, and what the net production of their dates was; nothing
/// before there are thirty.
///
/// # Errors
/// When the tables cannot be read.
pub async fn nights(books: &Books, question: &Question, preferences: &Preferences) -> Result<Vec<Fact>, BooksError> {
    let (first, last) = (question.date.saturating_sub(NIGHTS_MAX.days()), question.date.saturating_sub(1.day()));
    let owed = receivables::nights(books, preferences, first, last).await?;
    if owed.len() < NIGHTS_MIN {
        return Ok(Vec::new());
    }
    let night = |back: i64| question.date.saturating_sub(back.days());
    let one = |(back, amount): (i64, Money)| Fact { kind: NIGHT_OWED, ..fact(0, night(back), amount) };
    let mut facts: Vec<Fact> = (1..).zip(owed.into_iter().rev()).map(one).collect();
    let earliest = facts.last().map_or(last, |fact| fact.day);
    let made = money::production(books, preferences, earliest, last).await?.net();
    facts.push(Fact { kind: NIGHT_PRODUCED, ..fact(0, last, made) });
    Ok(facts)
}

impl Facts {
    /// The nights that `ar_days` is over.
    pub fn nights(&self) -> usize {
        self.by_family.get(&Family::Nights).map_or(0, |facts| facts.len().saturating_sub(1))
    }
}

fn fact(key: i64, day: Date, amount: Money) -> Fact {
    Fact {
        key,
        day,
        patient: 0,
        provider: 0,
        clinic: 0,
        code: Text::default(),
        label: Text::default(),
        kind: 0,
        flags: 0,
        amount,
    }
}
