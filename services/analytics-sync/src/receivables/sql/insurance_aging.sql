-- Question: what do insurances owe each family, by carrier and procedure date, as of D?
-- Grain: one row for each family, carrier and date; no date counts as the oldest. Lines not received, or received only
-- after D. Sign: estimates, above zero; write-offs are not in them.
SELECT
  m.guarantor,
  COALESCE(r.carrier_num, 0) AS carrier_num,
  COALESCE(r.carrier_name, '') AS carrier_name,
  COALESCE(l.proc_date, DATE '0001-01-01') AS day,
  CAST(SUM(l.ins_pay_est) AS DECIMAL(38, 4)) AS amount
FROM claim_line AS l
JOIN family_member AS m ON m.pat_num = l.pat_num
LEFT JOIN insurance_plan AS p ON p.plan_num = l.plan_num
LEFT JOIN carrier AS r ON r.carrier_num = p.carrier_num
WHERE
  (l.status = 0 OR (l.status = 1 AND l.date_cp > CAST($d AS DATE)))
  AND (l.proc_date IS NULL OR l.proc_date <= CAST($d AS DATE))
GROUP BY m.guarantor, COALESCE(r.carrier_num, 0), COALESCE(r.carrier_name, ''), COALESCE(l.proc_date, DATE '0001-01-01')
ORDER BY m.guarantor, carrier_name, carrier_num, day
