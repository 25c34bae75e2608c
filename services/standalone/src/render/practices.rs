//! Practices: a table, and one in full.

use chairsync_proto::practice::{Practice, pms_source::Kind};
use serde_json::{Value, json};

use super::{printable, table::table, time};

/// Practices, a line each.
pub fn lines(practices: &[Practice]) -> Vec<String> {
    let row = |p: &Practice| [p.name.clone(), printable(&p.display_name), p.time_zone.clone(), source(p), state(p)];
    let rows: Vec<[String; 5]> = practices.iter().map(row).collect();
    table(["PRACTICE", "DISPLAY NAME", "TIME ZONE", "SOURCE", "STATE"], &rows)
}

/// One practice, a setting a line.
pub fn full(p: &Practice) -> Vec<String> {
    let window = p.nightly_window.unwrap_or_default();
    let clock = |minute: i32| format!("{:02}:{:02}", minute / 60, minute % 60);
    let rows = [
        ["name", &p.name].map(str::to_owned),
        ["display name".to_owned(), printable(&p.display_name)],
        ["time zone", &p.time_zone].map(str::to_owned),
        ["nightly window".to_owned(), format!("{} to {}", clock(window.start_minute), clock(window.end_minute))],
        ["source".to_owned(), source(p)],
        [
            "write-back".to_owned(),
            if p.automatic_write_back { "automatic" } else { "off: payments are held" }.to_owned(),
        ],
        ["state".to_owned(), state(p)],
        ["currency", &p.currency_code].map(str::to_owned),
        ["initial sync".to_owned(), time::rfc3339(p.initial_sync_time.as_ref()).unwrap_or("not finished".to_owned())],
        ["etag", &p.etag].map(str::to_owned),
    ];
    table(["SETTING", "VALUE"], &rows)
}

/// Where a practice's PMS is, in words.
fn source(p: &Practice) -> String {
    match p.source.as_ref().and_then(|s| s.kind.as_ref()) {
        Some(Kind::OpenDental(database)) => printable(&database.uri),
        Some(Kind::Sample(sample)) => {
            let live = if sample.live { ", live" } else { "" };
            format!("sample, seed {}, {} patients{live}", sample.seed, sample.patients)
        }
        None => time::NONE.to_owned(),
    }
}

fn state(p: &Practice) -> String {
    match (p.paused, p.initial_sync_time.is_some()) {
        (true, _) if p.pause_note.is_empty() => "paused".to_owned(),
        (true, _) => format!("paused: {}", printable(&p.pause_note)),
        (false, true) => "in sync".to_owned(),
        (false, false) => "initial sync".to_owned(),
    }
}

/// A practice for programs.
pub fn json(p: &Practice) -> Value {
    json!({
        "name": p.name,
        "display_name": p.display_name,
        "time_zone": p.time_zone,
        "source": source(p),
        "automatic_write_back": p.automatic_write_back,
        "paused": p.paused,
        "pause_note": p.pause_note,
        "currency_code": p.currency_code,
        "initial_sync_time": time::rfc3339(p.initial_sync_time.as_ref()),
        "etag": p.etag,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_practice_is_a_line() {
        let practice = Practice {
            name: "practices/north".to_owned(),
            display_name: "North".to_owned(),
            time_zone: "America/Chicago".to_owned(),
            paused: true,
            pause_note: "moving\nhouse".to_owned(),
            ..Default::default()
        };
        let shown = lines(std::slice::from_ref(&practice));
        assert_eq!(shown[1], "practices/north  North         America/Chicago  -       paused: moving house");
        assert!(full(&practice).iter().any(|l| l.contains("not finished")));
    }
}
