//! Schedule Analysis.

use chairsync_proto::analytics::{GetScheduleAnalysisResponse, ScheduleRow, schedule_row::Key};
use jiff::Timestamp;

use super::{foot, head, part};
use crate::render::{
    count,
    figures::{count_ratio, date, hours, money, range, rate},
    printable,
    table::table_of_figures,
    time::NONE,
};

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// All together on top, then a line for each row.
pub fn lines(analysis: &GetScheduleAnalysisResponse, now: Timestamp) -> Vec<String> {
    let mut lines = head("Schedule Analysis", &range(analysis.range.as_ref()), analysis.freshness.as_ref(), now);
    let rows: Vec<[String; 9]> = analysis.total.iter().chain(&analysis.rows).map(row).collect();
    if !rows.is_empty() {
        let head =
            ["", "AVAILABLE", "BOOKED", "UTILIZATION", "OPENINGS", "OPEN", "OPPORTUNITY", "LEAD DAYS", "AN OPEN HOUR"];
        part(&mut lines, "hours", table_of_figures(head, &rows));
    }
    foot(&mut lines, &analysis.absent_sections, &analysis.preferences);
    lines
}

fn row(row: &ScheduleRow) -> [String; 9] {
    [
        name(row),
        hours(row.available_minutes),
        hours(row.booked_minutes),
        count_ratio(row.utilization_pct.as_ref()),
        count(row.opening_count),
        hours(row.opening_minutes),
        money(row.opening_opportunity.as_ref()),
        row.median_lead_days.map_or_else(|| NONE.to_owned(), |days| format!("{days:.1}")),
        rate(row.production_per_open_hour.as_ref()),
    ]
}

fn name(row: &ScheduleRow) -> String {
    match &row.key {
        None => "all".to_owned(),
        Some(Key::Provider(provider)) => printable(&provider.display_name),
        Some(Key::Operatory(chair)) => printable(&chair.display_name),
        Some(Key::Day(day)) => date(Some(day)),
        Some(Key::WeekdayHour(at)) => {
            let day = usize::try_from(at.weekday - 1).ok().and_then(|day| WEEKDAYS.get(day)).unwrap_or(&"?");
            format!("{day} {:02}:00", at.hour)
        }
    }
}
