-- Question: what is insurance expected to pay for the families, by the age of the work on $to?
-- Grain: one row for each family and carrier, by guarantor, carrier; families with all buckets under half a cent are out.
-- Day: procedure date, up to $to. Lines not received, or received after $to. Sign: above zero is still to come.
WITH line AS (
  SELECT
    COALESCE(m.guarantor, l.pat_num) AS guarantor,
    COALESCE(k.carrier_name, 'unassigned') AS carrier,
    CASE
      WHEN l.proc_date >= CAST($to AS DATE) - INTERVAL '30 days' THEN 0
      WHEN l.proc_date >= CAST($to AS DATE) - INTERVAL '60 days' THEN 1
      WHEN l.proc_date >= CAST($to AS DATE) - INTERVAL '90 days' THEN 2
      ELSE 3
    END AS age,
    COALESCE(l.ins_pay_est, CAST(0 AS DECIMAL(18, 4))) AS amount
  FROM claim_line AS l
  LEFT JOIN family_member AS m ON m.pat_num = l.pat_num
  LEFT JOIN insurance_plan AS i ON i.plan_num = l.plan_num
  LEFT JOIN carrier AS k ON k.carrier_num = i.carrier_num
  WHERE
    (l.status = 0 OR (l.status = 1 AND l.date_cp > CAST($to AS DATE)))
    AND (l.proc_date IS NULL OR l.proc_date <= CAST($to AS DATE))
    AND in_providers(l.prov_num)
    AND in_clinics(l.clinic_num)
),
bucket AS (
  SELECT
    guarantor,
    carrier,
    SUM(CASE WHEN age = 0 THEN amount ELSE CAST(0 AS DECIMAL(18, 4)) END) AS age_0_30,
    SUM(CASE WHEN age = 1 THEN amount ELSE CAST(0 AS DECIMAL(18, 4)) END) AS age_31_60,
    SUM(CASE WHEN age = 2 THEN amount ELSE CAST(0 AS DECIMAL(18, 4)) END) AS age_61_90,
    SUM(CASE WHEN age = 3 THEN amount ELSE CAST(0 AS DECIMAL(18, 4)) END) AS age_over_90,
    SUM(amount) AS total
  FROM line
  GROUP BY guarantor, carrier
),
family AS (
  SELECT guarantor
  FROM bucket
  GROUP BY guarantor
  HAVING
    ABS(SUM(age_0_30)) >= CAST(0.005 AS DECIMAL(18, 4))
    OR ABS(SUM(age_31_60)) >= CAST(0.005 AS DECIMAL(18, 4))
    OR ABS(SUM(age_61_90)) >= CAST(0.005 AS DECIMAL(18, 4))
    OR ABS(SUM(age_over_90)) >= CAST(0.005 AS DECIMAL(18, 4))
)
SELECT
  COALESCE(n.name, '') AS guarantor,
  b.guarantor AS guarantor_number,
  b.carrier,
  b.age_0_30,
  b.age_31_60,
  b.age_61_90,
  b.age_over_90,
  b.total
FROM bucket AS b
JOIN family AS f ON f.guarantor = b.guarantor
LEFT JOIN person AS n ON n.pat_num = b.guarantor
ORDER BY n.name, b.guarantor, b.carrier
