-- Question: who are the guarantors?
-- Grain: one row for each guarantor, by key; whatever the status.
SELECT
  f.guarantor,
  COALESCE(p.l_name, '') AS l_name,
  COALESCE(p.f_name, '') AS f_name,
  COALESCE(p.preferred, '') AS preferred
FROM (SELECT DISTINCT guarantor FROM family_member) AS f
LEFT JOIN patient AS p ON p.pat_num = f.guarantor
ORDER BY f.guarantor
