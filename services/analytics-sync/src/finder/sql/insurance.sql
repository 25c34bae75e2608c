-- Question: which insurances of each patient are in force on D, and how much of the primary one is used?
-- Grain: one row for each insurance, the primary one first. Used: paid (received, supplemental) and estimated (not
-- received) by procedure date, in the benefit year that begins in the plan's month (0: January); of the primary only.
WITH in_force AS (
  SELECT
    c.pat_num,
    c.ins_sub_num,
    s.plan_num,
    COALESCE(r.carrier_name, '') AS carrier,
    COALESCE(p.group_name, '') AS group_name,
    COALESCE(p.group_num, '') AS group_num,
    CASE WHEN p.month_renew BETWEEN 2 AND 12 THEN p.month_renew ELSE 1 END AS renews,
    ROW_NUMBER() OVER (PARTITION BY c.pat_num ORDER BY COALESCE(c.ordinal, 0), c.pat_plan_num) AS place
  FROM patient_plan AS c
  JOIN insurance_subscriber AS s ON s.ins_sub_num = c.ins_sub_num
  JOIN insurance_plan AS p ON p.plan_num = s.plan_num
  LEFT JOIN carrier AS r ON r.carrier_num = p.carrier_num
  WHERE
    (s.date_effective IS NULL OR s.date_effective <= CAST($d AS DATE))
    AND (s.date_term IS NULL OR s.date_term >= CAST($d AS DATE))
),
benefit_year AS (
  SELECT
    pat_num,
    ins_sub_num,
    plan_num,
    make_date(CAST($year AS INT) - CASE WHEN renews > CAST($month AS INT) THEN 1 ELSE 0 END, renews, 1) AS first_day,
    make_date(CAST($year AS INT) + CASE WHEN renews > CAST($month AS INT) THEN 0 ELSE 1 END, renews, 1) AS next_year
  FROM in_force
  WHERE place = 1
),
used AS (
  SELECT
    y.pat_num,
    SUM(CASE
      WHEN l.status IN (1, 4) THEN COALESCE(l.ins_pay_amt, CAST(0 AS DECIMAL(18, 4)))
      ELSE COALESCE(l.ins_pay_est, CAST(0 AS DECIMAL(18, 4)))
    END) AS amount
  FROM benefit_year AS y
  JOIN claim_line AS l ON l.pat_num = y.pat_num AND l.ins_sub_num = y.ins_sub_num AND l.plan_num = y.plan_num
  WHERE l.status IN (0, 1, 4) AND l.proc_date >= y.first_day AND l.proc_date < y.next_year
  GROUP BY y.pat_num
)
SELECT
  i.pat_num,
  i.place = 1 AS is_primary,
  i.carrier,
  i.group_name,
  i.group_num,
  CAST(COALESCE(u.amount, 0) AS DECIMAL(38, 4)) AS used
FROM in_force AS i
LEFT JOIN used AS u ON u.pat_num = i.pat_num
ORDER BY i.pat_num, i.place
