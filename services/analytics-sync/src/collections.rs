//! Collections Board: `features.md` §3 — what came in over a range, and what is owed as of D.
//!
//! SQL brings rows by provider and clinic, so that one question serves every choice of them; what is summed over a choice,
//! capped by patient and day or sorted into days stands beside it.

mod made;
mod money_in;
mod owed;
mod referrals;
mod timeliness;

use std::collections::BTreeSet;

use chairsync_proto::analytics::{
    AbsenceReason, AbsentSection, CollectionsSummary, GetCollectionsBoardResponse, MoneyRatio,
};
use jiff::{ToSpan as _, civil::Date};
use mesh::{calendar::date_to_proto, money::Money};

use self::{made::Made, money_in::MoneyIn};
use crate::{
    absent::{self, absence},
    books::{Books, BooksError, preferences::Preferences},
    figures::money_ratio,
    metrics::{
        names::Names,
        range::{self, Range},
        scope::Scope,
    },
    question::Question,
    receivables::claims,
};

/// The days before D that the board covers unless a range is asked for.
const DAYS_BEFORE: i32 = 90;

/// What each section of the answer is computed from.
const NEEDS: [(&str, &[&str]); 8] = [
    (
        "collections",
        &[
            "definition",
            "preference",
            "procedure",
            "procedure_code",
            "claim_line",
            "claim_payment",
            "payment",
            "payment_split",
            "adjustment",
        ],
    ),
    ("patient_timeliness", &["definition", "procedure", "payment", "payment_split"]),
    ("insurance_timeliness", &["claim_line", "claim_payment"]),
    (
        "receivables",
        &[
            "patient",
            "definition",
            "preference",
            "procedure",
            "procedure_code",
            "claim_line",
            "payment_split",
            "adjustment",
            "payment_plan",
            "payment_plan_charge",
        ],
    ),
    ("claims_aging", &["claim", "claim_line"]),
    ("adjustments", &["adjustment", "definition"]),
    ("write_offs", &["claim_line", "preference"]),
    (
        "referrals",
        &[
            "patient",
            "definition",
            "claim_line",
            "claim_payment",
            "payment",
            "payment_split",
            "referral",
            "referral_attach",
        ],
    ),
];

/// What is asked of the board.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The range of what came in.
    pub range: Range,
    /// Whose and where.
    pub scope: Scope,
}

/// The sections that cannot be computed from the datasets that are there.
pub fn missing(present: &BTreeSet<String>) -> Vec<AbsentSection> {
    absent::missing(&NEEDS, present)
}

/// The range unless one is asked for: the 90 days to the day before D.
pub fn default_range(d: Date) -> Range {
    (d.saturating_sub(DAYS_BEFORE.days()), d.saturating_sub(1.day()))
}

/// Computes the board, without its freshness. `present` are the datasets that `books` really has.
///
/// # Errors
/// See [`BooksError`]; refused where a provider or location is named that the practice does not have.
pub async fn compute(
    books: &Books,
    question: &Question,
    asked: &Asked,
    present: &BTreeSet<String>,
) -> Result<GetCollectionsBoardResponse, BooksError> {
    let (currency, scope) = (&question.currency, &asked.scope);
    let mut absent = missing(present);
    let has = |section: &str| !missing(present).iter().any(|a| a.section == section);
    let mut answer = GetCollectionsBoardResponse {
        date: Some(date_to_proto(question.date)),
        range: Some(range::to_proto(asked.range)),
        ..Default::default()
    };
    if absent.len() == NEEDS.len() {
        answer.absent_sections = absent;
        return Ok(answer);
    }
    if ["provider", "clinic"].into_iter().all(|name| present.contains(name)) {
        scope.check(&Names::read(books).await?)?;
    }
    let preferences = Preferences::read(books).await?;
    answer.preferences = preferences.in_force();

    let made = made::read(books, &preferences, asked.range, scope).await?;
    let came_in = money_in::read(books, asked.range, scope).await?;
    if has("collections") {
        answer.collections = Some(summary(books, question, asked, &made, &came_in).await?);
    }
    if has("patient_timeliness") {
        answer.patient_timeliness = Some(timeliness::of(came_in.iter().filter(|m| m.is_patients()), currency));
    }
    if has("insurance_timeliness") {
        answer.insurance_timeliness = Some(timeliness::of(came_in.iter().filter(|m| m.is_insurances()), currency));
    }
    if has("write_offs") {
        answer.write_offs = Some(made.write_offs.to_proto(currency));
    }
    if has("adjustments") {
        answer.adjustments = made::adjustments(books, asked.range, scope, currency).await?;
    }
    if has("referrals") {
        answer.referrals = referrals::collections(books, question, &came_in).await?;
    }
    if has("claims_aging") {
        let open = claims::claims(books).await?;
        let mine = open.iter().filter(|claim| takes(scope, claim.provider, claim.clinic));
        answer.claims_aging = Some(claims::claims_aging(mine, question.date, currency));
    }
    if has("receivables") {
        if is_whole(scope) {
            answer.receivables = Some(owed::receivables(books, question, &preferences).await?);
        } else {
            absent.push(absence("receivables", AbsenceReason::NotSplit, Vec::new()));
        }
    }
    answer.absent_sections = absent;
    Ok(answer)
}

async fn summary(
    books: &Books,
    question: &Question,
    asked: &Asked,
    made: &Made,
    came_in: &[MoneyIn],
) -> Result<CollectionsSummary, BooksError> {
    let currency = &question.currency;
    let sum = |which: fn(&MoneyIn) -> bool| came_in.iter().filter(|m| which(m)).map(|m| m.amount).sum::<Money>();
    let (patient, insurance) = (sum(MoneyIn::is_patients), sum(MoneyIn::is_insurances));
    let collections = patient + insurance;
    let (paid, due) = money_in::over_the_counter(books, asked.range, &asked.scope, came_in).await?;
    Ok(CollectionsSummary {
        collections: Some(collections.to_proto(currency)),
        patient_collections: Some(patient.to_proto(currency)),
        insurance_collections: Some(insurance.to_proto(currency)),
        unearned: Some(sum(MoneyIn::is_unearned).to_proto(currency)),
        gross_production: Some(made.gross.to_proto(currency)),
        net_production: Some(made.net().to_proto(currency)),
        collection_pct_net: Some(of_production(collections, made.net(), currency)),
        collection_pct_gross: Some(of_production(collections, made.gross, currency)),
        otc_rate: Some(money_ratio(paid, due, currency)),
    })
}

/// Collections ÷ production; no value where there was none, or less.
fn of_production(collections: Money, production: Money, currency: &str) -> MoneyRatio {
    let ratio = money_ratio(collections, production, currency);
    MoneyRatio { value: ratio.value.filter(|_| production > Money::ZERO), ..ratio }
}

/// Whether a row of this provider and clinic is in the scope.
fn takes(scope: &Scope, provider: i64, clinic: i64) -> bool {
    let in_set = |set: &Option<BTreeSet<i64>>, number: i64| set.as_ref().is_none_or(|set| set.contains(&number));
    in_set(&scope.providers, provider) && in_set(&scope.clinics, clinic)
}

/// Whether nothing is left out.
fn is_whole(scope: &Scope) -> bool {
    scope.providers.is_none() && scope.clinics.is_none()
}

#[cfg(test)]
mod tests;
