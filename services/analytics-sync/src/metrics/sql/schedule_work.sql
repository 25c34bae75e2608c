-- Question: what work is on the schedule from $from to $to, planned or done?
-- Source: features.md §1 "scheduled_production", "on_schedule_production".
-- Grain: one row for each procedure on an appointment that stands or was kept. Day, location: the appointment's. Provider:
-- the procedure's. Sign: fees, above zero. Money counts whoever the patient.
SELECT
  p.proc_num AS key_num,
  a.apt_date AS day,
  p.pat_num,
  p.prov_num,
  a.clinic_num,
  p.code,
  p.descript AS label,
  CAST(p.fee AS DECIMAL(38, 4)) AS amount,
  p.proc_status = 1 AS is_planned,
  p.proc_status = 1 AND a.apt_status = 1 AS is_to_do,
  a.apt_date < CAST($d AS DATE) AS is_past
FROM fee_procedure AS p
JOIN appt AS a ON a.apt_num = p.apt_num
WHERE
  p.proc_status IN (1, 2)
  AND a.apt_status IN (1, 2, 4)
  AND a.apt_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
