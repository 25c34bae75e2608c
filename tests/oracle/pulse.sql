-- Question: what did each provider, and the practice, do in [@from, @to]?  Grain: one row a provider (0: unassigned; 'total':
-- the practice) and figure.  Source: features.md §0, §1, §5; books.md "Production and income". Needs minutes.sql over the range.
-- Sums over providers may exceed the practice's: each level is counted on its own (WITH ROLLUP).
CREATE OR REPLACE TEMPORARY TABLE o_mine (KEY (ProcNum), KEY (PatNum), KEY (ProcDate), KEY (DateTP)) AS
SELECT x.*, COALESCE(v.ProvNum, 0) AS prov, COALESCE(p.PatStatus, 0) <> 4 AS counted,
  BINARY x.ProcCode REGEXP '^D[2-8][0-9]{3}$' AND x.ProcCode NOT IN ('D4341', 'D4342', 'D4910') AS resto,
  x.ProcCode IN ('D0120', 'D0140', 'D0145', 'D0150', 'D0160', 'D0170', 'D0180') AS exam,
  x.ProcCode IN ('D4341', 'D4342', 'D4346', 'D4910') AS perio,
  CONCAT(x.PatNum, '@', x.ProcDate) AS patient_day
FROM o_proc x LEFT JOIN provider v ON v.ProvNum = x.ProvNum LEFT JOIN o_pat p ON p.PatNum = x.PatNum;

CREATE OR REPLACE TEMPORARY TABLE o_seen AS
SELECT PatNum, ProcDate AS day, prov, patient_day, MAX(hyg) AS hyg, MAX(resto) AS resto FROM o_mine
WHERE done AND NOT broken AND counted AND ProcDate BETWEEN @from AND @to
GROUP BY PatNum, ProcDate, prov, patient_day HAVING MAX(visit_row) = 1;

CREATE OR REPLACE TEMPORARY TABLE o_hyg (KEY (PatNum)) AS
SELECT h.PatNum, h.ProcDate AS day, f.prov, h.perio,
  EXISTS (SELECT * FROM o_appt a WHERE a.PatNum = h.PatNum AND a.kept AND a.hygiene AND a.day > h.ProcDate) AS again
FROM (SELECT x.PatNum, x.ProcDate, MIN(x.ProcNum) AS first,
    EXISTS (SELECT * FROM o_mine y WHERE y.PatNum = x.PatNum AND y.ProcDate = x.ProcDate AND y.done AND y.perio) AS perio
  FROM o_mine x WHERE x.done AND x.hyg AND x.counted AND x.ProcDate BETWEEN @from AND @to GROUP BY x.PatNum, x.ProcDate) h
JOIN o_mine f ON f.ProcNum = h.first;

CREATE OR REPLACE TEMPORARY TABLE o_case AS
SELECT x.PatNum, x.prov, x.fee, x.counted, x.resto,
  x.done OR (x.planned AND EXISTS (SELECT * FROM o_appt a WHERE a.AptNum = x.AptNum AND a.kept)) AS accepted
FROM o_mine x JOIN o_visit v ON v.PatNum = x.PatNum AND v.day = x.DateTP
WHERE x.DateTP BETWEEN @from AND @to AND x.ProcStatus IN (1, 2, 8) AND x.treatment;

CREATE OR REPLACE TEMPORARY TABLE o_fell (KEY (PatNum, day)) AS
SELECT x.PatNum, x.ProcDate AS day, x.prov FROM o_mine x
WHERE @broken_by_code AND x.done AND x.broken AND x.counted AND x.ProcDate BETWEEN @from AND @to
UNION ALL
SELECT a.PatNum, a.day, COALESCE(v.ProvNum, 0) FROM o_appt a LEFT JOIN provider v ON v.ProvNum = a.prov
WHERE NOT @broken_by_code AND a.AptStatus = 5 AND a.counted AND a.day BETWEEN @from AND @to;

CREATE OR REPLACE TEMPORARY TABLE o_made AS
SELECT prov, 'gross' AS of, fee AS amount FROM o_mine WHERE done AND ProcDate BETWEEN @from AND @to
UNION ALL
SELECT x.prov, 'gross', -CAST(c.WriteOff AS DECIMAL(18,4)) FROM claimproc c JOIN o_mine x ON x.ProcNum = c.ProcNum
WHERE c.Status = 7 AND x.done AND x.ProcDate BETWEEN @from AND @to
UNION ALL
SELECT COALESCE(v.ProvNum, 0), 'net', CAST(j.AdjAmt AS DECIMAL(18,4)) FROM adjustment j LEFT JOIN provider v ON v.ProvNum = j.ProvNum
WHERE j.AdjDate BETWEEN @from AND @to
UNION ALL
SELECT COALESCE(v.ProvNum, 0), 'net', -CAST(c.WriteOff AS DECIMAL(18,4)) FROM claimproc c LEFT JOIN provider v ON v.ProvNum = c.ProvNum
WHERE IF(@wo_basis = 1, c.Status IN (0, 1, 4) AND c.ProcDate BETWEEN @from AND @to, c.Status IN (1, 4) AND c.DateCP BETWEEN @from AND @to)
UNION ALL
SELECT COALESCE(v.ProvNum, 0), 'paid', CAST(s.SplitAmt AS DECIMAL(18,4)) FROM paysplit s JOIN payment p ON p.PayNum = s.PayNum
LEFT JOIN provider v ON v.ProvNum = s.ProvNum WHERE s.UnearnedType = 0 AND p.PayDate BETWEEN @from AND @to
UNION ALL
SELECT COALESCE(v.ProvNum, 0), 'paid', CAST(c.InsPayAmt AS DECIMAL(18,4)) FROM claimproc c JOIN claimpayment k ON k.ClaimPaymentNum = c.ClaimPaymentNum
LEFT JOIN provider v ON v.ProvNum = c.ProvNum WHERE c.Status IN (1, 4) AND k.CheckDate BETWEEN @from AND @to
UNION ALL
SELECT x.prov, 'to_do', x.fee FROM o_mine x JOIN o_appt a ON a.AptNum = x.AptNum
WHERE x.planned AND a.AptStatus = 1 AND a.day BETWEEN @from AND @to
UNION ALL
SELECT x.prov, 'to_do', -CASE WHEN c.WriteOffEstOverride <> -1 THEN CAST(c.WriteOffEstOverride AS DECIMAL(18,4))
    WHEN c.WriteOffEst <> -1 THEN CAST(c.WriteOffEst AS DECIMAL(18,4)) ELSE 0 END
FROM claimproc c JOIN o_mine x ON x.ProcNum = c.ProcNum JOIN o_appt a ON a.AptNum = x.AptNum
WHERE x.planned AND a.AptStatus = 1 AND a.day BETWEEN @from AND @to AND (c.Status = 8 OR (c.Status = 6 AND @sched_less_wo))
UNION ALL
SELECT x.prov, 'on_schedule', x.fee FROM o_mine x JOIN o_appt a ON a.AptNum = x.AptNum
WHERE (x.planned OR x.done) AND a.kept AND a.day BETWEEN @from AND @to;

SELECT COALESCE(prov, 'total') AS k, 'gross_production' AS name, ROUND(SUM(IF(of = 'gross', amount, 0)), 2) AS value FROM o_made GROUP BY prov WITH ROLLUP
UNION ALL SELECT COALESCE(prov, 'total'), 'net_production', ROUND(SUM(IF(of IN ('gross', 'net'), amount, 0)), 2) FROM o_made GROUP BY prov WITH ROLLUP
UNION ALL SELECT COALESCE(prov, 'total'), 'collections', ROUND(SUM(IF(of = 'paid', amount, 0)), 2) FROM o_made GROUP BY prov WITH ROLLUP
UNION ALL SELECT COALESCE(prov, 'total'), 'scheduled_production', ROUND(SUM(IF(of = 'to_do', amount, 0)), 2) FROM o_made GROUP BY prov WITH ROLLUP
UNION ALL SELECT COALESCE(prov, 'total'), 'on_schedule_production', ROUND(SUM(IF(of = 'on_schedule', amount, 0)), 2) FROM o_made GROUP BY prov WITH ROLLUP
UNION ALL SELECT COALESCE(x.prov, 'total'), 'same_day_numerator', ROUND(SUM(IF(x.DateTP = x.ProcDate OR x.AptNum = 0 OR DATE(a.SecDateTEntry) = x.ProcDate, x.fee, 0)), 2)
  FROM o_mine x LEFT JOIN appointment a ON a.AptNum = x.AptNum WHERE x.done AND x.ProcDate BETWEEN @from AND @to GROUP BY x.prov WITH ROLLUP
UNION ALL SELECT COALESCE(prov, 'total'), 'same_day_denominator', ROUND(SUM(fee), 2) FROM o_mine WHERE done AND ProcDate BETWEEN @from AND @to GROUP BY prov WITH ROLLUP
UNION ALL SELECT COALESCE(prov, 'total'), 'visits', COUNT(DISTINCT patient_day) FROM o_seen GROUP BY prov WITH ROLLUP
UNION ALL SELECT COALESCE(prov, 'total'), 'visits_hygiene', COUNT(DISTINCT IF(hyg, patient_day, NULL)) FROM o_seen GROUP BY prov WITH ROLLUP
UNION ALL SELECT COALESCE(prov, 'total'), 'visits_restorative', COUNT(DISTINCT IF(resto, patient_day, NULL)) FROM o_seen GROUP BY prov WITH ROLLUP
UNION ALL SELECT COALESCE(prov, 'total'), 'visits_other', COUNT(DISTINCT patient_day) - COUNT(DISTINCT IF(hyg OR resto, patient_day, NULL)) FROM o_seen GROUP BY prov WITH ROLLUP
UNION ALL SELECT COALESCE(prov, 'total'), 'days', COUNT(DISTINCT day) FROM o_seen GROUP BY prov WITH ROLLUP
UNION ALL SELECT COALESCE(x.prov, 'total'), 'new_patients', COUNT(*) FROM (
    SELECT MIN(x.ProcNum) AS first FROM o_mine x JOIN (SELECT PatNum, MIN(ProcDate) AS day FROM o_mine WHERE done AND NOT broken AND counted GROUP BY PatNum) d
      ON d.PatNum = x.PatNum AND d.day = x.ProcDate WHERE x.done AND NOT x.broken AND d.day BETWEEN @from AND @to GROUP BY x.PatNum) f
  JOIN o_mine x ON x.ProcNum = f.first GROUP BY x.prov WITH ROLLUP
UNION ALL SELECT COALESCE(prov, 'total'), 'reappointment_numerator', SUM(again) FROM o_hyg GROUP BY prov WITH ROLLUP
UNION ALL SELECT COALESCE(prov, 'total'), 'reappointment_denominator', COUNT(*) FROM o_hyg GROUP BY prov WITH ROLLUP
UNION ALL SELECT COALESCE(prov, 'total'), 'perio_numerator', SUM(perio) FROM o_hyg GROUP BY prov WITH ROLLUP
UNION ALL SELECT COALESCE(prov, 'total'), 'perio_denominator', COUNT(*) FROM o_hyg GROUP BY prov WITH ROLLUP
UNION ALL SELECT COALESCE(prov, 'total'), 'diagnostic_numerator', COUNT(DISTINCT IF(counted, PatNum, NULL)) FROM o_case GROUP BY prov WITH ROLLUP
UNION ALL SELECT COALESCE(prov, 'total'), 'diagnostic_denominator', COUNT(DISTINCT PatNum) FROM o_seen GROUP BY prov WITH ROLLUP
UNION ALL SELECT COALESCE(prov, 'total'), 'patient_acceptance_numerator', COUNT(DISTINCT IF(counted AND accepted, PatNum, NULL)) FROM o_case GROUP BY prov WITH ROLLUP
UNION ALL SELECT COALESCE(prov, 'total'), 'patient_acceptance_denominator', COUNT(DISTINCT IF(counted, PatNum, NULL)) FROM o_case GROUP BY prov WITH ROLLUP
UNION ALL SELECT COALESCE(prov, 'total'), 'treatment_acceptance_numerator', ROUND(SUM(IF(accepted, fee, 0)), 2) FROM o_case GROUP BY prov WITH ROLLUP
UNION ALL SELECT COALESCE(prov, 'total'), 'treatment_acceptance_denominator', ROUND(SUM(fee), 2) FROM o_case GROUP BY prov WITH ROLLUP
UNION ALL SELECT COALESCE(prov, 'total'), 'per_exam_numerator', ROUND(SUM(IF(accepted AND resto, fee, 0)), 2) FROM o_case GROUP BY prov WITH ROLLUP
UNION ALL SELECT COALESCE(prov, 'total'), 'per_exam_denominator', SUM(exam) FROM o_mine WHERE done AND counted AND ProcDate BETWEEN @from AND @to GROUP BY prov WITH ROLLUP
UNION ALL SELECT COALESCE(prov, 'total'), 'broken_numerator', SUM(fell) FROM (
    SELECT prov, 1 AS fell FROM o_fell UNION ALL
    SELECT COALESCE(v.ProvNum, 0), 0 FROM o_appt a LEFT JOIN provider v ON v.ProvNum = a.prov WHERE a.kept AND a.counted AND a.day BETWEEN @from AND @to
      AND NOT EXISTS (SELECT * FROM o_fell f WHERE f.PatNum = a.PatNum AND f.day = a.day)) b GROUP BY prov WITH ROLLUP
UNION ALL SELECT COALESCE(prov, 'total'), 'broken_denominator', COUNT(*) FROM (
    SELECT prov FROM o_fell UNION ALL
    SELECT COALESCE(v.ProvNum, 0) FROM o_appt a LEFT JOIN provider v ON v.ProvNum = a.prov WHERE a.kept AND a.counted AND a.day BETWEEN @from AND @to
      AND NOT EXISTS (SELECT * FROM o_fell f WHERE f.PatNum = a.PatNum AND f.day = a.day)) b GROUP BY prov WITH ROLLUP
UNION ALL SELECT COALESCE(s.ProvNum, 'total'), 'minutes', SUM(@step) FROM o_slot s JOIN provider v ON v.ProvNum = s.ProvNum
  WHERE s.SchedDate BETWEEN @from AND @to GROUP BY s.ProvNum WITH ROLLUP
UNION ALL SELECT COALESCE(g.ProvNum, 'total'), 'goal', ROUND(SUM(g.goal60) / 60, 2) FROM (
    SELECT s.ProvNum, CAST(SUM(@step) AS DECIMAL(20,4)) * MAX(CAST(p.HourlyProdGoalAmt AS DECIMAL(18,4))) AS goal60 FROM o_slot s
    JOIN provider p ON p.ProvNum = s.ProvNum WHERE s.SchedDate BETWEEN @from AND @to AND CAST(p.HourlyProdGoalAmt AS DECIMAL(18,4)) <> 0 GROUP BY s.ProvNum) g
  GROUP BY g.ProvNum WITH ROLLUP;
