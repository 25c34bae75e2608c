-- Question: which date was the last one worked before D, and which is the next one with an appointment?
-- Grain: one row. Days: the practice's calendar. Patients in no count do not make a date.
WITH worked AS (
  SELECT MAX(v.proc_date) AS day FROM done_procedure AS v
  LEFT JOIN deleted_patient AS x ON x.pat_num = v.pat_num
  WHERE v.is_visit AND x.pat_num IS NULL AND v.proc_date < CAST($d AS DATE)
  UNION ALL
  SELECT MAX(a.apt_date) AS day FROM appt AS a
  LEFT JOIN deleted_patient AS x ON x.pat_num = a.pat_num
  WHERE x.pat_num IS NULL AND a.apt_date < CAST($d AS DATE)
),
booked AS (
  SELECT a.apt_date AS day FROM appt AS a
  LEFT JOIN deleted_patient AS x ON x.pat_num = a.pat_num
  WHERE x.pat_num IS NULL AND a.apt_date > CAST($d AS DATE)
)
SELECT
  (SELECT MAX(day) FROM worked) AS last_worked,
  (SELECT MIN(day) FROM booked) AS next_booked
