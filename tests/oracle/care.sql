-- Question: what did the visits of [@from, @to] bring?  Grain: one row.
-- Source: features.md §1 otc_rate, visits, new_patients, hygiene_reappointment_pct, presented, accepted, broken_pct; examples 3, 4.
CREATE OR REPLACE TEMPORARY TABLE o_est (PRIMARY KEY (ProcNum)) AS
SELECT x.ProcNum, x.PatNum, x.ProcDate, x.fee
  + COALESCE((SELECT SUM(CAST(j.AdjAmt AS DECIMAL(18,4))) FROM adjustment j WHERE j.ProcNum = x.ProcNum AND j.AdjDate = x.ProcDate), 0)
  - COALESCE((SELECT IF(SUM(c.Status IN (0, 1, 4, 7)) > 0,
      SUM(IF(c.Status IN (0, 1, 4), CAST(c.InsPayEst AS DECIMAL(18,4)) + CAST(c.WriteOff AS DECIMAL(18,4)),
        IF(c.Status = 7, CAST(c.WriteOff AS DECIMAL(18,4)), 0))),
      SUM(IF(c.Status = 6, CASE WHEN c.InsEstTotalOverride <> -1 THEN CAST(c.InsEstTotalOverride AS DECIMAL(18,4))
          WHEN c.InsEstTotal <> -1 THEN CAST(c.InsEstTotal AS DECIMAL(18,4)) ELSE 0 END
        + CASE WHEN c.WriteOffEstOverride <> -1 THEN CAST(c.WriteOffEstOverride AS DECIMAL(18,4))
          WHEN c.WriteOffEst <> -1 THEN CAST(c.WriteOffEst AS DECIMAL(18,4)) ELSE 0 END, 0)))
    FROM claimproc c WHERE c.ProcNum = x.ProcNum), 0) AS due
FROM o_proc x WHERE x.done AND x.ProcDate BETWEEN @from AND @to;
CREATE OR REPLACE TEMPORARY TABLE o_otc AS
SELECT v.PatNum, v.day,
  GREATEST(0, (SELECT SUM(e.due) FROM o_est e WHERE e.PatNum = v.PatNum AND e.ProcDate = v.day)) AS due,
  GREATEST(0, COALESCE((SELECT SUM(CAST(s.SplitAmt AS DECIMAL(18,4))) FROM paysplit s JOIN payment p ON p.PayNum = s.PayNum
    WHERE s.PatNum = v.PatNum AND s.UnearnedType = 0 AND p.PayDate = v.day), 0)) AS paid
FROM o_visit v WHERE v.day BETWEEN @from AND @to;
CREATE OR REPLACE TEMPORARY TABLE o_presented AS
SELECT x.PatNum, x.fee, v.counted, x.done OR (x.planned AND EXISTS (SELECT * FROM o_appt a WHERE a.AptNum = x.AptNum AND a.kept)) AS accepted
FROM o_proc x JOIN o_visit v ON v.PatNum = x.PatNum AND v.day = x.DateTP
WHERE x.DateTP BETWEEN @from AND @to AND x.ProcStatus IN (1, 2, 8) AND x.treatment;
SET @broken = IF(@broken_by_code,
  (SELECT COUNT(*) FROM o_proc x LEFT JOIN o_pat p ON p.PatNum = x.PatNum
    WHERE x.done AND x.broken AND x.ProcDate BETWEEN @from AND @to AND COALESCE(p.PatStatus, 0) <> 4),
  (SELECT COUNT(*) FROM o_appt WHERE AptStatus = 5 AND counted AND day BETWEEN @from AND @to));
SELECT
  (SELECT ROUND(COALESCE(SUM(LEAST(paid, due)), 0), 2) FROM o_otc) AS otc_numerator,
  (SELECT ROUND(COALESCE(SUM(due), 0), 2) FROM o_otc) AS otc_denominator,
  (SELECT COUNT(*) FROM o_visit WHERE counted AND day BETWEEN @from AND @to) AS visits,
  (SELECT COUNT(*) FROM (SELECT x.PatNum, MIN(x.ProcDate) AS first FROM o_proc x LEFT JOIN o_pat p ON p.PatNum = x.PatNum
    WHERE x.done AND NOT x.broken AND COALESCE(p.PatStatus, 0) <> 4 GROUP BY x.PatNum) f WHERE f.first BETWEEN @from AND @to) AS new_patients,
  (SELECT COUNT(*) FROM o_visit v WHERE v.counted AND v.hyg AND v.day BETWEEN @from AND @to AND EXISTS (
    SELECT * FROM o_appt a WHERE a.PatNum = v.PatNum AND a.kept AND a.hygiene AND a.day > v.day)) AS reappointment_numerator,
  (SELECT COUNT(*) FROM o_visit v WHERE v.counted AND v.hyg AND v.day BETWEEN @from AND @to) AS reappointment_denominator,
  (SELECT COUNT(DISTINCT PatNum) FROM o_presented WHERE counted) AS diagnostic_numerator,
  (SELECT COUNT(DISTINCT PatNum) FROM o_visit WHERE counted AND day BETWEEN @from AND @to) AS diagnostic_denominator,
  (SELECT COUNT(DISTINCT PatNum) FROM o_presented WHERE counted AND accepted) AS patient_acceptance_numerator,
  (SELECT COUNT(DISTINCT PatNum) FROM o_presented WHERE counted) AS patient_acceptance_denominator,
  (SELECT ROUND(COALESCE(SUM(fee), 0), 2) FROM o_presented WHERE accepted) AS treatment_acceptance_numerator,
  (SELECT ROUND(COALESCE(SUM(fee), 0), 2) FROM o_presented) AS treatment_acceptance_denominator,
  @broken AS broken_numerator,
  @broken + (SELECT COUNT(*) FROM o_appt a WHERE a.kept AND a.counted AND a.day BETWEEN @from AND @to AND NOT EXISTS (
    SELECT * FROM o_proc x WHERE x.PatNum = a.PatNum AND x.ProcDate = a.day AND x.done AND x.broken)) AS broken_denominator,
  IF(@broken_by_code, 1, 2) AS broken_basis;
