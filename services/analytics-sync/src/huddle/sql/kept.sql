-- Question: how many appointments of $day were kept or stand, leaving out patients with a broken row on it?
-- Grain: one row. Day: the appointment's. Which rows are broken: as in broken.sql.
WITH broken_patient AS (
  SELECT DISTINCT pat_num FROM done_procedure
  WHERE CAST($by_procedure AS INT) = 1 AND is_broken AND proc_date = CAST($day AS DATE)
  UNION
  SELECT DISTINCT pat_num FROM appt
  WHERE CAST($by_procedure AS INT) = 0 AND apt_status = 5 AND apt_date = CAST($day AS DATE)
)
SELECT COUNT(*) AS kept
FROM appt AS a
LEFT JOIN deleted_patient AS x ON x.pat_num = a.pat_num
LEFT JOIN broken_patient AS b ON b.pat_num = a.pat_num
WHERE a.apt_status IN (1, 2, 4) AND a.apt_date = CAST($day AS DATE) AND x.pat_num IS NULL AND b.pat_num IS NULL
