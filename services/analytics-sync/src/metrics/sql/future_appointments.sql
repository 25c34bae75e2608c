-- Question: which live appointments lie on D or later?
-- Source: features.md §0 "future"; §3 "future appts".
-- Grain: one row for each appointment. Day: the appointment's.
SELECT
  a.apt_num AS key_num,
  a.apt_date AS day,
  a.pat_num,
  a.provider AS prov_num,
  a.clinic_num,
  'Scheduled' AS label
FROM appt AS a
LEFT JOIN deleted_patient AS x ON x.pat_num = a.pat_num
WHERE x.pat_num IS NULL AND a.apt_status IN (1, 4) AND a.apt_date >= CAST($d AS DATE)
