-- Question: which planned work is on no live appointment from D on?
-- Source: features.md §1 "unscheduled_treatment".
-- Grain: one row for each planned procedure of a patient of status "patient"; one planned on a past appointment is in. Day:
-- D. Sign: fees, above zero.
SELECT
  p.proc_num AS key_num,
  CAST($d AS DATE) AS day,
  p.pat_num,
  p.prov_num,
  p.clinic_num,
  p.code,
  p.descript AS label,
  CAST(p.fee AS DECIMAL(38, 4)) AS amount,
  p.category = 1 AS in_hygiene,
  p.category = 2 AS in_restorative
FROM fee_procedure AS p
JOIN patient AS t ON t.pat_num = p.pat_num
LEFT JOIN appt AS a ON a.apt_num = p.apt_num AND a.apt_status IN (1, 4) AND a.apt_date >= CAST($d AS DATE)
WHERE p.proc_status = 1 AND t.pat_status = 0 AND a.apt_num IS NULL
