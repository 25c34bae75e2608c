-- Question: which claims do insurances owe for, and which are not sent yet?
-- Grain: one row for each claim that is sent (S), unsent (U), waiting (W) or held (H), without preauthorizations; by the
-- date from which it ages, then key. Sign: fees and estimates, above zero. Estimates: its lines not received.
WITH estimate AS (
  SELECT claim_num, SUM(ins_pay_est) AS amount
  FROM claim_line
  WHERE status = 0 AND COALESCE(claim_num, 0) <> 0
  GROUP BY claim_num
)
SELECT
  c.claim_num,
  c.pat_num,
  UPPER(TRIM(c.claim_status)) AS claim_status,
  COALESCE(c.claim_type, '') AS claim_type,
  COALESCE(r.carrier_num, 0) AS carrier_num,
  COALESCE(r.carrier_name, '') AS carrier_name,
  COALESCE(c.prov_treat, 0) AS prov_num,
  COALESCE(c.clinic_num, 0) AS clinic_num,
  c.date_service,
  COALESCE(c.date_sent, c.date_sent_orig, c.date_service) AS aged_from,
  CAST(COALESCE(c.claim_fee, CAST(0 AS DECIMAL(18, 4))) AS DECIMAL(38, 4)) AS fee,
  CAST(COALESCE(e.amount, CAST(0 AS DECIMAL(28, 4))) AS DECIMAL(38, 4)) AS est_insurance
FROM claim AS c
LEFT JOIN estimate AS e ON e.claim_num = c.claim_num
LEFT JOIN insurance_plan AS p ON p.plan_num = c.plan_num
LEFT JOIN carrier AS r ON r.carrier_num = p.carrier_num
WHERE
  UPPER(TRIM(c.claim_status)) IN ('S', 'U', 'W', 'H')
  AND LOWER(TRIM(COALESCE(c.claim_type, ''))) <> 'preauth'
ORDER BY aged_from NULLS FIRST, c.claim_num
