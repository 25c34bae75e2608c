-- Question: which amounts does production and income count in [@from, @to] of provider @prov (0: all)?  Grain: one row each.
-- Source: books.md "Production and income"; features.md §1. Needs rows.sql.
CREATE OR REPLACE TEMPORARY TABLE o_entry (kind VARCHAR(20), KEY (day), KEY (prov)) AS
SELECT 'procedure' AS kind, x.ProcDate AS day, x.ProcNum AS id, x.PatNum AS pat, x.ProvNum AS prov, x.ProcNum AS proc, 0 AS def, x.fee AS amount
FROM o_proc x WHERE x.done AND x.ProcDate BETWEEN @from AND @to
UNION ALL
SELECT 'capitation', x.ProcDate, c.ClaimProcNum, x.PatNum, x.ProvNum, x.ProcNum, 0, -CAST(c.WriteOff AS DECIMAL(18,4))
FROM claimproc c JOIN o_proc x ON x.ProcNum = c.ProcNum WHERE c.Status = 7 AND x.done AND CAST(c.WriteOff AS DECIMAL(18,4)) <> 0 AND x.ProcDate BETWEEN @from AND @to
UNION ALL
SELECT 'adjustment', AdjDate, AdjNum, PatNum, ProvNum, ProcNum, AdjType, CAST(AdjAmt AS DECIMAL(18,4)) FROM adjustment WHERE AdjDate BETWEEN @from AND @to
UNION ALL
SELECT 'write-off', IF(@wo_basis = 1, ProcDate, DateCP), ClaimProcNum, PatNum, ProvNum, ProcNum, 0, CAST(WriteOff AS DECIMAL(18,4)) FROM claimproc
WHERE CAST(WriteOff AS DECIMAL(18,4)) <> 0
  AND IF(@wo_basis = 1, Status IN (0, 1, 4) AND ProcDate BETWEEN @from AND @to, Status IN (1, 4) AND DateCP BETWEEN @from AND @to)
UNION ALL
SELECT IF(s.UnearnedType = 0, 'payment', 'prepayment'), p.PayDate, s.SplitNum, s.PatNum, s.ProvNum, s.ProcNum,
  IF(s.UnearnedType = 0, p.PayType, s.UnearnedType), CAST(s.SplitAmt AS DECIMAL(18,4))
FROM paysplit s JOIN payment p ON p.PayNum = s.PayNum WHERE p.PayDate BETWEEN @from AND @to
  AND NOT EXISTS (SELECT * FROM definition d WHERE d.DefNum = s.UnearnedType AND d.Category = 29 AND d.ItemValue <> '')
UNION ALL
SELECT 'insurance payment', k.CheckDate, c.ClaimProcNum, c.PatNum, c.ProvNum, c.ProcNum, 0, CAST(c.InsPayAmt AS DECIMAL(18,4))
FROM claimproc c JOIN claimpayment k ON k.ClaimPaymentNum = c.ClaimPaymentNum
WHERE c.Status IN (1, 4) AND CAST(c.InsPayAmt AS DECIMAL(18,4)) <> 0 AND k.CheckDate BETWEEN @from AND @to;
DELETE FROM o_entry WHERE @prov <> 0 AND prov <> @prov;

CREATE OR REPLACE TEMPORARY TABLE o_person (PRIMARY KEY (PatNum)) AS
SELECT PatNum, CONCAT_WS(', ', NULLIF(LName, ''), NULLIF(IF(Preferred <> '', Preferred, FName), '')) AS name,
  COALESCE(NULLIF(WirelessPhone, ''), NULLIF(HmPhone, ''), WkPhone) AS phone FROM patient;
