-- Question: how many patients came on $day, how many for the first time, how many for hygiene, and how many of these have
-- a later hygiene appointment as of the snapshot?
-- Grain: one row. Day: procedure date. A patient counts once a day.
WITH visitor AS (
  SELECT v.pat_num FROM visit AS v
  LEFT JOIN deleted_patient AS x ON x.pat_num = v.pat_num
  WHERE v.proc_date = CAST($day AS DATE) AND x.pat_num IS NULL
),
first_done AS (
  SELECT p.pat_num, MIN(p.proc_date) AS day FROM done_procedure AS p
  LEFT JOIN deleted_patient AS x ON x.pat_num = p.pat_num
  WHERE NOT p.is_broken AND x.pat_num IS NULL
  GROUP BY p.pat_num
),
hygiene_visitor AS (
  SELECT DISTINCT p.pat_num FROM done_procedure AS p
  LEFT JOIN deleted_patient AS x ON x.pat_num = p.pat_num
  WHERE p.proc_date = CAST($day AS DATE) AND p.is_hygiene AND x.pat_num IS NULL
),
later_appt AS (
  SELECT a.apt_num, a.pat_num, a.is_hygiene
  FROM appt AS a
  JOIN hygiene_visitor AS h ON h.pat_num = a.pat_num
  WHERE a.apt_status IN (1, 2, 4) AND a.apt_date > CAST($day AS DATE)
),
later_work AS (
  SELECT a.apt_num, BOOL_OR(p.is_hygiene) AS has_hygiene
  FROM later_appt AS a
  JOIN appt_procedure AS p ON p.apt_num = a.apt_num
  GROUP BY a.apt_num
),
later_hygiene AS (
  SELECT DISTINCT a.pat_num
  FROM later_appt AS a
  LEFT JOIN later_work AS w ON w.apt_num = a.apt_num
  WHERE COALESCE(w.has_hygiene, FALSE) OR (w.apt_num IS NULL AND a.is_hygiene = 1)
)
SELECT
  (SELECT COUNT(*) FROM visitor) AS visits,
  (SELECT COUNT(*) FROM first_done WHERE day = CAST($day AS DATE)) AS new_patients,
  (SELECT COUNT(*) FROM hygiene_visitor) AS hygiene_visits,
  (SELECT COUNT(*) FROM later_hygiene) AS reappointed
