//! `/patients`.

use mysql_async::{Conn, Value as Sql, prelude::Queryable as _};
use serde_json::Value;

use super::{Called, bad, given, missing, one, payments::last};

/// Columns that an update may set.
const TEXTS: [&str; 12] = [
    "LName",
    "FName",
    "Preferred",
    "Address",
    "Address2",
    "City",
    "State",
    "Zip",
    "HmPhone",
    "WkPhone",
    "WirelessPhone",
    "Email",
];

/// `POST /patients`: the same name, birthdate and contact is refused.
pub(super) async fn create(conn: &mut Conn, given: &Value) -> Called {
    let Some(last_name) = given::text(given, "LName")?.filter(|name| !name.is_empty()) else {
        return bad("LName is required.");
    };
    let Some(first_name) = given::text(given, "FName")?.filter(|name| !name.is_empty()) else {
        return bad("FName is required.");
    };
    let birthdate = given::date(given, "Birthdate")?.unwrap_or_else(|| "0001-01-01".to_owned());
    let phone = given::text(given, "WirelessPhone")?.unwrap_or_default();
    let email = given::text(given, "Email")?.unwrap_or_default();
    const SAME: &str = "SELECT PatNum FROM patient WHERE LName = ? AND FName = ? AND Birthdate = ? \
                        AND (WirelessPhone = ? OR Email = ?) AND PatStatus <> 4";
    let same: Option<i64> = conn.exec_first(SAME, (&last_name, &first_name, &birthdate, &phone, &email)).await?;
    if same.is_some() {
        return bad("A duplicate patient already exists.");
    }
    const INSERT: &str = "INSERT INTO patient (LName, FName, Birthdate, WirelessPhone, Email, PriProv, BillingType, \
                          SecDateEntry) SELECT ?, ?, ?, ?, ?, \
                          COALESCE((SELECT ValueString FROM preference WHERE PrefName = 'PracticeDefaultProv'), 0), \
                          COALESCE((SELECT ValueString FROM preference WHERE PrefName = 'PracticeDefaultBillType'), 0), \
                          CURDATE()";
    conn.exec_drop(INSERT, (&last_name, &first_name, &birthdate, &phone, &email)).await?;
    let number = last(conn);
    conn.exec_drop("UPDATE patient SET Guarantor = PatNum WHERE PatNum = ?", (number,)).await?;
    one(conn, 201, "patients", "patient", "PatNum", number).await
}

/// `PUT /patients/{n}`: fields that are not given stay, an empty text clears.
pub(super) async fn update(conn: &mut Conn, number: i64, given: &Value) -> Called {
    let known: Option<i64> =
        conn.exec_first("SELECT PatNum FROM patient WHERE PatNum = ? AND PatStatus <> 4", (number,)).await?;
    if known.is_none() {
        return missing("Patient");
    }
    let mut values: Vec<Sql> = Vec::new();
    let mut sets = Vec::new();
    for column in TEXTS {
        if let Some(text) = given::text(given, column)? {
            sets.push(format!("{column} = ?"));
            values.push(text.into());
        }
    }
    if !sets.is_empty() {
        values.push(number.into());
        conn.exec_drop(format!("UPDATE patient SET {} WHERE PatNum = ?", sets.join(", ")), values).await?;
    }
    one(conn, 200, "patients", "patient", "PatNum", number).await
}
