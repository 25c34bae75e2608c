//! Provider Pulse: each provider's range against goals, the practice on top (`features.md` §5).
//!
//! Figures are the metrics' own; hours and goals are what is kept here beside the PMS's, see [`crate::goals`].

mod row;

use std::collections::{BTreeMap, BTreeSet};

use chairsync_proto::analytics::{AbsenceReason, AbsentSection, Focus, GetProviderPulseResponse, ProductionBasis};
use jiff::civil::Date;

use self::row::{Hours, RowMaker};
use crate::{
    absent::absence,
    books::{Books, BooksError, preferences::Preferences},
    goals::{Kept, dates, minutes_on, providers},
    hours::PracticeHours,
    metrics::{self, Facts, Member, Metric, Range, Scope, range},
    question::Question,
};

/// What of providers, and of the practice, each section tells.
const SECTIONS: [(&str, &[&str]); 5] = [
    (
        "production",
        &[
            "gross_production",
            "net_production",
            "same_day_production_pct",
            "production_per_visit",
            "production_per_day",
            "net_production_per_visit",
            "net_production_per_day",
            "scheduled_production",
            "on_schedule_production",
        ],
    ),
    ("visits", &["visits", "new_patients"]),
    ("hygiene", &["hygiene_reappointment_pct", "perio_visit_pct"]),
    ("cases", &["diagnostic_pct", "patient_acceptance_pct", "treatment_acceptance_pct", "dollars_per_exam"]),
    ("broken_pct", &["broken_pct"]),
];
/// What hours and goals are computed from.
const HOURS: [&str; 5] = ["provider", "operatory", "definition", "schedule", "schedule_operatory"];
/// What no row can do without.
const ROWS: [&str; 3] = ["provider", "clinic", "preference"];

/// What is asked of a pulse.
#[derive(Clone)]
pub struct Asked {
    /// The dates.
    pub range: Range,
    /// Of whom.
    pub scope: Scope,
    /// Which production goals and rates speak of.
    pub basis: ProductionBasis,
}

/// Sunday to Saturday of a date.
pub fn week_of(date: Date) -> Range {
    let sunday = range::week_start(date);
    (sunday, dates(sunday, Date::MAX).take(7).last().unwrap_or(sunday))
}

fn metrics_of(section: &[&str]) -> Vec<&'static Metric> {
    section.iter().filter_map(|id| metrics::get(id)).collect()
}

/// The sections that cannot be computed from the datasets that are there.
pub fn missing(present: &BTreeSet<String>) -> Vec<AbsentSection> {
    let lacking = |needed: BTreeSet<&str>| -> Vec<String> {
        needed.into_iter().filter(|name| !present.contains(*name)).map(str::to_owned).collect()
    };
    let needs = SECTIONS.iter().map(|(section, ids)| {
        let of_metrics = metrics_of(ids).into_iter().flat_map(Metric::datasets);
        (*section, of_metrics.chain(ROWS).collect())
    });
    let needs = needs.chain([("goal", HOURS.into_iter().chain(ROWS).collect())]);
    let sections = needs.map(|(section, needed)| (section, lacking(needed)));
    let absent = sections.filter(|(_, lacking)| !lacking.is_empty());
    absent.map(|(section, lacking)| absence(section, AbsenceReason::PartialData, lacking)).collect()
}

/// Every dataset that a pulse reads.
pub fn datasets() -> BTreeSet<&'static str> {
    let of_metrics = SECTIONS.iter().flat_map(|(_, ids)| metrics_of(ids)).flat_map(Metric::datasets);
    of_metrics.chain(HOURS).chain(ROWS).collect()
}

/// Computes a pulse, without its freshness. `present` are the datasets that `books` really has.
///
/// # Errors
/// See [`BooksError`]; `INVALID_FIELD` for providers and clinics that the practice does not have.
pub async fn compute(
    books: &Books,
    question: &Question,
    present: &BTreeSet<String>,
    kept: &Kept,
    asked: &Asked,
) -> Result<GetProviderPulseResponse, BooksError> {
    let mut absent = missing(present);
    let mut answer = GetProviderPulseResponse {
        range: Some(range::to_proto(asked.range)),
        basis: asked.basis.into(),
        ..Default::default()
    };
    if absent.len() > SECTIONS.len() {
        answer.absent_sections = absent;
        return Ok(answer);
    }
    let there = |absent: &[AbsentSection], section: &str| !absent.iter().any(|a| a.section == section);
    let metrics: Vec<&Metric> =
        SECTIONS.iter().filter(|(section, _)| there(&absent, section)).flat_map(|(_, ids)| metrics_of(ids)).collect();
    let preferences = Preferences::read(books).await?;
    answer.preferences = preferences.in_force();
    let facts = Facts::read(books, question, &preferences, &metrics, asked.range).await?;
    asked.scope.check(facts.names())?;
    let providers = providers::read(books).await?;
    let hours = match (there(&absent, "goal"), &asked.scope.clinics) {
        // The PMS's hours are of providers, not of locations.
        (true, Some(_)) => {
            absent.push(absence("goal", AbsenceReason::NothingThere, Vec::new()));
            None
        }
        (true, None) => Some(hours(books, kept, &providers, asked).await?),
        (false, _) => None,
    };
    let maker = RowMaker {
        facts: &facts,
        asked,
        sections: SECTIONS.iter().map(|(s, _)| *s).filter(|s| there(&absent, s)).collect(),
    };
    answer.total = Some(maker.total(hours.as_ref()));
    let with_facts = metrics
        .iter()
        .flat_map(|metric| facts.by(metric, asked.range, &asked.scope, Focus::Provider).into_keys())
        .filter_map(|member| match member {
            Member::Provider(number) => Some(number),
            Member::Clinic(_) | Member::Code(_) => None,
        });
    let with_hours = hours.iter().flat_map(|hours| hours.of_providers.keys().copied());
    let named = asked.scope.providers.iter().flatten().copied();
    let wanted = |number: &i64| asked.scope.providers.as_ref().is_none_or(|of| of.contains(number));
    let listed: BTreeSet<i64> = with_facts.chain(with_hours).filter(wanted).chain(named).collect();
    let mut known: Vec<_> = providers.iter().filter(|provider| listed.contains(&provider.number)).collect();
    known.sort_by_key(|provider| provider.hygienist); // stable: by name within
    answer.rows = known.into_iter().map(|provider| maker.row(Some(provider), hours.as_ref())).collect();
    if listed.contains(&0) {
        answer.rows.push(maker.row(None, None));
    }
    answer.absent_sections = absent;
    Ok(answer)
}

async fn hours(
    books: &Books,
    kept: &Kept,
    providers: &[providers::Provider],
    asked: &Asked,
) -> Result<Hours, BooksError> {
    let (from, to) = asked.range;
    // A month's own goal falls to its dates by the hours of all of it.
    let months = (from.first_of_month(), to.last_of_month());
    let offered = PracticeHours::read(books, months.0).await?.offered(months.0, months.1);
    let of_provider = |number| dates(from, to).map(move |date| (date, number));
    let mut of_providers = BTreeMap::new();
    let mut goals = BTreeMap::new();
    let wanted = |number: i64| asked.scope.providers.as_ref().is_none_or(|of| of.contains(&number));
    for provider in providers.iter().filter(|provider| wanted(provider.number)) {
        let number = provider.number;
        let days = || of_provider(number).map(|(date, number)| (date, minutes_on(&offered, number, date)));
        let minutes = kept.minutes(number, days());
        if minutes != Default::default() {
            of_providers.insert(number, minutes);
        }
        if let Some(goal) = kept.goal(number, provider.hourly_goal, days()) {
            goals.insert(number, goal);
        }
    }
    let practice_goal = match &asked.scope.providers {
        None => {
            let hourly = providers.iter().map(|provider| (provider.number, provider.hourly_goal));
            kept.practice_goal(&offered, hourly, from, to)
        }
        Some(_) => goals.values().copied().reduce(|a, b| a + b).map(|sum| sum.money()),
    };
    Ok(Hours { of_providers, goals, practice_goal })
}

#[cfg(test)]
mod tests;
