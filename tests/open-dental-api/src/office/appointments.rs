//! `/appointments`. A taken chair is not refused, as the API does not.

use mysql_async::{Conn, Row, prelude::Queryable as _};
use serde_json::Value;

use super::{Called, Fault, bad, given, missing, one, payments::last};

/// The longest pattern: 9 hours.
const PATTERN_MAX: usize = 108;

fn pattern(given: &Value) -> Result<Option<String>, Fault> {
    let Some(mut pattern) = given::text(given, "Pattern")? else { return Ok(None) };
    if pattern.is_empty() || !pattern.bytes().all(|b| matches!(b, b'X' | b'/')) {
        return bad("Pattern is invalid.");
    }
    pattern.truncate(PATTERN_MAX);
    Ok(Some(pattern))
}

fn status(given: &Value) -> Result<Option<i64>, Fault> {
    Ok(match given["AptStatus"].as_str() {
        None => None,
        Some("Scheduled") => Some(1),
        Some("Complete") => Some(2),
        Some("UnschedList") => Some(3),
        Some("Broken") => Some(5),
        Some("Planned") => Some(6),
        Some("PtNote") => Some(7),
        Some("PtNoteCompleted") => Some(8),
        Some(_) => return bad("AptStatus is invalid."),
    })
}

/// `POST /appointments`.
pub(super) async fn create(conn: &mut Conn, given: &Value) -> Called {
    let (patient, _, patient_clinic, provider) = given::patient(conn, given).await?;
    let operatory = given::needed(given, "Op")?;
    let Some(start) = given::time(given, "AptDateTime")? else { return bad("AptDateTime is required.") };
    let chair: Option<i64> =
        conn.exec_first("SELECT ClinicNum FROM operatory WHERE OperatoryNum = ?", (operatory,)).await?;
    let Some(chair_clinic) = chair else { return missing("Operatory") };
    let clinic = if chair_clinic == 0 { patient_clinic } else { chair_clinic };
    let confirmed = match given::number(given, "Confirmed")? {
        Some(number) => number,
        None => {
            const FIRST: &str = "SELECT DefNum FROM definition WHERE Category = 2 ORDER BY ItemOrder, DefNum LIMIT 1";
            conn.query_first(FIRST).await?.unwrap_or(0)
        }
    };
    const INSERT: &str = "INSERT INTO appointment (PatNum, AptStatus, Pattern, Confirmed, Op, Note, ProvNum, ProvHyg, \
                          AptDateTime, IsNewPatient, ClinicNum, IsHygiene) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let values: Vec<mysql_async::Value> = vec![
        patient.into(),
        status(given)?.unwrap_or(1).into(),
        pattern(given)?.unwrap_or_else(|| "/XX/".to_owned()).into(),
        confirmed.into(),
        operatory.into(),
        given::text(given, "Note")?.unwrap_or_default().into(),
        given::number(given, "ProvNum")?.unwrap_or(provider).into(),
        given::number(given, "ProvHyg")?.unwrap_or(0).into(),
        start.into(),
        given::flag(given, "IsNewPatient")?.into(),
        given::number(given, "ClinicNum")?.unwrap_or(clinic).into(),
        given::flag(given, "IsHygiene")?.into(),
    ];
    conn.exec_drop(INSERT, values).await?;
    let number = last(conn);
    const ENTERED: &str = "UPDATE appointment SET SecDateTEntry = NOW(), AppointmentTypeNum = ? WHERE AptNum = ?";
    let kind = given::number(given, "AppointmentTypeNum")?.unwrap_or(0);
    conn.exec_drop(ENTERED, (kind, number)).await?;
    one(conn, 201, "appointments", "appointment", "AptNum", number).await
}

/// `PUT /appointments/{n}`: fields that are not given stay.
pub(super) async fn update(conn: &mut Conn, number: i64, given: &Value) -> Called {
    exists(conn, number).await?;
    const UPDATE: &str = "UPDATE appointment SET AptStatus = COALESCE(?, AptStatus), Pattern = COALESCE(?, Pattern), \
                          Op = COALESCE(?, Op), Note = COALESCE(?, Note), ProvNum = COALESCE(?, ProvNum), \
                          ProvHyg = COALESCE(?, ProvHyg), AptDateTime = COALESCE(?, AptDateTime), \
                          Confirmed = COALESCE(?, Confirmed) WHERE AptNum = ?";
    let values: Vec<mysql_async::Value> = vec![
        status(given)?.into(),
        pattern(given)?.into(),
        given::number(given, "Op")?.into(),
        given::text(given, "Note")?.into(),
        given::number(given, "ProvNum")?.into(),
        given::number(given, "ProvHyg")?.into(),
        given::time(given, "AptDateTime")?.into(),
        given::number(given, "Confirmed")?.into(),
        number.into(),
    ];
    conn.exec_drop(UPDATE, values).await?;
    one(conn, 200, "appointments", "appointment", "AptNum", number).await
}

/// `PUT /appointments/{n}/Note`: a line is appended.
pub(super) async fn note(conn: &mut Conn, number: i64, given: &Value) -> Called {
    exists(conn, number).await?;
    let Some(line) = given::text(given, "Note")? else { return bad("Note is required.") };
    const UPDATE: &str = "UPDATE appointment SET Note = IF(COALESCE(Note, '') = '', ?, CONCAT(Note, '\r\n', ?)) \
                          WHERE AptNum = ?";
    conn.exec_drop(UPDATE, (&line, &line, number)).await?;
    one(conn, 200, "appointments", "appointment", "AptNum", number).await
}

/// `PUT /appointments/{n}/Confirm`.
pub(super) async fn confirm(conn: &mut Conn, number: i64, given: &Value) -> Called {
    exists(conn, number).await?;
    let wanted = given::needed(given, "defNum")?;
    let known: Option<i64> =
        conn.exec_first("SELECT DefNum FROM definition WHERE DefNum = ? AND Category = 2", (wanted,)).await?;
    if known.is_none() {
        return bad("defNum is invalid.");
    }
    conn.exec_drop("UPDATE appointment SET Confirmed = ? WHERE AptNum = ?", (wanted, number)).await?;
    one(conn, 200, "appointments", "appointment", "AptNum", number).await
}

/// `PUT /appointments/{n}/Break`: of scheduled ones only.
pub(super) async fn break_one(conn: &mut Conn, number: i64, given: &Value) -> Called {
    if exists(conn, number).await? != 1 {
        return bad("Only appointments with an AptStatus of Scheduled can be broken.");
    }
    if given["sendToUnscheduledList"].is_null() {
        return bad("sendToUnscheduledList is required.");
    }
    let status = if given::flag(given, "sendToUnscheduledList")? { 3 } else { 5 };
    conn.exec_drop("UPDATE appointment SET AptStatus = ? WHERE AptNum = ?", (status, number)).await?;
    one(conn, 200, "appointments", "appointment", "AptNum", number).await
}

/// The status of an appointment that must be there.
async fn exists(conn: &mut Conn, number: i64) -> Result<i64, Fault> {
    let row: Option<Row> = conn.exec_first("SELECT AptStatus FROM appointment WHERE AptNum = ?", (number,)).await?;
    match row.and_then(|row| row.get(0)) {
        Some(status) => Ok(status),
        None => missing("Appointment"),
    }
}
