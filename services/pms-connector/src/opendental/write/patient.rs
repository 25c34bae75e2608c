//! A new patient. The PMS has no place for our key on one: a patient with the same name and birthdate is a conflict, unless
//! an earlier attempt may have made it and its contacts are those that were sent.

use async_trait::async_trait;
use chairsync_proto::pms::PatientWrite;
use jiff::civil::Date;
use mesh::Refusal;
use mysql_async::prelude::Queryable as _;
use serde_json::json;

use super::{
    super::{
        api::Call,
        faults::within,
        session::{ANSWER_LIMIT, Session},
    },
    Kind, conflict,
    fields::{date, some_text, text},
    steps::{Known, Seen},
    tagged::Tag,
};

pub(super) struct Patient {
    asked: PatientWrite,
    birthdate: Date,
}

impl Patient {
    pub(super) fn new(mut asked: PatientWrite) -> Result<Self, Refusal> {
        asked.last_name = some_text("patient.last_name", asked.last_name, 100)?.trim().to_owned();
        asked.first_name = some_text("patient.first_name", asked.first_name, 100)?.trim().to_owned();
        asked.mobile_phone = text("patient.mobile_phone", asked.mobile_phone, 30)?;
        asked.email = text("patient.email", asked.email, 100)?;
        let birthdate = date("patient.birthdate", &asked.birthdate)?;
        Ok(Self { asked, birthdate })
    }

    fn call(&self) -> Call {
        let asked = &self.asked;
        let mut body = json!({
            "LName": asked.last_name,
            "FName": asked.first_name,
            "Birthdate": self.birthdate.to_string(),
        });
        for (field, value) in [("WirelessPhone", &asked.mobile_phone), ("Email", &asked.email)] {
            if !value.is_empty() {
                body[field] = json!(value);
            }
        }
        Call::post("/patients", body)
    }
}

#[async_trait]
impl Kind for Patient {
    async fn look(&self, session: &mut Session, _: &Tag, known: Known) -> Result<Seen, Refusal> {
        const READ: &str = "SELECT PatNum, WirelessPhone, Email FROM patient \
                            WHERE LName = ? AND FName = ? AND Birthdate = ? AND PatStatus <> 4 LIMIT 3";
        let asked = (self.asked.last_name.clone(), self.asked.first_name.clone(), self.birthdate.to_string());
        let rows: Vec<(i64, String, String)> = within(ANSWER_LIMIT, session.conn.exec(READ, asked)).await?;
        let same =
            |phone: &str, email: &str| digits(phone) == digits(&self.asked.mobile_phone) && email == self.asked.email;
        Ok(match rows.as_slice() {
            [] => Seen::Missing(self.call()),
            [(number, phone, email)] if known == Known::PerhapsSent && same(phone, email) => Seen::there(*number),
            _ => Seen::Conflict(conflict(
                "the PMS has a patient of this name and birthdate: staff must say whether it is the same one",
            )),
        })
    }

    fn excludes(&self) -> Option<String> {
        Some(format!("patient/{}/{}/{}", self.asked.last_name, self.asked.first_name, self.birthdate))
    }
}

/// A phone number without what people put between its digits.
fn digits(phone: &str) -> String {
    phone.chars().filter(char::is_ascii_digit).collect()
}
