//! Promise: every number of the Collections Board and of Schedule Analysis equals an independent SQL statement on MariaDB,
//! to the cent and minute. Method: generated practices through the whole path (MariaDB, connector, runs, Delta, boards),
//! each figure beside the answer of `tests/oracle/*.sql`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use chairsync_proto::{
    analytics::{
        GetCollectionsBoardRequest, GetCollectionsBoardResponse, GetScheduleAnalysisRequest,
        GetScheduleAnalysisResponse, PaymentTimeliness, ScheduleGrouping, ScheduleRow,
        analytics_service_client::AnalyticsServiceClient, metric_value::Value, schedule_row::Key,
    },
    google_type,
};
use chairsync_tests::{
    analytics::AnalyticsMesh,
    compared::{self, Compared},
    huddle_figures::{Out, date, money, number},
    oracle::{Figures, Oracle, put, take},
};
use jiff::{ToSpan, civil::Date};
use mesh::{calendar::date_from_proto, transport::Channel};
use test_servers::MariaDb;

const PRACTICES: u64 = 8;
/// Practices under way together: while one waits for MariaDB another computes.
const AT_A_TIME: usize = 2;
/// The days around D whose schedule is compared.
const SCHEDULE_DAYS: i32 = 14;

#[tokio::test(flavor = "multi_thread")]
async fn every_number_equals_the_oracle() {
    compared::all(compared::seeds("BOARDS_ORACLE_SEED", PRACTICES), AT_A_TIME, 300, compare).await;
}

/// Loads, syncs and asks for one practice; the number of its figures and what differs.
async fn compare(seed: u64, pms: &MariaDb, mesh: &AnalyticsMesh) -> Compared {
    let ((id, _), today) = (compared::synced(seed, 2, pms, mesh).await, compared::today());

    // Half of them over the default range, the others over dates of their own.
    let range = seed.is_multiple_of(2).then(|| (today.saturating_sub(45.days()), today.saturating_sub(9.days())));
    let board = board(mesh, &id, range).await;
    let d = from_proto(board.date.as_ref());
    let mut oracle = Oracle::new(pms.root(&id).await, d, &format!("{d} 12:00:00")).await;
    let range = range.unwrap_or((d.saturating_sub(90.days()), d.saturating_sub(1.day())));
    let mut expected = collections(&mut oracle, range).await;
    let mut served = collections_figures(&board, range);

    let around = (d.saturating_sub(SCHEDULE_DAYS.days()), d.saturating_add(SCHEDULE_DAYS.days()));
    oracle.range(around.0, around.1).await;
    oracle.run(include_str!("../oracle/minutes.sql")).await;
    oracle.run(include_str!("../oracle/schedule_cells.sql")).await;
    for (grouping, name) in [
        (ScheduleGrouping::Provider, "provider"),
        (ScheduleGrouping::Operatory, "operatory"),
        (ScheduleGrouping::Day, "day"),
        (ScheduleGrouping::WeekdayHour, "hour"),
    ] {
        let total = if grouping == ScheduleGrouping::Operatory { "total_c" } else { "total_p" };
        for rows in [name, total] {
            oracle.set("grouping", rows).await;
            for mut row in oracle.run(include_str!("../oracle/schedule_rows.sql")).await {
                put(&mut expected, &format!("schedule.{name}[{}]", take(&mut row, "k")), row);
            }
        }
        schedule_figures(&schedule(mesh, &id, grouping, around).await, name, &mut served);
    }
    // A lane without anything on these dates has no row here, and one of zeros there.
    let differences = different(&expected, &served);
    println!("seed {seed}: {} figures, {} differ", expected.len(), differences.len());
    if std::env::var_os("BOARDS_ORACLE_SHOW").is_some() {
        println!("{expected:#?}");
    }
    let told = differences
        .into_iter()
        .map(|(name, oracle, board)| format!("seed {seed} {name}: oracle {oracle}, board {board}"));
    (expected.len(), told.collect())
}

fn different(expected: &Figures, served: &Figures) -> Vec<(String, String, String)> {
    let names: std::collections::BTreeSet<&String> = expected.keys().chain(served.keys()).collect();
    let shown =
        |figures: &Figures, name: &str| figures.get(name).map_or("no such figure".to_owned(), |v| format!("{v:?}"));
    let rows = names.into_iter().map(|name| (name.clone(), shown(expected, name), shown(served, name)));
    rows.filter(|(_, expected, got)| expected != got).collect()
}

fn from_proto(date: Option<&google_type::Date>) -> Date {
    date_from_proto("date", date.expect("a date")).unwrap()
}

async fn board(mesh: &AnalyticsMesh, id: &str, range: Option<(Date, Date)>) -> GetCollectionsBoardResponse {
    let request = GetCollectionsBoardRequest {
        practice: format!("practices/{id}"),
        range: range.map(compared::range),
        ..Default::default()
    };
    let call = async |mut client: AnalyticsServiceClient<Channel>| client.get_collections_board(request.clone()).await;
    mesh.ask(call, |answer: &GetCollectionsBoardResponse| answer.date.is_some() && answer.absent_sections.is_empty())
        .await
}

async fn schedule(
    mesh: &AnalyticsMesh,
    id: &str,
    grouping: ScheduleGrouping,
    range: (Date, Date),
) -> GetScheduleAnalysisResponse {
    let request = GetScheduleAnalysisRequest {
        practice: format!("practices/{id}"),
        range: Some(compared::range(range)),
        grouping: grouping.into(),
        ..Default::default()
    };
    let call = async |mut client: AnalyticsServiceClient<Channel>| client.get_schedule_analysis(request.clone()).await;
    mesh.ask(call, |answer: &GetScheduleAnalysisResponse| answer.total.is_some()).await
}

async fn collections(oracle: &mut Oracle, range: (Date, Date)) -> Figures {
    let mut figures = Figures::new();
    oracle.range(range.0, range.1).await;
    put(&mut figures, "collections", oracle.run(include_str!("../oracle/money.sql")).await.remove(0));
    let care = oracle.run(include_str!("../oracle/care.sql")).await.remove(0);
    for name in ["otc_numerator", "otc_denominator"] {
        figures.insert(format!("collections.{name}"), care[name].clone());
    }
    for mut row in oracle.run(include_str!("../oracle/timeliness.sql")).await {
        put(&mut figures, &format!("timeliness.{}", take(&mut row, "source")), row);
    }
    for (place, row) in oracle.run(include_str!("../oracle/adjustments.sql")).await.into_iter().enumerate() {
        put(&mut figures, &format!("adjustments[{place}]"), row);
    }
    for mut row in oracle.run(include_str!("../oracle/referrals.sql")).await {
        put(&mut figures, &format!("referrals[{}]", take(&mut row, "referral")), row);
    }
    for mut row in oracle.run(include_str!("../oracle/claims.sql")).await {
        put(&mut figures, &format!("claims[{}]", take(&mut row, "bucket")), row);
    }
    oracle.run(include_str!("../oracle/aging.sql")).await;
    put(&mut figures, "receivables", oracle.run(include_str!("../oracle/receivables.sql")).await.remove(0));
    put(&mut figures, "receivables", oracle.run(include_str!("../oracle/ar_days.sql")).await.remove(0));
    for (place, row) in oracle.run(include_str!("../oracle/credits.sql")).await.into_iter().enumerate() {
        put(&mut figures, &format!("credits[{place}]"), row);
    }
    figures
}

fn tenths(value: Option<f64>) -> String {
    value.map_or(String::new(), |value| format!("{value:.1}"))
}

fn collections_figures(board: &GetCollectionsBoardResponse, range: (Date, Date)) -> Figures {
    let mut out = Out::default();
    assert_eq!(board.range, Some(compared::range(range)));
    let c = board.collections.as_ref().unwrap();
    let adjustments: i64 = board.adjustments.iter().map(|a| cents(a.amount.as_ref())).sum();
    out.put("collections", "adjustments", shown(adjustments));
    for (name, amount) in [
        ("collections", &c.collections),
        ("patient_collections", &c.patient_collections),
        ("insurance_collections", &c.insurance_collections),
        ("unearned", &c.unearned),
        ("gross_production", &c.gross_production),
        ("net_production", &c.net_production),
        ("write_offs", &board.write_offs),
    ] {
        out.put("collections", name, money(amount.as_ref()));
    }
    out.money_ratio("collections", "otc", c.otc_rate.as_ref());
    for (ratio, of) in [(&c.collection_pct_net, &c.net_production), (&c.collection_pct_gross, &c.gross_production)] {
        let ratio = ratio.as_ref().unwrap();
        assert_eq!((&ratio.numerator, &ratio.denominator), (&c.collections, of));
        assert_eq!(ratio.value.is_some(), cents(of.as_ref()) > 0);
    }
    for (name, t) in [("patient", &board.patient_timeliness), ("insurance", &board.insurance_timeliness)] {
        timeliness(&mut out, &format!("timeliness.{name}"), t.as_ref().unwrap());
    }
    for (place, row) in board.adjustments.iter().enumerate() {
        let at = format!("adjustments[{place}]");
        out.put(&at, "type", &row.r#type);
        out.put(&at, "count", row.count);
        out.put(&at, "amount", money(row.amount.as_ref()));
        out.put(&at, "plus", u8::from(row.plus));
    }
    for row in &board.referrals {
        let at = format!("referrals[{}]", number(Some(&row.referral)));
        out.put(&at, "patients", row.patients);
        out.put(&at, "collections", money(row.collections.as_ref()));
    }
    let claims = board.claims_aging.as_ref().unwrap();
    let sent = claims.sent.iter().map(|b| (b.from_days.unwrap().to_string(), b));
    for (name, bucket) in sent.chain([("unsent".to_owned(), claims.unsent.as_ref().unwrap())]) {
        if bucket.count > 0 {
            let at = format!("claims[{name}]");
            out.put(&at, "count", bucket.count);
            out.put(&at, "fee", money(bucket.fee.as_ref()));
            out.put(&at, "est_insurance", money(bucket.est_insurance.as_ref()));
        }
    }
    assert_eq!(claims.sent_total.as_ref().unwrap().count, claims.sent.iter().map(|b| b.count).sum::<i64>());
    let r = board.receivables.as_ref().unwrap();
    let aging = r.aging.as_ref().unwrap();
    for (name, amount) in [
        ("age_0_30", &aging.bucket_0_30),
        ("age_31_60", &aging.bucket_31_60),
        ("age_61_90", &aging.bucket_61_90),
        ("age_over_90", &aging.bucket_over_90),
        ("total", &aging.total),
        ("past_due", &r.past_due),
        ("credit_balances", &r.credit_balances),
        ("est_insurance", &r.est_insurance),
        ("est_patient", &r.est_patient),
    ] {
        out.put("receivables", name, money(amount.as_ref()));
    }
    out.put("receivables", "accounts_past_due", r.accounts_past_due);
    out.put("receivables", "accounts_owing", r.accounts_owing);
    out.put("receivables", "ar_days_nights", r.ar_days_nights);
    out.put("receivables", "ar_days", tenths(r.ar_days));
    tiles_agree(board);
    for (place, row) in r.credit_accounts.iter().enumerate() {
        let at = format!("credits[{place}]");
        out.put(&at, "guarantor", number(row.guarantor.as_ref().map(|g| g.name.as_str())));
        out.put(&at, "balance", money(row.balance.as_ref()));
    }
    out.figures
}

/// The board's tiles show what its sections do.
fn tiles_agree(board: &GetCollectionsBoardResponse) {
    let (c, r) = (board.collections.as_ref().unwrap(), board.receivables.as_ref().unwrap());
    let adjusted: i64 = board.adjustments.iter().map(|a| cents(a.amount.as_ref())).sum();
    let money = |amount: &Option<google_type::Money>| Some(Value::Money(amount.clone().unwrap()));
    let claims = board.claims_aging.as_ref().unwrap().sent_total.as_ref().unwrap();
    for (id, value) in [
        ("collections", money(&c.collections)),
        ("collection_pct", c.collection_pct_net.clone().map(Value::MoneyRatio)),
        ("otc_rate", c.otc_rate.clone().map(Value::MoneyRatio)),
        ("accounts_receivable", money(&r.aging.as_ref().unwrap().total)),
        ("past_due", money(&r.past_due)),
        ("credit_balances", money(&r.credit_balances)),
        ("claims_aging", money(&claims.fee)),
        ("ar_days", r.ar_days.map(Value::Number)),
        ("write_offs", money(&board.write_offs)),
    ] {
        let tile = board.tiles.iter().find(|tile| tile.id == id).unwrap_or_else(|| panic!("no tile {id}"));
        assert!(tile.value.as_ref().unwrap().value == value, "the tile {id} shows something else");
    }
    let tile = board.tiles.iter().find(|tile| tile.id == "adjustments").unwrap();
    let Some(Value::Money(amount)) = &tile.value.as_ref().unwrap().value else { panic!("no money") };
    // Types are rounded to cents one by one.
    assert!((cents(Some(amount)) - adjusted).abs() <= board.adjustments.len() as i64);
}

fn cents(money: Option<&google_type::Money>) -> i64 {
    money.map_or(0, |m| m.units * 100 + i64::from(m.nanos / 10_000_000))
}

fn shown(cents: i64) -> String {
    format!("{}{}.{:02}", if cents < 0 { "-" } else { "" }, cents.abs() / 100, cents.abs() % 100)
}

fn timeliness(out: &mut Out, at: &str, t: &PaymentTimeliness) {
    let all: i64 = t.buckets.iter().map(|b| cents(b.amount.as_ref())).sum();
    if all == 0 && cents(t.unallocated.as_ref()) == 0 {
        return;
    }
    for (name, bucket) in ["to_0", "to_30", "to_60", "to_90", "over_90"].into_iter().zip(&t.buckets) {
        out.put(at, name, money(bucket.amount.as_ref()));
    }
    out.put(at, "unallocated", money(t.unallocated.as_ref()));
    out.put(at, "mean_days", tenths(t.mean_days));
}

fn schedule_figures(analysis: &GetScheduleAnalysisResponse, grouping: &str, served: &mut Figures) {
    let mut out = Out::default();
    for row in analysis.rows.iter().chain(&analysis.total) {
        let key = match &row.key {
            None => String::new(),
            Some(Key::Provider(provider)) => number(Some(&provider.name)),
            Some(Key::Operatory(chair)) => number(Some(&chair.name)),
            Some(Key::Day(day)) => date(Some(day)),
            Some(Key::WeekdayHour(hour)) => format!("{}@{}", hour.weekday, hour.hour),
        };
        schedule_row(&mut out, &format!("schedule.{grouping}[{key}]"), row);
    }
    served.extend(out.figures);
}

fn schedule_row(out: &mut Out, at: &str, row: &ScheduleRow) {
    for (name, count) in [
        ("available_minutes", row.available_minutes),
        ("booked_minutes", row.booked_minutes),
        ("outside_hours_minutes", row.outside_hours_minutes),
        ("double_booked_minutes", row.double_booked_minutes),
        ("blocked_minutes", row.blocked_minutes),
        ("broken_minutes", row.broken_minutes),
        ("refilled_minutes", row.broken_refilled_pct.as_ref().unwrap().numerator),
        ("opening_count", row.opening_count),
        ("opening_minutes", row.opening_minutes),
        ("appointments", row.appointments),
    ] {
        out.put(at, name, count);
    }
    out.put(at, "opening_opportunity", money(row.opening_opportunity.as_ref()));
    let rate = row.production_per_open_hour.as_ref().unwrap();
    out.put(at, "production", money(rate.numerator.as_ref()));
    out.put(at, "production_per_open_hour", money(rate.value.as_ref()));
    out.put(at, "median_lead_days", tenths(row.median_lead_days));
    let used = row.utilization_pct.as_ref().unwrap();
    out.percent(at, "utilization_pct", used.numerator.into(), used.denominator.into(), used.value);
    assert_eq!((used.numerator, used.denominator), (row.booked_minutes, row.available_minutes));
    assert_eq!(row.broken_refilled_pct.as_ref().unwrap().denominator, row.broken_minutes);
}
