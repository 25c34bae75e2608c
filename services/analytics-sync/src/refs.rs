//! The people, places and times of a row, as the API names them.

use chairsync_proto::analytics::{ClinicRef, LocalDateTime, OperatoryRef, PatientRef, ProviderRef};
use jiff::civil::{Date, DateTime};
use mesh::calendar;

/// What stands in the place of a name where the PMS has none.
const UNASSIGNED: &str = "unassigned";

/// A patient: "Last, First" or, where there is one, "Last, Preferred".
pub fn patient(practice: &str, number: i64, last: &str, first: &str, preferred: &str) -> PatientRef {
    PatientRef { name: patient_name(practice, number), display_name: display_name(last, first, preferred) }
}

/// The resource name of a patient.
pub fn patient_name(practice: &str, number: i64) -> String {
    format!("practices/{practice}/patients/{number}")
}

/// "Last, First" or, where there is one, "Last, Preferred".
pub fn display_name(last: &str, first: &str, preferred: &str) -> String {
    let first = if preferred.is_empty() { first } else { preferred };
    match (last.is_empty(), first.is_empty()) {
        (false, false) => format!("{last}, {first}"),
        _ => format!("{last}{first}"),
    }
}

/// A provider; "unassigned" for 0 and for numbers that the PMS does not know.
pub fn provider(practice: &str, number: i64, abbr: Option<&str>) -> ProviderRef {
    match abbr {
        Some(abbr) if number != 0 => {
            ProviderRef { name: format!("practices/{practice}/providers/{number}"), display_name: abbr.to_owned() }
        }
        _ => ProviderRef { name: String::new(), display_name: UNASSIGNED.to_owned() },
    }
}

/// A chair; "unassigned" for 0 and for numbers that the PMS does not know.
pub fn operatory(practice: &str, number: i64, abbr: Option<&str>) -> OperatoryRef {
    match abbr {
        Some(abbr) if number != 0 => {
            OperatoryRef { name: format!("practices/{practice}/operatories/{number}"), display_name: abbr.to_owned() }
        }
        _ => OperatoryRef { name: String::new(), display_name: UNASSIGNED.to_owned() },
    }
}

/// A location; "unassigned" for 0 and for numbers that the PMS does not know.
pub fn clinic(practice: &str, number: i64, abbr: Option<&str>) -> ClinicRef {
    match abbr {
        Some(abbr) if number != 0 => {
            ClinicRef { name: format!("practices/{practice}/clinics/{number}"), display_name: abbr.to_owned() }
        }
        _ => ClinicRef { name: String::new(), display_name: UNASSIGNED.to_owned() },
    }
}

/// An appointment.
pub fn appointment(practice: &str, number: i64) -> String {
    format!("practices/{practice}/appointments/{number}")
}

/// A time on the practice's wall clock.
pub fn local(at: DateTime) -> LocalDateTime {
    local_minute(at.date(), calendar::minute_of_day(at))
}

/// A minute of a date on the practice's wall clock.
pub fn local_minute(date: Date, minute_of_day: i32) -> LocalDateTime {
    LocalDateTime { date: Some(calendar::date_to_proto(date)), minute_of_day }
}
