-- Question: which broken appointments has each patient had since $from?
-- Grain: one row for each. Day: procedure date where broken-appointment codes are in use ($by_procedure 1), else the
-- appointment's; up to D.
SELECT pat_num, day FROM (
  SELECT pat_num, proc_date AS day FROM done_procedure WHERE CAST($by_procedure AS INT) = 1 AND is_broken
  UNION ALL
  SELECT pat_num, apt_date AS day FROM appt WHERE CAST($by_procedure AS INT) = 0 AND apt_status = 5
) AS broken
WHERE day >= CAST($from AS DATE) AND day <= CAST($d AS DATE)
ORDER BY pat_num, day
