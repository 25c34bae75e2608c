-- Question: when was treatment last presented to each patient?
-- Grain: one row for each patient. Day: the date of the treatment plan, where the patient visited that day; up to D.
SELECT p.pat_num, MAX(p.date_tp) AS day
FROM fee_procedure AS p
JOIN visit AS v ON v.pat_num = p.pat_num AND v.proc_date = p.date_tp
WHERE
  p.proc_status IN (1, 2, 8)
  AND p.date_tp <= CAST($d AS DATE)
  AND NOT p.is_broken
  AND NOT (p.is_ada AND (p.code LIKE 'D0%' OR p.code LIKE 'D1%'))
  AND (p.is_ada OR p.fee > CAST(0 AS DECIMAL(30, 4)))
GROUP BY p.pat_num
ORDER BY p.pat_num
