//! A payment. The PMS makes its splits; they are read back and must sum to the amount.

use async_trait::async_trait;
use chairsync_proto::pms::PaymentWrite;
use jiff::civil::Date;
use mesh::Refusal;
use serde_json::json;

use super::{
    super::{api::Call, session::Session},
    Kind, conflict,
    fields::{amount, cents, date, key, key_or_none, text, to_cents},
    splits,
    steps::{Found, Known, Seen},
    tagged::{Place, Tag, find},
};

/// Where payments are. A refund has the note of what it gives back, and so its tag: only what is paid counts.
const PAYMENTS: Place = Place {
    table: "payment",
    key: "PayNum",
    text: "PayNote",
    columns: "PayAmt, CAST(PayDate AS CHAR)",
    changed: "SecDateTEdit",
    only: "PayAmt > 0",
};

pub(super) struct Payment {
    asked: PaymentWrite,
    date: Date,
}

impl Payment {
    pub(super) fn new(mut asked: PaymentWrite) -> Result<Self, Refusal> {
        key("payment.patient", asked.patient)?;
        cents("payment.cents", asked.cents)?;
        key_or_none("payment.pay_type", asked.pay_type)?;
        key_or_none("payment.clinic", asked.clinic)?;
        asked.note = text("payment.note", asked.note, 500)?;
        let date = date("payment.pay_date", &asked.pay_date)?;
        Ok(Self { asked, date })
    }

    fn call(&self, tag: &Tag) -> Call {
        let mut body = json!({
            "PatNum": self.asked.patient,
            "PayAmt": amount(self.asked.cents),
            "PayDate": self.date.to_string(),
            "PayNote": tag.end(&self.asked.note),
        });
        if self.asked.pay_type != 0 {
            body["PayType"] = json!(self.asked.pay_type);
        }
        if self.asked.clinic != 0 {
            body["ClinicNum"] = json!(self.asked.clinic);
        }
        if self.asked.prepayment {
            body["isPrepayment"] = json!("true");
        }
        if self.asked.patient_preferred {
            body["isPatientPreferred"] = json!("true");
        }
        Call::post("/payments", body)
    }
}

#[async_trait]
impl Kind for Payment {
    async fn look(&self, session: &mut Session, tag: &Tag, known: Known) -> Result<Seen, Refusal> {
        let found = match find(session, PAYMENTS, self.asked.patient, tag, known).await? {
            Ok(found) => found,
            Err(refusal) => return Ok(Seen::Conflict(refusal)),
        };
        let Some(found) = found else { return Ok(Seen::Missing(self.call(tag))) };
        let held: f64 = found.row.get(3).unwrap_or_default();
        let on: String = found.row.get(4).unwrap_or_default();
        if to_cents(held) != self.asked.cents || on != self.date.to_string() {
            let number = found.key;
            return Ok(Seen::Conflict(conflict(format!(
                "the PMS holds it with another amount or date, as PayNum {number}: mend it there"
            ))));
        }
        let splits = splits::of(session, found.key).await?;
        if splits::sum(&splits) != self.asked.cents {
            let number = found.key;
            return Ok(Seen::Conflict(conflict(format!(
                "the splits of PayNum {number} do not sum to its amount: mend them in the PMS"
            ))));
        }
        Ok(Seen::There(Found { key: found.key.to_string(), splits }))
    }
}
