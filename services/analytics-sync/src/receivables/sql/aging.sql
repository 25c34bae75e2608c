-- Question: what moved each family's account, by the date that it ages by? Asked of ledger.sql.
-- Grain: one row for each family, date, kind and sign.
SELECT guarantor, day, lowers_bucket, CAST(SUM(amount) AS DECIMAL(38, 4)) AS amount
FROM (
  SELECT guarantor, day, lowers_bucket, amount, amount > CAST(0 AS DECIMAL(38, 4)) AS is_charge FROM entry
) AS signed
GROUP BY guarantor, day, lowers_bucket, is_charge
ORDER BY guarantor, day, lowers_bucket, is_charge
