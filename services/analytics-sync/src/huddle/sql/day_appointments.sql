-- Question: who comes on $day, when, where, to whom, and what must the team know?
-- Grain: one row for each appointment, by start, operatory, key. Day: the appointment's. $now: the snapshot's wall clock.
-- Completed: marked so, or live and past, unless the patient's done rows of that date are no visit.
WITH day_work AS (
  SELECT p.apt_num, CAST(SUM(p.fee) AS DECIMAL(38, 4)) AS fee, BOOL_OR(p.is_hygiene) AS has_hygiene
  FROM appt AS a
  JOIN appt_procedure AS p ON p.apt_num = a.apt_num
  WHERE a.apt_date = CAST($day AS DATE)
  GROUP BY p.apt_num
),
day_done AS (
  SELECT pat_num, apt_num, is_visit FROM done_procedure WHERE proc_date = CAST($day AS DATE)
),
no_visit AS (
  SELECT a.apt_num
  FROM appt AS a
  JOIN day_done AS p ON p.pat_num = a.pat_num AND (p.apt_num = a.apt_num OR p.apt_num = 0)
  WHERE a.apt_date = CAST($day AS DATE)
  GROUP BY a.apt_num
  HAVING NOT BOOL_OR(p.is_visit)
),
visited_before AS (
  SELECT DISTINCT pat_num FROM done_procedure WHERE is_visit AND proc_date IS NOT NULL
)
SELECT
  a.apt_num,
  CAST(a.apt_status AS INT) AS apt_status,
  a.apt_date_time,
  a.minutes,
  a.op,
  COALESCE(NULLIF(o.abbrev, ''), o.op_name, '') AS op_abbr,
  o.operatory_num IS NOT NULL AS op_known,
  a.provider,
  COALESCE(v.abbr, '') AS provider_abbr,
  v.prov_num IS NOT NULL AS provider_known,
  a.pat_num,
  COALESCE(p.l_name, '') AS l_name,
  COALESCE(p.f_name, '') AS f_name,
  COALESCE(p.preferred, '') AS preferred,
  COALESCE(NULLIF(p.guarantor, 0), a.pat_num) AS guarantor,
  p.birthdate,
  CAST(COALESCE(w.fee, 0) AS DECIMAL(38, 4)) AS fee,
  COALESCE(w.has_hygiene, FALSE) AS has_hygiene,
  a.is_new_patient = 1 OR s.pat_num IS NULL AS is_new,
  COALESCE(d.item_name, '') AS confirmation,
  COALESCE(p.med_urg_note, '') AS med_urg_note,
  COALESCE(p.premed, 0) = 1 AS premed,
  COALESCE(NULLIF(g.fam_fin_urg_note, ''), p.fam_fin_urg_note, '') AS fam_fin_urg_note,
  COALESCE(p.appt_mod_note, '') AS appt_mod_note,
  COALESCE(n.medical, '') AS medical,
  (a.apt_status = 2 OR (a.apt_status IN (1, 4) AND a.apt_date_time < CAST($now AS TIMESTAMP))) AND z.apt_num IS NULL
    AS is_completed
FROM appt AS a
LEFT JOIN deleted_patient AS x ON x.pat_num = a.pat_num
LEFT JOIN patient AS p ON p.pat_num = a.pat_num
LEFT JOIN patient AS g ON g.pat_num = p.guarantor
LEFT JOIN patient_note AS n ON n.pat_num = a.pat_num
LEFT JOIN provider AS v ON v.prov_num = a.provider
LEFT JOIN operatory AS o ON o.operatory_num = a.op
LEFT JOIN definition AS d ON d.def_num = a.confirmed
LEFT JOIN day_work AS w ON w.apt_num = a.apt_num
LEFT JOIN visited_before AS s ON s.pat_num = a.pat_num
LEFT JOIN no_visit AS z ON z.apt_num = a.apt_num
WHERE a.apt_date = CAST($day AS DATE) AND x.pat_num IS NULL
ORDER BY a.apt_date_time, a.op, a.apt_num
