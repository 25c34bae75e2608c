-- Question: what is the schedule from $from to $to worth, by date and provider?
-- Grain: one row for each date and provider with an appointment or work on one; unknown providers are one, "unassigned".
-- Day: the appointment's. Appointments are their provider's; work is its own provider's and the appointment's clinic's.
-- Still to do: planned on scheduled appointments, less capitation estimates (and with $subtract_estimates 1 insurance's
-- write-off estimates). On the schedule: planned and done on appointments that stand or were kept. Sign: above zero.
WITH kept AS (
  SELECT apt_num, apt_status, apt_date, provider, pat_num
  FROM appt
  WHERE
    apt_status IN (1, 2, 4)
    AND apt_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
    AND in_clinics(clinic_num)
),
work AS (
  SELECT k.apt_date, p.prov_num, p.proc_num, p.fee, p.proc_status = 1 AND k.apt_status = 1 AS is_to_do
  FROM kept AS k
  JOIN fee_procedure AS p ON p.apt_num = k.apt_num
  WHERE p.proc_status IN (1, 2) AND in_providers(p.prov_num)
),
estimate AS (
  SELECT
    w.apt_date,
    w.prov_num,
    COALESCE(
      NULLIF(l.write_off_est_override, CAST(-1 AS DECIMAL(18, 4))),
      NULLIF(l.write_off_est, CAST(-1 AS DECIMAL(18, 4))),
      CAST(0 AS DECIMAL(18, 4))) AS amount
  FROM claim_line AS l
  JOIN work AS w ON w.proc_num = l.proc_num
  WHERE w.is_to_do AND (l.status = 8 OR (CAST($subtract_estimates AS INT) = 1 AND l.status = 6))
),
part AS (
  SELECT
    k.apt_date AS day,
    k.provider AS prov_num,
    1 AS appointments,
    CAST(0 AS DECIMAL(38, 4)) AS to_do,
    CAST(0 AS DECIMAL(38, 4)) AS on_schedule
  FROM kept AS k
  LEFT JOIN deleted_patient AS x ON x.pat_num = k.pat_num
  WHERE x.pat_num IS NULL AND in_providers(k.provider)
  UNION ALL
  SELECT
    apt_date AS day,
    prov_num,
    0 AS appointments,
    CASE WHEN is_to_do THEN CAST(fee AS DECIMAL(38, 4)) ELSE CAST(0 AS DECIMAL(38, 4)) END AS to_do,
    CAST(fee AS DECIMAL(38, 4)) AS on_schedule
  FROM work
  UNION ALL
  SELECT
    apt_date AS day,
    prov_num,
    0 AS appointments,
    CAST(-amount AS DECIMAL(38, 4)) AS to_do,
    CAST(0 AS DECIMAL(38, 4)) AS on_schedule
  FROM estimate
)
SELECT
  p.day AS date,
  COALESCE(v.abbr, 'unassigned') AS provider,
  SUM(p.appointments) AS appointments,
  SUM(p.to_do) AS scheduled_production,
  SUM(p.on_schedule) AS on_schedule_production
FROM part AS p
LEFT JOIN provider_name AS v ON v.prov_num = p.prov_num
GROUP BY p.day, COALESCE(v.abbr, 'unassigned'), COALESCE(v.prov_num, 0)
ORDER BY p.day, COALESCE(v.prov_num, 0)
