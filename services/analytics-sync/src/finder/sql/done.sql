-- Question: what was ever done for each patient, and when was treatment last done?
-- Grain: one row for each patient and code. Day: procedure date of what counts as treatment (neither diagnostic nor
-- preventive, no broken appointment, no free custom code), up to D.
SELECT
  pat_num,
  code,
  MAX(CASE
    WHEN
      proc_date <= CAST($d AS DATE)
      AND NOT is_broken
      AND NOT (is_ada AND (code LIKE 'D0%' OR code LIKE 'D1%'))
      AND (is_ada OR fee > CAST(0 AS DECIMAL(30, 4)))
      THEN proc_date
  END) AS treated
FROM fee_procedure
WHERE proc_status = 2
GROUP BY pat_num, code
ORDER BY pat_num, code
