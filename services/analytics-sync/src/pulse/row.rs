//! A row of the pulse: a provider's, or the practice's.

use std::collections::{BTreeMap, BTreeSet};

use chairsync_proto::analytics::{
    CountRatio, MetricUnit, MoneyRate, MoneyRatio, ProductionBasis, ProviderRole, PulseCases, PulseHygiene,
    PulseProduction, PulseRow, PulseVisits, metric_value::Value,
};
use chairsync_proto::google_type;
use mesh::money::{Money, divide_half_away};

use super::Asked;
use crate::{
    figures::money_ratio,
    goals::{Minutes, Sixtieths, providers::Provider},
    metrics::{self, Facts, Figure, Scope},
    refs,
};

/// Hours and goals of the range.
pub struct Hours {
    /// Minutes of the providers that have some.
    pub of_providers: BTreeMap<i64, Minutes>,
    /// Goals of the providers that have one.
    pub goals: BTreeMap<i64, Sixtieths>,
    /// The goal of all that are asked for.
    pub practice_goal: Option<Money>,
}

/// Makes rows of facts.
pub struct RowMaker<'a> {
    /// The facts of the range.
    pub facts: &'a Facts,
    /// What is asked.
    pub asked: &'a Asked,
    /// The sections that can be computed.
    pub sections: BTreeSet<&'static str>,
}

impl RowMaker<'_> {
    /// The row of all that are asked for.
    pub fn total(&self, hours: Option<&Hours>) -> PulseRow {
        let minutes = hours.map(|hours| {
            hours.of_providers.values().fold(Minutes::default(), |sum, minutes| Minutes {
                scheduled: sum.scheduled + minutes.scheduled,
                actual: sum.actual + minutes.actual,
            })
        });
        let goal = hours.and_then(|hours| hours.practice_goal);
        self.make(&self.asked.scope, minutes, goal)
    }

    /// A provider's row; of what is unassigned where there is none.
    pub fn row(&self, provider: Option<&Provider>, hours: Option<&Hours>) -> PulseRow {
        let number = provider.map_or(0, |provider| provider.number);
        let scope = Scope { providers: Some(BTreeSet::from([number])), ..self.asked.scope.clone() };
        let minutes = hours.map(|hours| hours.of_providers.get(&number).copied().unwrap_or_default());
        let goal = hours.and_then(|hours| hours.goals.get(&number)).map(|goal| goal.money());
        let role = match provider {
            Some(provider) if provider.hygienist => ProviderRole::Hygienist,
            Some(_) => ProviderRole::Doctor,
            None => ProviderRole::Unspecified,
        };
        let abbr = provider.map(|provider| provider.abbr.as_str());
        PulseRow {
            provider: Some(refs::provider(self.facts.practice(), number, abbr)),
            role: role.into(),
            ..self.make(&scope, minutes, goal)
        }
    }

    fn make(&self, scope: &Scope, minutes: Option<Minutes>, goal: Option<Money>) -> PulseRow {
        let there = |section| self.sections.contains(section);
        let made = self.made(scope);
        PulseRow {
            provider: None,
            role: ProviderRole::Unspecified.into(),
            production: there("production").then(|| self.production(scope, minutes)),
            visits: there("visits").then(|| self.visits(scope)),
            hygiene: there("hygiene").then(|| PulseHygiene {
                hygiene_reappointment_pct: self.count_ratio("hygiene_reappointment_pct", scope),
                perio_pct: self.count_ratio("perio_visit_pct", scope),
            }),
            cases: there("cases").then(|| PulseCases {
                diagnostic_pct: self.count_ratio("diagnostic_pct", scope),
                patient_acceptance_pct: self.count_ratio("patient_acceptance_pct", scope),
                treatment_acceptance_pct: self.money_ratio("treatment_acceptance_pct", scope),
                dollars_per_exam: self.rate("dollars_per_exam", scope),
            }),
            broken_pct: there("broken_pct").then(|| self.count_ratio("broken_pct", scope)).flatten(),
            scheduled_hours: minutes.map_or(0.0, |minutes| hours(minutes.scheduled)),
            actual_hours: minutes.map_or(0.0, |minutes| hours(minutes.actual)),
            goal: goal.map(|goal| goal.to_proto(self.facts.currency())),
            goal_pct: goal.zip(made).map(|(goal, made)| money_ratio(made, goal, self.facts.currency())),
        }
    }

    /// The production that goals and rates speak of.
    fn made(&self, scope: &Scope) -> Option<Money> {
        let id = match self.asked.basis {
            ProductionBasis::Net => "net_production",
            _ => "gross_production",
        };
        if !self.sections.contains("production") {
            return None;
        }
        match self.facts.figure(metrics::get(id)?, self.asked.range, scope) {
            Figure::Sum(sum) => Some(Money(sum)),
            _ => None,
        }
    }

    fn production(&self, scope: &Scope, minutes: Option<Minutes>) -> PulseProduction {
        let (per_visit, per_day) = match self.asked.basis {
            ProductionBasis::Net => ("net_production_per_visit", "net_production_per_day"),
            _ => ("production_per_visit", "production_per_day"),
        };
        let per_hour = self.made(scope).zip(minutes).map(|(made, minutes)| {
            let rate = Figure::Rate { above: made.0, below: minutes.actual.into(), per: 60 };
            rate.to_value(MetricUnit::MoneyRate, self.facts.currency())
        });
        PulseProduction {
            gross_production: self.money("gross_production", scope),
            net_production: self.money("net_production", scope),
            same_day_production_pct: self.money_ratio("same_day_production_pct", scope),
            per_hour: per_hour.and_then(|value| match value.value {
                Some(Value::MoneyRate(rate)) => Some(rate),
                _ => None,
            }),
            per_visit: self.rate(per_visit, scope),
            per_day: self.rate(per_day, scope),
            scheduled_production: self.money("scheduled_production", scope),
            on_schedule_production: self.money("on_schedule_production", scope),
        }
    }

    fn visits(&self, scope: &Scope) -> PulseVisits {
        let parts = metrics::get("visits").map(|visits| self.facts.parts(visits, self.asked.range, scope));
        let part = |id: &str| {
            let found = parts.iter().flatten().find(|part| part.id == id);
            count(found.and_then(|part| part.value.as_ref()?.value.clone()))
        };
        PulseVisits {
            visits: count(self.value("visits", scope)),
            hygiene: part("hygiene"),
            restorative: part("restorative"),
            other: part("uncategorized"),
            new_patients: count(self.value("new_patients", scope)),
        }
    }

    fn value(&self, id: &str, scope: &Scope) -> Option<Value> {
        self.facts.value(metrics::get(id)?, self.asked.range, scope).value
    }

    fn money(&self, id: &str, scope: &Scope) -> Option<google_type::Money> {
        match self.value(id, scope) {
            Some(Value::Money(money)) => Some(money),
            _ => None,
        }
    }

    fn money_ratio(&self, id: &str, scope: &Scope) -> Option<MoneyRatio> {
        match self.value(id, scope) {
            Some(Value::MoneyRatio(ratio)) => Some(ratio),
            _ => None,
        }
    }

    fn count_ratio(&self, id: &str, scope: &Scope) -> Option<CountRatio> {
        match self.value(id, scope) {
            Some(Value::CountRatio(ratio)) => Some(ratio),
            _ => None,
        }
    }

    fn rate(&self, id: &str, scope: &Scope) -> Option<MoneyRate> {
        match self.value(id, scope) {
            Some(Value::MoneyRate(rate)) => Some(rate),
            _ => None,
        }
    }
}

fn count(value: Option<Value>) -> i64 {
    match value {
        Some(Value::Count(count)) => count,
        _ => 0,
    }
}

/// Hours to two decimals, half up.
fn hours(minutes: i64) -> f64 {
    divide_half_away(i128::from(minutes) * 100, 60) as f64 / 100.0
}
