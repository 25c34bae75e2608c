-- Question: what did insurances pay from $from to $to?
-- Source: features.md §1 "insurance_collections"; books.md "Production and income".
-- Grain: one row for each claim line received (1, 4) that is on a check. Day: the check's. Sign: as paid.
SELECT
  l.claim_proc_num AS key_num,
  k.check_date AS day,
  l.pat_num,
  l.prov_num,
  l.clinic_num,
  COALESCE(k.carrier_name, '') AS label,
  CAST(COALESCE(l.ins_pay_amt, CAST(0 AS DECIMAL(18, 4))) AS DECIMAL(38, 4)) AS amount
FROM claim_line AS l
JOIN claim_payment AS k ON k.claim_payment_num = l.claim_payment_num
WHERE l.status IN (1, 4) AND k.check_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
