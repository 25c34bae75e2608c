//! What families owe, and when they paid.

use std::collections::HashMap;

use jiff::civil::Date;
use mesh::money::Money;

use super::Filling;
use crate::{
    books::BooksError,
    finder::row::Cents,
    receivables::{self, Families},
};

/// An amount as it is shown.
pub(super) fn cents(amount: Money) -> Cents {
    let cents = amount.to_cents();
    Cents::try_from(cents).unwrap_or(if cents < 0 { Cents::MIN } else { Cents::MAX })
}

pub(super) async fn balances(filling: &mut Filling<'_>) -> Result<(), BooksError> {
    let accounts = receivables::accounts(filling.books, filling.preferences, Families::All, filling.date).await?;
    for row in &mut filling.rows {
        let account = accounts.get(&row.family).copied().unwrap_or_default();
        let total = cents(account.total);
        row.family_balance = Some(total);
        row.past_due = Some(cents(account.past_due()));
        row.oldest_bucket = account.buckets.iter().rposition(|bucket| bucket.to_cents() > 0);
        row.credit = (total < 0).then(|| total.saturating_neg());
    }
    Ok(())
}

pub(super) async fn last_payments(filling: &mut Filling<'_>) -> Result<(), BooksError> {
    let answer = filling.books.ask(include_str!("../sql/last_payment.sql"), &[("d", filling.date.into())]).await?;
    let mut paid: HashMap<i64, Option<Date>> = HashMap::new();
    for place in 0..answer.len() {
        paid.insert(answer.number(place, "guarantor")?, answer.date(place, "day")?);
    }
    for row in &mut filling.rows {
        row.last_payment = paid.get(&row.family).copied().flatten();
    }
    Ok(())
}
