//! An appointment to be made. The API does not refuse a taken chair: it is looked at before and after, and an appointment
//! that came second goes onto the unscheduled list.

use async_trait::async_trait;
use chairsync_proto::pms::AppointmentWrite;
use jiff::civil::DateTime;
use mesh::Refusal;
use serde_json::json;

use super::{
    super::{api::Call, session::Session},
    Kind, chair, conflict,
    fields::{key, key_or_none, text, time, time_text},
    steps::{Known, Seen},
    tagged::{Place, Tag, Tagged, find},
};

/// Where appointments are.
const APPOINTMENTS: Place = Place {
    table: "appointment",
    key: "AptNum",
    text: "Note",
    columns: "AptStatus, Op, CAST(AptDateTime AS CHAR), CAST(SecDateTEntry AS CHAR)",
    changed: "DateTStamp",
    only: "TRUE",
};
/// The longest pattern that the PMS keeps: 9 hours.
const PATTERN_MAX: usize = 108;
const SCHEDULED: i64 = 1;
const UNSCHEDULED_LIST: i64 = 3;

pub(super) struct Appointment {
    asked: AppointmentWrite,
    start: DateTime,
}

/// Checks a pattern.
pub(super) fn check_pattern(field: &str, pattern: &str) -> Result<(), Refusal> {
    if !(1..=PATTERN_MAX).contains(&pattern.len()) || !pattern.bytes().all(|b| matches!(b, b'X' | b'/')) {
        return Err(Refusal::invalid(format!("content.{field}"), "must be 1 to 108 of X and /, each 5 minutes"));
    }
    Ok(())
}

impl Appointment {
    pub(super) fn new(mut asked: AppointmentWrite) -> Result<Self, Refusal> {
        key("appointment.patient", asked.patient)?;
        key("appointment.operatory", asked.operatory)?;
        for (field, value) in [
            ("appointment.provider", asked.provider),
            ("appointment.hygienist", asked.hygienist),
            ("appointment.appointment_type", asked.appointment_type),
            ("appointment.confirmed", asked.confirmed),
            ("appointment.clinic", asked.clinic),
        ] {
            key_or_none(field, value)?;
        }
        check_pattern("appointment.pattern", &asked.pattern)?;
        asked.note = text("appointment.note", asked.note, 500)?;
        let start = time("appointment.start", &asked.start)?;
        Ok(Self { asked, start })
    }

    fn call(&self, tag: &Tag) -> Call {
        let asked = &self.asked;
        let mut body = json!({
            "PatNum": asked.patient,
            "Op": asked.operatory,
            "AptDateTime": time_text(self.start),
            "Pattern": asked.pattern,
            "Note": tag.end(&asked.note),
        });
        for (field, value) in [
            ("ProvNum", asked.provider),
            ("ProvHyg", asked.hygienist),
            ("AppointmentTypeNum", asked.appointment_type),
            ("Confirmed", asked.confirmed),
            ("ClinicNum", asked.clinic),
        ] {
            if value != 0 {
                body[field] = json!(value);
            }
        }
        for (field, value) in [("IsHygiene", asked.hygiene), ("IsNewPatient", asked.new_patient)] {
            if value {
                body[field] = json!("true");
            }
        }
        Call::post("/appointments", body)
    }

    /// What is to be done about one that is there.
    async fn there(&self, session: &mut Session, found: Tagged) -> Result<Seen, Refusal> {
        let number = found.key;
        let status: i64 = found.row.get(3).unwrap_or_default();
        let operatory: i64 = found.row.get(4).unwrap_or_default();
        let start: String = found.row.get(5).unwrap_or_default();
        let entered: String = found.row.get(6).unwrap_or_default();
        if status == UNSCHEDULED_LIST {
            return Ok(Seen::Conflict(conflict(format!(
                "the chair was taken at the same moment: the appointment is on the unscheduled list, as AptNum {number}"
            ))));
        }
        if operatory != self.asked.operatory || start != time_text(self.start) {
            return Ok(Seen::Conflict(conflict(format!(
                "the PMS holds it at another time or chair, as AptNum {number}"
            ))));
        }
        let others = chair::taken(session, operatory, self.start, &self.asked.pattern, number).await?;
        let second = |other: &chair::Taken| (&other.entered, other.appointment) < (&entered, number);
        if status == SCHEDULED && others.iter().any(second) {
            let body = json!({"AptStatus": "UnschedList"});
            return Ok(Seen::Half(Call::put(format!("/appointments/{number}"), body)));
        }
        Ok(Seen::there(number))
    }
}

#[async_trait]
impl Kind for Appointment {
    async fn look(&self, session: &mut Session, tag: &Tag, known: Known) -> Result<Seen, Refusal> {
        match find(session, APPOINTMENTS, self.asked.patient, tag, known).await? {
            Err(refusal) => Ok(Seen::Conflict(refusal)),
            Ok(Some(found)) => self.there(session, found).await,
            Ok(None) => {
                let others = chair::taken(session, self.asked.operatory, self.start, &self.asked.pattern, 0).await?;
                match others.is_empty() {
                    true => Ok(Seen::Missing(self.call(tag))),
                    false => Ok(Seen::Conflict(conflict("the chair is taken at that time; choose another slot"))),
                }
            }
        }
    }

    fn excludes(&self) -> Option<String> {
        Some(format!("chair/{}", self.asked.operatory))
    }
}
