-- Question: which claims were sent and not answered as of $d, and how old are they?
-- Grain: one row for each claim that is sent, no preauthorization, oldest first. Day: sent, else first sent, else service.
-- Sign: fee and estimate above zero.
WITH expected AS (
  SELECT claim_num, SUM(ins_pay_est) AS amount FROM claim_line WHERE status = 0 GROUP BY claim_num
)
SELECT
  COALESCE(k.carrier_name, 'unassigned') AS carrier,
  COALESCE(n.name, '') AS patient,
  c.pat_num AS patient_number,
  c.claim_num AS claim_number,
  c.date_service,
  COALESCE(c.date_sent, c.date_sent_orig, c.date_service) AS sent,
  CAST(CAST(CAST($d AS DATE) AS INT) - CAST(COALESCE(c.date_sent, c.date_sent_orig, c.date_service) AS INT) AS BIGINT) AS age_days,
  c.claim_fee AS fee,
  COALESCE(e.amount, CAST(0 AS DECIMAL(28, 4))) AS estimate
FROM claim AS c
LEFT JOIN expected AS e ON e.claim_num = c.claim_num
LEFT JOIN insurance_plan AS i ON i.plan_num = c.plan_num
LEFT JOIN carrier AS k ON k.carrier_num = i.carrier_num
LEFT JOIN person AS n ON n.pat_num = c.pat_num
WHERE
  c.claim_status = 'S'
  AND lower(COALESCE(c.claim_type, '')) <> 'preauth'
  AND in_providers(c.prov_treat)
  AND in_clinics(c.clinic_num)
ORDER BY sent NULLS FIRST, c.claim_num
