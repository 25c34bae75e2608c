-- Question: which appointments were broken from $from to $to, and how?
-- Source: features.md §1 "broken_pct"; books.md "Patients".
-- Grain: one row for each broken-appointment procedure by its date where these are in use ($by_procedure 1), else for each
-- appointment of status 5 by its own. Cancelled: more than 24 hours ahead, by the appointment's last change of status;
-- where there is none by the code (D9987 cancelled, D9986 missed), else neither.
WITH broken AS (
  SELECT p.proc_num AS key_num, p.proc_date AS day, p.pat_num, p.prov_num, p.clinic_num, p.code, p.apt_num
  FROM done_procedure AS p
  LEFT JOIN deleted_patient AS x ON x.pat_num = p.pat_num
  WHERE
    CAST($by_procedure AS INT) = 1
    AND p.is_broken
    AND x.pat_num IS NULL
    AND p.proc_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
  UNION ALL
  SELECT a.apt_num AS key_num, a.apt_date AS day, a.pat_num, a.provider AS prov_num, a.clinic_num, '' AS code, a.apt_num
  FROM appt AS a
  LEFT JOIN deleted_patient AS x ON x.pat_num = a.pat_num
  WHERE
    CAST($by_procedure AS INT) = 0
    AND a.apt_status = 5
    AND x.pat_num IS NULL
    AND a.apt_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
),
status_broken AS (
  SELECT pat_num, apt_date, MIN(apt_num) AS apt_num FROM appt
  WHERE apt_status = 5 AND apt_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
  GROUP BY pat_num, apt_date
),
broken_code AS (
  SELECT pat_num, proc_date, MAX(code) AS code FROM done_procedure
  WHERE is_broken AND proc_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
  GROUP BY pat_num, proc_date
),
located AS (
  SELECT
    b.key_num,
    b.day,
    b.pat_num,
    b.prov_num,
    b.clinic_num,
    b.code,
    COALESCE(NULLIF(b.code, ''), c.code, '') AS told,
    COALESCE(NULLIF(b.apt_num, 0), s.apt_num, 0) AS apt_num
  FROM broken AS b
  LEFT JOIN status_broken AS s ON s.pat_num = b.pat_num AND s.apt_date = b.day
  LEFT JOIN broken_code AS c ON c.pat_num = b.pat_num AND c.proc_date = b.day
)
SELECT
  l.key_num,
  l.day,
  l.pat_num,
  l.prov_num,
  l.clinic_num,
  l.code,
  'Broken' AS label,
  COALESCE(h.is_early, l.told = 'D9987') AS is_cancelled,
  COALESCE(NOT h.is_early, l.told = 'D9986') AS is_no_show
FROM located AS l
LEFT JOIN last_action AS h ON h.apt_num = l.apt_num
