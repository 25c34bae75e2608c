-- Question: whom does one ask for a family's money, and when was the last payment up to $to?
-- Grain: one row for each family, by guarantor's name, number. Day: the payment's date; transfers and refunds are no
-- payments.
WITH family AS (
  SELECT DISTINCT guarantor FROM family_member
),
paid AS (
  SELECT m.guarantor, MAX(y.pay_date) AS day
  FROM payment AS y
  JOIN payment_split AS s ON s.pay_num = y.pay_num
  JOIN family_member AS m ON m.pat_num = s.pat_num
  WHERE
    y.pay_date <= CAST($to AS DATE)
    AND y.pay_amt > CAST(0 AS DECIMAL(18, 4))
    AND s.split_amt > CAST(0 AS DECIMAL(18, 4))
  GROUP BY m.guarantor
)
SELECT
  f.guarantor AS guarantor_number,
  COALESCE(n.name, '') AS guarantor,
  p.day AS last_payment,
  COALESCE(n.phone, '') AS phone
FROM family AS f
LEFT JOIN paid AS p ON p.guarantor = f.guarantor
LEFT JOIN person AS n ON n.pat_num = f.guarantor
ORDER BY n.name, f.guarantor
