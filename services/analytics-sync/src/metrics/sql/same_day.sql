-- Question: what of the work done from $from to $to was not on the book the day before?
-- Source: features.md §1 "same_day_production_pct".
-- Grain: one row for each such procedure: planned that day, without an appointment, or its appointment was made that day.
-- Day: procedure date. Sign: fees, above zero.
SELECT
  p.proc_num AS key_num,
  p.proc_date AS day,
  p.pat_num,
  p.prov_num,
  p.clinic_num,
  p.code,
  p.descript AS label,
  CAST(p.fee AS DECIMAL(38, 4)) AS amount
FROM fee_procedure AS p
LEFT JOIN appointment AS a ON a.apt_num = p.apt_num
WHERE
  p.proc_status = 2
  AND p.proc_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
  AND (p.date_tp = p.proc_date OR p.apt_num = 0 OR CAST(a.sec_date_t_entry AS DATE) = p.proc_date)
