//! The exact splits of a payment, in place of those that the PMS made.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chairsync_proto::pms::{AllocationWrite, WrittenSplit};
use mesh::Refusal;
use mysql_async::prelude::Queryable as _;
use serde_json::{Value, json};

use super::{
    super::{
        api::Call,
        faults::within,
        session::{ANSWER_LIMIT, Session},
    },
    Kind, conflict,
    fields::{amount, cents, key, to_cents},
    splits,
    steps::{Found, Known, Seen},
    tagged::Tag,
    version,
};

/// The first version whose API takes exact splits.
const SINCE: [u32; 3] = [25, 1, 11];
/// Procedures of one payment.
const PARTS_MAX: usize = 200;

pub(super) struct Allocation {
    asked: AllocationWrite,
    /// Procedure → cents.
    wanted: BTreeMap<i64, i64>,
}

impl Allocation {
    pub(super) fn new(asked: AllocationWrite) -> Result<Self, Refusal> {
        key("allocation.payment", asked.payment)?;
        key("allocation.patient", asked.patient)?;
        if !(1..=PARTS_MAX).contains(&asked.amounts.len()) {
            return Err(Refusal::invalid("content.allocation.amounts", "must be 1 to 200 procedures with amounts"));
        }
        let mut wanted = BTreeMap::new();
        for part in &asked.amounts {
            key("allocation.amounts.procedure", part.procedure)?;
            if wanted.insert(part.procedure, cents("allocation.amounts.cents", part.cents)?).is_some() {
                return Err(Refusal::invalid("content.allocation.amounts", "must name each procedure once"));
            }
        }
        Ok(Self { asked, wanted })
    }

    fn is_so(&self, splits: &[WrittenSplit]) -> bool {
        let mut held = BTreeMap::new();
        for split in splits {
            *held.entry(split.procedure).or_insert(0) += split.cents;
        }
        held == self.wanted
    }
}

#[async_trait]
impl Kind for Allocation {
    async fn look(&self, session: &mut Session, _: &Tag, _: Known) -> Result<Seen, Refusal> {
        const READ: &str = "SELECT PayAmt FROM payment WHERE PayNum = ? AND PatNum = ?";
        let query = session.conn.exec_first(READ, (self.asked.payment, self.asked.patient));
        let paid: Option<f64> = within(ANSWER_LIMIT, query).await?;
        let Some(paid) = paid else {
            return Ok(Seen::Conflict(conflict("the payment is not among the patient's in the PMS")));
        };
        if to_cents(paid) != self.wanted.values().sum::<i64>() {
            return Ok(Seen::Conflict(conflict("the amounts do not sum to the payment in the PMS")));
        }
        let splits = splits::of(session, self.asked.payment).await?;
        if self.is_so(&splits) {
            return Ok(Seen::There(Found { key: self.asked.payment.to_string(), splits }));
        }
        version::at_least(session, SINCE, "allocate the payment in the PMS by hand").await?;
        // The API's numbers may be texts: no cent gets lost on the way.
        let part = |(procedure, cents): (&i64, &i64)| json!({"ProcNum": procedure, "Amount": amount(*cents)});
        let parts: Vec<Value> = self.wanted.iter().map(part).collect();
        let path = format!("/payments/{}/Partial", self.asked.payment);
        Ok(Seen::Missing(Call::put(path, json!({"procNumsAndAmounts": parts}))))
    }

    fn excludes(&self) -> Option<String> {
        Some(format!("payment/{}", self.asked.payment))
    }
}
