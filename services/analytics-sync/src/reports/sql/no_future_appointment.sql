-- Question: who has no live appointment from $d on, and what waits to be done?
-- Grain: one row for each patient of status "patient", by last visit (latest first), number. Provider and clinic: the
-- patient's own. Sign: treatment above zero. The recall is the earliest that is not disabled.
WITH booked AS (
  SELECT DISTINCT pat_num FROM appt WHERE apt_status IN (1, 4) AND apt_date >= CAST($d AS DATE)
),
visited AS (
  SELECT pat_num, MAX(proc_date) AS day FROM done_procedure WHERE is_visit AND proc_date <= CAST($d AS DATE) GROUP BY pat_num
),
planned AS (
  SELECT p.pat_num, SUM(p.fee) AS fee
  FROM fee_procedure AS p
  LEFT JOIN appt AS a ON a.apt_num = p.apt_num AND a.apt_status IN (1, 4) AND a.apt_date >= CAST($d AS DATE)
  WHERE p.proc_status = 1 AND a.apt_num IS NULL
  GROUP BY p.pat_num
),
due AS (
  SELECT pat_num, MIN(date_due) AS day
  FROM recall
  WHERE
    COALESCE(is_disabled, 0) = 0
    AND (disable_until_date IS NULL OR disable_until_date <= CAST($d AS DATE))
  GROUP BY pat_num
)
SELECT
  n.name AS patient,
  n.pat_num AS patient_number,
  w.day AS last_visit,
  r.day AS recall_due,
  COALESCE(t.fee, CAST(0 AS DECIMAL(30, 4))) AS unscheduled_treatment,
  n.phone
FROM person AS n
LEFT JOIN booked AS b ON b.pat_num = n.pat_num
LEFT JOIN visited AS w ON w.pat_num = n.pat_num
LEFT JOIN planned AS t ON t.pat_num = n.pat_num
LEFT JOIN due AS r ON r.pat_num = n.pat_num
WHERE n.pat_status = 0 AND b.pat_num IS NULL AND in_providers(n.pri_prov) AND in_clinics(n.clinic_num)
ORDER BY w.day DESC NULLS LAST, n.pat_num
