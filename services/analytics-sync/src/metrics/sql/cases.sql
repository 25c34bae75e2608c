-- Question: which treatment was presented from $from to $to, and is it accepted as of now?
-- Source: features.md §1 "presented", "accepted".
-- Grain: one row for each procedure planned on a date of a visit of the patient. Day: the date of the plan. Sign: fees,
-- above zero. Patients in no count count in the amounts.
WITH came AS (
  SELECT pat_num, proc_date FROM visit WHERE proc_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
)
SELECT
  c.proc_num AS key_num,
  c.date_tp AS day,
  c.pat_num,
  c.prov_num,
  c.clinic_num,
  c.code,
  c.descript AS label,
  CAST(c.fee AS DECIMAL(38, 4)) AS amount,
  x.pat_num IS NULL AS is_counted,
  c.is_accepted,
  c.is_restorative,
  c.is_hygiene_case
FROM case_procedure AS c
JOIN came AS v ON v.pat_num = c.pat_num AND v.proc_date = c.date_tp
LEFT JOIN deleted_patient AS x ON x.pat_num = c.pat_num
WHERE c.date_tp BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
