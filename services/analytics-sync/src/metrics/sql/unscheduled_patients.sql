-- Question: which patients have no live appointment from D on, how long ago did they come, and what is planned for them?
-- Source: features.md §1 "unscheduled_patients".
-- Grain: one row for each patient of status "patient" whose last visit is at most 36 months old. Day: D. Provider and
-- location: the patient's own. Amount: planned work that is on no live appointment. Kind: by the last visit, 1 to 6
-- months, 2 to 9, 3 to 12, 4 to 18, 5 to 36.
WITH last_visit AS (
  SELECT pat_num, MAX(proc_date) AS day FROM visit WHERE proc_date <= CAST($d AS DATE) GROUP BY pat_num
),
last_hygiene AS (
  SELECT pat_num, MAX(proc_date) AS day FROM done_procedure
  WHERE is_hygiene AND proc_date <= CAST($d AS DATE)
  GROUP BY pat_num
),
booked AS (
  SELECT DISTINCT pat_num FROM appt WHERE apt_status IN (1, 4) AND apt_date >= CAST($d AS DATE)
),
planned AS (
  SELECT p.pat_num, SUM(p.fee) AS fee FROM fee_procedure AS p
  LEFT JOIN appt AS a ON a.apt_num = p.apt_num AND a.apt_status IN (1, 4) AND a.apt_date >= CAST($d AS DATE)
  WHERE p.proc_status = 1 AND a.apt_num IS NULL
  GROUP BY p.pat_num
)
SELECT
  t.pat_num AS key_num,
  CAST($d AS DATE) AS day,
  t.pat_num,
  t.pri_prov AS prov_num,
  t.clinic_num,
  concat('Last visit ', CAST(v.day AS VARCHAR), ', last hygiene visit ', COALESCE(CAST(h.day AS VARCHAR), 'never')) AS label,
  CAST(CASE
    WHEN v.day >= CAST(CAST($d AS DATE) - INTERVAL '6 months' AS DATE) THEN 1
    WHEN v.day >= CAST(CAST($d AS DATE) - INTERVAL '9 months' AS DATE) THEN 2
    WHEN v.day >= CAST(CAST($d AS DATE) - INTERVAL '12 months' AS DATE) THEN 3
    WHEN v.day >= CAST(CAST($d AS DATE) - INTERVAL '18 months' AS DATE) THEN 4
    ELSE 5
  END AS INT) AS kind,
  CAST(COALESCE(p.fee, CAST(0 AS DECIMAL(38, 4))) AS DECIMAL(38, 4)) AS amount,
  v.day >= CAST(CAST($d AS DATE) - INTERVAL '18 months' AS DATE) AS is_visit
FROM patient AS t
JOIN last_visit AS v ON v.pat_num = t.pat_num
LEFT JOIN last_hygiene AS h ON h.pat_num = t.pat_num
LEFT JOIN booked AS b ON b.pat_num = t.pat_num
LEFT JOIN planned AS p ON p.pat_num = t.pat_num
WHERE
  t.pat_status = 0
  AND b.pat_num IS NULL
  AND v.day >= CAST(CAST($d AS DATE) - INTERVAL '36 months' AS DATE)
