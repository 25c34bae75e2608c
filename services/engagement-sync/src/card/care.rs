//! Appointments, visits, recalls and treatment of a card.

use std::collections::BTreeSet;

use chairsync_proto::engagement::{
    AppointmentStatus, CardAppointment, CardRecall, PlannedTreatment, ProcedureItem, SignedTreatmentPlan, WriteState,
};
use jiff::civil::Date;
use mesh::{calendar::date_to_proto, money::Money};

use super::{Subject, clock::local};
use crate::row::Row;

/// Codes of a broken appointment: procedures that are no visit.
const BROKEN: [&str; 2] = ["D9986", "D9987"];
/// Minutes of each character of an appointment's pattern.
const PATTERN_MINUTES: i32 = 5;

/// FEE: fee × units.
fn fee(row: &Row) -> Money {
    row.money("proc_fee") * (row.id("unit_qty") + row.id("base_units"))
}

/// FEE as the PMS's account screen bills it: at least one unit.
fn account_fee(row: &Row) -> Money {
    row.money("proc_fee") * (row.id("unit_qty") + row.id("base_units")).max(1)
}

fn code<'a>(subject: &'a Subject<'_>, row: &Row) -> &'a str {
    subject.lists.get("procedure_code", row.id("code_num")).map_or("", |code| code.text("proc_code"))
}

/// `D` and four digits.
fn is_ada(code: &str) -> bool {
    code.len() == 5 && code.starts_with('D') && code[1..].bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a done procedure makes its date a visit: not a broken appointment's code; an ADA code, or a custom one with a
/// fee.
fn is_visit(subject: &Subject<'_>, row: &Row) -> bool {
    let code = code(subject, row);
    row.id("proc_status") == 2 && !BROKEN.contains(&code) && (is_ada(code) || fee(row) > Money::ZERO)
}

/// The date of a patient's last visit.
pub fn last_visit(subject: &Subject<'_>, patient: i64) -> Option<Date> {
    let visits = subject.rows.of_patient("procedure", patient).filter(|row| is_visit(subject, row));
    visits.filter_map(|row| row.date("proc_date")).filter(|date| *date <= subject.clock.today()).max()
}

fn is_live(row: &Row) -> bool {
    matches!(row.int("apt_status"), Some(1 | 4)) && row.date_time("apt_date_time").is_some()
}

/// A patient's next live appointment.
pub fn next<'a>(subject: &'a Subject<'_>, patient: i64) -> Option<&'a Row> {
    let live = subject.rows.of_patient("appointment", patient).filter(|row| is_live(row));
    let coming = live.filter(|row| row.date_time("apt_date_time") >= Some(subject.clock.now));
    coming.min_by_key(|row| (row.date_time("apt_date_time"), row.id("apt_num")))
}

/// The patient's last completed appointment: status 2, unless what was done that day was no visit.
pub fn last<'a>(subject: &'a Subject<'_>) -> Option<&'a Row> {
    let held = |row: &&Row| {
        let Some(at) = row.date_time("apt_date_time") else { return false };
        let on_it = |p: &&Row| p.id("apt_num") == row.id("apt_num") || p.id("apt_num") == 0;
        let done = subject.rows.of_patient("procedure", subject.patient).filter(|p| p.id("proc_status") == 2);
        let of_day: Vec<&Row> = done.filter(|p| p.date("proc_date") == Some(at.date())).filter(on_it).collect();
        row.id("apt_status") == 2 && (of_day.is_empty() || of_day.iter().any(|p| is_visit(subject, p)))
    };
    let completed = subject.rows.of_patient("appointment", subject.patient).filter(held);
    completed.max_by_key(|row| (row.date_time("apt_date_time"), row.id("apt_num")))
}

/// The patient's live appointments by start, past ones that were never completed included.
pub fn live<'a>(subject: &'a Subject<'_>) -> Vec<&'a Row> {
    let mut live: Vec<&Row> =
        subject.rows.of_patient("appointment", subject.patient).filter(|row| is_live(row)).collect();
    live.sort_by_key(|row| (row.date_time("apt_date_time"), row.id("apt_num")));
    live
}

/// An appointment as the card shows it.
pub fn appointment(subject: &Subject<'_>, row: &Row) -> CardAppointment {
    let lists = subject.lists;
    let number = row.id("apt_num");
    let on_it = |p: &&Row| p.id("apt_num") == number && matches!(p.int("proc_status"), Some(1 | 2));
    let procedures: Vec<&Row> = subject.rows.of_patient("procedure", row.id("pat_num")).filter(on_it).collect();
    let hygienist = Some(row.id("prov_hyg")).filter(|number| row.id("is_hygiene") == 1 && *number > 0);
    let confirmation = lists.definition(row.id("confirmed"));
    let length = i32::try_from(row.text("pattern").len()).unwrap_or_default();
    CardAppointment {
        name: lists.name("appointments", number),
        start: row.date_time("apt_date_time").map(local),
        minutes: length * PATTERN_MINUTES,
        status: appointment_status(row).into(),
        operatory: Some(lists.operatory(row.id("op"))),
        provider: Some(lists.provider(hygienist.unwrap_or(row.id("prov_num")))),
        fee: Some(subject.money(procedures.iter().map(|p| fee(p)).sum())),
        procedures: procedures.iter().map(|p| item(subject, p, fee(p))).collect(),
        confirmed: has_word(&confirmation, "confirmed"),
        confirmation_status: confirmation,
        note: row.text("note").to_owned(),
        write_state: WriteState::Unspecified.into(),
    }
}

fn appointment_status(row: &Row) -> AppointmentStatus {
    let number = row.int("apt_status").and_then(|status| i32::try_from(status).ok()).unwrap_or_default();
    AppointmentStatus::try_from(number).unwrap_or_default()
}

/// Whether a text holds a whole word, whatever its case.
fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric()).any(|part| part.eq_ignore_ascii_case(word))
}

fn item(subject: &Subject<'_>, row: &Row, fee: Money) -> ProcedureItem {
    let description =
        subject.lists.get("procedure_code", row.id("code_num")).map(|code| code.text("descript").to_owned());
    let tooth = Some(row.text("tooth_num")).filter(|tooth| !tooth.is_empty()).unwrap_or(row.text("tooth_range"));
    ProcedureItem {
        procedure: row.id("proc_num"),
        code: code(subject, row).to_owned(),
        description: description.unwrap_or_default(),
        fee: Some(subject.money(fee)),
        tooth: tooth.to_owned(),
    }
}

/// The recalls by due date; those without one last.
pub fn recalls(subject: &Subject<'_>) -> Vec<CardRecall> {
    let mut rows: Vec<&Row> = subject.rows.of_patient("recall", subject.patient).collect();
    rows.sort_by_key(|row| (row.date("date_due").is_none(), row.date("date_due"), row.id("recall_num")));
    let today = subject.clock.today();
    let shown = |row: &Row| CardRecall {
        recall: row.id("recall_num"),
        r#type: subject
            .lists
            .get("recall_type", row.id("recall_type_num"))
            .map(|kind| kind.text("description").to_owned())
            .unwrap_or_default(),
        due_date: row.date("date_due").map(date_to_proto),
        previous_date: row.date("date_previous").map(date_to_proto),
        scheduled_date: row.date("date_scheduled").map(date_to_proto),
        days_overdue: row
            .date("date_due")
            .and_then(|due| i32::try_from(today.duration_since(due).as_hours() / 24).ok()),
        disabled: row.id("is_disabled") != 0,
        disabled_until: row.date("disable_until_date").map(date_to_proto),
        interval: interval(row.id("recall_interval")),
        note: row.text("note").to_owned(),
    };
    rows.into_iter().map(shown).collect()
}

/// The PMS packs years, months, weeks and days into one number, a byte each, years first.
fn interval(packed: i64) -> String {
    let parts =
        [(24, "year"), (16, "month"), (8, "week"), (0, "day")].map(|(shift, unit)| (packed >> shift & 0xff, unit));
    let shown = parts.iter().filter(|(count, _)| *count > 0);
    let shown: Vec<String> = shown.map(|(count, unit)| format!("{count} {unit}{}", plural(*count))).collect();
    shown.join(" ")
}

fn plural(count: i64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// Planned procedures by the practice's own order of priorities, those without one last, then by key.
pub fn planned(subject: &Subject<'_>) -> Vec<PlannedTreatment> {
    let live: BTreeSet<i64> = live(subject).iter().map(|row| row.id("apt_num")).collect();
    let order =
        |row: &Row| subject.lists.get("definition", row.id("priority")).map(|priority| priority.id("item_order"));
    let mut rows: Vec<&Row> =
        subject.rows.of_patient("procedure", subject.patient).filter(|row| row.id("proc_status") == 1).collect();
    rows.sort_by_key(|row| (order(row).is_none(), order(row), row.id("proc_num")));
    let shown = |row: &Row| {
        let appointment = Some(row.id("apt_num")).filter(|number| live.contains(number));
        let start = appointment.and_then(|number| subject.rows.get("appointment", number)?.date_time("apt_date_time"));
        PlannedTreatment {
            procedure: Some(item(subject, row, account_fee(row))),
            priority: subject.lists.definition(row.id("priority")),
            priority_order: order(row).and_then(|order| i32::try_from(order).ok()),
            planned_date: row.date("date_tp").map(date_to_proto),
            provider: Some(subject.lists.provider(row.id("prov_num"))),
            scheduled: appointment.is_some(),
            appointment: appointment.map(|number| subject.lists.name("appointments", number)).unwrap_or_default(),
            appointment_start: start.map(local),
            surface: row.text("surf").to_owned(),
        }
    };
    rows.into_iter().map(shown).collect()
}

/// The signed treatment plans, newest first.
pub fn signed_plans(subject: &Subject<'_>) -> Vec<SignedTreatmentPlan> {
    let signed = |row: &&Row| row.date_time("date_t_signed").is_some();
    let mut rows: Vec<&Row> = subject.rows.of_patient("treatment_plan", subject.patient).filter(signed).collect();
    rows.sort_by_key(|row| std::cmp::Reverse((row.date("date_tp"), row.id("treat_plan_num"))));
    let shown = |row: &Row| SignedTreatmentPlan {
        treatment_plan: row.id("treat_plan_num"),
        heading: row.text("heading").to_owned(),
        date: row.date("date_tp").map(date_to_proto),
        signed_time: row.date_time("date_t_signed").and_then(|at| subject.clock.moment(at)),
        // The canonical rows do not carry the signature's words.
        signer: String::new(),
        practice_signed: row.date_time("date_t_practice_signed").is_some(),
    };
    rows.into_iter().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_intervals_and_codes() {
        assert!(has_word("Appointment Confirmed!", "confirmed") && !has_word("Unconfirmed", "confirmed"));
        assert_eq!(interval(6 << 16), "6 months");
        assert_eq!(interval(1 << 24 | 1), "1 year 1 day");
        assert!(is_ada("D1110") && !is_ada("D111") && !is_ada("N4118") && !is_ada("D11é0"));
    }
}
