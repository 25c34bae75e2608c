//! The parts that the PMS made of a payment.

use chairsync_proto::pms::WrittenSplit;
use mesh::Refusal;
use mysql_async::prelude::Queryable as _;

use super::{
    super::{
        faults::within,
        session::{ANSWER_LIMIT, Session},
    },
    fields::to_cents,
};

type Split = (i64, i64, i64, i64, f64, i64, i64);

/// Reads them, in the order in which the PMS made them.
pub(super) async fn of(session: &mut Session, payment: i64) -> Result<Vec<WrittenSplit>, Refusal> {
    const READ: &str = "SELECT SplitNum, PatNum, ProcNum, ProvNum, SplitAmt, UnearnedType, PayPlanNum FROM paysplit \
                        WHERE PayNum = ? ORDER BY SplitNum";
    let rows: Vec<Split> = within(ANSWER_LIMIT, session.conn.exec(READ, (payment,))).await?;
    let split = |(split, patient, procedure, provider, amount, unearned_type, payment_plan): Split| WrittenSplit {
        split,
        patient,
        procedure,
        provider,
        cents: to_cents(amount),
        unearned_type,
        payment_plan,
    };
    Ok(rows.into_iter().map(split).collect())
}

/// Their sum in cents.
pub(super) fn sum(splits: &[WrittenSplit]) -> i64 {
    splits.iter().map(|split| split.cents).sum()
}
