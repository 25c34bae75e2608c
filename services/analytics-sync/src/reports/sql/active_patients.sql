-- Question: which patients of status "patient" had work done from $from to $to?
-- Grain: one row for each, by name, number. Day: procedure date. Filters by provider and clinic ask for work of these.
WITH done AS (
  SELECT pat_num, MAX(proc_date) AS last_done, SUM(fee) AS fee
  FROM done_procedure
  WHERE
    proc_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
    AND in_providers(prov_num)
    AND in_clinics(clinic_num)
  GROUP BY pat_num
)
SELECT
  n.name AS patient,
  n.pat_num AS patient_number,
  d.last_done,
  d.fee,
  COALESCE(v.abbr, 'unassigned') AS provider,
  n.phone
FROM done AS d
JOIN person AS n ON n.pat_num = d.pat_num
LEFT JOIN provider_name AS v ON v.prov_num = n.pri_prov
WHERE n.pat_status = 0
ORDER BY n.name, n.pat_num
