-- Question: which visits from $from to $to were for hygiene, were they periodontal, and is the patient booked again?
-- Source: features.md §1 "hygiene_reappointment_pct".
-- Grain: one row for each patient and date with a hygiene code, credited to the visit's first hygiene row. Day: procedure
-- date. Booked again: as of now a hygiene appointment that stands or was kept lies on a later date.
WITH hygiene AS (
  SELECT p.pat_num, p.proc_date, MIN(p.proc_num) AS proc_num
  FROM done_procedure AS p
  LEFT JOIN deleted_patient AS x ON x.pat_num = p.pat_num
  WHERE p.is_hygiene AND x.pat_num IS NULL AND p.proc_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
  GROUP BY p.pat_num, p.proc_date
),
perio AS (
  SELECT DISTINCT pat_num, proc_date FROM done_procedure
  WHERE is_perio AND proc_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
),
last_booked AS (
  SELECT pat_num, MAX(apt_date) AS apt_date FROM hygiene_appt WHERE apt_status IN (1, 2, 4) GROUP BY pat_num
)
SELECT
  p.proc_num AS key_num,
  h.proc_date AS day,
  h.pat_num,
  p.prov_num,
  p.clinic_num,
  'Hygiene visit' AS label,
  COALESCE(b.apt_date > h.proc_date, FALSE) AS is_reappointed,
  r.pat_num IS NOT NULL AS is_perio
FROM hygiene AS h
JOIN done_procedure AS p ON p.proc_num = h.proc_num
LEFT JOIN perio AS r ON r.pat_num = h.pat_num AND r.proc_date = h.proc_date
LEFT JOIN last_booked AS b ON b.pat_num = h.pat_num
