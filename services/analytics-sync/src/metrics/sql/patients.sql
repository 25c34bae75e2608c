-- Question: what are the patients called?
-- Grain: one row for each patient, deleted ones too.
SELECT
  pat_num,
  COALESCE(l_name, '') AS l_name,
  COALESCE(f_name, '') AS f_name,
  COALESCE(preferred, '') AS preferred
FROM patient
