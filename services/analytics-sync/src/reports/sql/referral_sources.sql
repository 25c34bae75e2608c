-- Question: whom does each source bring, and what was produced and collected of them from $from to $to?
-- Grain: one row for each source, by name; patients without one are "none", so that sums are the practice's. Days: each
-- amount's own; a new patient's first done row. Money counts whoever the patient.
WITH first_day AS (
  SELECT p.pat_num, MIN(p.proc_date) AS day
  FROM done_procedure AS p
  LEFT JOIN deleted_patient AS x ON x.pat_num = p.pat_num
  WHERE NOT p.is_broken AND x.pat_num IS NULL
  GROUP BY p.pat_num
),
part AS (
  SELECT
    p.pat_num,
    1 AS patients,
    0 AS new_patients,
    CAST(0 AS DECIMAL(38, 4)) AS gross,
    CAST(0 AS DECIMAL(38, 4)) AS collected
  FROM patient AS p
  WHERE COALESCE(p.pat_status, 0) <> 4
  UNION ALL
  SELECT
    pat_num,
    0 AS patients,
    1 AS new_patients,
    CAST(0 AS DECIMAL(38, 4)) AS gross,
    CAST(0 AS DECIMAL(38, 4)) AS collected
  FROM first_day
  WHERE day BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
  UNION ALL
  SELECT
    pat_num,
    0 AS patients,
    0 AS new_patients,
    CASE WHEN kind IN ('production', 'capitation') THEN amount ELSE CAST(0 AS DECIMAL(38, 4)) END AS gross,
    CASE WHEN kind IN ('patient', 'insurance') THEN amount ELSE CAST(0 AS DECIMAL(38, 4)) END AS collected
  FROM money_entry
  WHERE
    kind IN ('production', 'capitation', 'patient', 'insurance')
    AND day BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
)
SELECT
  COALESCE(r.name, 'none') AS referral,
  SUM(p.patients) AS patients,
  SUM(p.new_patients) AS new_patients,
  SUM(p.gross) AS gross_production,
  SUM(p.collected) AS collections
FROM part AS p
LEFT JOIN patient_referral AS r ON r.pat_num = p.pat_num
GROUP BY COALESCE(r.name, 'none'), COALESCE(r.referral_num, 0)
ORDER BY referral, COALESCE(r.referral_num, 0)
