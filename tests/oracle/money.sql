-- Question: production, write-offs and collections of [@from, @to].  Grain: one row.
-- Source: features.md §1 gross_production … collections, scheduled_production; books.md "Production and income"; example 1.
SET @gross = (SELECT COALESCE(SUM(fee), 0) FROM o_proc WHERE done AND ProcDate BETWEEN @from AND @to)
  - (SELECT COALESCE(SUM(CAST(c.WriteOff AS DECIMAL(18,4))), 0) FROM claimproc c JOIN o_proc x ON x.ProcNum = c.ProcNum
     WHERE c.Status = 7 AND x.done AND x.ProcDate BETWEEN @from AND @to);
SET @adj = (SELECT COALESCE(SUM(CAST(AdjAmt AS DECIMAL(18,4))), 0) FROM adjustment WHERE AdjDate BETWEEN @from AND @to);
SET @wo = (SELECT COALESCE(SUM(CAST(WriteOff AS DECIMAL(18,4))), 0) FROM claimproc WHERE IF(@wo_basis = 1,
  Status IN (0, 1, 4) AND ProcDate BETWEEN @from AND @to, Status IN (1, 4) AND DateCP BETWEEN @from AND @to));
SET @patient = (SELECT COALESCE(SUM(CAST(s.SplitAmt AS DECIMAL(18,4))), 0) FROM paysplit s JOIN payment p ON p.PayNum = s.PayNum
  WHERE s.UnearnedType = 0 AND p.PayDate BETWEEN @from AND @to);
SET @insurance = (SELECT COALESCE(SUM(CAST(c.InsPayAmt AS DECIMAL(18,4))), 0) FROM claimproc c
  JOIN claimpayment k ON k.ClaimPaymentNum = c.ClaimPaymentNum WHERE c.Status IN (1, 4) AND k.CheckDate BETWEEN @from AND @to);
SET @unearned = (SELECT COALESCE(SUM(CAST(s.SplitAmt AS DECIMAL(18,4))), 0) FROM paysplit s JOIN payment p ON p.PayNum = s.PayNum
  WHERE s.UnearnedType <> 0 AND p.PayDate BETWEEN @from AND @to
    AND NOT EXISTS (SELECT * FROM definition d WHERE d.DefNum = s.UnearnedType AND d.ItemValue <> ''));
SELECT ROUND(@gross, 2) AS gross_production, ROUND(@adj, 2) AS adjustments, ROUND(@wo, 2) AS write_offs,
  ROUND(@gross + @adj - @wo, 2) AS net_production, ROUND(@patient, 2) AS patient_collections,
  ROUND(@insurance, 2) AS insurance_collections, ROUND(@patient + @insurance, 2) AS collections, ROUND(@unearned, 2) AS unearned;
