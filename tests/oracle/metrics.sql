-- Question: what is every metric of [@from, @to], of provider @prov (0: everyone)?  Grain: metric; above and below its line.
-- Source: features.md §0, §1, §3 (perio %). Parameters: those of rows.sql, which has run, and @from, @to, @prov.
-- Money has two decimals, counts too (".00"); below is NULL for what is no ratio. Hours are held to minutes.sql elsewhere.
SET @months18 = @d - INTERVAL 18 MONTH;
SET @end = LEAST(@to, @d);
CREATE OR REPLACE TEMPORARY TABLE m_proc (PRIMARY KEY (ProcNum), KEY (PatNum), KEY (ProcDate), KEY (AptNum)) AS
SELECT x.*, COALESCE(p.PatStatus, 0) <> 4 AS counted, COALESCE(p.PatStatus = 0, 0) AS is_patient,
  x.ada AND SUBSTRING(x.ProcCode, 2) BETWEEN '2000' AND '8999' AND x.ProcCode NOT IN ('D4341', 'D4342', 'D4910') AS resto,
  x.ProcCode IN ('D4341', 'D4342', 'D4346', 'D4910') AS perio,
  x.ProcCode IN ('D4341', 'D4342', 'D4346', 'D4355', 'D4381', 'D4910', 'D4921') AS hygiene_case,
  x.ProcCode IN ('D0120', 'D0140', 'D0145', 'D0150', 'D0160', 'D0170', 'D0180') AS exam
FROM o_proc x LEFT JOIN o_pat p ON p.PatNum = x.PatNum;
CREATE OR REPLACE TEMPORARY TABLE m_done (PRIMARY KEY (ProcNum), KEY (PatNum), KEY (ProcDate)) AS
SELECT * FROM m_proc WHERE done AND ProcDate IS NOT NULL AND (@prov = 0 OR ProvNum = @prov);
CREATE OR REPLACE TEMPORARY TABLE m_case AS
SELECT x.ProcNum, x.PatNum, x.fee, x.counted, x.resto, x.hygiene_case,
  x.done OR (x.planned AND EXISTS (SELECT * FROM o_appt a WHERE a.AptNum = x.AptNum AND a.kept)) AS accepted
FROM m_proc x JOIN o_visit v ON v.PatNum = x.PatNum AND v.day = x.DateTP
WHERE x.DateTP BETWEEN @from AND @to AND x.ProcStatus IN (1, 2, 8) AND x.treatment AND (@prov = 0 OR x.ProvNum = @prov);
CREATE OR REPLACE TEMPORARY TABLE m_first (PRIMARY KEY (PatNum)) AS
SELECT f.PatNum, f.day, (SELECT y.ProvNum FROM m_proc y WHERE y.PatNum = f.PatNum AND y.ProcDate = f.day AND y.done AND NOT y.broken
    ORDER BY y.ProcNum LIMIT 1) AS ProvNum,
  EXISTS (SELECT * FROM o_appt a WHERE a.PatNum = f.PatNum AND a.kept AND a.day > f.day) AS again,
  (SELECT MAX(x.done OR (x.planned AND EXISTS (SELECT * FROM o_appt a WHERE a.AptNum = x.AptNum AND a.kept))) FROM o_proc x
    JOIN o_visit v ON v.PatNum = x.PatNum AND v.day = x.DateTP
    WHERE x.PatNum = f.PatNum AND x.DateTP = f.day AND x.ProcStatus IN (1, 2, 8) AND x.treatment) AS accepted
FROM (SELECT PatNum, MIN(ProcDate) AS day FROM m_proc WHERE done AND NOT broken AND counted GROUP BY PatNum) f
WHERE f.day BETWEEN @from AND @to;
CREATE OR REPLACE TEMPORARY TABLE m_hygiene AS
SELECT v.PatNum, v.day,
  EXISTS (SELECT * FROM o_appt a WHERE a.PatNum = v.PatNum AND a.kept AND a.hygiene AND a.day > v.day) AS again,
  EXISTS (SELECT * FROM m_proc x WHERE x.PatNum = v.PatNum AND x.ProcDate = v.day AND x.done AND x.perio) AS perio
FROM o_visit v WHERE v.counted AND v.hyg AND v.day BETWEEN @from AND @to AND (@prov = 0 OR @prov = (
  SELECT x.ProvNum FROM m_proc x WHERE x.PatNum = v.PatNum AND x.ProcDate = v.day AND x.done AND x.hyg ORDER BY x.ProcNum LIMIT 1));
CREATE OR REPLACE TEMPORARY TABLE m_active AS
SELECT x.PatNum, MAX(x.hyg) AS hyg,
  EXISTS (SELECT * FROM o_appt a WHERE a.PatNum = x.PatNum AND a.live AND a.day >= @d) AS future,
  EXISTS (SELECT * FROM o_appt a WHERE a.PatNum = x.PatNum AND a.live AND a.hygiene AND a.day >= @d) AS future_hygiene,
  EXISTS (SELECT * FROM o_pat p WHERE p.PatNum = x.PatNum AND p.Birthdate >= '0002-01-01' AND p.Birthdate < @d - INTERVAL 30 YEAR) AS over_30,
  EXISTS (SELECT * FROM m_proc y WHERE y.PatNum = x.PatNum AND y.done AND y.perio AND y.ProcDate <= @d) AS perio
FROM m_done x WHERE x.visit_row AND x.is_patient AND x.ProcDate BETWEEN @months18 AND @d GROUP BY x.PatNum;
CREATE OR REPLACE TEMPORARY TABLE m_unscheduled AS
SELECT p.PatNum, MAX(v.day) AS last_visit FROM patient p JOIN o_visit v ON v.PatNum = p.PatNum AND v.day <= @d
WHERE p.PatStatus = 0 AND (@prov = 0 OR p.PriProv = @prov)
  AND NOT EXISTS (SELECT * FROM o_appt a WHERE a.PatNum = p.PatNum AND a.live AND a.day >= @d)
GROUP BY p.PatNum HAVING MAX(v.day) >= @d - INTERVAL 36 MONTH;
CREATE OR REPLACE TEMPORARY TABLE m_appt AS
SELECT a.*, (a.AptStatus = 2 OR (a.live AND a.start < @now)) AND NOT (
    EXISTS (SELECT * FROM o_proc x WHERE x.PatNum = a.PatNum AND x.ProcDate = a.day AND x.done AND x.AptNum IN (a.AptNum, 0))
    AND NOT EXISTS (SELECT * FROM o_proc x WHERE x.PatNum = a.PatNum AND x.ProcDate = a.day AND x.visit_row AND x.AptNum IN (a.AptNum, 0))
  ) AS complete
FROM o_appt a WHERE a.counted AND (@prov = 0 OR a.prov = @prov);
CREATE OR REPLACE TEMPORARY TABLE m_broken AS
SELECT x.ProcCode AS code, COALESCE((SELECT a.AptNum FROM o_appt a WHERE a.AptNum = x.AptNum AND x.AptNum <> 0),
  (SELECT MIN(a.AptNum) FROM o_appt a WHERE a.PatNum = x.PatNum AND a.day = x.ProcDate AND a.AptStatus = 5)) AS AptNum
FROM m_done x WHERE @broken_by_code AND x.broken AND x.counted AND x.ProcDate BETWEEN @from AND @to
UNION ALL
SELECT (SELECT MAX(x.ProcCode) FROM o_proc x WHERE x.PatNum = a.PatNum AND x.ProcDate = a.day AND x.done AND x.broken), a.AptNum
FROM o_appt a WHERE NOT @broken_by_code AND a.AptStatus = 5 AND a.counted AND a.day BETWEEN @from AND @to AND (@prov = 0 OR a.prov = @prov);
CREATE OR REPLACE TEMPORARY TABLE m_how AS
SELECT CASE WHEN h.HistApptNum IS NOT NULL THEN IF(h.HistDateTStamp < h.AptDateTime - INTERVAL 24 HOUR, 1, 2)
    WHEN b.code = 'D9987' THEN 1 WHEN b.code = 'D9986' THEN 2 ELSE 0 END AS kind
FROM m_broken b LEFT JOIN histappointment h ON h.HistApptNum = (SELECT h2.HistApptNum FROM histappointment h2
  WHERE h2.AptNum = b.AptNum AND b.AptNum <> 0 AND h2.HistApptAction IN (2, 3) ORDER BY h2.HistDateTStamp DESC, h2.HistApptNum DESC LIMIT 1);
SET @stand = (SELECT COUNT(*) FROM m_appt a WHERE a.kept AND a.day BETWEEN @from AND @to AND NOT EXISTS (
  SELECT * FROM o_proc x WHERE @broken_by_code AND x.PatNum = a.PatNum AND x.ProcDate = a.day AND x.done AND x.broken)
  AND NOT EXISTS (SELECT * FROM o_appt b WHERE NOT @broken_by_code AND b.PatNum = a.PatNum AND b.day = a.day AND b.AptStatus = 5));

SET @fees = (SELECT COALESCE(SUM(fee), 0) FROM m_done WHERE ProcDate BETWEEN @from AND @to);
SET @gross = @fees - (SELECT COALESCE(SUM(CAST(c.WriteOff AS DECIMAL(18,4))), 0) FROM claimproc c JOIN m_done x ON x.ProcNum = c.ProcNum
  WHERE c.Status = 7 AND x.ProcDate BETWEEN @from AND @to);
SET @adj = (SELECT COALESCE(SUM(CAST(AdjAmt AS DECIMAL(18,4))), 0) FROM adjustment
  WHERE AdjDate BETWEEN @from AND @to AND (@prov = 0 OR ProvNum = @prov));
SET @wo = (SELECT COALESCE(SUM(CAST(WriteOff AS DECIMAL(18,4))), 0) FROM claimproc WHERE (@prov = 0 OR ProvNum = @prov) AND IF(@wo_basis = 1,
  Status IN (0, 1, 4) AND ProcDate BETWEEN @from AND @to, Status IN (1, 4) AND DateCP BETWEEN @from AND @to));
SET @net = @gross + @adj - @wo;
SET @patient = (SELECT COALESCE(SUM(CAST(s.SplitAmt AS DECIMAL(18,4))), 0) FROM paysplit s JOIN payment p ON p.PayNum = s.PayNum
  WHERE s.UnearnedType = 0 AND p.PayDate BETWEEN @from AND @to AND (@prov = 0 OR s.ProvNum = @prov));
SET @insurance = (SELECT COALESCE(SUM(CAST(c.InsPayAmt AS DECIMAL(18,4))), 0) FROM claimproc c
  JOIN claimpayment k ON k.ClaimPaymentNum = c.ClaimPaymentNum
  WHERE c.Status IN (1, 4) AND k.CheckDate BETWEEN @from AND @to AND (@prov = 0 OR c.ProvNum = @prov));
SET @unearned = (SELECT COALESCE(SUM(CAST(s.SplitAmt AS DECIMAL(18,4))), 0) FROM paysplit s JOIN payment p ON p.PayNum = s.PayNum
  WHERE s.UnearnedType <> 0 AND p.PayDate BETWEEN @from AND @to AND (@prov = 0 OR s.ProvNum = @prov)
    AND NOT EXISTS (SELECT * FROM definition d WHERE d.DefNum = s.UnearnedType AND d.Category = 29 AND d.ItemValue <> ''));
SET @visits = (SELECT COUNT(DISTINCT PatNum, ProcDate) FROM m_done WHERE visit_row AND counted AND ProcDate BETWEEN @from AND @to);
SET @days = (SELECT COUNT(DISTINCT ProcDate) FROM m_done WHERE visit_row AND counted AND ProcDate BETWEEN @from AND @to);
SET @recaptured = (SELECT COUNT(DISTINCT v.PatNum) FROM o_visit v WHERE v.counted AND v.day BETWEEN @from AND @end
  AND NOT EXISTS (SELECT * FROM o_visit w WHERE w.PatNum = v.PatNum AND w.day < v.day AND w.day >= v.day - INTERVAL 18 MONTH)
  AND EXISTS (SELECT * FROM o_visit w WHERE w.PatNum = v.PatNum AND w.day < v.day));
SET @lost = (SELECT COUNT(*) FROM (SELECT PatNum, MAX(day) AS day FROM o_visit WHERE counted AND day <= @d GROUP BY PatNum) l
  WHERE l.day + INTERVAL 18 MONTH BETWEEN @from AND @to);
SET @new = (SELECT COUNT(*) FROM m_first WHERE @prov = 0 OR ProvNum = @prov);
SET @presented = (SELECT COALESCE(SUM(fee), 0) FROM m_case);

SELECT m.metric, ROUND(m.above, 2) AS above, ROUND(m.below, 2) AS below FROM (
  SELECT 'gross_production' AS metric, @gross AS above, CAST(NULL AS DECIMAL(30,4)) AS below
  UNION ALL SELECT 'adjustments', @adj, NULL
  UNION ALL SELECT 'write_offs', @wo, NULL
  UNION ALL SELECT 'net_production', @net, NULL
  UNION ALL SELECT 'scheduled_production', (SELECT COALESCE(SUM(x.fee), 0) FROM m_proc x JOIN o_appt a ON a.AptNum = x.AptNum
      WHERE x.planned AND a.AptStatus = 1 AND a.day BETWEEN @from AND @to AND (@prov = 0 OR x.ProvNum = @prov))
    - (SELECT COALESCE(SUM(CASE WHEN c.WriteOffEstOverride <> -1 THEN CAST(c.WriteOffEstOverride AS DECIMAL(18,4))
        WHEN c.WriteOffEst <> -1 THEN CAST(c.WriteOffEst AS DECIMAL(18,4)) ELSE 0 END), 0)
      FROM claimproc c JOIN m_proc x ON x.ProcNum = c.ProcNum JOIN o_appt a ON a.AptNum = x.AptNum
      WHERE x.planned AND a.AptStatus = 1 AND a.day BETWEEN @from AND @to AND (@prov = 0 OR x.ProvNum = @prov)
        AND (c.Status = 8 OR (c.Status = 6 AND @sched_less_wo))), NULL
  UNION ALL SELECT 'on_schedule_production', (SELECT COALESCE(SUM(x.fee), 0) FROM m_proc x JOIN o_appt a ON a.AptNum = x.AptNum
      WHERE (x.planned OR x.done) AND a.kept AND a.day BETWEEN @from AND @to AND (@prov = 0 OR x.ProvNum = @prov)), NULL
  UNION ALL SELECT 'incomplete_production', (SELECT COALESCE(SUM(x.fee), 0) FROM m_proc x JOIN o_appt a ON a.AptNum = x.AptNum
      WHERE x.planned AND a.kept AND a.day < @d AND a.day BETWEEN @from AND @to AND (@prov = 0 OR x.ProvNum = @prov)), NULL
  UNION ALL SELECT 'same_day_production_pct', (SELECT COALESCE(SUM(x.fee), 0) FROM m_done x WHERE x.ProcDate BETWEEN @from AND @to
      AND (x.DateTP = x.ProcDate OR x.AptNum = 0
        OR EXISTS (SELECT * FROM appointment a WHERE a.AptNum = x.AptNum AND DATE(a.SecDateTEntry) = x.ProcDate))), @fees
  UNION ALL SELECT 'production_per_visit', @gross, @visits
  UNION ALL SELECT 'production_per_day', @gross, @days
  UNION ALL SELECT 'net_production_per_visit', @net, @visits
  UNION ALL SELECT 'net_production_per_day', @net, @days
  UNION ALL SELECT 'procedures_done', (SELECT COUNT(*) FROM m_done WHERE counted AND ProcDate BETWEEN @from AND @to), NULL
  UNION ALL SELECT 'patient_collections', @patient, NULL
  UNION ALL SELECT 'insurance_collections', @insurance, NULL
  UNION ALL SELECT 'collections', @patient + @insurance, NULL
  UNION ALL SELECT 'unearned', @unearned, NULL
  UNION ALL SELECT 'collection_pct', @patient + @insurance, @net
  UNION ALL SELECT 'gross_collection_pct', @patient + @insurance, @gross
  UNION ALL SELECT 'new_patients', @new, NULL
  UNION ALL SELECT 'new_patient_reappointment_pct', (SELECT COUNT(*) FROM m_first WHERE again AND (@prov = 0 OR ProvNum = @prov)), @new
  UNION ALL SELECT 'new_patient_acceptance_pct', (SELECT COUNT(*) FROM m_first WHERE accepted AND (@prov = 0 OR ProvNum = @prov)),
    (SELECT COUNT(*) FROM m_first WHERE accepted IS NOT NULL AND (@prov = 0 OR ProvNum = @prov))
  UNION ALL SELECT 'active_patients', (SELECT COUNT(DISTINCT PatNum) FROM m_done WHERE visit_row AND is_patient
    AND ProcDate BETWEEN @end - INTERVAL 18 MONTH AND @end), NULL
  UNION ALL SELECT 'active_hygiene', (SELECT COUNT(DISTINCT PatNum) FROM m_done WHERE visit_row AND is_patient AND hyg
    AND ProcDate BETWEEN @end - INTERVAL 18 MONTH AND @end), NULL
  UNION ALL SELECT 'recaptured_patients', IF(@prov = 0, @recaptured, NULL), NULL
  UNION ALL SELECT 'lost_patients', IF(@prov = 0, @lost, NULL), NULL
  UNION ALL SELECT 'patient_growth', IF(@prov = 0, @new + @recaptured - @lost, NULL), NULL
  UNION ALL SELECT 'visits', @visits, NULL
  UNION ALL SELECT 'seen', (SELECT COUNT(DISTINCT PatNum, ProcDate) FROM m_done WHERE NOT broken AND counted AND ProcDate BETWEEN @from AND @to), NULL
  UNION ALL SELECT 'hygiene_visits', (SELECT COUNT(DISTINCT PatNum, ProcDate) FROM m_done WHERE visit_row AND hyg AND counted
    AND ProcDate BETWEEN @from AND @to), NULL
  UNION ALL SELECT 'restorative_visits', (SELECT COUNT(DISTINCT PatNum, ProcDate) FROM m_done WHERE visit_row AND resto AND counted
    AND ProcDate BETWEEN @from AND @to), NULL
  UNION ALL SELECT 'pre_appointment_pct', (SELECT COUNT(*) FROM m_active WHERE future), (SELECT COUNT(*) FROM m_active)
  UNION ALL SELECT 'hygiene_pre_appointment_pct', (SELECT COUNT(*) FROM m_active WHERE hyg AND future_hygiene), (SELECT COUNT(*) FROM m_active WHERE hyg)
  UNION ALL SELECT 'hygiene_reappointment_pct', (SELECT COUNT(*) FROM m_hygiene WHERE again), (SELECT COUNT(*) FROM m_hygiene)
  UNION ALL SELECT 'perio_visit_pct', (SELECT COUNT(*) FROM m_hygiene WHERE perio), (SELECT COUNT(*) FROM m_hygiene)
  UNION ALL SELECT 'active_perio_pct', (SELECT COUNT(*) FROM m_active WHERE hyg AND over_30 AND perio), (SELECT COUNT(*) FROM m_active WHERE hyg AND over_30)
  UNION ALL SELECT 'unscheduled_patients', (SELECT COUNT(*) FROM m_unscheduled), NULL
  UNION ALL SELECT 'unscheduled_active', (SELECT COUNT(*) FROM m_unscheduled WHERE last_visit >= @months18), NULL
  UNION ALL SELECT 'presented_treatment', @presented, NULL
  UNION ALL SELECT 'accepted_treatment', (SELECT COALESCE(SUM(fee), 0) FROM m_case WHERE accepted), NULL
  UNION ALL SELECT 'presented_patients', (SELECT COUNT(DISTINCT PatNum) FROM m_case WHERE counted), NULL
  UNION ALL SELECT 'diagnostic_pct', (SELECT COUNT(DISTINCT PatNum) FROM m_case WHERE counted),
    (SELECT COUNT(DISTINCT PatNum) FROM m_done WHERE visit_row AND counted AND ProcDate BETWEEN @from AND @to)
  UNION ALL SELECT 'patient_acceptance_pct', (SELECT COUNT(DISTINCT PatNum) FROM m_case WHERE counted AND accepted),
    (SELECT COUNT(DISTINCT PatNum) FROM m_case WHERE counted)
  UNION ALL SELECT 'treatment_acceptance_pct', (SELECT COALESCE(SUM(fee), 0) FROM m_case WHERE accepted), @presented
  UNION ALL SELECT 'restorative_case_acceptance_pct', (SELECT COALESCE(SUM(fee), 0) FROM m_case WHERE resto AND accepted),
    (SELECT COALESCE(SUM(fee), 0) FROM m_case WHERE resto)
  UNION ALL SELECT 'restorative_case_patients_pct', (SELECT COUNT(DISTINCT PatNum) FROM m_case WHERE counted AND resto AND accepted),
    (SELECT COUNT(DISTINCT PatNum) FROM m_case WHERE counted AND resto)
  UNION ALL SELECT 'hygiene_case_acceptance_pct', (SELECT COALESCE(SUM(fee), 0) FROM m_case WHERE hygiene_case AND accepted),
    (SELECT COALESCE(SUM(fee), 0) FROM m_case WHERE hygiene_case)
  UNION ALL SELECT 'hygiene_case_patients_pct', (SELECT COUNT(DISTINCT PatNum) FROM m_case WHERE counted AND hygiene_case AND accepted),
    (SELECT COUNT(DISTINCT PatNum) FROM m_case WHERE counted AND hygiene_case)
  UNION ALL SELECT 'dollars_per_exam', (SELECT COALESCE(SUM(fee), 0) FROM m_case WHERE resto AND accepted),
    (SELECT COUNT(*) FROM m_done WHERE exam AND counted AND ProcDate BETWEEN @from AND @to)
  UNION ALL SELECT 'unscheduled_treatment', (SELECT COALESCE(SUM(x.fee), 0) FROM m_proc x WHERE x.planned AND x.is_patient
    AND (@prov = 0 OR x.ProvNum = @prov)
    AND NOT EXISTS (SELECT * FROM o_appt a WHERE a.AptNum = x.AptNum AND a.live AND a.day >= @d)), NULL
  UNION ALL SELECT 'appointments', (SELECT COUNT(*) FROM m_appt WHERE day BETWEEN @from AND @to), NULL
  UNION ALL SELECT 'completed_appointments', (SELECT COUNT(*) FROM m_appt WHERE complete AND day BETWEEN @from AND @to), NULL
  UNION ALL SELECT 'incomplete_appointments', (SELECT COUNT(*) FROM m_appt WHERE NOT complete AND day BETWEEN @from AND @to), NULL
  UNION ALL SELECT 'future_appointments', (SELECT COUNT(*) FROM m_appt WHERE live AND day >= @d), NULL
  UNION ALL SELECT 'broken_appointments', (SELECT COUNT(*) FROM m_how), NULL
  UNION ALL SELECT 'broken_pct', (SELECT COUNT(*) FROM m_how), (SELECT COUNT(*) FROM m_how) + @stand
  UNION ALL SELECT 'cancelled_pct', (SELECT COUNT(*) FROM m_how WHERE kind = 1), (SELECT COUNT(*) FROM m_how) + @stand
  UNION ALL SELECT 'no_show_pct', (SELECT COUNT(*) FROM m_how WHERE kind = 2), (SELECT COUNT(*) FROM m_how) + @stand
) m WHERE m.above IS NOT NULL;
