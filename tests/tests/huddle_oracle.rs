//! Promise: every number of the Morning Huddle equals an independent SQL statement on MariaDB, to the cent and row.
//! Method: 20 generated practices through the whole path (MariaDB, connector, runs, Delta, huddle), each figure beside
//! the answer of `tests/oracle/*.sql`; the oracle itself is first held to the worked examples of its definitions.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Instant;

use chairsync_proto::analytics::{
    GetMorningHuddleRequest, GetMorningHuddleResponse, analytics_service_client::AnalyticsServiceClient,
};
use chairsync_tests::{
    analytics::AnalyticsMesh,
    compared::{self, Compared},
    huddle_figures,
    oracle::{Figures, Oracle, Record},
    practice,
};
use jiff::{ToSpan, civil::Date};
use mesh::{calendar::date_to_proto, transport::Channel};
use mysql_async::prelude::Queryable;
use pms_connector::sample::Config;
use test_servers::MariaDb;

const PRACTICES: u64 = 20;
/// Practices under way together: while one waits for MariaDB another computes.
const AT_A_TIME: usize = 3;
const ZONES: [&str; 5] =
    ["America/Chicago", "Pacific/Auckland", "Europe/Berlin", "America/St_Johns", "Pacific/Honolulu"];

#[tokio::test(flavor = "multi_thread")]
async fn every_number_equals_the_oracle() {
    compared::all(compared::seeds("HUDDLE_ORACLE_SEED", PRACTICES), AT_A_TIME, 250, compare).await;
}

/// Loads, syncs and asks for one practice; the number of its figures and what differs.
async fn compare(seed: u64, pms: &MariaDb, mesh: &AnalyticsMesh) -> Compared {
    let started = Instant::now();
    let (config, id) = (practice_of(seed), format!("seed-{seed}"));
    practice::load_as_of(pms, &id, config).await;
    let loaded = started.elapsed();
    let zone = ZONES[usize::try_from(seed).unwrap() % ZONES.len()];
    mesh.sync(&id, practice::on(pms, &id, zone)).await;
    let (served, now) = huddle(mesh, &id, config.as_of).await;
    let synced = started.elapsed() - loaded;
    let mut oracle = Oracle::new(pms.root(&id).await, config.as_of, &now).await;
    let expected = oracle.huddle(config.as_of).await;
    let asked = started.elapsed() - loaded - synced;
    let differences: Vec<String> = different(&expected, &served)
        .into_iter()
        .map(|(name, oracle, huddle)| {
            format!("seed {seed} ({}) {name}: oracle {oracle}, huddle {huddle}", config.as_of)
        })
        .collect();
    let (figures, differ) = (expected.len(), differences.len());
    println!(
        "seed {seed}: {figures} figures, {differ} differ (load {loaded:.1?}, sync {synced:.1?}, oracle {asked:.1?})"
    );
    if std::env::var_os("HUDDLE_ORACLE_SHOW").is_some() {
        println!("{expected:#?}");
    }
    (figures, differences)
}

/// Half of them as of today, the others on working and other days of earlier years.
fn practice_of(seed: u64) -> Config {
    let back = if seed.is_multiple_of(2) { 0 } else { i64::try_from(seed).unwrap() * 47 };
    Config {
        seed,
        patients: 150 + u32::try_from(seed * 53 % 350).unwrap(),
        as_of: compared::today().saturating_sub(back.days()),
        years: 1 + u32::try_from(seed % 3).unwrap(),
    }
}

fn different(expected: &Figures, served: &Figures) -> Vec<(String, String, String)> {
    let names: std::collections::BTreeSet<&String> = expected.keys().chain(served.keys()).collect();
    let shown =
        |figures: &Figures, name: &str| figures.get(name).map_or("no such figure".to_owned(), |v| format!("{v:?}"));
    let rows = names.into_iter().map(|name| (name.clone(), shown(expected, name), shown(served, name)));
    rows.filter(|(_, expected, got)| expected != got).collect()
}

/// The huddle of a date, once it is complete, and the wall clock that it stands for.
async fn huddle(mesh: &AnalyticsMesh, id: &str, d: Date) -> (Figures, String) {
    let request = GetMorningHuddleRequest { practice: format!("practices/{id}"), date: Some(date_to_proto(d)) };
    let call = async |mut client: AnalyticsServiceClient<Channel>| client.get_morning_huddle(request.clone()).await;
    let answer = mesh.ask(call, |answer: &GetMorningHuddleResponse| answer.today.is_some()).await;
    let now = huddle_figures::moment(answer.as_of.as_ref());
    (huddle_figures::of(&answer), format!("{now}:59"))
}

#[tokio::test(flavor = "multi_thread")]
async fn oracle_knows_the_worked_examples() {
    let pms = MariaDb::start().await;
    net(&mut example(&pms, "net", "2026-03-31", include_str!("../oracle/examples/net.sql")).await).await;
    aging(&pms).await;
    over_the_counter(&mut example(&pms, "otc", "2026-03-31", include_str!("../oracle/examples/otc.sql")).await).await;
    let rows = include_str!("../oracle/examples/acceptance.sql");
    acceptance(&mut example(&pms, "acceptance", "2026-03-31", rows).await).await;
    let rows = include_str!("../oracle/examples/utilization.sql");
    utilization(&mut example(&pms, "utilization", "2026-03-31", rows).await).await;
}

/// An Open Dental database with the rows of an example.
async fn example(pms: &MariaDb, name: &str, d: &str, rows: &str) -> Oracle {
    pms.create_database(name).await;
    let mut conn = pms.root(name).await;
    for script in [pms_connector::opendental::SCHEMA, rows] {
        let code: Vec<&str> = script.lines().map(|l| l.split("--").next().unwrap()).collect();
        for statement in code.join("\n").split(';').filter(|s| !s.trim().is_empty()) {
            conn.query_drop(statement).await.unwrap_or_else(|e| panic!("{e}\n{statement}"));
        }
    }
    let mut oracle = Oracle::new(conn, d.parse().unwrap(), &format!("{d} 12:00:00")).await;
    for name in ["from", "to", "day"] {
        oracle.set(name, d).await;
    }
    oracle
}

fn holds(row: &Record, wanted: &[(&str, &str)]) {
    for (name, value) in wanted {
        assert_eq!(row[*name], *value, "{name} of {row:?}");
    }
}

async fn net(oracle: &mut Oracle) {
    let row = oracle.run(include_str!("../oracle/money.sql")).await.remove(0);
    holds(&row, &[("gross_production", "1295.00"), ("net_production", "965.00")]);
    holds(&row, &[("collections", "1000.00"), ("unearned", "100.00")]);
}

async fn aging(pms: &MariaDb) {
    let mut oracle = example(pms, "aging", "2026-03-31", include_str!("../oracle/examples/aging.sql")).await;
    let rows = oracle.run(include_str!("../oracle/aging.sql")).await;
    let bucket = |name: &str| rows.iter().map(|r| r[name].as_str()).collect::<Vec<_>>();
    assert_eq!(bucket("age_0_30"), ["150.00", "0.00", "0.00", "0.00"]);
    assert_eq!(bucket("age_31_60"), ["250.00", "0.00", "10.00", "10.00"]);
    assert_eq!(bucket("age_61_90"), ["0.00", "0.00", "92.00", "0.00"]);
    assert_eq!(bucket("age_over_90"), ["0.00", "0.00", "0.00", "300.00"]);
    assert_eq!(bucket("total"), ["400.00", "-50.00", "102.00", "310.00"]);
    assert_eq!(bucket("past_due"), ["250.00", "0.00", "102.00", "310.00"]);
}

async fn over_the_counter(oracle: &mut Oracle) {
    let row = oracle.run(include_str!("../oracle/care.sql")).await.remove(0);
    holds(&row, &[("otc_numerator", "280.00"), ("otc_denominator", "330.00")]);
}

async fn acceptance(oracle: &mut Oracle) {
    let row = oracle.run(include_str!("../oracle/care.sql")).await.remove(0);
    holds(&row, &[("diagnostic_numerator", "4"), ("diagnostic_denominator", "10")]);
    holds(&row, &[("patient_acceptance_numerator", "2"), ("patient_acceptance_denominator", "4")]);
    holds(&row, &[("treatment_acceptance_numerator", "700.00"), ("treatment_acceptance_denominator", "2800.00")]);
}

async fn utilization(oracle: &mut Oracle) {
    oracle.run(include_str!("../oracle/minutes.sql")).await;
    oracle.run(include_str!("../oracle/aging.sql")).await;
    let row = oracle.run(include_str!("../oracle/day.sql")).await.remove(0);
    holds(&row, &[("available_minutes", "450"), ("booked_minutes", "270")]);
    let openings = oracle.run(include_str!("../oracle/openings.sql")).await;
    let seen: Vec<(&str, &str)> = openings.iter().map(|o| (o["start"].as_str(), o["minutes"].as_str())).collect();
    assert_eq!(seen, [("570", "150"), ("960", "30")]);
}
