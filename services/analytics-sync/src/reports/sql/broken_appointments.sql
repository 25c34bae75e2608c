-- Question: which appointments from $from to $to were broken, how, and are the patients rebooked?
-- Grain: one row for each, by date, time, key. Day: procedure date where broken-appointment codes are in use
-- ($by_procedure 1), else the appointment's. Kind: the appointment's last action in its history (more than 24 hours ahead
-- is cancelled), else the code. Sign: FEE of the appointment's work, above zero.
WITH broken AS (
  SELECT p.proc_num AS row_num, p.pat_num, p.prov_num AS provider, p.clinic_num, p.code, p.apt_num, p.proc_date AS day
  FROM done_procedure AS p
  LEFT JOIN deleted_patient AS x ON x.pat_num = p.pat_num
  WHERE
    CAST($by_procedure AS INT) = 1
    AND p.is_broken
    AND p.proc_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
    AND x.pat_num IS NULL
  UNION ALL
  SELECT a.apt_num AS row_num, a.pat_num, a.provider, a.clinic_num, '' AS code, a.apt_num, a.apt_date AS day
  FROM appt AS a
  LEFT JOIN deleted_patient AS x ON x.pat_num = a.pat_num
  WHERE
    CAST($by_procedure AS INT) = 0
    AND a.apt_status = 5
    AND a.apt_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
    AND x.pat_num IS NULL
),
status_broken AS (
  SELECT pat_num, apt_date AS day, MIN(apt_num) AS apt_num
  FROM appt
  WHERE apt_status = 5 AND apt_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
  GROUP BY pat_num, apt_date
),
broken_code AS (
  SELECT pat_num, proc_date AS day, MAX(code) AS code
  FROM done_procedure
  WHERE is_broken AND proc_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
  GROUP BY pat_num, proc_date
),
identified AS (
  SELECT
    b.row_num, b.pat_num, b.provider, b.clinic_num, b.day,
    COALESCE(NULLIF(b.code, ''), c.code, '') AS code,
    COALESCE(NULLIF(b.apt_num, 0), s.apt_num, 0) AS apt_num
  FROM broken AS b
  LEFT JOIN status_broken AS s ON s.pat_num = b.pat_num AND s.day = b.day
  LEFT JOIN broken_code AS c ON c.pat_num = b.pat_num AND c.day = b.day
),
located AS (
  SELECT
    i.row_num,
    i.pat_num,
    i.day,
    i.code,
    COALESCE(a.provider, i.provider) AS provider,
    COALESCE(a.clinic_num, i.clinic_num) AS clinic_num,
    COALESCE(a.apt_num, 0) AS apt_num,
    a.apt_date_time,
    a.minutes,
    l.apt_num IS NOT NULL AS has_action,
    l.is_early
  FROM identified AS i
  LEFT JOIN appt AS a ON a.apt_num = i.apt_num
  LEFT JOIN last_action AS l ON l.apt_num = i.apt_num
),
work AS (
  SELECT l.apt_num, SUM(p.fee) AS fee
  FROM (SELECT DISTINCT apt_num FROM located) AS l
  JOIN appt_procedure AS p ON p.apt_num = l.apt_num
  GROUP BY l.apt_num
),
rebooked AS (
  SELECT l.row_num, MIN(a.apt_date_time) AS start
  FROM located AS l
  JOIN appt AS a ON a.pat_num = l.pat_num
  WHERE
    a.apt_status IN (1, 2, 4)
    AND (a.apt_date_time > l.apt_date_time OR (l.apt_date_time IS NULL AND a.apt_date > l.day))
  GROUP BY l.row_num
)
SELECT
  l.day AS date,
  l.apt_date_time AS start,
  COALESCE(n.name, '') AS patient,
  l.pat_num AS patient_number,
  COALESCE(v.abbr, 'unassigned') AS provider,
  CAST(COALESCE(l.minutes, 0) AS BIGINT) AS minutes,
  COALESCE(w.fee, CAST(0 AS DECIMAL(38, 4))) AS fee,
  CASE
    WHEN l.has_action AND l.is_early THEN 'cancelled'
    WHEN l.has_action THEN 'no-show'
    WHEN l.code = 'D9987' THEN 'cancelled'
    WHEN l.code = 'D9986' THEN 'no-show'
    ELSE 'unclassified'
  END AS kind,
  r.start IS NOT NULL AS rebooked,
  r.start AS rebooked_start
FROM located AS l
LEFT JOIN person AS n ON n.pat_num = l.pat_num
LEFT JOIN provider_name AS v ON v.prov_num = l.provider
LEFT JOIN work AS w ON w.apt_num = l.apt_num
LEFT JOIN rebooked AS r ON r.row_num = l.row_num
WHERE in_providers(l.provider) AND in_clinics(l.clinic_num)
ORDER BY l.day, l.apt_date_time NULLS LAST, l.row_num
