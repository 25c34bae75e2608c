//! Runs: a table, one run in full, and a line of progress.

use chairsync_proto::sync::{DueTime, Run, RunProgress};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{count, printable, table::table, time, word};

/// Runs, a line each.
pub fn lines(runs: &[Run], now: Timestamp) -> Vec<String> {
    let row = |run: &Run| {
        let when = [&run.end_time, &run.start_time, &run.due_at].into_iter().find_map(Option::as_ref);
        [
            run.name.clone(),
            word(run.kind().as_str_name(), "RUN_KIND_"),
            word(run.state().as_str_name(), "RUN_STATE_"),
            rows(run.progress.as_ref()),
            run.attempt.to_string(),
            time::relative(time::timestamp(when), now),
            run.error.as_ref().map(|e| printable(&e.message)).unwrap_or_default(),
        ]
    };
    let rows: Vec<[String; 7]> = runs.iter().map(row).collect();
    table(["RUN", "KIND", "STATE", "ROWS", "ATTEMPT", "WHEN", "ERROR"], &rows)
}

/// One run with its datasets.
pub fn full(run: &Run, now: Timestamp) -> Vec<String> {
    let mut lines = lines(std::slice::from_ref(run), now);
    lines.push(String::new());
    let rows: Vec<[String; 4]> = run
        .datasets
        .iter()
        .map(|d| {
            let finished = if d.finished { "yes" } else { "no" };
            [d.dataset.clone(), count(d.rows_done), count(d.rows_total), finished.to_owned()]
        })
        .collect();
    lines.extend(table(["DATASET", "ROWS", "EXPECTED", "FINISHED"], &rows));
    lines
}

/// A line that says how far a run is.
pub fn progress(run: &Run) -> String {
    let state = word(run.state().as_str_name(), "RUN_STATE_");
    let p = run.progress.unwrap_or_default();
    let mut line = format!("{state}  {}  {:.0} %", rows(Some(&p)), p.share_done * 100.0);
    if p.rows_per_second >= 1.0 {
        line.push_str(&format!("  {} rows/s", count(p.rows_per_second as i64)));
    }
    if let Some(eta) = time::wire_duration(p.eta.as_ref()) {
        line.push_str(&format!("  {} left", time::duration(eta)));
    }
    if let Some(error) = &run.error {
        line.push_str(&format!("  {}", printable(&error.message)));
    }
    line
}

fn rows(progress: Option<&RunProgress>) -> String {
    match progress {
        Some(p) if p.rows_total > 0 && p.rows_done != p.rows_total => {
            format!("{} of {}", count(p.rows_done), count(p.rows_total))
        }
        Some(p) => count(p.rows_done),
        None => "0".to_owned(),
    }
}

/// When nightly runs are due, a line each.
pub fn due_lines(times: &[DueTime], now: Timestamp) -> Vec<String> {
    let row = |due: &DueTime| {
        [
            due.local_date.clone(),
            time::rfc3339(due.due_at.as_ref()).unwrap_or_default(),
            time::relative(time::timestamp(due.due_at.as_ref()), now),
            time::rfc3339(due.window_closes_at.as_ref()).unwrap_or_default(),
        ]
    };
    let rows: Vec<[String; 4]> = times.iter().map(row).collect();
    table(["LOCAL DATE", "DUE", "WHEN", "WINDOW CLOSES"], &rows)
}

/// When a nightly run is due, for programs.
pub fn due_json(due: &DueTime) -> Value {
    json!({
        "local_date": due.local_date,
        "due_at": time::rfc3339(due.due_at.as_ref()),
        "window_closes_at": time::rfc3339(due.window_closes_at.as_ref()),
    })
}

/// A run for programs.
pub fn json(run: &Run) -> Value {
    let p = run.progress.unwrap_or_default();
    json!({
        "run": run.name,
        "kind": run.kind().as_str_name(),
        "state": run.state().as_str_name(),
        "attempt": run.attempt,
        "rows_done": p.rows_done,
        "rows_total": p.rows_total,
        "share_done": p.share_done,
        "rows_per_second": p.rows_per_second,
        "eta_seconds": time::wire_duration(p.eta.as_ref()).map(|d| d.as_secs_f64()),
        "due_at": time::rfc3339(run.due_at.as_ref()),
        "start_time": time::rfc3339(run.start_time.as_ref()),
        "end_time": time::rfc3339(run.end_time.as_ref()),
        "error": run.error.as_ref().map(|e| json!({"reason": e.reason().as_str_name(), "message": e.message})),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use chairsync_proto::sync::{RunKind, RunState};

    use super::*;

    fn run() -> Run {
        Run {
            name: "practices/a/runs/r".to_owned(),
            kind: RunKind::Initial.into(),
            state: RunState::Running.into(),
            attempt: 1,
            progress: Some(RunProgress {
                rows_done: 12_345,
                rows_total: 50_000,
                share_done: 0.2469,
                rows_per_second: 4_000.5,
                eta: Some(prost_types::Duration { seconds: 9, nanos: 0 }),
            }),
            ..Default::default()
        }
    }

    #[test]
    fn progress_says_rows_rate_and_time_left() {
        assert_eq!(progress(&run()), "running  12,345 of 50,000  25 %  4,000 rows/s  9 s left");
    }

    #[test]
    fn a_run_is_a_line() {
        let shown = lines(&[run()], Timestamp::from_second(0).unwrap());
        assert_eq!(shown[1], "practices/a/runs/r  initial  running  12,345 of 50,000  1        -");
    }
}
