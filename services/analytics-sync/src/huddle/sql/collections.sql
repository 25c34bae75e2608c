-- Question: what came in from $from to $to, from patients and from insurances?
-- Grain: one row. Days: the payment's date; the insurance check's date. Sign: refunds are below zero.
WITH patient_money AS (
  SELECT SUM(s.split_amt) AS amount
  FROM payment_split AS s
  JOIN payment AS p ON p.pay_num = s.pay_num
  WHERE COALESCE(s.unearned_type, 0) = 0 AND p.pay_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
),
insurance_money AS (
  SELECT SUM(l.ins_pay_amt) AS amount
  FROM claim_line AS l
  JOIN claim_payment AS k ON k.claim_payment_num = l.claim_payment_num
  WHERE l.status IN (1, 4) AND k.check_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
)
SELECT
  CAST(COALESCE((SELECT amount FROM patient_money), 0) AS DECIMAL(38, 4)) AS patient_money,
  CAST(COALESCE((SELECT amount FROM insurance_money), 0) AS DECIMAL(38, 4)) AS insurance_money
