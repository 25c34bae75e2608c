//! Generated practices brought through the whole path (MariaDB, connector, runs, Delta) and held to the oracle, several at
//! a time.

use std::ops::RangeInclusive;

use chairsync_proto::analytics::DateRange;
use futures::{StreamExt as _, stream};
use jiff::civil::Date;
use mesh::calendar::date_to_proto;
use pms_connector::sample::Config;
use test_servers::MariaDb;

use crate::{analytics::AnalyticsMesh, practice};

/// The figures of a practice, how many, and each that differs in words.
pub type Compared = (usize, Vec<String>);

/// The practices from 1 to `most`, or the one that the variable names.
///
/// # Panics
/// When the variable is no number.
pub fn seeds(variable: &str, most: u64) -> RangeInclusive<u64> {
    let one = std::env::var(variable).ok().map(|seed| seed.parse().expect("a seed"));
    one.map_or(1..=most, |seed| seed..=seed)
}

/// Compares each practice, `at_a_time` of them together: while one waits for MariaDB another computes.
///
/// # Panics
/// When a figure differs, or the practices have `least` figures or fewer on average.
pub async fn all(
    seeds: RangeInclusive<u64>,
    at_a_time: usize,
    least: usize,
    compared: impl AsyncFn(u64, &MariaDb, &AnalyticsMesh) -> Compared,
) {
    // What is loaded here need not outlive a power cut.
    let pms = MariaDb::start_with(&["--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0"]).await;
    let mesh = AnalyticsMesh::start();
    let all: Vec<Compared> =
        stream::iter(seeds).map(|seed| compared(seed, &pms, &mesh)).buffer_unordered(at_a_time).collect().await;
    mesh.end().await;
    let figures: usize = all.iter().map(|(figures, _)| figures).sum();
    let differences: Vec<String> = all.iter().flat_map(|(_, differences)| differences.clone()).collect();
    assert!(figures > least * all.len(), "too few figures were compared: {figures}");
    let (count, text) = (differences.len(), differences.join("\n"));
    assert!(differences.is_empty(), "{count} of {figures} figures differ\n{text}");
    println!("{figures} figures of {} practices agree", all.len());
}

/// Today where it is earliest: no zone of the tests has an earlier date.
///
/// # Panics
/// When the zones are not installed.
pub fn today() -> Date {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::get("Pacific/Honolulu").unwrap()).date()
}

/// Loads a practice of a seed as of today, of one year to `years`, and syncs it; its id and its zone.
///
/// # Panics
/// When it cannot be loaded or synced.
pub async fn synced(seed: u64, years: u64, pms: &MariaDb, mesh: &AnalyticsMesh) -> (String, &'static str) {
    const ZONES: [&str; 4] = ["America/Chicago", "Pacific/Auckland", "Europe/Berlin", "Pacific/Honolulu"];
    let id = format!("seed-{seed}");
    let config = Config {
        seed,
        patients: 120 + u32::try_from(seed * 53 % 300).unwrap(),
        as_of: today(),
        years: 1 + u32::try_from(seed % years).unwrap(),
    };
    practice::load_as_of(pms, &id, config).await;
    let zone = ZONES[usize::try_from(seed).unwrap() % ZONES.len()];
    mesh.sync(&id, practice::on(pms, &id, zone)).await;
    (id, zone)
}

/// A range as the API takes it.
pub fn range((from, to): (Date, Date)) -> DateRange {
    DateRange { start_date: Some(date_to_proto(from)), end_date: Some(date_to_proto(to)) }
}
