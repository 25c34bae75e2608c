//! `/payments`. The office splits them: the family's oldest charges first, what is left over is unearned. Payment plans are
//! not modelled.

use mysql_async::{Conn, prelude::Queryable as _};
use serde_json::Value;

use super::{
    Called, Fault, bad,
    charges::{Charge, outstanding},
    given, missing, one,
};

/// `PaymentSource` of the API.
const SOURCE_API: i64 = 13;

/// `POST /payments`.
pub(super) async fn create(conn: &mut Conn, given: &Value) -> Called {
    if given["PayAmt"].is_null() {
        return bad("PayAmt is required.");
    }
    let cents = given::cents(&given["PayAmt"], "PayAmt")?;
    let (patient, _, clinic, provider) = given::patient(conn, given).await?;
    if cents == 0 {
        return bad("PayAmt cannot be zero.");
    }
    let pay_type = match given::number(given, "PayType")? {
        Some(number) => number,
        None => preference(conn, "ApiPaymentType").await?.unwrap_or(0),
    };
    let date = given::date(given, "PayDate")?;
    let clinic = given::number(given, "ClinicNum")?.unwrap_or(clinic);
    let amount = cents as f64 / 100.0;
    let note = given::text(given, "PayNote")?.unwrap_or_default();
    let check = given::text(given, "CheckNum")?.unwrap_or_default();
    const INSERT: &str = "INSERT INTO payment (PayType, PayDate, PayAmt, CheckNum, PayNote, PatNum, ClinicNum, DateEntry, \
                          PaymentSource, IsSplit) VALUES (?, COALESCE(?, CURDATE()), ?, ?, ?, ?, ?, CURDATE(), ?, 1)";
    conn.exec_drop(INSERT, (pay_type, date, amount, check, note, patient, clinic, SOURCE_API)).await?;
    let payment = last(conn);
    let mut left = cents;
    if !given::flag(given, "isPrepayment")? {
        let alone = given::flag(given, "isPatientPreferred")?;
        let wanted: Vec<i64> = given["procNums"].as_array().into_iter().flatten().filter_map(Value::as_i64).collect();
        for charge in outstanding(conn, patient, alone).await? {
            if left <= 0 {
                break;
            }
            if wanted.is_empty() || wanted.contains(&charge.procedure) {
                let part = charge.cents.min(left);
                split(conn, payment, &charge, part, 0).await?;
                left -= part;
            }
        }
    }
    if left != 0 {
        let unearned = preference(conn, "PrepaymentUnearnedType").await?.unwrap_or(0);
        let rest = Charge { procedure: 0, patient, provider, clinic, date: "0001-01-01".to_owned(), cents: left };
        split(conn, payment, &rest, left, unearned).await?;
    }
    one(conn, 201, "payments", "payment", "PayNum", payment).await
}

/// `POST /payments/Refund`: whole, with the note, check and splits of the payment, turned around.
pub(super) async fn refund(conn: &mut Conn, given: &Value) -> Called {
    let payment = given::needed(given, "PayNum")?;
    if version(conn).await? < [24, 4, 28] {
        return bad("The version of the office is not supported.");
    }
    const SPLITS: &str = "SELECT COUNT(*), COALESCE(SUM(SplitAmt < 0), 0), COALESCE(SUM(PayPlanNum <> 0), 0) \
                          FROM paysplit WHERE PayNum = ?";
    let paid: Option<i64> = conn.exec_first("SELECT PayNum FROM payment WHERE PayNum = ?", (payment,)).await?;
    if paid.is_none() {
        return missing("Payment");
    }
    let (_, negative, plans): (i64, i64, i64) = conn.exec_first(SPLITS, (payment,)).await?.unwrap_or_default();
    if negative > 0 {
        return bad("The payment has negative splits.");
    }
    if plans > 0 {
        return bad("The payment is attached to payment plans.");
    }
    const INSERT: &str = "INSERT INTO payment (PayType, PayDate, PayAmt, CheckNum, BankBranch, PayNote, PatNum, ClinicNum, \
                          DateEntry, PaymentSource, IsSplit) SELECT PayType, CURDATE(), -PayAmt, CheckNum, BankBranch, \
                          PayNote, PatNum, ClinicNum, CURDATE(), 0, 1 FROM payment WHERE PayNum = ?";
    conn.exec_drop(INSERT, (payment,)).await?;
    let refund = last(conn);
    const TURN: &str = "INSERT INTO paysplit (SplitAmt, PatNum, ProcDate, PayNum, ProvNum, DatePay, ProcNum, DateEntry, \
                        UnearnedType, ClinicNum) SELECT -SplitAmt, PatNum, ProcDate, ?, ProvNum, CURDATE(), ProcNum, \
                        CURDATE(), UnearnedType, ClinicNum FROM paysplit WHERE PayNum = ?";
    conn.exec_drop(TURN, (refund, payment)).await?;
    one(conn, 201, "payments", "payment", "PayNum", refund).await
}

/// `PUT /payments/{n}`.
pub(super) async fn update(conn: &mut Conn, payment: i64, given: &Value) -> Called {
    let (kind, note) = (given::number(given, "PayType")?, given::text(given, "PayNote")?);
    let check = given::text(given, "CheckNum")?;
    const UPDATE: &str = "UPDATE payment SET PayType = COALESCE(?, PayType), PayNote = COALESCE(?, PayNote), \
                          CheckNum = COALESCE(?, CheckNum) WHERE PayNum = ?";
    conn.exec_drop(UPDATE, (kind, note, check, payment)).await?;
    one(conn, 200, "payments", "payment", "PayNum", payment).await
}

/// `PUT /payments/{n}/Partial`: other splits in place of those that are there.
pub(super) async fn partial(conn: &mut Conn, payment: i64, given: &Value) -> Called {
    if version(conn).await? < [25, 1, 11] {
        return bad("The version of the office is not supported.");
    }
    let found: Option<(i64, f64)> =
        conn.exec_first("SELECT PatNum, PayAmt FROM payment WHERE PayNum = ?", (payment,)).await?;
    let Some((patient, amount)) = found else { return missing("Payment") };
    let parts = given["procNumsAndAmounts"].as_array().cloned().unwrap_or_default();
    if parts.is_empty() {
        return bad("procNumsAndAmounts is required.");
    }
    let mut wanted = Vec::new();
    for part in &parts {
        wanted.push((given::needed(part, "ProcNum")?, given::cents(&part["Amount"], "Amount")?));
    }
    if wanted.iter().map(|(_, cents)| cents).sum::<i64>() != (amount * 100.0).round() as i64 {
        return bad("The sum of Amount must equate to the PayAmt of the payment.");
    }
    conn.exec_drop("DELETE FROM paysplit WHERE PayNum = ?", (payment,)).await?;
    let charges = outstanding(conn, patient, false).await?;
    for (procedure, cents) in wanted {
        let Some(charge) = charges.iter().find(|charge| charge.procedure == procedure) else {
            return bad("ProcNum does not have an outstanding charge.");
        };
        split(conn, payment, charge, cents, 0).await?;
    }
    one(conn, 200, "payments", "payment", "PayNum", payment).await
}

async fn split(conn: &mut Conn, payment: i64, of: &Charge, cents: i64, unearned: i64) -> Result<(), Fault> {
    const INSERT: &str = "INSERT INTO paysplit (SplitAmt, PatNum, ProcDate, PayNum, ProvNum, DatePay, ProcNum, DateEntry, \
                          UnearnedType, ClinicNum) SELECT ?, ?, ?, PayNum, ?, PayDate, ?, CURDATE(), ?, ? FROM payment \
                          WHERE PayNum = ?";
    let amount = cents as f64 / 100.0;
    let (date, procedure) = (of.date.as_str(), of.procedure);
    conn.exec_drop(INSERT, (amount, of.patient, date, of.provider, procedure, unearned, of.clinic, payment)).await?;
    Ok(())
}

/// The key of the row that was inserted last.
pub(super) fn last(conn: &Conn) -> i64 {
    conn.last_insert_id().and_then(|number| i64::try_from(number).ok()).unwrap_or_default()
}

async fn preference(conn: &mut Conn, name: &str) -> Result<Option<i64>, Fault> {
    const READ: &str = "SELECT ValueString FROM preference WHERE PrefName = ?";
    let value: Option<String> = conn.exec_first(READ, (name,)).await?;
    Ok(value.and_then(|value| value.parse().ok()))
}

async fn version(conn: &mut Conn) -> Result<[u32; 3], Fault> {
    const READ: &str = "SELECT ValueString FROM preference WHERE PrefName = 'DataBaseVersion'";
    let said: String = conn.query_first(READ).await?.unwrap_or_default();
    let mut version = [0; 3];
    for (place, part) in version.iter_mut().zip(said.split('.')) {
        *place = part.parse().unwrap_or_default();
    }
    Ok(version)
}
