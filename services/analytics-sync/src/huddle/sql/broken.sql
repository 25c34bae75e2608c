-- Question: which appointments of $day were broken, how, and are the patients rebooked?
-- Grain: one row for each broken one, by time. Day: procedure date where broken-appointment codes are in use
-- ($by_procedure 1), else the appointment's. Kind: 1 cancelled more than 24 hours ahead, 2 no-show, 0 not known.
WITH broken AS (
  SELECT p.proc_num AS row_num, p.pat_num, p.prov_num AS provider, p.code, p.apt_num
  FROM done_procedure AS p
  LEFT JOIN deleted_patient AS x ON x.pat_num = p.pat_num
  WHERE CAST($by_procedure AS INT) = 1 AND p.is_broken AND p.proc_date = CAST($day AS DATE) AND x.pat_num IS NULL
  UNION ALL
  SELECT a.apt_num AS row_num, a.pat_num, a.provider, '' AS code, a.apt_num
  FROM appt AS a
  LEFT JOIN deleted_patient AS x ON x.pat_num = a.pat_num
  WHERE CAST($by_procedure AS INT) = 0 AND a.apt_status = 5 AND a.apt_date = CAST($day AS DATE) AND x.pat_num IS NULL
),
status_broken AS (
  SELECT pat_num, MIN(apt_num) AS apt_num FROM appt
  WHERE apt_status = 5 AND apt_date = CAST($day AS DATE)
  GROUP BY pat_num
),
identified AS (
  SELECT b.row_num, b.pat_num, b.provider, b.code, COALESCE(NULLIF(b.apt_num, 0), s.apt_num, 0) AS apt_num
  FROM broken AS b
  LEFT JOIN status_broken AS s ON s.pat_num = b.pat_num
),
broken_code AS (
  SELECT pat_num, MAX(code) AS code FROM done_procedure
  WHERE is_broken AND proc_date = CAST($day AS DATE)
  GROUP BY pat_num
),
located AS (
  SELECT
    i.row_num,
    i.pat_num,
    COALESCE(a.provider, i.provider) AS provider,
    COALESCE(NULLIF(i.code, ''), c.code, '') AS code,
    COALESCE(a.apt_num, 0) AS apt_num,
    COALESCE(a.op, 0) AS op,
    a.apt_date_time,
    COALESCE(a.minutes, 0) AS minutes,
    l.apt_num IS NOT NULL AS has_action,
    l.is_early
  FROM identified AS i
  LEFT JOIN appt AS a ON a.apt_num = i.apt_num
  LEFT JOIN last_action AS l ON l.apt_num = i.apt_num
  LEFT JOIN broken_code AS c ON c.pat_num = i.pat_num
),
work AS (
  SELECT l.apt_num, CAST(SUM(p.fee) AS DECIMAL(38, 4)) AS fee
  FROM (SELECT DISTINCT apt_num FROM located) AS l
  JOIN appt_procedure AS p ON p.apt_num = l.apt_num
  GROUP BY l.apt_num
),
rebooked AS (
  SELECT l.row_num, MIN(a.apt_date_time) AS first_start
  FROM located AS l
  JOIN appt AS a ON a.pat_num = l.pat_num
  WHERE
    a.apt_status IN (1, 2, 4)
    AND (a.apt_date_time > l.apt_date_time OR (l.apt_date_time IS NULL AND a.apt_date > CAST($day AS DATE)))
  GROUP BY l.row_num
)
SELECT
  l.row_num,
  l.apt_num,
  l.pat_num,
  COALESCE(p.l_name, '') AS l_name,
  COALESCE(p.f_name, '') AS f_name,
  COALESCE(p.preferred, '') AS preferred,
  l.provider,
  COALESCE(v.abbr, '') AS provider_abbr,
  v.prov_num IS NOT NULL AS provider_known,
  l.op,
  COALESCE(NULLIF(o.abbrev, ''), o.op_name, '') AS op_abbr,
  l.apt_date_time,
  CAST(l.minutes AS INT) AS minutes,
  CAST(COALESCE(w.fee, 0) AS DECIMAL(38, 4)) AS fee,
  CAST(CASE
    WHEN l.has_action AND l.is_early THEN 1
    WHEN l.has_action THEN 2
    WHEN l.code = 'D9987' THEN 1
    WHEN l.code = 'D9986' THEN 2
    ELSE 0
  END AS INT) AS kind,
  r.first_start AS rebooked_start
FROM located AS l
LEFT JOIN patient AS p ON p.pat_num = l.pat_num
LEFT JOIN provider AS v ON v.prov_num = l.provider
LEFT JOIN operatory AS o ON o.operatory_num = l.op
LEFT JOIN work AS w ON w.apt_num = l.apt_num
LEFT JOIN rebooked AS r ON r.row_num = l.row_num
ORDER BY l.apt_date_time NULLS LAST, l.row_num
