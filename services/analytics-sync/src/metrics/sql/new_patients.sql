-- Question: who came for the first time from $from to $to, are they booked again, and what became of their treatment?
-- Source: features.md §1 "new_patients"; books.md "Patients".
-- Grain: one row for each patient whose first done procedure, broken-appointment codes aside, lies there, credited to that
-- date's lowest procedure. Day: procedure date. Presented and accepted: treatment planned on that first date.
WITH first_day AS (
  SELECT p.pat_num, MIN(p.proc_date) AS day
  FROM done_procedure AS p
  LEFT JOIN deleted_patient AS x ON x.pat_num = p.pat_num
  WHERE NOT p.is_broken AND x.pat_num IS NULL
  GROUP BY p.pat_num
  HAVING MIN(p.proc_date) BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
),
first_row AS (
  SELECT f.pat_num, f.day, MIN(p.proc_num) AS proc_num
  FROM first_day AS f
  JOIN done_procedure AS p ON p.pat_num = f.pat_num AND p.proc_date = f.day
  WHERE NOT p.is_broken
  GROUP BY f.pat_num, f.day
),
last_booked AS (
  SELECT pat_num, MAX(apt_date) AS apt_date FROM appt WHERE apt_status IN (1, 2, 4) GROUP BY pat_num
),
presented AS (
  SELECT f.pat_num, BOOL_OR(c.is_accepted) AS is_accepted
  FROM first_day AS f
  JOIN case_procedure AS c ON c.pat_num = f.pat_num AND c.date_tp = f.day
  JOIN visit AS v ON v.pat_num = f.pat_num AND v.proc_date = f.day
  GROUP BY f.pat_num
)
SELECT
  f.pat_num AS key_num,
  f.day,
  f.pat_num,
  p.prov_num,
  p.clinic_num,
  p.code,
  'First visit' AS label,
  COALESCE(b.apt_date > f.day, FALSE) AS is_reappointed,
  c.pat_num IS NOT NULL AS is_presented,
  COALESCE(c.is_accepted, FALSE) AS is_accepted
FROM first_row AS f
JOIN done_procedure AS p ON p.proc_num = f.proc_num
LEFT JOIN last_booked AS b ON b.pat_num = f.pat_num
LEFT JOIN presented AS c ON c.pat_num = f.pat_num
