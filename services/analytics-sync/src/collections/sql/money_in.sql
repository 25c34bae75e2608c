-- Question: which money came in from $from to $to, how long after the service, for whose patients, by whom and where?
-- Grain: one row for each source, patient, provider, clinic, date, date of service and whether it is above zero. Source:
-- 0 patients (splits that are not unearned), 1 insurances (lines with a check), 2 unearned of types that are not hidden.
-- Days: the payment's date; the check's. Service: the split's procedure's date; the line's procedure date; null without.
-- Sign: refunds are below zero.
WITH hidden_type AS (
  SELECT def_num FROM definition WHERE category = 29 AND COALESCE(item_value, '') <> ''
),
money AS (
  SELECT
    CASE WHEN COALESCE(s.unearned_type, 0) = 0 THEN 0 ELSE 2 END AS source,
    COALESCE(s.pat_num, 0) AS pat_num,
    COALESCE(s.prov_num, 0) AS prov_num,
    COALESCE(s.clinic_num, 0) AS clinic_num,
    p.pay_date AS came,
    q.proc_date AS served,
    s.split_amt AS amount
  FROM payment_split AS s
  JOIN payment AS p ON p.pay_num = s.pay_num
  LEFT JOIN hidden_type AS h ON h.def_num = s.unearned_type
  LEFT JOIN "procedure" AS q ON q.proc_num = s.proc_num
  WHERE
    p.pay_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
    AND (COALESCE(s.unearned_type, 0) = 0 OR h.def_num IS NULL)
  UNION ALL
  SELECT
    1 AS source,
    COALESCE(l.pat_num, 0) AS pat_num,
    COALESCE(l.prov_num, 0) AS prov_num,
    COALESCE(l.clinic_num, 0) AS clinic_num,
    k.check_date AS came,
    l.proc_date AS served,
    l.ins_pay_amt AS amount
  FROM claim_line AS l
  JOIN claim_payment AS k ON k.claim_payment_num = l.claim_payment_num
  WHERE l.status IN (1, 4) AND k.check_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
),
signed AS (
  SELECT
    source, pat_num, prov_num, clinic_num, came, served, amount, amount > CAST(0 AS DECIMAL(18, 4)) AS is_above
  FROM money
)
SELECT
  CAST(source AS INT) AS source,
  pat_num,
  prov_num,
  clinic_num,
  came,
  served,
  is_above,
  CAST(SUM(amount) AS DECIMAL(38, 4)) AS amount
FROM signed
GROUP BY source, pat_num, prov_num, clinic_num, came, served, is_above
ORDER BY source, pat_num, prov_num, clinic_num, came, served, is_above
