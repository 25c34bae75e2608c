-- Report 10, on @to.  Source: features.md §6; books.md "Insurance". Needs entries.sql.
CREATE OR REPLACE TEMPORARY TABLE o_pending AS
SELECT m.Guarantor AS fam, COALESCE(k.CarrierName, 'unassigned') AS carrier, c.ProcDate AS day, CAST(c.InsPayEst AS DECIMAL(18,4)) AS est
FROM claimproc c JOIN o_pat m ON m.PatNum = c.PatNum LEFT JOIN insplan i ON i.PlanNum = c.PlanNum LEFT JOIN carrier k ON k.CarrierNum = i.CarrierNum
WHERE (c.Status = 0 OR (c.Status = 1 AND c.DateCP > @to)) AND c.ProcDate <= @to AND (@prov = 0 OR c.ProvNum = @prov);
SELECT COALESCE(p.name, '') AS guarantor, a.fam AS guarantor_number, a.carrier, ROUND(a.b0, 2) AS age_0_30, ROUND(a.b1, 2) AS age_31_60,
  ROUND(a.b2, 2) AS age_61_90, ROUND(a.b3, 2) AS age_over_90, ROUND(a.b0 + a.b1 + a.b2 + a.b3, 2) AS total
FROM (SELECT fam, carrier, SUM(IF(DATEDIFF(@to, day) <= 30, est, 0)) AS b0, SUM(IF(DATEDIFF(@to, day) BETWEEN 31 AND 60, est, 0)) AS b1,
    SUM(IF(DATEDIFF(@to, day) BETWEEN 61 AND 90, est, 0)) AS b2, SUM(IF(DATEDIFF(@to, day) > 90, est, 0)) AS b3
  FROM o_pending GROUP BY fam, carrier) a LEFT JOIN o_person p ON p.PatNum = a.fam
WHERE a.fam IN (SELECT fam FROM (SELECT fam, IF(DATEDIFF(@to, day) <= 30, 0, IF(DATEDIFF(@to, day) <= 60, 1, IF(DATEDIFF(@to, day) <= 90, 2, 3))) AS age,
    SUM(est) AS est FROM o_pending GROUP BY fam, age) f WHERE ABS(est) >= 0.005);
