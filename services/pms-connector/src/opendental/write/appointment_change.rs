//! A change of an appointment: moved, confirmed, broken, a line under its note.

use async_trait::async_trait;
use chairsync_proto::pms::{AppointmentChangeWrite, MoveAppointment, appointment_change_write::Change};
use jiff::civil::DateTime;
use mesh::Refusal;
use mysql_async::prelude::Queryable as _;
use serde_json::json;

use super::{
    super::{
        api::Call,
        faults::within,
        session::{ANSWER_LIMIT, Session},
    },
    Kind, chair, conflict,
    fields::{key, key_or_none, some_text, time, time_text},
    steps::{Known, Seen},
    tagged::Tag,
};

const SCHEDULED: i64 = 1;
const UNSCHEDULED_LIST: i64 = 3;
const BROKEN: i64 = 5;

pub(super) struct AppointmentChange {
    asked: AppointmentChangeWrite,
    change: Change,
    /// Where it goes, when it is moved.
    to: Option<DateTime>,
}

/// An appointment as it is.
struct Current {
    status: i64,
    operatory: i64,
    start: String,
    pattern: String,
    provider: i64,
    confirmed: i64,
    note: String,
}

impl AppointmentChange {
    pub(super) fn new(mut asked: AppointmentChangeWrite) -> Result<Self, Refusal> {
        key("appointment_change.appointment", asked.appointment)?;
        key("appointment_change.patient", asked.patient)?;
        if !asked.seen_start.is_empty() {
            time("appointment_change.seen_start", &asked.seen_start)?;
        }
        let mut to = None;
        let change = match asked.change.take() {
            None => return Err(Refusal::invalid("content.appointment_change.change", "must say what is changed")),
            Some(Change::Move(place)) => {
                to = Some(time("appointment_change.move.start", &place.start)?);
                key_or_none("appointment_change.move.operatory", place.operatory)?;
                key_or_none("appointment_change.move.provider", place.provider)?;
                Change::Move(place)
            }
            Some(Change::Confirm(number)) => Change::Confirm(key("appointment_change.confirm", number)?),
            Some(Change::Break(how)) => Change::Break(how),
            Some(Change::NoteLine(line)) => Change::NoteLine(some_text("appointment_change.note_line", line, 500)?),
        };
        Ok(Self { asked, change, to })
    }

    fn there(&self) -> Seen {
        Seen::there(self.asked.appointment)
    }

    fn put(&self, verb: &str, body: serde_json::Value) -> Seen {
        Seen::Missing(Call::put(format!("/appointments/{}{verb}", self.asked.appointment), body))
    }

    async fn moved(
        &self,
        session: &mut Session,
        current: &Current,
        place: &MoveAppointment,
        to: DateTime,
    ) -> Result<Seen, Refusal> {
        let start = time_text(to);
        let operatory = if place.operatory == 0 { current.operatory } else { place.operatory };
        let provider = if place.provider == 0 { current.provider } else { place.provider };
        let others = chair::taken(session, operatory, to, &current.pattern, self.asked.appointment).await?;
        let mut body = json!({});
        if start != current.start {
            body["AptDateTime"] = json!(start);
        }
        if operatory != current.operatory {
            body["Op"] = json!(operatory);
        }
        if provider != current.provider {
            body["ProvNum"] = json!(provider);
        }
        if body.as_object().is_some_and(serde_json::Map::is_empty) {
            return Ok(match others.is_empty() {
                true => self.there(),
                false => Seen::Conflict(conflict("the chair holds another appointment at that time: move one of them")),
            });
        }
        if let Some(seen) = self.stale(current) {
            return Ok(seen);
        }
        if !others.is_empty() {
            return Ok(Seen::Conflict(conflict("the chair is taken at that time; choose another slot")));
        }
        Ok(self.put("", body))
    }

    /// A conflict where the appointment is not what whoever asks has seen, or can no longer be changed.
    fn stale(&self, current: &Current) -> Option<Seen> {
        if !self.asked.seen_start.is_empty() && self.asked.seen_start != current.start {
            return Some(Seen::Conflict(conflict("the appointment was moved in the PMS meanwhile; look at it again")));
        }
        let message = "the appointment is no longer scheduled in the PMS; look at it again";
        (current.status != SCHEDULED).then(|| Seen::Conflict(conflict(message)))
    }
}

async fn read(session: &mut Session, appointment: i64, patient: i64) -> Result<Option<Current>, Refusal> {
    const READ: &str = "SELECT AptStatus, Op, CAST(AptDateTime AS CHAR), Pattern, ProvNum, Confirmed, COALESCE(Note, '') \
                        FROM appointment WHERE AptNum = ? AND PatNum = ?";
    let row: Option<(i64, i64, String, String, i64, i64, String)> =
        within(ANSWER_LIMIT, session.conn.exec_first(READ, (appointment, patient))).await?;
    Ok(row.map(|(status, operatory, start, pattern, provider, confirmed, note)| Current {
        status,
        operatory,
        start,
        pattern,
        provider,
        confirmed,
        note,
    }))
}

#[async_trait]
impl Kind for AppointmentChange {
    async fn look(&self, session: &mut Session, tag: &Tag, _: Known) -> Result<Seen, Refusal> {
        let Some(current) = read(session, self.asked.appointment, self.asked.patient).await? else {
            return Ok(Seen::Conflict(conflict("the appointment is not among the patient's in the PMS")));
        };
        match (&self.change, self.to) {
            (Change::Move(place), Some(to)) => self.moved(session, &current, place, to).await,
            (Change::Confirm(number), _) if current.confirmed == *number => Ok(self.there()),
            (Change::Confirm(number), _) => {
                Ok(self.stale(&current).unwrap_or_else(|| self.put("/Confirm", json!({"defNum": number}))))
            }
            (Change::Break(how), _) => {
                let wanted = if how.unscheduled_list { UNSCHEDULED_LIST } else { BROKEN };
                if current.status == wanted {
                    return Ok(self.there());
                }
                let body = json!({"sendToUnscheduledList": if how.unscheduled_list { "true" } else { "false" }});
                Ok(self.stale(&current).unwrap_or_else(|| self.put("/Break", body)))
            }
            (Change::NoteLine(_), _) if tag.is_in(&current.note) => {
                Ok(match current.note.matches(tag.text()).count() {
                    1 => self.there(),
                    _ => Seen::Conflict(conflict("the line stands in the appointment's note twice: take one away")),
                })
            }
            (Change::NoteLine(line), _) => Ok(self.put("/Note", json!({"Note": tag.end(line)}))),
            // A move has its time: it was checked when it was made.
            (Change::Move(_), None) => Err(Refusal::internal("an appointment's move has no time")),
        }
    }

    fn excludes(&self) -> Option<String> {
        match &self.change {
            Change::Move(place) if place.operatory != 0 => Some(format!("chair/{}", place.operatory)),
            _ => None,
        }
    }
}
