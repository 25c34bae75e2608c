-- Question: which recalls are due from $from to $to and not scheduled?
-- Grain: one row for each recall, by due date, key. Day: due date. Those that are disabled on $d are out; whether a
-- family's balance disables one is decided where the balance is known. Provider and clinic: the patient's own.
WITH visited AS (
  SELECT pat_num, MAX(proc_date) AS day FROM done_procedure WHERE is_visit AND proc_date <= CAST($d AS DATE) GROUP BY pat_num
)
SELECT
  COALESCE(t.description, '') AS type,
  r.date_due AS due,
  COALESCE(n.name, '') AS patient,
  r.pat_num AS patient_number,
  w.day AS last_visit,
  COALESCE(n.phone, '') AS phone,
  COALESCE(n.guarantor, r.pat_num) AS guarantor_number,
  CAST(COALESCE(r.disable_until_balance, CAST(0 AS DECIMAL(18, 4))) AS DECIMAL(38, 4)) AS disable_until_balance
FROM recall AS r
LEFT JOIN recall_type AS t ON t.recall_type_num = r.recall_type_num
LEFT JOIN person AS n ON n.pat_num = r.pat_num
LEFT JOIN visited AS w ON w.pat_num = r.pat_num
WHERE
  r.date_due BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
  AND COALESCE(r.is_disabled, 0) = 0
  AND r.date_scheduled IS NULL
  AND (r.disable_until_date IS NULL OR r.disable_until_date <= CAST($d AS DATE))
  AND COALESCE(n.pat_status, 0) <> 4
  AND in_providers(n.pri_prov)
  AND in_clinics(n.clinic_num)
ORDER BY r.date_due, r.recall_num
