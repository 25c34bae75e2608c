-- Question: who came from $from to $to, to whom and where, and for what?
-- Source: features.md §0 "visit", "HYG", "RESTO".
-- Grain: one row for each patient, date, provider and location with a done row that is no broken-appointment code. Day:
-- procedure date. Patients in no count are out.
SELECT
  MIN(p.proc_num) AS key_num,
  p.proc_date AS day,
  p.pat_num,
  p.prov_num,
  p.clinic_num,
  'Visit' AS label,
  BOOL_OR(p.is_visit) AS is_visit,
  BOOL_OR(p.is_hygiene) AS is_hygiene,
  BOOL_OR(p.is_restorative) AS is_restorative,
  BOOL_OR(COALESCE(t.pat_status = 0, FALSE)) AS is_patient
FROM done_procedure AS p
LEFT JOIN patient AS t ON t.pat_num = p.pat_num
WHERE
  NOT p.is_broken
  AND COALESCE(t.pat_status, 0) <> 4
  AND p.proc_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
GROUP BY p.pat_num, p.proc_date, p.prov_num, p.clinic_num
