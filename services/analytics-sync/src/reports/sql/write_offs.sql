-- Question: what was written off from $from to $to, by carrier and code?
-- Grain: one row for each carrier and code, by name. Day: insurance payment date ($basis 0) or procedure date (1).
-- Sign: above zero lowers production. Lines without a procedure have no code.
WITH entry AS (
  SELECT row_num, proc_num, amount
  FROM money_entry
  WHERE
    kind = CASE WHEN CAST($basis AS INT) = 1 THEN 'write_off_treated' ELSE 'write_off_paid' END
    AND day BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
    AND in_providers(prov_num)
    AND in_clinics(clinic_num)
)
SELECT
  COALESCE(k.carrier_name, 'unassigned') AS carrier,
  COALESCE(p.code, '') AS code,
  COUNT(*) AS lines,
  SUM(e.amount) AS write_offs,
  CASE WHEN CAST($basis AS INT) = 1 THEN 'procedure date' ELSE 'insurance payment date' END AS basis
FROM entry AS e
JOIN claim_line AS l ON l.claim_proc_num = e.row_num
LEFT JOIN fee_procedure AS p ON p.proc_num = e.proc_num
LEFT JOIN insurance_plan AS i ON i.plan_num = l.plan_num
LEFT JOIN carrier AS k ON k.carrier_num = i.carrier_num
GROUP BY COALESCE(k.carrier_name, 'unassigned'), COALESCE(p.code, '')
ORDER BY carrier, code
