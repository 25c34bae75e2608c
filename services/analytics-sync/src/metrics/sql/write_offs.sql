-- Question: what was written off for insurances from $from to $to?
-- Source: features.md §1 "write_offs"; books.md "Production and income".
-- Grain: one row for each claim line with a write-off. Day: with $basis 0 the insurance payment's, of lines received (1, 4);
-- with $basis 1 the procedure's, of lines sent too (0, 1, 4). Sign: above zero lowers production.
SELECT
  l.claim_proc_num AS key_num,
  CASE WHEN CAST($basis AS INT) = 1 THEN l.proc_date ELSE l.date_cp END AS day,
  l.pat_num,
  l.prov_num,
  l.clinic_num,
  'Write-off' AS label,
  CAST(l.write_off AS DECIMAL(38, 4)) AS amount
FROM claim_line AS l
WHERE
  l.write_off <> CAST(0 AS DECIMAL(18, 4))
  AND (
    (CAST($basis AS INT) = 0 AND l.status IN (1, 4) AND l.date_cp BETWEEN CAST($from AS DATE) AND CAST($to AS DATE))
    OR (
      CAST($basis AS INT) = 1 AND l.status IN (0, 1, 4) AND l.proc_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
    )
  )
