-- Question: what was done from $from to $to?
-- Source: features.md §1 "gross_production", §0 "category"; books.md "Production and income".
-- Grain: one row for each done procedure. Day: procedure date. Sign: fees, above zero. The money of deleted patients counts.
SELECT
  p.proc_num AS key_num,
  p.proc_date AS day,
  p.pat_num,
  p.prov_num,
  p.clinic_num,
  p.code,
  p.descript AS label,
  CAST(p.fee AS DECIMAL(38, 4)) AS amount,
  x.pat_num IS NULL AS is_counted,
  p.category = 1 AS in_hygiene,
  p.category = 2 AS in_restorative,
  p.is_exam
FROM done_procedure AS p
LEFT JOIN deleted_patient AS x ON x.pat_num = p.pat_num
WHERE p.proc_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
