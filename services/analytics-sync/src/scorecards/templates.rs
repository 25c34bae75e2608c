//! The templates: read-only scorecards that come with the product. This table is all there is of them.

use chairsync_proto::analytics::{ComparisonKind, Focus, PeriodKind, Scorecard, ScorecardComparison, ScorecardPeriod};

use super::card::name;

/// A template.
#[derive(Clone, Copy)]
pub struct Template {
    /// Its scorecard's id.
    pub id: &'static str,
    display_name: &'static str,
    focus: Focus,
    period: PeriodKind,
    comparison: (ComparisonKind, i32),
    metrics: &'static [&'static str],
}

const PROVIDERS: Focus = Focus::Provider;
const LOCATIONS: Focus = Focus::Location;
const CODES: Focus = Focus::ProcedureCode;
const DAY: PeriodKind = PeriodKind::LastDay;
const WEEK: PeriodKind = PeriodKind::LastWeek;
const MONTH: PeriodKind = PeriodKind::LastMonth;
const QUARTER: PeriodKind = PeriodKind::LastQuarter;
const YEAR: (ComparisonKind, i32) = (ComparisonKind::YearOverYear, 0);

const fn trailing(periods: i32) -> (ComparisonKind, i32) {
    (ComparisonKind::Trailing, periods)
}

const fn template(
    id: &'static str,
    display_name: &'static str,
    focus: Focus,
    period: PeriodKind,
    comparison: (ComparisonKind, i32),
    metrics: &'static [&'static str],
) -> Template {
    Template { id, display_name, focus, period, comparison, metrics }
}

/// All of them, in the order of the API's documentation.
#[rustfmt::skip]
pub const ALL: [Template; 21] = [
    template("template-week", "The week", PROVIDERS, WEEK, trailing(3),
        &["gross_production", "on_schedule_production"]),
    template("template-month", "The month", PROVIDERS, MONTH, trailing(3),
        &["gross_production", "net_production", "visits", "new_patients"]),
    template("template-year-over-year", "Year over year", PROVIDERS, MONTH, YEAR,
        &["gross_production", "net_production", "collections", "visits", "new_patients"]),
    template("template-providers", "Providers side by side", PROVIDERS, MONTH, trailing(1),
        &["gross_production", "net_production", "collections", "visits", "production_per_visit"]),
    template("template-doctor-day", "A doctor's day", PROVIDERS, DAY, trailing(5),
        &["gross_production", "visits", "production_per_visit", "diagnostic_pct", "treatment_acceptance_pct"]),
    template("template-hygiene-day", "A hygienist's day", PROVIDERS, DAY, trailing(5),
        &["gross_production", "hygiene_visits", "production_per_visit", "hygiene_reappointment_pct"]),
    template("template-hourly", "By the hour", PROVIDERS, WEEK, trailing(7),
        &["gross_production", "available_minutes", "production_per_hour", "net_production_per_hour"]),
    template("template-per-visit", "By the visit", PROVIDERS, WEEK, trailing(7),
        &["visits", "gross_production", "production_per_visit", "net_production_per_visit"]),
    template("template-goals", "On the way to goals", PROVIDERS, PeriodKind::MonthToDate, trailing(2),
        &["gross_production", "scheduled_production", "production_per_hour", "production_per_day"]),
    template("template-schedule", "The schedule", PROVIDERS, WEEK, trailing(3),
        &["appointments", "on_schedule_production", "scheduled_production", "utilization_pct"]),
    template("template-openings", "Openings", PROVIDERS, WEEK, trailing(3),
        &["openings", "available_minutes", "utilization_pct"]),
    template("template-broken", "Broken appointments", PROVIDERS, MONTH, trailing(5),
        &["appointments", "broken_appointments", "broken_pct", "cancelled_pct", "no_show_pct"]),
    template("template-new-patients", "New patients", PROVIDERS, MONTH, trailing(11),
        &["new_patients", "new_patient_reappointment_pct", "new_patient_acceptance_pct"]),
    template("template-growth", "Growth", LOCATIONS, QUARTER, YEAR,
        &["new_patients", "active_patients", "active_hygiene", "visits", "gross_production"]),
    template("template-retention", "Retention", PROVIDERS, MONTH, trailing(5),
        &["hygiene_visits", "hygiene_reappointment_pct", "pre_appointment_pct", "hygiene_pre_appointment_pct"]),
    template("template-perio", "Perio", PROVIDERS, MONTH, trailing(5),
        &["hygiene_visits", "perio_visit_pct"]),
    template("template-acceptance", "Case acceptance", PROVIDERS, MONTH, trailing(5),
        &["diagnostic_pct", "patient_acceptance_pct", "treatment_acceptance_pct", "dollars_per_exam"]),
    template("template-unscheduled", "Unscheduled", PROVIDERS, MONTH, (ComparisonKind::None, 0),
        &["unscheduled_treatment", "unscheduled_patients", "unscheduled_active", "future_appointments"]),
    template("template-collections", "Collections", PROVIDERS, MONTH, trailing(5),
        &["patient_collections", "insurance_collections", "collections", "collection_pct"]),
    template("template-receivables", "What becomes receivable", PROVIDERS, MONTH, trailing(5),
        &["net_production", "adjustments", "write_offs", "collections"]),
    template("template-code-mix", "Code mix", CODES, MONTH, trailing(3),
        &["procedures_done", "gross_production"]),
];

impl Template {
    /// As a scorecard of a practice.
    pub fn scorecard(&self, practice: &str) -> Scorecard {
        let (kind, periods) = self.comparison;
        Scorecard {
            name: name(practice, self.id),
            display_name: self.display_name.to_owned(),
            focus: self.focus.into(),
            metrics: self.metrics.iter().map(|id| (*id).to_owned()).collect(),
            period: Some(ScorecardPeriod { kind: self.period.into(), custom: None }),
            comparison: Some(ScorecardComparison { kind: kind.into(), periods }),
            template: true,
            etag: self.id.to_owned(),
            ..Default::default()
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use super::*;
    use crate::scorecards::{card::TEMPLATE, check};

    /// Every template is a scorecard that could be saved as it stands, and no two are called alike.
    #[test]
    fn templates_are_whole() {
        let mut called = BTreeSet::new();
        for template in &ALL {
            let scorecard = template.scorecard("p");
            let kept = check::kept("p", &scorecard).unwrap_or_else(|refusal| panic!("{}: {refusal}", template.id));
            assert_eq!((kept.metrics, kept.focus), (scorecard.metrics.clone(), scorecard.focus));
            assert!(template.id.starts_with(TEMPLATE) && scorecard.owner.is_empty());
            assert!(called.insert(template.id) && called.insert(template.display_name), "{}", template.id);
        }
    }
}
