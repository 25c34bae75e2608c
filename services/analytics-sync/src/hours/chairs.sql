-- Question: which chairs are there and whose are they?
-- Grain: one row for each operatory.
SELECT
  operatory_num,
  COALESCE(NULLIF(abbrev, ''), op_name, '') AS abbr,
  COALESCE(clinic_num, 0) AS clinic_num,
  COALESCE(prov_dentist, 0) AS prov_dentist,
  COALESCE(prov_hygienist, 0) AS prov_hygienist
FROM operatory
ORDER BY operatory_num
