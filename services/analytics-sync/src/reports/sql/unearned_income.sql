-- Question: what do families have in prepayments on $to, and how did it change from $from on?
-- Grain: one row for each family that has or had some in the range, by guarantor. Day: the payment's date. Hidden unearned
-- types are out. Sign: above zero is money not yet earned.
WITH split AS (
  SELECT
    COALESCE(m.guarantor, s.pat_num) AS guarantor,
    s.split_amt AS amount,
    y.pay_date >= CAST($from AS DATE) AS is_in_range
  FROM payment AS y
  JOIN payment_split AS s ON s.pay_num = y.pay_num
  LEFT JOIN hidden_unearned_type AS h ON h.def_num = s.unearned_type
  LEFT JOIN family_member AS m ON m.pat_num = s.pat_num
  WHERE
    COALESCE(s.unearned_type, 0) <> 0
    AND h.def_num IS NULL
    AND y.pay_date <= CAST($to AS DATE)
    AND in_providers(s.prov_num)
    AND in_clinics(s.clinic_num)
),
family AS (
  SELECT
    guarantor,
    SUM(CASE WHEN is_in_range THEN amount ELSE CAST(0 AS DECIMAL(18, 4)) END) AS unearned,
    SUM(amount) AS balance,
    BOOL_OR(is_in_range) AS has_some_in_range
  FROM split
  GROUP BY guarantor
)
SELECT
  COALESCE(n.name, '') AS guarantor,
  f.guarantor AS guarantor_number,
  f.unearned,
  f.balance,
  COALESCE(n.phone, '') AS phone
FROM family AS f
LEFT JOIN person AS n ON n.pat_num = f.guarantor
WHERE f.has_some_in_range OR f.balance <> CAST(0 AS DECIMAL(18, 4))
ORDER BY n.name, f.guarantor
