-- Question: what did patients pay from $from to $to?
-- Source: features.md §1 "patient_collections", "unearned"; books.md "Production and income".
-- Grain: one row for each split of a payment; prepayments of a hidden type are out. Day: the payment's own date.
-- Sign: refunds are below zero.
SELECT
  s.split_num AS key_num,
  p.pay_date AS day,
  s.pat_num,
  s.prov_num,
  s.clinic_num,
  COALESCE(t.item_name, '') AS label,
  CAST(COALESCE(s.split_amt, CAST(0 AS DECIMAL(18, 4))) AS DECIMAL(38, 4)) AS amount,
  COALESCE(s.unearned_type, 0) <> 0 AS is_unearned
FROM payment_split AS s
JOIN payment AS p ON p.pay_num = s.pay_num
LEFT JOIN definition AS t ON t.def_num = p.pay_type
LEFT JOIN definition AS u ON u.def_num = s.unearned_type AND u.category = 29 AND COALESCE(u.item_value, '') <> ''
WHERE
  p.pay_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
  AND (COALESCE(s.unearned_type, 0) = 0 OR u.def_num IS NULL)
