-- Question: which capitation write-offs lower the production from $from to $to?
-- Source: features.md §1 "gross_production"; books.md "Production and income".
-- Grain: one row for each claim line of status 7 on a done procedure. Day, provider, location, code: the procedure's.
-- Sign: write-offs as entered; a metric takes them off.
SELECT
  l.claim_proc_num AS key_num,
  p.proc_date AS day,
  p.pat_num,
  p.prov_num,
  p.clinic_num,
  p.code,
  'Capitation write-off' AS label,
  CAST(COALESCE(l.write_off, CAST(0 AS DECIMAL(18, 4))) AS DECIMAL(38, 4)) AS amount,
  p.category = 1 AS in_hygiene,
  p.category = 2 AS in_restorative
FROM claim_line AS l
JOIN done_procedure AS p ON p.proc_num = l.proc_num
WHERE l.status = 7 AND p.proc_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
