-- Report 8, on @to, which is @d.  Source: features.md §1 Receivables, §6; books.md. Needs entries.sql and aging.sql.
SELECT COALESCE(p.name, '') AS guarantor, a.fam AS guarantor_number, ROUND(a.age_0_30, 2) AS age_0_30, ROUND(a.age_31_60, 2) AS age_31_60,
  ROUND(a.age_61_90, 2) AS age_61_90, ROUND(a.age_over_90, 2) AS age_over_90, ROUND(a.total, 2) AS total,
  ROUND(COALESCE(i.est, 0), 2) AS insurance, ROUND(a.total - COALESCE(i.est, 0), 2) AS patient, y.day AS last_payment, COALESCE(p.phone, '') AS phone
FROM o_aging a LEFT JOIN o_person p ON p.PatNum = a.fam
LEFT JOIN (SELECT m.Guarantor, SUM(CAST(c.InsPayEst AS DECIMAL(18,4)) + CAST(c.WriteOff AS DECIMAL(18,4))) AS est
  FROM claimproc c JOIN o_pat m ON m.PatNum = c.PatNum WHERE c.Status = 0 OR (c.Status = 1 AND c.DateCP > @d) GROUP BY m.Guarantor) i ON i.Guarantor = a.fam
LEFT JOIN (SELECT m.Guarantor, MAX(y.PayDate) AS day FROM paysplit s JOIN payment y ON y.PayNum = s.PayNum JOIN o_pat m ON m.PatNum = s.PatNum
  WHERE y.PayDate <= @to AND y.PayAmt > 0 AND s.SplitAmt > 0 GROUP BY m.Guarantor) y ON y.Guarantor = a.fam
WHERE a.total > 0;
