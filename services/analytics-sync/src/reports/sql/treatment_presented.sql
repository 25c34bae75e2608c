-- Question: what did each presenter present from $from to $to in saved treatment plans, and what became of it?
-- Grain: one row for each presenter, by number; a procedure counts once, at its first presentation. Day: the plan's.
-- Gross: FEE less capitation write-offs. Net: less write-offs (of claims when done, of estimates when planned) and with
-- the procedure's adjustments. Scheduled, completed: by the status of its appointment.
WITH shown AS (
  SELECT
    c.proc_num_orig AS proc_num,
    t.date_tp AS day,
    COALESCE(t.user_num_presenter, 0) AS user_num,
    ROW_NUMBER() OVER (PARTITION BY c.proc_num_orig ORDER BY t.date_tp, t.treat_plan_num) AS place
  FROM treatment_plan AS t
  JOIN treatment_plan_procedure AS c ON c.treat_plan_num = t.treat_plan_num
  WHERE t.tp_status = 0 AND t.date_tp IS NOT NULL
),
presented AS (
  SELECT s.user_num, p.proc_num, p.proc_status, p.fee, p.apt_num
  FROM shown AS s
  JOIN fee_procedure AS p ON p.proc_num = s.proc_num
  WHERE
    s.place = 1
    AND s.day BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
    AND p.proc_status IN (1, 2, 8)
    AND in_providers(p.prov_num)
    AND in_clinics(p.clinic_num)
),
line AS (
  SELECT
    l.proc_num,
    SUM(CASE WHEN l.status = 7 THEN COALESCE(l.write_off, CAST(0 AS DECIMAL(18, 4))) ELSE CAST(0 AS DECIMAL(18, 4)) END)
      AS capitation,
    SUM(CASE
      WHEN p.proc_status = 2 AND l.status IN (0, 1, 4) THEN COALESCE(l.write_off, CAST(0 AS DECIMAL(18, 4)))
      WHEN p.proc_status <> 2 AND l.status = 6
        THEN COALESCE(
          NULLIF(l.write_off_est_override, CAST(-1 AS DECIMAL(18, 4))),
          NULLIF(l.write_off_est, CAST(-1 AS DECIMAL(18, 4))),
          CAST(0 AS DECIMAL(18, 4)))
      ELSE CAST(0 AS DECIMAL(18, 4))
    END) AS written_off
  FROM claim_line AS l
  JOIN presented AS p ON p.proc_num = l.proc_num
  GROUP BY l.proc_num
),
corrected AS (
  SELECT a.proc_num, SUM(a.adj_amt) AS amount
  FROM adjustment AS a
  JOIN presented AS p ON p.proc_num = a.proc_num
  GROUP BY a.proc_num
),
valued AS (
  SELECT
    p.user_num,
    a.apt_status,
    CAST(p.fee - COALESCE(l.capitation, CAST(0 AS DECIMAL(28, 4))) AS DECIMAL(38, 4)) AS gross,
    CAST(p.fee - COALESCE(l.capitation, CAST(0 AS DECIMAL(28, 4))) - COALESCE(l.written_off, CAST(0 AS DECIMAL(28, 4)))
      + COALESCE(c.amount, CAST(0 AS DECIMAL(28, 4))) AS DECIMAL(38, 4)) AS net
  FROM presented AS p
  LEFT JOIN line AS l ON l.proc_num = p.proc_num
  LEFT JOIN corrected AS c ON c.proc_num = p.proc_num
  LEFT JOIN appointment AS a ON a.apt_num = p.apt_num
)
SELECT
  CASE WHEN user_num = 0 THEN 'unassigned' ELSE concat('user ', CAST(user_num AS VARCHAR)) END AS presenter,
  COUNT(*) AS procedures,
  SUM(gross) AS gross,
  SUM(net) AS net,
  SUM(CASE WHEN apt_status = 1 THEN 1 ELSE 0 END) AS scheduled_procedures,
  SUM(CASE WHEN apt_status = 1 THEN gross ELSE CAST(0 AS DECIMAL(38, 4)) END) AS scheduled_gross,
  SUM(CASE WHEN apt_status = 1 THEN net ELSE CAST(0 AS DECIMAL(38, 4)) END) AS scheduled_net,
  SUM(CASE WHEN apt_status = 2 THEN 1 ELSE 0 END) AS completed_procedures,
  SUM(CASE WHEN apt_status = 2 THEN gross ELSE CAST(0 AS DECIMAL(38, 4)) END) AS completed_gross,
  SUM(CASE WHEN apt_status = 2 THEN net ELSE CAST(0 AS DECIMAL(38, 4)) END) AS completed_net
FROM valued
GROUP BY user_num
ORDER BY user_num
