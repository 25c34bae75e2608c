//! Morning Huddle.

use chairsync_proto::analytics::{
    DaySchedule, GetMorningHuddleResponse, HuddleAppointment, MonthToDate, YesterdaySummary,
};
use jiff::Timestamp;

use super::{foot, head, pairs, part};
use crate::render::{
    count,
    figures::{clock, count_ratio, date, hours, money, money_ratio},
    printable,
    table::table_of_figures,
};

/// The huddle, part by part.
pub fn lines(huddle: &GetMorningHuddleResponse, now: Timestamp) -> Vec<String> {
    let mut lines = head("Morning Huddle", &date(huddle.date.as_ref()), huddle.freshness.as_ref(), now);
    if let Some(day) = &huddle.yesterday {
        part(&mut lines, &format!("yesterday, {}", date(day.date.as_ref())), yesterday(day));
    }
    for (name, day) in [("today", &huddle.today), ("tomorrow", &huddle.tomorrow)] {
        if let Some(day) = day {
            part(&mut lines, &format!("{name}, {}", date(day.date.as_ref())), schedule(day));
        }
    }
    if let Some(month) = &huddle.month_to_date {
        part(&mut lines, "month to date", month_to_date(month));
    }
    foot(&mut lines, &huddle.absent_sections, &huddle.preferences);
    lines
}

fn yesterday(day: &YesterdaySummary) -> Vec<String> {
    pairs([
        (
            "production",
            format!("{} gross, {} net", money(day.gross_production.as_ref()), money(day.net_production.as_ref())),
        ),
        ("goal", money(day.goal.as_ref())),
        ("collections", money(day.collections.as_ref())),
        ("over the counter", money_ratio(day.otc_rate.as_ref())),
        ("visits", format!("{}, {} new", count(day.visits), count(day.new_patients))),
        ("reappointed", count_ratio(day.hygiene_reappointment_pct.as_ref())),
        ("diagnosed", count_ratio(day.diagnostic_pct.as_ref())),
        ("accepted", count_ratio(day.patient_acceptance_pct.as_ref())),
        ("broken", count_ratio(day.broken_pct.as_ref())),
    ])
}

fn schedule(day: &DaySchedule) -> Vec<String> {
    let mut lines = pairs([
        ("on schedule", money(day.on_schedule_production.as_ref())),
        ("goal", money(day.goal.as_ref())),
        (
            "appointments",
            format!(
                "{}, {} new, {} unconfirmed",
                count(day.appointment_count),
                count(day.new_patients),
                count(day.unconfirmed)
            ),
        ),
        (
            "hours",
            format!(
                "{} of {} booked, {}",
                hours(day.booked_minutes),
                hours(day.available_minutes),
                count_ratio(day.utilization_pct.as_ref())
            ),
        ),
        ("openings", count(day.openings.len() as i64)),
        ("past due", money(day.past_due.as_ref())),
    ]);
    if !day.appointments.is_empty() {
        let rows: Vec<[String; 7]> = day.appointments.iter().map(row).collect();
        lines.extend(table_of_figures(["TIME", "CHAIR", "PROVIDER", "PATIENT", "FEE", "PAST DUE", "NOTES"], &rows));
    }
    lines
}

fn row(one: &HuddleAppointment) -> [String; 7] {
    let name = |name: Option<&String>| name.map(|name| printable(name)).unwrap_or_default();
    let notes = [
        (one.is_new, "new"),
        (!one.confirmed && !one.completed, "unconfirmed"),
        (one.birthday, "birthday"),
        (!one.alerts.is_empty(), "alert"),
        (!one.recalls_due.is_empty(), "recall due"),
        (one.unscheduled_family > 0, "family unscheduled"),
    ];
    let notes: Vec<&str> = notes.into_iter().filter(|(is, _)| *is).map(|(_, note)| note).collect();
    [
        clock(one.start.as_ref()),
        name(one.operatory.as_ref().map(|o| &o.display_name)),
        name(one.provider.as_ref().map(|p| &p.display_name)),
        name(one.patient.as_ref().map(|p| &p.display_name)),
        money(one.fee.as_ref()),
        money(one.past_due.as_ref()),
        notes.join(", "),
    ]
}

fn month_to_date(month: &MonthToDate) -> Vec<String> {
    pairs([
        (
            "production",
            format!("{} gross, {} net", money(month.gross_production.as_ref()), money(month.net_production.as_ref())),
        ),
        ("still scheduled", money(month.scheduled_production.as_ref())),
        ("goal", money(month.goal.as_ref())),
        ("collections", money(month.collections.as_ref())),
    ])
}
