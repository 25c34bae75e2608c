//! What families owe as of D.

use chairsync_proto::analytics::{Aging, CreditBalance, Receivables, metric_value::Value};
use mesh::money::Money;

use crate::{
    books::{Books, BooksError, preferences::Preferences},
    metrics::{self, Facts, Scope},
    question::Question,
    receivables::{self, Families},
    refs,
};

/// Computes the section.
///
/// # Errors
/// When the tables cannot be read.
pub async fn receivables(
    books: &Books,
    question: &Question,
    preferences: &Preferences,
    facts: &Facts,
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
    let whole = (question.date, question.date);
    let days = metrics::get("ar_days").and_then(|metric| facts.value(metric, whole, &Scope::default()).value);
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
        ar_days: days.and_then(|value| if let Value::Number(days) = value { Some(days) } else { None }),
        ar_days_nights: i32::try_from(facts.nights()).unwrap_or(i32::MAX),
    })
}
