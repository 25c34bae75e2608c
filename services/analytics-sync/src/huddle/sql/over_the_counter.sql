-- Question: of what patients who came on $day owed for it, how much did they pay that day?
-- Grain: one row. Day: procedure date = payment date. Sign: both parts are never below zero; old debt is capped away.
WITH done AS (
  SELECT pat_num, proc_num, fee FROM done_procedure WHERE proc_date = CAST($day AS DATE)
),
visitor AS (
  SELECT DISTINCT pat_num FROM visit WHERE proc_date = CAST($day AS DATE)
),
adjusted AS (
  SELECT proc_num, SUM(adj_amt) AS amount FROM adjustment
  WHERE adj_date = CAST($day AS DATE) AND COALESCE(proc_num, 0) <> 0
  GROUP BY proc_num
),
line AS (
  SELECT
    l.proc_num,
    l.status IN (0, 1, 4, 7) AS is_claimed,
    CASE
      WHEN l.status IN (0, 1, 4)
        THEN COALESCE(l.ins_pay_est, CAST(0 AS DECIMAL(18, 4))) + COALESCE(l.write_off, CAST(0 AS DECIMAL(18, 4)))
      WHEN l.status = 7 THEN COALESCE(l.write_off, CAST(0 AS DECIMAL(18, 4)))
      ELSE CAST(0 AS DECIMAL(18, 4))
    END AS claimed,
    CASE
      WHEN l.status <> 6 THEN CAST(0 AS DECIMAL(18, 4))
      ELSE COALESCE(
          NULLIF(l.ins_est_total_override, CAST(-1 AS DECIMAL(18, 4))),
          NULLIF(l.ins_est_total, CAST(-1 AS DECIMAL(18, 4))),
          CAST(0 AS DECIMAL(18, 4)))
        + COALESCE(
          NULLIF(l.write_off_est_override, CAST(-1 AS DECIMAL(18, 4))),
          NULLIF(l.write_off_est, CAST(-1 AS DECIMAL(18, 4))),
          CAST(0 AS DECIMAL(18, 4)))
    END AS estimated
  FROM claim_line AS l
  JOIN done AS p ON p.proc_num = l.proc_num
  WHERE l.status IN (0, 1, 4, 6, 7)
),
insured AS (
  SELECT proc_num, CASE WHEN BOOL_OR(is_claimed) THEN SUM(claimed) ELSE SUM(estimated) END AS amount
  FROM line
  GROUP BY proc_num
),
owed AS (
  SELECT
    p.pat_num,
    SUM(p.fee + COALESCE(a.amount, CAST(0 AS DECIMAL(28, 4))) - COALESCE(i.amount, CAST(0 AS DECIMAL(28, 4)))) AS amount
  FROM done AS p
  JOIN visitor AS v ON v.pat_num = p.pat_num
  LEFT JOIN adjusted AS a ON a.proc_num = p.proc_num
  LEFT JOIN insured AS i ON i.proc_num = p.proc_num
  GROUP BY p.pat_num
),
paid AS (
  SELECT s.pat_num, SUM(s.split_amt) AS amount
  FROM payment_split AS s
  JOIN payment AS p ON p.pay_num = s.pay_num
  WHERE COALESCE(s.unearned_type, 0) = 0 AND p.pay_date = CAST($day AS DATE)
  GROUP BY s.pat_num
),
capped AS (
  SELECT
    GREATEST(CAST(o.amount AS DECIMAL(38, 4)), CAST(0 AS DECIMAL(38, 4))) AS due,
    GREATEST(CAST(COALESCE(p.amount, CAST(0 AS DECIMAL(28, 4))) AS DECIMAL(38, 4)), CAST(0 AS DECIMAL(38, 4))) AS paid
  FROM owed AS o
  LEFT JOIN paid AS p ON p.pat_num = o.pat_num
)
SELECT
  CAST(COALESCE(SUM(LEAST(paid, due)), 0) AS DECIMAL(38, 4)) AS paid,
  CAST(COALESCE(SUM(due), 0) AS DECIMAL(38, 4)) AS due
FROM capped
