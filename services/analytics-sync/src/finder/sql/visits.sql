-- Question: when was each patient here first, last, and last for hygiene?
-- Grain: one row for each patient with a visit up to D. Day: procedure date.
SELECT
  pat_num,
  MIN(proc_date) AS first_visit,
  MAX(proc_date) AS last_visit,
  MAX(CASE WHEN is_hygiene THEN proc_date END) AS last_hygiene_visit
FROM done_procedure
WHERE is_visit AND proc_date <= CAST($d AS DATE)
GROUP BY pat_num
ORDER BY pat_num
