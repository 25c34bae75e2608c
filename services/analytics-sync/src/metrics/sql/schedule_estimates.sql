-- Question: which estimated write-offs lower what is still to do from $from to $to?
-- Source: features.md §1 "scheduled_production"; books.md "Production and income".
-- Grain: one row for each capitation estimate (status 8), and with $subtract_estimates 1 each insurance estimate (6), of
-- planned work on scheduled appointments. Day, location: the appointment's. Sign: as estimated; a metric takes them off.
SELECT
  l.claim_proc_num AS key_num,
  a.apt_date AS day,
  p.pat_num,
  p.prov_num,
  a.clinic_num,
  p.code,
  'Estimated write-off' AS label,
  CAST(COALESCE(
    NULLIF(l.write_off_est_override, CAST(-1 AS DECIMAL(18, 4))),
    NULLIF(l.write_off_est, CAST(-1 AS DECIMAL(18, 4))),
    CAST(0 AS DECIMAL(18, 4))) AS DECIMAL(38, 4)) AS amount
FROM claim_line AS l
JOIN fee_procedure AS p ON p.proc_num = l.proc_num
JOIN appt AS a ON a.apt_num = p.apt_num
WHERE
  (l.status = 8 OR (CAST($subtract_estimates AS INT) = 1 AND l.status = 6))
  AND p.proc_status = 1
  AND a.apt_status = 1
  AND a.apt_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
