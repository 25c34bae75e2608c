//! What a family owes, charge by charge, oldest first.

use mysql_async::{Conn, prelude::Queryable as _};

/// A completed procedure with something outstanding.
#[derive(Debug, Clone)]
pub(super) struct Charge {
    pub procedure: i64,
    pub patient: i64,
    pub provider: i64,
    pub clinic: i64,
    pub date: String,
    pub cents: i64,
}

/// The outstanding charges of a patient's family, or of the patient alone: the fee with its adjustments, less what was paid,
/// what insurance paid and wrote off, and what it is estimated to.
pub(super) async fn outstanding(conn: &mut Conn, patient: i64, alone: bool) -> mysql_async::Result<Vec<Charge>> {
    const READ: &str = "SELECT p.ProcNum, p.PatNum, p.ProvNum, p.ClinicNum, CAST(p.ProcDate AS CHAR), \
        p.ProcFee * (p.UnitQty + p.BaseUnits) \
        + COALESCE((SELECT SUM(a.AdjAmt) FROM adjustment a WHERE a.ProcNum = p.ProcNum), 0) \
        - COALESCE((SELECT SUM(s.SplitAmt) FROM paysplit s WHERE s.ProcNum = p.ProcNum), 0) \
        - COALESCE((SELECT SUM(c.InsPayAmt + c.WriteOff) FROM claimproc c \
                    WHERE c.ProcNum = p.ProcNum AND c.Status IN (1, 4, 5, 7)), 0) \
        - COALESCE((SELECT SUM(c.InsPayEst + c.WriteOff) FROM claimproc c \
                    WHERE c.ProcNum = p.ProcNum AND c.Status = 0), 0) \
        FROM procedurelog p JOIN patient f ON f.PatNum = p.PatNum \
        WHERE f.Guarantor = (SELECT Guarantor FROM patient WHERE PatNum = ?) AND (? = 0 OR p.PatNum = ?) \
        AND p.ProcStatus = 2 ORDER BY p.ProcDate, p.ProcNum";
    let only = if alone { patient } else { 0 };
    let rows: Vec<(i64, i64, i64, i64, String, f64)> = conn.exec(READ, (patient, only, only)).await?;
    let charge = |(procedure, patient, provider, clinic, date, owed): (i64, i64, i64, i64, String, f64)| {
        let cents = (owed * 100.0).round() as i64;
        Charge { procedure, patient, provider, clinic, date, cents }
    };
    Ok(rows.into_iter().map(charge).filter(|charge| charge.cents > 0).collect())
}
