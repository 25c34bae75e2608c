//! What families owe as of D, and how many days of production that is.

use chairsync_proto::analytics::{Aging, CreditBalance, Receivables};
use jiff::ToSpan as _;
use mesh::money::Money;

use super::{DAYS_BEFORE, made};
use crate::{
    books::{Books, BooksError, preferences::Preferences},
    figures::tenths,
    metrics::scope::Scope,
    question::Question,
    receivables::{self, Families},
    refs,
};

/// Below this many nights there is no `ar_days`.
const NIGHTS_MIN: usize = 30;

/// Computes the section.
///
/// # Errors
/// When the tables cannot be read.
pub async fn receivables(
    books: &Books,
    question: &Question,
    preferences: &Preferences,
) -> Result<Receivables, BooksError> {
    let (currency, practice) = (&question.currency, &question.practice);
    let accounts = receivables::accounts(books, preferences, Families::All, question.date).await?;
    let estimates = receivables::estimates(books, Families::All, question.date).await?;
    let all = receivables::owed(&accounts, &estimates);
    let people = receivables::people::guarantors(books, practice).await?;
    let credit = |(guarantor, balance): (i64, Money)| CreditBalance {
        guarantor: Some(
            people.get(&guarantor).cloned().unwrap_or_else(|| refs::patient(practice, guarantor, "", "", "")),
        ),
        balance: Some(balance.to_proto(currency)),
    };
    let days = days(books, question, preferences).await?;
    let [to_30, to_60, to_90, over_90] = all.aging.buckets.map(|amount| Some(amount.to_proto(currency)));
    Ok(Receivables {
        aging: Some(Aging {
            bucket_0_30: to_30,
            bucket_31_60: to_60,
            bucket_61_90: to_90,
            bucket_over_90: over_90,
            total: Some(all.aging.total.to_proto(currency)),
        }),
        est_insurance: Some(all.est_insurance.to_proto(currency)),
        est_patient: Some(all.est_patient().to_proto(currency)),
        past_due: Some(all.aging.past_due().to_proto(currency)),
        accounts_past_due: all.accounts_past_due,
        accounts_owing: all.accounts_owing,
        credit_balances: Some(all.credit_balances.to_proto(currency)),
        credit_accounts: receivables::credits(&accounts).into_iter().map(credit).collect(),
        ar_days: days.value,
        ar_days_nights: i32::try_from(days.nights).unwrap_or(i32::MAX),
    })
}

struct Days {
    value: Option<f64>,
    nights: usize,
}

/// `ar_days` over the nights before D, at most 90 and as far as the books reach back, and the production of the same
/// dates: the mean of the nights ÷ production a day is their sum ÷ production.
async fn days(books: &Books, question: &Question, preferences: &Preferences) -> Result<Days, BooksError> {
    let last = question.date.saturating_sub(1.day());
    let owed = receivables::nights(books, preferences, question.date.saturating_sub(DAYS_BEFORE.days()), last).await?;
    let nights = owed.len();
    if nights < NIGHTS_MIN {
        return Ok(Days { value: None, nights: 0 });
    }
    let first = question.date.saturating_sub(i64::try_from(nights).unwrap_or(i64::from(DAYS_BEFORE)).days());
    let net = made::read(books, preferences, (first, last), &Scope::default()).await?.net();
    let sum: Money = owed.into_iter().sum();
    Ok(Days { value: tenths(sum.0, net.0).filter(|_| net > Money::ZERO), nights })
}
