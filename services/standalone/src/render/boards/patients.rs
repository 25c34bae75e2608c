//! Patient Finder.

use chairsync_proto::analytics::{FindPatientsResponse, PatientRow};
use jiff::Timestamp;

use super::{foot, head, part};
use crate::render::{
    count,
    figures::{date, money},
    printable,
    table::table_of_figures,
    time::NONE,
};

/// A line for each patient of the page.
pub fn lines(found: &FindPatientsResponse, now: Timestamp) -> Vec<String> {
    let of = format!("{} of {}", count(found.patients.len() as i64), count(found.total_size));
    let mut lines = head("Patient Finder", &of, found.freshness.as_ref(), now);
    let rows: Vec<[String; 8]> = found.patients.iter().map(row).collect();
    if !rows.is_empty() {
        let head = ["PATIENT", "NAME", "AGE", "LAST VISIT", "NEXT", "BALANCE", "PAST DUE", "TREATMENT"];
        part(&mut lines, "patients", table_of_figures(head, &rows));
    }
    foot(&mut lines, &found.absent_columns, &found.preferences);
    lines
}

fn row(patient: &PatientRow) -> [String; 8] {
    [
        patient.name.rsplit('/').next().unwrap_or_default().to_owned(),
        printable(&patient.display_name),
        patient.age.map_or_else(|| NONE.to_owned(), |age| age.to_string()),
        date(patient.last_visit.as_ref()),
        date(patient.next_appointment.as_ref().and_then(|at| at.date.as_ref())),
        money(patient.family_balance.as_ref()),
        money(patient.past_due.as_ref()),
        money(patient.unscheduled_treatment.as_ref()),
    ]
}
