-- Question: which appointments lie from $from to $to, and what became of them?
-- Source: features.md §0 "appointment", "completed appointment"; §1 "appointments".
-- Grain: one row for each appointment; broken ones too. Day: the appointment's. Completed: marked so, or live and past,
-- unless the patient's done rows of that date (on it, or on none) are no visit.
WITH no_visit AS (
  SELECT a.apt_num
  FROM appt AS a
  JOIN done_procedure AS p ON p.pat_num = a.pat_num AND p.proc_date = a.apt_date
  WHERE
    a.apt_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
    AND p.proc_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
    AND (p.apt_num = a.apt_num OR p.apt_num = 0)
  GROUP BY a.apt_num
  HAVING NOT BOOL_OR(p.is_visit)
),
work AS (
  SELECT p.apt_num, BOOL_OR(p.is_hygiene) AS is_hygiene, BOOL_OR(p.is_restorative) AS is_restorative
  FROM appt_procedure AS p
  JOIN appt AS a ON a.apt_num = p.apt_num
  WHERE a.apt_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
  GROUP BY p.apt_num
)
SELECT
  a.apt_num AS key_num,
  a.apt_date AS day,
  a.pat_num,
  a.provider AS prov_num,
  a.clinic_num,
  CASE a.apt_status WHEN 2 THEN 'Complete' WHEN 5 THEN 'Broken' ELSE 'Scheduled' END AS label,
  COALESCE(w.is_hygiene, FALSE) AS is_hygiene,
  COALESCE(w.is_restorative, FALSE) AS is_restorative,
  (a.apt_status = 2 OR (a.apt_status IN (1, 4) AND a.apt_date_time < CAST($now AS TIMESTAMP))) AND z.apt_num IS NULL
    AS is_completed
FROM appt AS a
LEFT JOIN deleted_patient AS x ON x.pat_num = a.pat_num
LEFT JOIN work AS w ON w.apt_num = a.apt_num
LEFT JOIN no_visit AS z ON z.apt_num = a.apt_num
WHERE x.pat_num IS NULL AND a.apt_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
