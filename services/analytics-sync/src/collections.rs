//! Collections Board: `features.md` §3 — what came in over a range, and what is owed as of D.
//!
//! Figures that are metrics are worked out from the metrics' facts, once for sections and tiles. What is told apart by the
//! date of the work or by referral comes from rows of its own.

mod adjustments;
mod money_in;
mod owed;
mod referrals;
mod tiles;
mod timeliness;

use std::collections::BTreeSet;

use chairsync_proto::{
    analytics::{
        AbsenceReason, AbsentSection, CollectionsSummary, GetCollectionsBoardResponse, MoneyRatio, metric_value::Value,
    },
    google_type::Money,
};
use jiff::{ToSpan as _, civil::Date};
use mesh::calendar::date_to_proto;

use crate::{
    absent::{self, absence},
    books::{Books, BooksError, preferences::Preferences},
    metrics::{self, Facts, Names, Range, Scope, range, tile},
    question::Question,
    receivables::{LEDGER, claims},
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
    ("receivables", LEDGER),
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

/// The metrics that the tiles show, in their order.
pub fn shown() -> impl Iterator<Item = &'static metrics::Metric> {
    tiles::shown()
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

    let shown: Vec<_> = tiles::metrics().chain(SUMMARY.iter().copied().filter_map(metrics::get)).collect();
    let covered: Vec<_> = shown.into_iter().filter(|metric| scope.covers(metric)).collect();
    let span = tile::span(asked.range, question.date);
    let facts = Facts::read(books, question, &preferences, &covered, span).await?;
    let came_in = money_in::read(books, asked.range, scope).await?;
    let sheet = Sheet { facts: &facts, asked };
    if has("collections") {
        answer.collections = Some(sheet.summary());
    }
    if has("patient_timeliness") {
        answer.patient_timeliness = Some(timeliness::of(came_in.iter().filter(|m| m.is_patients()), currency));
    }
    if has("insurance_timeliness") {
        answer.insurance_timeliness = Some(timeliness::of(came_in.iter().filter(|m| m.is_insurances()), currency));
    }
    if has("write_offs") {
        answer.write_offs = sheet.money("write_offs");
    }
    if has("adjustments") {
        answer.adjustments = adjustments::by_type(books, asked.range, scope, currency).await?;
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
            answer.receivables = Some(owed::receivables(books, question, &preferences, &facts).await?);
        } else {
            absent.push(absence("receivables", AbsenceReason::NotSplit, Vec::new()));
        }
    }
    answer.tiles = tiles::tiles(&facts, asked, present, &mut absent);
    answer.absent_sections = absent;
    Ok(answer)
}

/// What the summary shows beside the tiles.
const SUMMARY: [&str; 2] = ["gross_production", "net_production"];

/// The figures of one request.
struct Sheet<'a> {
    facts: &'a Facts,
    asked: &'a Asked,
}

impl Sheet<'_> {
    fn summary(&self) -> CollectionsSummary {
        CollectionsSummary {
            collections: self.money("collections"),
            patient_collections: self.money("patient_collections"),
            insurance_collections: self.money("insurance_collections"),
            unearned: self.money("unearned"),
            gross_production: self.money("gross_production"),
            net_production: self.money("net_production"),
            collection_pct_net: self.ratio("collection_pct"),
            collection_pct_gross: self.ratio("gross_collection_pct"),
            otc_rate: self.ratio("otc_rate"),
        }
    }

    fn money(&self, metric: &str) -> Option<Money> {
        match self.value(metric)? {
            Value::Money(amount) => Some(amount),
            _ => None,
        }
    }

    fn ratio(&self, metric: &str) -> Option<MoneyRatio> {
        match self.value(metric)? {
            Value::MoneyRatio(ratio) => Some(ratio),
            _ => None,
        }
    }

    fn value(&self, metric: &str) -> Option<Value> {
        self.facts.value(metrics::get(metric)?, self.asked.range, &self.asked.scope).value
    }
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
