-- Question: which appointments from $from to $to stand or were kept, leaving out patients with a broken one that date?
-- Source: features.md §1 "broken_pct".
-- Grain: one row for each appointment. Day: the appointment's. Which are broken: as in broken.sql.
WITH broken_patient AS (
  SELECT DISTINCT pat_num, proc_date AS day FROM done_procedure
  WHERE
    CAST($by_procedure AS INT) = 1
    AND is_broken
    AND proc_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
  UNION
  SELECT DISTINCT pat_num, apt_date AS day FROM appt
  WHERE
    CAST($by_procedure AS INT) = 0
    AND apt_status = 5
    AND apt_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
)
SELECT
  a.apt_num AS key_num,
  a.apt_date AS day,
  a.pat_num,
  a.provider AS prov_num,
  a.clinic_num,
  'Kept' AS label
FROM appt AS a
LEFT JOIN deleted_patient AS x ON x.pat_num = a.pat_num
LEFT JOIN broken_patient AS b ON b.pat_num = a.pat_num AND b.day = a.apt_date
WHERE
  a.apt_status IN (1, 2, 4)
  AND a.apt_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
  AND x.pat_num IS NULL
  AND b.pat_num IS NULL
