-- Question: who is an active patient as of D, and is the next appointment made?
-- Source: features.md §0 "active", "future"; §1 "pre_appointment_pct"; §3 "perio %".
-- Grain: one row for each active patient, provider and location of the visits in the 18 months to D. Day: D.
WITH came AS (
  SELECT p.pat_num, p.prov_num, p.clinic_num, MAX(p.proc_date) AS last_day, BOOL_OR(p.is_hygiene) AS is_hygiene
  FROM done_procedure AS p
  WHERE
    p.is_visit
    AND p.proc_date BETWEEN CAST(CAST($d AS DATE) - INTERVAL '18 months' AS DATE) AND CAST($d AS DATE)
  GROUP BY p.pat_num, p.prov_num, p.clinic_num
),
booked AS (
  SELECT DISTINCT pat_num FROM appt WHERE apt_status IN (1, 4) AND apt_date >= CAST($d AS DATE)
),
booked_hygiene AS (
  SELECT DISTINCT pat_num FROM hygiene_appt WHERE apt_status IN (1, 4) AND apt_date >= CAST($d AS DATE)
),
perio AS (
  SELECT DISTINCT pat_num FROM done_procedure WHERE is_perio AND proc_date <= CAST($d AS DATE)
)
SELECT
  c.pat_num AS key_num,
  CAST($d AS DATE) AS day,
  c.pat_num,
  c.prov_num,
  c.clinic_num,
  'Active' AS label,
  c.is_hygiene,
  b.pat_num IS NOT NULL AS has_future,
  h.pat_num IS NOT NULL AS has_future_hygiene,
  r.pat_num IS NOT NULL AS is_perio,
  COALESCE(t.birthdate < CAST(CAST($d AS DATE) - INTERVAL '30 years' AS DATE), FALSE) AS is_over_30
FROM came AS c
JOIN patient AS t ON t.pat_num = c.pat_num
LEFT JOIN booked AS b ON b.pat_num = c.pat_num
LEFT JOIN booked_hygiene AS h ON h.pat_num = c.pat_num
LEFT JOIN perio AS r ON r.pat_num = c.pat_num
WHERE t.pat_status = 0
