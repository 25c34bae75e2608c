//! Fields of a body: numbers come as numbers or as texts, booleans as the texts "true" and "false".

use mysql_async::{Conn, prelude::Queryable as _};
use serde_json::Value;

use super::{Fault, bad, missing};

/// A whole number, if it is given.
pub(super) fn number(given: &Value, field: &str) -> Result<Option<i64>, Fault> {
    match &given[field] {
        Value::Null => Ok(None),
        Value::Number(number) if number.is_i64() => Ok(number.as_i64()),
        Value::String(text) => text.parse().map(Some).or_else(|_| bad(&format!("{field} is invalid."))),
        _ => bad(&format!("{field} is invalid.")),
    }
}

/// A whole number that must be given.
pub(super) fn needed(given: &Value, field: &str) -> Result<i64, Fault> {
    match number(given, field)? {
        Some(number) => Ok(number),
        None => bad(&format!("{field} is required.")),
    }
}

/// An amount in cents.
pub(super) fn cents(value: &Value, field: &str) -> Result<i64, Fault> {
    let amount = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    match amount.filter(|amount: &f64| amount.is_finite() && amount.abs() < 1e10) {
        Some(amount) => Ok((amount * 100.0).round() as i64),
        None => bad(&format!("{field} is invalid.")),
    }
}

/// A text, if it is given.
pub(super) fn text(given: &Value, field: &str) -> Result<Option<String>, Fault> {
    match &given[field] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        _ => bad(&format!("{field} is invalid.")),
    }
}

/// A boolean; false when it is not given.
pub(super) fn flag(given: &Value, field: &str) -> Result<bool, Fault> {
    match given[field].as_str() {
        None if given[field].is_null() => Ok(false),
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        _ => bad(&format!("{field} must be either \"true\" or \"false\".")),
    }
}

/// A date, if it is given.
pub(super) fn date(given: &Value, field: &str) -> Result<Option<String>, Fault> {
    let Some(said) = text(given, field)? else { return Ok(None) };
    match said.parse::<jiff::civil::Date>() {
        Ok(date) => Ok(Some(date.to_string())),
        Err(_) => bad(&format!("{field} must be in yyyy-MM-dd format.")),
    }
}

/// A time, if it is given.
pub(super) fn time(given: &Value, field: &str) -> Result<Option<String>, Fault> {
    let Some(said) = text(given, field)? else { return Ok(None) };
    match jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", &said) {
        Ok(_) => Ok(Some(said)),
        Err(_) => bad(&format!("{field} must be in yyyy-MM-dd HH:mm:ss format.")),
    }
}

/// A patient who must be there: guarantor, clinic, provider.
pub(super) async fn patient(conn: &mut Conn, given: &Value) -> Result<(i64, i64, i64, i64), Fault> {
    let number = needed(given, "PatNum")?;
    const READ: &str = "SELECT PatNum, Guarantor, ClinicNum, PriProv FROM patient WHERE PatNum = ? AND PatStatus <> 4";
    match conn.exec_first(READ, (number,)).await? {
        Some(patient) => Ok(patient),
        None => missing("Patient"),
    }
}
