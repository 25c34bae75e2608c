-- Question: which recalls of the patients of $day are due?
-- Grain: one row for each recall, by due date. Day: due on or before $day. Those that are disabled on $d, the huddle's own
-- date, are out; whether a family's balance disables one is decided where the balance is known.
WITH comer AS (
  SELECT DISTINCT pat_num FROM appt WHERE apt_date = CAST($day AS DATE)
)
SELECT
  r.pat_num,
  COALESCE(t.description, '') AS description,
  r.date_due,
  r.date_scheduled IS NOT NULL AS is_scheduled,
  CAST(COALESCE(r.disable_until_balance, CAST(0 AS DECIMAL(18, 4))) AS DECIMAL(38, 4)) AS disable_until_balance
FROM recall AS r
JOIN comer AS c ON c.pat_num = r.pat_num
LEFT JOIN recall_type AS t ON t.recall_type_num = r.recall_type_num
WHERE
  r.date_due <= CAST($day AS DATE)
  AND COALESCE(r.is_disabled, 0) = 0
  AND (r.disable_until_date IS NULL OR r.disable_until_date <= CAST($d AS DATE))
ORDER BY r.date_due, r.recall_num
