//! Promise: every number of Provider Pulse, and of scorecards by provider and by code, equals an independent SQL statement
//! on MariaDB, to the cent and minute. Method: generated practices through the whole path (MariaDB, connector, runs, Delta,
//! pulse), each figure beside the answer of `tests/oracle/pulse.sql` and `code_mix.sql`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use chairsync_proto::{
    analytics::{
        ComparisonKind, DateRange, EvaluateScorecardRequest, EvaluateScorecardResponse, Focus, GetProviderPulseRequest,
        GetProviderPulseResponse, MoneyRate, PeriodKind, PulseRow, Scorecard, ScorecardComparison, ScorecardPeriod,
        ScorecardResult, ScorecardRow, analytics_service_client::AnalyticsServiceClient, metric_value::Value,
    },
    google_type,
};
use chairsync_tests::{
    analytics::AnalyticsMesh,
    compared::{self, Compared},
    huddle_figures::{Out, money, number},
    oracle::{Figures, Oracle, take},
};
use jiff::{ToSpan, civil::Date};
use mesh::{calendar::date_from_proto, transport::Channel};
use test_servers::MariaDb;

const PRACTICES: u64 = 8;
/// Practices under way together: while one waits for MariaDB another computes.
const AT_A_TIME: usize = 2;

#[tokio::test(flavor = "multi_thread")]
async fn every_number_equals_the_oracle() {
    compared::all(compared::seeds("PULSE_ORACLE_SEED", PRACTICES), AT_A_TIME, 100, compare).await;
}

/// Loads, syncs and asks for one practice; the number of its figures and what differs.
async fn compare(seed: u64, pms: &MariaDb, mesh: &AnalyticsMesh) -> Compared {
    let ((id, _), today) = (compared::synced(seed, 2, pms, mesh).await, compared::today());

    // Half of them over the current week, the others over a month around today.
    let range = seed.is_multiple_of(2).then(|| (today.saturating_sub(25.days()), today.saturating_add(6.days())));
    let pulse = pulse(mesh, &id, range).await;
    let DateRange { start_date, end_date } = pulse.range.unwrap();
    let range = (from_proto(start_date.as_ref()), from_proto(end_date.as_ref()));
    let mut oracle = Oracle::new(pms.root(&id).await, today, &format!("{today} 12:00:00")).await;
    oracle.range(range.0, range.1).await;
    oracle.run(include_str!("../oracle/minutes.sql")).await;
    let mut expected = Figures::new();
    for mut row in oracle.run(include_str!("../oracle/pulse.sql")).await {
        expected.insert(format!("[{}].{}", take(&mut row, "k"), take(&mut row, "name")), take(&mut row, "value"));
    }
    for mut row in oracle.run(include_str!("../oracle/code_mix.sql")).await {
        expected.insert(format!("code[{}].{}", take(&mut row, "k"), take(&mut row, "name")), take(&mut row, "value"));
    }

    let mut served = Out::default();
    pulse_row(&mut served, "[total]", pulse.total.as_ref().unwrap());
    for row in &pulse.rows {
        pulse_row(&mut served, &format!("[{}]", key(&row.provider.as_ref().unwrap().name)), row);
    }
    let by_provider = ["gross_production", "net_production", "collections", "visits", "new_patients"];
    let result = scorecard(mesh, &id, Focus::Provider, &by_provider, range).await;
    scorecard_rows(&mut served, "", &result);
    let result = scorecard(mesh, &id, Focus::ProcedureCode, &["procedures_done", "gross_production"], range).await;
    scorecard_rows(&mut served, "code", &result);

    let differences = different(&expected, &served.figures);
    println!("seed {seed}: {} figures, {} differ", expected.len(), differences.len());
    if std::env::var_os("PULSE_ORACLE_SHOW").is_some() {
        println!("{expected:#?}");
    }
    let told = differences
        .into_iter()
        .map(|(name, oracle, pulse)| format!("seed {seed} {name}: oracle {oracle}, served {pulse}"));
    (expected.len(), told.collect())
}

/// What a provider without rows has not there has a row of nothing here.
fn different(expected: &Figures, served: &Figures) -> Vec<(String, String, String)> {
    let names: BTreeSet<&String> = expected.keys().chain(served.keys()).collect();
    let shown = |figures: &Figures, name: &str| {
        let value = figures.get(name).map(String::as_str).unwrap_or_default();
        // A union in MariaDB gives its counts the decimals of its amounts.
        let value = value.strip_suffix(".00").unwrap_or(value);
        if value == "0" { String::new() } else { value.to_owned() }
    };
    let rows = names.into_iter().map(|name| (name.clone(), shown(expected, name), shown(served, name)));
    rows.filter(|(_, expected, got)| expected != got).collect()
}

/// The PMS's number in a name; 0 for none.
fn key(name: &str) -> String {
    if name.is_empty() { "0".to_owned() } else { number(Some(name)) }
}

fn from_proto(date: Option<&google_type::Date>) -> Date {
    date_from_proto("date", date.expect("a date")).unwrap()
}

async fn pulse(mesh: &AnalyticsMesh, id: &str, range: Option<(Date, Date)>) -> GetProviderPulseResponse {
    let request = GetProviderPulseRequest {
        practice: format!("practices/{id}"),
        range: range.map(compared::range),
        ..Default::default()
    };
    let call = async |mut client: AnalyticsServiceClient<Channel>| client.get_provider_pulse(request.clone()).await;
    mesh.ask(call, |answer: &GetProviderPulseResponse| answer.total.is_some() && answer.absent_sections.is_empty())
        .await
}

async fn scorecard(
    mesh: &AnalyticsMesh,
    id: &str,
    focus: Focus,
    metrics: &[&str],
    range: (Date, Date),
) -> ScorecardResult {
    let scorecard = Scorecard {
        focus: focus.into(),
        metrics: metrics.iter().map(|id| (*id).to_owned()).collect(),
        period: Some(ScorecardPeriod { kind: PeriodKind::Custom.into(), custom: Some(compared::range(range)) }),
        comparison: Some(ScorecardComparison { kind: ComparisonKind::None.into(), periods: 0 }),
        ..Default::default()
    };
    let request = EvaluateScorecardRequest { practice: format!("practices/{id}"), scorecard: Some(scorecard) };
    let call = async |mut client: AnalyticsServiceClient<Channel>| client.evaluate_scorecard(request.clone()).await;
    mesh.ask(call, |answer: &EvaluateScorecardResponse| answer.result.is_some()).await.result.unwrap()
}

fn scorecard_rows(out: &mut Out, path: &str, result: &ScorecardResult) {
    let mut row = |key: &str, row: &ScorecardRow| {
        for cell in &row.cells {
            let value = match &cell.values[0].value {
                Some(Value::Money(amount)) => money(Some(amount)),
                Some(Value::Count(count)) => count.to_string(),
                _ => "another form".to_owned(),
            };
            let name = format!("{path}[{key}]");
            // The pulse has said some of them already: both must say the same.
            let known = out.figures.get(&format!("{name}.{}", cell.metric));
            let both = known.filter(|known| **known != value).map(|known| format!("{known} and {value}"));
            out.put(&name, &cell.metric, both.unwrap_or(value));
        }
    };
    row("total", result.total.as_ref().unwrap());
    for member in &result.rows {
        row(&if path == "code" { member.member.clone() } else { key(&member.member) }, member);
    }
}

fn pulse_row(out: &mut Out, at: &str, row: &PulseRow) {
    let production = row.production.as_ref().unwrap();
    for (name, amount) in [
        ("gross_production", &production.gross_production),
        ("net_production", &production.net_production),
        ("scheduled_production", &production.scheduled_production),
        ("on_schedule_production", &production.on_schedule_production),
        ("goal", &row.goal),
    ] {
        out.put(at, name, money(amount.as_ref()));
    }
    out.money_ratio(at, "same_day", production.same_day_production_pct.as_ref());
    let visits = row.visits.as_ref().unwrap();
    for (name, count) in [
        ("visits", visits.visits),
        ("visits_hygiene", visits.hygiene),
        ("visits_restorative", visits.restorative),
        ("visits_other", visits.other),
        ("new_patients", visits.new_patients),
    ] {
        out.put(at, name, count);
    }
    let hygiene = row.hygiene.as_ref().unwrap();
    out.count_ratio(at, "reappointment", hygiene.hygiene_reappointment_pct.as_ref());
    out.count_ratio(at, "perio", hygiene.perio_pct.as_ref());
    let cases = row.cases.as_ref().unwrap();
    out.count_ratio(at, "diagnostic", cases.diagnostic_pct.as_ref());
    out.count_ratio(at, "patient_acceptance", cases.patient_acceptance_pct.as_ref());
    out.money_ratio(at, "treatment_acceptance", cases.treatment_acceptance_pct.as_ref());
    let per_exam = cases.dollars_per_exam.as_ref();
    out.put(at, "per_exam_numerator", money(per_exam.and_then(|rate| rate.numerator.as_ref())));
    out.put(at, "per_exam_denominator", per_exam.map_or(0.0, |rate| rate.denominator));
    out.count_ratio(at, "broken", row.broken_pct.as_ref());
    assert_eq!(row.scheduled_hours, row.actual_hours, "nothing was entered");
    let minutes = (row.scheduled_hours * 60.0).round();
    out.put(at, "minutes", minutes);
    let rate = |rate: &Option<MoneyRate>| rate.as_ref().map_or(0.0, |rate| rate.denominator);
    out.put(at, "days", rate(&production.per_day));
    assert_eq!(rate(&production.per_visit), visits.visits as f64, "{at}");
    assert!((rate(&production.per_hour) - row.actual_hours).abs() < 1e-9, "{at}");
}
