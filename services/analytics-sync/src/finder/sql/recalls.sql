-- Question: when is each patient due to return, for what, and is it scheduled?
-- Grain: one row for each recall with a due date, the earliest first. Disabled ones are out; whether a family's balance
-- disables one is decided where the balance is known.
SELECT
  r.pat_num,
  r.date_due,
  COALESCE(t.description, '') AS description,
  r.date_scheduled IS NOT NULL AS is_scheduled,
  CAST(COALESCE(r.disable_until_balance, CAST(0 AS DECIMAL(18, 4))) AS DECIMAL(38, 4)) AS disable_until_balance
FROM recall AS r
LEFT JOIN recall_type AS t ON t.recall_type_num = r.recall_type_num
WHERE
  r.date_due IS NOT NULL
  AND COALESCE(r.is_disabled, 0) = 0
  AND (r.disable_until_date IS NULL OR r.disable_until_date <= CAST($d AS DATE))
ORDER BY r.pat_num, r.date_due, r.recall_num
