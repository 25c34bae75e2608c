-- Question: which planned work of patients of status "patient" is on no live appointment from $d on?
-- Grain: one row for each procedure, by patient's name, number, key. Day: $d; what is planned on a past appointment is in.
-- Sign: FEE above zero.
WITH visited AS (
  SELECT pat_num, MAX(proc_date) AS day FROM done_procedure WHERE is_visit AND proc_date <= CAST($d AS DATE) GROUP BY pat_num
)
SELECT
  n.name AS patient,
  p.pat_num AS patient_number,
  p.date_tp AS planned,
  p.code,
  p.descript AS description,
  p.tooth_num AS tooth,
  COALESCE(d.item_name, '') AS priority,
  COALESCE(v.abbr, 'unassigned') AS provider,
  p.fee,
  w.day AS last_visit
FROM fee_procedure AS p
JOIN person AS n ON n.pat_num = p.pat_num
LEFT JOIN appt AS a ON a.apt_num = p.apt_num AND a.apt_status IN (1, 4) AND a.apt_date >= CAST($d AS DATE)
LEFT JOIN definition AS d ON d.def_num = p.priority
LEFT JOIN provider_name AS v ON v.prov_num = p.prov_num
LEFT JOIN visited AS w ON w.pat_num = p.pat_num
WHERE
  p.proc_status = 1
  AND n.pat_status = 0
  AND a.apt_num IS NULL
  AND in_providers(p.prov_num)
  AND in_clinics(p.clinic_num)
ORDER BY n.name, p.pat_num, p.proc_num
