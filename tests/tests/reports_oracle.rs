//! Promise: every row and total of the reports equals an independent SQL statement on MariaDB, to the cent, for ranges,
//! providers and preferences; and production and income is what the huddle's month says.
//! Method: generated practices through the whole path (MariaDB, connector, runs, Delta, reports), each report beside the
//! answer of `tests/oracle/reports/*.sql`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use chairsync_proto::{
    analytics::{
        DateRange, GetMorningHuddleRequest, Report, ReportColumnKind, ReportHead, ReportInterval, ReportRow,
        RunReportRequest, report_value::Value, run_report_response::Part,
    },
    google_type,
};
use chairsync_tests::{
    analytics::AnalyticsMesh,
    oracle::{Oracle, Record},
    practice,
};
use jiff::{ToSpan, civil::Date};
use mesh::calendar::date_to_proto;
use mysql_async::prelude::Queryable;
use pms_connector::sample::Config;
use test_servers::MariaDb;

/// Each with one of the ranges; REPORTS_ORACLE_PRACTICES asks for more.
const PRACTICES: u64 = 6;
const ZONES: [&str; 3] = ["America/Chicago", "Pacific/Auckland", "America/St_Johns"];

/// The reports and their statements.
const ORACLES: [(&str, &str); 21] = [
    ("production-and-income", include_str!("../oracle/reports/production_and_income.sql")),
    ("day-sheet", include_str!("../oracle/reports/day_sheet.sql")),
    ("daily-report", include_str!("../oracle/reports/daily_report.sql")),
    ("procedures-by-code", include_str!("../oracle/reports/procedures_by_code.sql")),
    ("adjustments", include_str!("../oracle/reports/adjustments.sql")),
    ("write-offs", include_str!("../oracle/reports/write_offs.sql")),
    ("payments", include_str!("../oracle/reports/payments.sql")),
    ("accounts-receivable-aging", include_str!("../oracle/reports/accounts_receivable_aging.sql")),
    ("credit-balances", include_str!("../oracle/reports/credit_balances.sql")),
    ("insurance-aging", include_str!("../oracle/reports/insurance_aging.sql")),
    ("outstanding-claims", include_str!("../oracle/reports/outstanding_claims.sql")),
    ("unearned-income", include_str!("../oracle/reports/unearned_income.sql")),
    ("new-patients", include_str!("../oracle/reports/new_patients.sql")),
    ("referral-sources", include_str!("../oracle/reports/referral_sources.sql")),
    ("active-patients", include_str!("../oracle/reports/active_patients.sql")),
    ("no-future-appointment", include_str!("../oracle/reports/no_future_appointment.sql")),
    ("recall-due", include_str!("../oracle/reports/recall_due.sql")),
    ("treatment-presented", include_str!("../oracle/reports/treatment_presented.sql")),
    ("unscheduled-treatment", include_str!("../oracle/reports/unscheduled_treatment.sql")),
    ("broken-appointments", include_str!("../oracle/reports/broken_appointments.sql")),
    ("scheduled-production", include_str!("../oracle/reports/scheduled_production.sql")),
];
/// Those that need the families' balances, or are not of providers.
const OF_FAMILIES: [&str; 4] = ["accounts-receivable-aging", "credit-balances", "recall-due", "referral-sources"];
/// Those that are as of the snapshot.
const AS_OF: [&str; 3] = ["outstanding-claims", "no-future-appointment", "unscheduled-treatment"];

/// What came of a report: its head, its rows and its totals by column, all as text.
struct Ran {
    head: ReportHead,
    rows: Vec<Record>,
    totals: Record,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_and_total_equals_the_oracle() {
    // What is loaded here need not outlive a power cut.
    let pms = MariaDb::start_with(&["--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0"]).await;
    let mesh = AnalyticsMesh::start();
    let (mut compared, mut differences) = (0, Vec::new());
    for seed in seeds() {
        let (rows, different) = practice_of(seed, &pms, &mesh).await;
        println!("seed {seed}: {rows} rows, {} reports differ", different.len());
        compared += rows;
        differences.extend(different.into_iter().map(|text| format!("seed {seed} {text}")));
    }
    mesh.end().await;
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(compared > 100, "too few rows were compared: {compared}");
}

/// All of them, or that of REPORTS_ORACLE_SEED.
fn seeds() -> std::ops::RangeInclusive<u64> {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    let all = 1..=number("REPORTS_ORACLE_PRACTICES").unwrap_or(PRACTICES);
    number("REPORTS_ORACLE_SEED").map_or(all, |seed| seed..=seed)
}

/// Loads, syncs and compares one practice; the rows that were compared and what differs.
async fn practice_of(seed: u64, pms: &MariaDb, mesh: &AnalyticsMesh) -> (usize, Vec<String>) {
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::get("Pacific/Honolulu").unwrap()).date();
    let back = if seed.is_multiple_of(2) { 0 } else { i64::try_from(seed).unwrap() * 31 };
    let config = Config {
        seed,
        patients: 120 + u32::try_from(seed * 37 % 200).unwrap(),
        as_of: today.saturating_sub(back.days()),
        years: 1 + u32::try_from(seed % 2).unwrap(),
    };
    let id = format!("seed-{seed}");
    practice::load_as_of(pms, &id, config).await;
    // Both bases of write-offs, and what the generator leaves whole: parts of cents, nobody's rows, refunds.
    let mut conn = pms.root(&id).await;
    for sql in nasty(seed) {
        conn.query_drop(&sql).await.unwrap_or_else(|e| panic!("{e}\n{sql}"));
    }
    mesh.sync(&id, practice::on(pms, &id, ZONES[usize::try_from(seed).unwrap() % ZONES.len()])).await;
    let huddle = GetMorningHuddleRequest { practice: format!("practices/{id}"), date: None };
    let huddle =
        mesh.ask(async |mut c| c.get_morning_huddle(huddle.clone()).await, |a| a.month_to_date.is_some()).await;
    let month = huddle.month_to_date.unwrap();

    // Without a range: the month so far, as the huddle has it.
    let request = RunReportRequest { interval: ReportInterval::Month.into(), ..Default::default() };
    let so_far = run(mesh, &id, "production-and-income", request).await;
    let d = date(so_far.head.range.as_ref().unwrap().end_date.as_ref().unwrap());
    let mut differences = Vec::new();
    for (column, amount) in [
        ("gross_production", month.gross_production),
        ("adjustments", month.adjustments),
        ("write_offs", month.write_offs),
        ("net_production", month.net_production),
        ("collections", month.collections),
    ] {
        let (wanted, got) = (money(&amount.unwrap()), &so_far.totals[column]);
        if wanted != *got {
            differences.push(format!("{column} of the month so far: huddle {wanted}, report {got}"));
        }
    }

    let one = format!("SELECT ProvNum FROM provider ORDER BY ProvNum LIMIT 1 OFFSET {}", seed % 3);
    let provider: i64 = conn.query_first(one).await.unwrap().unwrap();
    let last = config.as_of;
    let ranges = [
        (last.first_of_month(), last, "day", 0),
        (last.saturating_sub(100.days()), last, "month", provider),
        (d.saturating_sub(40.days()), d, "year", 0),
    ];
    let (from, to, interval, provider) = ranges[usize::try_from(seed % 3).unwrap()];
    let (compared, different) = range_of(mesh, pms, &id, (from, to, d), interval, provider).await;
    differences.extend(different);
    (compared, differences)
}

fn nasty(seed: u64) -> Vec<String> {
    let basis = seed % 3;
    vec![
        "DELETE FROM preference WHERE PrefName = 'ReportsPPOwriteoffDefaultToProcDate'".to_owned(),
        format!("INSERT INTO preference (PrefName, ValueString) VALUES ('ReportsPPOwriteoffDefaultToProcDate', '{basis}')"),
        "UPDATE procedurelog SET ProcFee = ProcFee + 0.335 WHERE ProcNum % 17 = 0".to_owned(),
        "UPDATE procedurelog SET ProvNum = 4711 WHERE ProcNum % 41 = 0".to_owned(),
        "UPDATE procedurelog SET UnitQty = 0, BaseUnits = 0 WHERE ProcNum % 53 = 0".to_owned(),
        "UPDATE procedurelog SET ProcStatus = 6 WHERE ProcNum % 59 = 0".to_owned(),
        "UPDATE adjustment SET AdjAmt = -AdjAmt, ProvNum = 0 WHERE AdjNum % 5 = 0".to_owned(),
        "UPDATE paysplit SET SplitAmt = -SplitAmt WHERE SplitNum % 23 = 0".to_owned(),
        "UPDATE paysplit SET UnearnedType = (SELECT MIN(DefNum) FROM definition WHERE Category = 29) WHERE SplitNum % 19 = 0".to_owned(),
        "UPDATE claimproc SET Status = 7, WriteOff = 12.345 WHERE ClaimProcNum % 29 = 0 AND Status = 1".to_owned(),
        "UPDATE claimproc SET WriteOff = WriteOff + 0.005 WHERE ClaimProcNum % 31 = 0".to_owned(),
        "UPDATE patient SET PatStatus = 4 WHERE PatNum % 37 = 0".to_owned(),
    ]
}

/// Compares every report over one range.
async fn range_of(
    mesh: &AnalyticsMesh,
    pms: &MariaDb,
    id: &str,
    (from, to, d): (Date, Date, Date),
    interval: &str,
    provider: i64,
) -> (usize, Vec<String>) {
    let mut oracle = Oracle::new(pms.root(id).await, d, &format!("{d} 12:00:00")).await;
    let given = [("from", from.to_string()), ("to", to.to_string()), ("prov", provider.to_string())];
    for (name, value) in given.iter().map(|(name, value)| (*name, value.as_str())).chain([("interval", interval)]) {
        oracle.set(name, value).await;
    }
    oracle.run(include_str!("../oracle/minutes.sql")).await;
    oracle.run(include_str!("../oracle/reports/entries.sql")).await;
    if to == d {
        oracle.run(include_str!("../oracle/aging.sql")).await;
    }
    let (mut compared, mut differences) = (0, Vec::new());
    for (report, statement) in ORACLES {
        if OF_FAMILIES.contains(&report) && (to != d || provider != 0) {
            continue;
        }
        let request = request(id, report, (from, to), interval, provider);
        let got = run(mesh, id, report, request).await;
        let wanted = oracle.run(statement).await;
        compared += wanted.len();
        if let Some(difference) = different(&got, wanted) {
            differences.push(format!("{report} {from}..{to} of {provider}: {difference}"));
        }
    }
    (compared, differences)
}

fn request(id: &str, report: &str, (from, to): (Date, Date), interval: &str, provider: i64) -> RunReportRequest {
    let interval = match interval {
        "day" => ReportInterval::Day,
        "month" => ReportInterval::Month,
        _ => ReportInterval::Year,
    };
    let range = DateRange { start_date: Some(date_to_proto(from)), end_date: Some(date_to_proto(to)) };
    RunReportRequest {
        range: (!AS_OF.contains(&report)).then_some(range),
        providers: (provider != 0).then(|| format!("practices/{id}/providers/{provider}")).into_iter().collect(),
        interval: if report == "production-and-income" { interval.into() } else { 0 },
        ..Default::default()
    }
}

/// What differs in the columns that the oracle has: rows in any order, then the totals, each the sum of the oracle's.
fn different(got: &Ran, wanted: Vec<Record>) -> Option<String> {
    let columns: Vec<String> = wanted.first().map(|row| row.keys().cloned().collect()).unwrap_or_default();
    let only = |row: &Record| columns.iter().map(|c| (c.clone(), row[c].clone())).collect::<Record>();
    let (mut ours, mut theirs): (Vec<Record>, Vec<Record>) = (got.rows.iter().map(only).collect(), wanted);
    ours.sort();
    theirs.sort();
    let lacking: Vec<&Record> = theirs.iter().filter(|row| !ours.contains(row)).take(3).collect();
    let surplus: Vec<&Record> = ours.iter().filter(|row| !theirs.contains(row)).take(3).collect();
    let counts = (ours.len(), theirs.len());
    (ours != theirs).then(|| format!("{counts:?} rows; lacking {lacking:?}; surplus {surplus:?}"))
}

/// Runs a report, asked again until it is followed, and reads its rows.
async fn run(mesh: &AnalyticsMesh, id: &str, report: &str, request: RunReportRequest) -> Ran {
    let request = RunReportRequest { name: format!("practices/{id}/reports/{report}"), ..request };
    let mut parts =
        mesh.analytics().run_report(request).await.unwrap_or_else(|e| panic!("{report}: {e:?}")).into_inner();
    let (mut head, mut rows, mut end) = (None, Vec::new(), None);
    while let Some(message) = parts.message().await.unwrap() {
        assert!(message.freshness.is_some());
        match message.part.unwrap() {
            Part::Head(part) => head = Some(part),
            Part::Rows(part) => rows.extend(part.rows),
            Part::Data(_) => panic!("rows were asked for"),
            Part::End(part) => end = Some(part),
        }
    }
    let (head, end) = (head.expect("a head"), end.expect("an end"));
    assert_eq!(end.row_count, rows.len() as i64);
    let described = head.report.clone().unwrap();
    let totals = named(&described, end.totals.as_ref().unwrap());
    let rows: Vec<Record> = rows.iter().map(|row| named(&described, row)).collect();
    summed(&described, &rows, &totals);
    Ran { head, rows, totals }
}

/// Totals of counts are the rows' sums; those of money within half a cent a row, as they are rounded once.
fn summed(report: &Report, rows: &[Record], totals: &Record) {
    let averages = ["net_per_visit", "average"];
    for column in report.columns.iter().filter(|c| c.totalled && !averages.contains(&c.id.as_str())) {
        let digits = |text: &String| text.replace('.', "").parse::<i64>().unwrap_or_default();
        let sum: i64 = rows.iter().map(|row| digits(&row[&column.id])).sum();
        let total = digits(&totals[&column.id]);
        match column.kind() {
            ReportColumnKind::Integer => assert_eq!(sum, total, "{} {}", report.name, column.id),
            ReportColumnKind::Money => {
                assert!(
                    (sum - total).abs() * 2 <= rows.len() as i64 + 1,
                    "{} {}: {sum} {total}",
                    report.name,
                    column.id
                );
            }
            _ => {}
        }
    }
}

fn named(report: &Report, row: &ReportRow) -> Record {
    let cells = report.columns.iter().zip(&row.values);
    cells
        .map(|(column, cell)| (column.id.clone(), cell.value.as_ref().map(words).unwrap_or_default()))
        .collect::<BTreeMap<_, _>>()
}

fn words(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Money(amount) => money(amount),
        Value::Date(day) => date(day).to_string(),
        Value::Percent(percent) => format!("{percent:.1}"),
        Value::Boolean(flag) => flag.to_string(),
        Value::LocalDateTime(at) => {
            let day = date(at.date.as_ref().unwrap());
            format!("{day} {:02}:{:02}", at.minute_of_day / 60, at.minute_of_day % 60)
        }
    }
}

fn money(amount: &google_type::Money) -> String {
    let cents = amount.units * 100 + i64::from(amount.nanos / 10_000_000);
    format!("{}{}.{:02}", if cents < 0 { "-" } else { "" }, cents.abs() / 100, cents.abs() % 100)
}

fn date(day: &google_type::Date) -> Date {
    mesh::calendar::date_from_proto("date", day).unwrap()
}
