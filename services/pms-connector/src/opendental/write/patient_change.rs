//! A change of a patient's contacts: only what differs is sent, and only over what whoever asks has seen.

use std::fmt::Write as _;

use async_trait::async_trait;
use chairsync_proto::pms::{PatientChangeWrite, PatientField};
use mesh::Refusal;
use mysql_async::{Row, prelude::Queryable as _};
use serde_json::{Map, Value, json};

use super::{
    super::{
        api::Call,
        faults::within,
        session::{ANSWER_LIMIT, Session},
    },
    Kind, conflict,
    fields::{key, text},
    steps::{Known, Seen},
    tagged::Tag,
};

/// Fields of one change.
const FIELDS_MAX: usize = 9;

pub(super) struct PatientChange {
    patient: i64,
    /// Column, old value, new value.
    changes: Vec<(&'static str, String, String)>,
}

impl PatientChange {
    pub(super) fn new(asked: PatientChangeWrite) -> Result<Self, Refusal> {
        key("patient_change.patient", asked.patient)?;
        let field = "content.patient_change.changes";
        if !(1..=FIELDS_MAX).contains(&asked.changes.len()) {
            return Err(Refusal::invalid(field, "must be 1 to 9 fields"));
        }
        let mut changes: Vec<(&'static str, String, String)> = Vec::new();
        for change in asked.changes {
            let (column, most) = column(change.field())
                .ok_or_else(|| Refusal::invalid("content.patient_change.changes.field", "must name a field"))?;
            if changes.iter().any(|(named, ..)| *named == column) {
                return Err(Refusal::invalid(field, "must name each field once"));
            }
            let to = text("patient_change.changes.to", change.to.trim().to_owned(), most)?;
            changes.push((column, change.from.trim().to_owned(), to));
        }
        Ok(Self { patient: asked.patient, changes })
    }

    /// What is to be sent over what is there.
    fn seen(&self, held: &[String]) -> Seen {
        let mut body = Map::new();
        for ((column, from, to), held) in self.changes.iter().zip(held) {
            if held.trim() == to {
                continue;
            }
            if held.trim() != from {
                return Seen::Conflict(conflict(format!(
                    "{column} was changed in the PMS meanwhile; look at it again"
                )));
            }
            body.insert((*column).to_owned(), json!(to));
        }
        match body.is_empty() {
            true => Seen::there(self.patient),
            false => Seen::Missing(Call::put(format!("/patients/{}", self.patient), Value::Object(body))),
        }
    }
}

/// A field's column and its longest value.
fn column(field: PatientField) -> Option<(&'static str, usize)> {
    Some(match field {
        PatientField::Unspecified => return None,
        PatientField::Address => ("Address", 100),
        PatientField::Address2 => ("Address2", 100),
        PatientField::City => ("City", 100),
        PatientField::State => ("State", 100),
        PatientField::Zip => ("Zip", 100),
        PatientField::HomePhone => ("HmPhone", 30),
        PatientField::WorkPhone => ("WkPhone", 30),
        PatientField::MobilePhone => ("WirelessPhone", 30),
        PatientField::Email => ("Email", 100),
    })
}

#[async_trait]
impl Kind for PatientChange {
    async fn look(&self, session: &mut Session, _: &Tag, _: Known) -> Result<Seen, Refusal> {
        let mut sql = "SELECT ".to_owned();
        for (place, (column, ..)) in self.changes.iter().enumerate() {
            // Writing to a String does not fail.
            let _ = write!(sql, "{}{column}", if place == 0 { "" } else { ", " });
        }
        sql.push_str(" FROM patient WHERE PatNum = ? AND PatStatus <> 4");
        let row: Option<Row> = within(ANSWER_LIMIT, session.conn.exec_first(sql, (self.patient,))).await?;
        let Some(row) = row else { return Ok(Seen::Conflict(conflict("the patient is not in the PMS"))) };
        let held = |place| row.get_opt::<String, _>(place).and_then(Result::ok).unwrap_or_default();
        let held: Vec<String> = (0..self.changes.len()).map(held).collect();
        Ok(self.seen(&held))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use chairsync_proto::pms::FieldChange;

    use super::*;

    fn change(fields: &[(PatientField, &str, &str)]) -> PatientChange {
        let changes = fields.iter().map(|(field, from, to)| FieldChange {
            field: (*field).into(),
            from: (*from).to_owned(),
            to: (*to).to_owned(),
        });
        PatientChange::new(PatientChangeWrite { patient: 4, changes: changes.collect() }).unwrap()
    }

    #[test]
    fn only_what_differs_is_sent_and_only_over_what_was_seen() {
        let change = change(&[(PatientField::City, "Ulm", "Bonn"), (PatientField::Zip, "1", "2")]);
        let seen = |held: [&str; 2]| change.seen(&held.map(str::to_owned));
        let Seen::Missing(call) = seen(["Bonn", "1"]) else { panic!("one is missing") };
        assert_eq!((call.path.as_str(), call.body), ("/patients/4", json!({"Zip": "2"})));
        assert!(matches!(seen(["Bonn", "2"]), Seen::There(_)));
        let Seen::Conflict(refusal) = seen(["Köln", "1"]) else { panic!("a conflict") };
        assert!(refusal.message.starts_with("City") && !refusal.message.contains("Köln"));
    }
}
