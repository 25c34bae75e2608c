-- Question: who came for the first time from $from to $to, and when do they come again?
-- Grain: one row for each patient, by first date, number. Day: the first done row's, broken-appointment codes left out.
-- Provider and clinic: of that date's lowest procedure. Sign: FEE of the work done in the range, above zero.
-- The next appointment is as of $d.
WITH first_day AS (
  SELECT p.pat_num, MIN(p.proc_date) AS day
  FROM done_procedure AS p
  LEFT JOIN deleted_patient AS x ON x.pat_num = p.pat_num
  WHERE NOT p.is_broken AND x.pat_num IS NULL
  GROUP BY p.pat_num
  HAVING MIN(p.proc_date) BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
),
first_row AS (
  SELECT p.pat_num, MIN(p.proc_num) AS proc_num
  FROM done_procedure AS p
  JOIN first_day AS f ON f.pat_num = p.pat_num AND f.day = p.proc_date
  WHERE NOT p.is_broken
  GROUP BY p.pat_num
),
credited AS (
  SELECT r.pat_num, p.proc_date AS day, p.prov_num
  FROM first_row AS r
  JOIN done_procedure AS p ON p.proc_num = r.proc_num
  WHERE in_providers(p.prov_num) AND in_clinics(p.clinic_num)
),
work AS (
  SELECT c.pat_num, SUM(p.fee) AS fee
  FROM credited AS c
  JOIN done_procedure AS p ON p.pat_num = c.pat_num
  WHERE p.proc_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
  GROUP BY c.pat_num
),
next_appt AS (
  SELECT a.pat_num, MIN(a.apt_date_time) AS start
  FROM appt AS a
  JOIN credited AS c ON c.pat_num = a.pat_num
  WHERE a.apt_status IN (1, 4) AND a.apt_date >= CAST($d AS DATE)
  GROUP BY a.pat_num
)
SELECT
  c.day AS first_visit,
  COALESCE(n.name, '') AS patient,
  c.pat_num AS patient_number,
  COALESCE(v.abbr, 'unassigned') AS provider,
  COALESCE(r.name, '') AS referral,
  w.fee AS fee,
  a.start AS next_appointment
FROM credited AS c
LEFT JOIN work AS w ON w.pat_num = c.pat_num
LEFT JOIN next_appt AS a ON a.pat_num = c.pat_num
LEFT JOIN patient_referral AS r ON r.pat_num = c.pat_num
LEFT JOIN person AS n ON n.pat_num = c.pat_num
LEFT JOIN provider_name AS v ON v.prov_num = c.prov_num
ORDER BY c.day, c.pat_num
