-- Question: by how much did each family's balance change on each date from $first to D? Asked of ledger.sql.
-- Grain: one row for each family and date; what is older than $first stands on $first. `earliest`: the family's first
-- entry of that row that has a date.
SELECT
  guarantor,
  GREATEST(booked, CAST($first AS DATE)) AS day,
  CAST(SUM(amount) AS DECIMAL(38, 4)) AS amount,
  MIN(NULLIF(booked, DATE '0001-01-01')) AS earliest
FROM entry
GROUP BY guarantor, GREATEST(booked, CAST($first AS DATE))
ORDER BY guarantor, day
