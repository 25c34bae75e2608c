//! Provider Pulse.

use chairsync_proto::analytics::{GetProviderPulseResponse, PulseRow};
use jiff::Timestamp;

use super::{foot, head, part};
use crate::render::{
    count,
    figures::{count_ratio, money, money_ratio, range, rate},
    printable,
    table::table_of_figures,
};

/// The practice on top, then a line for each provider.
pub fn lines(pulse: &GetProviderPulseResponse, now: Timestamp) -> Vec<String> {
    let mut lines = head("Provider Pulse", &range(pulse.range.as_ref()), pulse.freshness.as_ref(), now);
    let all: Vec<&PulseRow> = pulse.total.iter().chain(&pulse.rows).collect();
    if !all.is_empty() {
        let rows: Vec<[String; 8]> = all.iter().map(|row| production(row)).collect();
        let head = ["PROVIDER", "GROSS", "NET", "GOAL", "OF GOAL", "AN HOUR", "A VISIT", "SCHEDULED"];
        part(&mut lines, "production", table_of_figures(head, &rows));
        let rows: Vec<[String; 8]> = all.iter().map(|row| care(row)).collect();
        let head = ["PROVIDER", "VISITS", "HYGIENE", "NEW", "HOURS", "REAPPOINTED", "ACCEPTED", "BROKEN"];
        part(&mut lines, "visits and cases", table_of_figures(head, &rows));
    }
    foot(&mut lines, &pulse.absent_sections, &pulse.preferences);
    lines
}

fn name(row: &PulseRow) -> String {
    row.provider.as_ref().map_or_else(|| "practice".to_owned(), |provider| printable(&provider.display_name))
}

fn production(row: &PulseRow) -> [String; 8] {
    let made = row.production.as_ref();
    [
        name(row),
        money(made.and_then(|p| p.gross_production.as_ref())),
        money(made.and_then(|p| p.net_production.as_ref())),
        money(row.goal.as_ref()),
        money_ratio(row.goal_pct.as_ref()),
        rate(made.and_then(|p| p.per_hour.as_ref())),
        rate(made.and_then(|p| p.per_visit.as_ref())),
        money(made.and_then(|p| p.on_schedule_production.as_ref())),
    ]
}

fn care(row: &PulseRow) -> [String; 8] {
    let seen = row.visits.unwrap_or_default();
    [
        name(row),
        count(seen.visits),
        count(seen.hygiene),
        count(seen.new_patients),
        format!("{:.2}", row.actual_hours),
        count_ratio(row.hygiene.as_ref().and_then(|h| h.hygiene_reappointment_pct.as_ref())),
        count_ratio(row.cases.as_ref().and_then(|c| c.patient_acceptance_pct.as_ref())),
        count_ratio(row.broken_pct.as_ref()),
    ]
}
