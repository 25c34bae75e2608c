-- Question: how long after the service did the money of [@from, @to] come?  Grain: source (patient, insurance).
-- Source: features.md §1 payment_timeliness.
SELECT source,
  ROUND(SUM(IF(days <= 0, amount, 0)), 2) AS to_0, ROUND(SUM(IF(days BETWEEN 1 AND 30, amount, 0)), 2) AS to_30,
  ROUND(SUM(IF(days BETWEEN 31 AND 60, amount, 0)), 2) AS to_60, ROUND(SUM(IF(days BETWEEN 61 AND 90, amount, 0)), 2) AS to_90,
  ROUND(SUM(IF(days > 90, amount, 0)), 2) AS over_90, ROUND(SUM(IF(days IS NULL, amount, 0)), 2) AS unallocated,
  COALESCE(CAST(FLOOR(SUM(amount * days) / SUM(IF(days IS NULL, 0, amount)) * 10 + 0.5) / 10 AS DECIMAL(20,1)), '') AS mean_days
FROM (
  SELECT 'patient' AS source, CAST(s.SplitAmt AS DECIMAL(18,4)) AS amount, DATEDIFF(p.PayDate, x.ProcDate) AS days
  FROM paysplit s JOIN payment p ON p.PayNum = s.PayNum LEFT JOIN o_proc x ON x.ProcNum = s.ProcNum
  WHERE s.UnearnedType = 0 AND p.PayDate BETWEEN @from AND @to
  UNION ALL
  SELECT 'insurance', CAST(c.InsPayAmt AS DECIMAL(18,4)), IF(c.ProcDate > '0001-01-01', DATEDIFF(k.CheckDate, c.ProcDate), NULL)
  FROM claimproc c JOIN claimpayment k ON k.ClaimPaymentNum = c.ClaimPaymentNum
  WHERE c.Status IN (1, 4) AND k.CheckDate BETWEEN @from AND @to
) m WHERE amount > 0 GROUP BY source;
