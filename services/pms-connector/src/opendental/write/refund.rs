//! A payment given back whole.
//!
//! The API takes no key for a refund. It copies the payment's note, and with it the payment's tag: so the refund of a
//! payment that chairsync wrote is found by that tag and its negative amount, and is then marked with the refund's own tag.
//! A payment without a tag could not be found again for sure: staff refund it.

use async_trait::async_trait;
use chairsync_proto::pms::RefundWrite;
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
    fields::{cents, key, to_cents},
    rejected, splits,
    steps::{Found, Known, Seen},
    tagged::{Tag, first_tag},
    version,
};

/// The first version whose API refunds.
const SINCE: [u32; 3] = [24, 4, 28];
/// What is left to staff.
const BY_HAND: &str = "enter the refund in the PMS by hand";

pub(super) struct Refund(RefundWrite);

/// A payment or refund of the patient.
type Row = (i64, f64, String);

impl Refund {
    pub(super) fn new(asked: RefundWrite) -> Result<Self, Refusal> {
        key("refund.payment", asked.payment)?;
        key("refund.patient", asked.patient)?;
        cents("refund.cents", asked.cents)?;
        Ok(Self(asked))
    }

    /// What the payments of the patient say of it.
    fn seen(&self, rows: &[Row], tag: &Tag, known: Known) -> Result<Seen, Refusal> {
        let Some((_, paid, note)) = rows.iter().find(|(number, ..)| *number == self.0.payment) else {
            return Ok(Seen::Conflict(conflict("the payment is not among the patient's in the PMS")));
        };
        if to_cents(*paid) != self.0.cents {
            return Err(rejected(format!("the PMS's API refunds whole payments only: staff must {BY_HAND}")));
        }
        let Some(paid_tag) = first_tag(note) else {
            return Err(rejected(format!("the payment was not written by chairsync: staff must {BY_HAND}")));
        };
        let back = |row: &&Row| to_cents(row.1) == -self.0.cents && first_tag(&row.2) == Some(paid_tag);
        let refunds: Vec<&Row> = rows.iter().filter(back).collect();
        Ok(match refunds.as_slice() {
            [] => Seen::Missing(Call::post("/payments/Refund", json!({"PayNum": self.0.payment}))),
            [(number, _, note)] if tag.is_in(note) => Seen::there(*number),
            [(number, _, note)] if known == Known::PerhapsSent && note.trim_end().ends_with(paid_tag) => {
                Seen::Half(Call::put(format!("/payments/{number}"), json!({"PayNote": tag.end(note)})))
            }
            [(number, ..)] => {
                Seen::Conflict(conflict(format!("the payment was refunded already in the PMS, as PayNum {number}")))
            }
            [(first, ..), (second, ..), ..] => Seen::Conflict(conflict(format!(
                "the PMS holds the refund twice, as PayNum {first} and {second}: take one away there, then retry it"
            ))),
        })
    }
}

#[async_trait]
impl Kind for Refund {
    async fn look(&self, session: &mut Session, tag: &Tag, known: Known) -> Result<Seen, Refusal> {
        const READ: &str = "SELECT PayNum, PayAmt, COALESCE(PayNote, '') FROM payment WHERE PatNum = ?";
        let rows: Vec<Row> = within(ANSWER_LIMIT, session.conn.exec(READ, (self.0.patient,))).await?;
        let seen = self.seen(&rows, tag, known)?;
        match seen {
            Seen::Missing(call) => {
                version::at_least(session, SINCE, BY_HAND).await?;
                Ok(Seen::Missing(call))
            }
            Seen::There(found) => {
                let number: i64 = found.key.parse().unwrap_or_default();
                let splits = splits::of(session, number).await?;
                if splits::sum(&splits) != -self.0.cents {
                    return Ok(Seen::Conflict(conflict(format!(
                        "the splits of the refund, PayNum {number}, do not sum to its amount: mend them in the PMS"
                    ))));
                }
                Ok(Seen::There(Found { splits, ..found }))
            }
            conflict => Ok(conflict),
        }
    }

    fn excludes(&self) -> Option<String> {
        Some(format!("payment/{}", self.0.payment))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn seen(rows: &[(i64, f64, &str)], known: Known) -> Result<Seen, Refusal> {
        let rows: Vec<Row> = rows.iter().map(|(number, amount, note)| (*number, *amount, (*note).to_owned())).collect();
        let refund = Refund::new(RefundWrite { payment: 7, patient: 1, cents: 12_999 }).unwrap();
        refund.seen(&rows, &Tag::new("back").unwrap(), known)
    }

    #[test]
    fn a_refund_is_told_from_others_by_the_payments_tag_and_its_own() {
        let paid = (7, 129.99, "Online [cs:paid]");
        let fresh = |rows: &[(i64, f64, &str)]| seen(rows, Known::NeverSent).unwrap();
        let retried = |rows: &[(i64, f64, &str)]| seen(rows, Known::PerhapsSent).unwrap();
        assert!(matches!(fresh(&[paid, (8, -129.99, "cash")]), Seen::Missing(call) if call.path == "/payments/Refund"));
        let unmarked = [paid, (9, -129.99, "Online [cs:paid]")];
        assert!(matches!(fresh(&unmarked), Seen::Conflict(_)), "somebody else's");
        assert!(matches!(retried(&unmarked), Seen::Half(call) if call.path == "/payments/9"), "ours: to be marked");
        let marked = [paid, (9, -129.99, "Online [cs:paid] [cs:back]")];
        assert!(matches!(fresh(&marked), Seen::There(found) if found.key == "9"));
        let others = [paid, (9, -129.99, "Online [cs:paid] [cs:other]")];
        assert!(matches!(retried(&others), Seen::Conflict(_)));
        let twice = [paid, (9, -129.99, "Online [cs:paid]"), (10, -129.99, "Online [cs:paid] [cs:back]")];
        assert!(matches!(retried(&twice), Seen::Conflict(_)));
    }

    #[test]
    fn what_could_not_be_found_again_is_left_to_staff() {
        for rows in [[(7, 129.99, "by card")], [(7, 130.00, "Online [cs:paid]")]] {
            assert_eq!(seen(&rows, Known::NeverSent).unwrap_err().reason, mesh::ErrorReason::WriteRejected);
        }
        assert!(matches!(seen(&[(6, 129.99, "[cs:paid]")], Known::NeverSent).unwrap(), Seen::Conflict(_)));
    }
}
