-- Question: of what patients who came from $from to $to owed for it, how much did they pay that day?
-- Source: features.md §1 "otc_rate".
-- Grain: two rows for each patient and visit date, what was due and what was paid of it. Day: procedure date = payment
-- date. Sign: neither is ever below zero; old debt is capped away.
WITH done AS (
  SELECT pat_num, proc_num, proc_date, fee FROM done_procedure
  WHERE proc_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
),
visitor AS (
  SELECT pat_num, proc_date FROM visit WHERE proc_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
),
adjusted AS (
  SELECT proc_num, adj_date, SUM(adj_amt) AS amount FROM adjustment
  WHERE adj_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE) AND COALESCE(proc_num, 0) <> 0
  GROUP BY proc_num, adj_date
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
    p.proc_date,
    SUM(p.fee + COALESCE(a.amount, CAST(0 AS DECIMAL(28, 4))) - COALESCE(i.amount, CAST(0 AS DECIMAL(28, 4)))) AS amount
  FROM done AS p
  JOIN visitor AS v ON v.pat_num = p.pat_num AND v.proc_date = p.proc_date
  LEFT JOIN adjusted AS a ON a.proc_num = p.proc_num AND a.adj_date = p.proc_date
  LEFT JOIN insured AS i ON i.proc_num = p.proc_num
  GROUP BY p.pat_num, p.proc_date
),
paid AS (
  SELECT s.pat_num, p.pay_date, SUM(s.split_amt) AS amount
  FROM payment_split AS s
  JOIN payment AS p ON p.pay_num = s.pay_num
  WHERE COALESCE(s.unearned_type, 0) = 0 AND p.pay_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
  GROUP BY s.pat_num, p.pay_date
),
capped AS (
  SELECT
    o.pat_num,
    o.proc_date,
    GREATEST(CAST(o.amount AS DECIMAL(38, 4)), CAST(0 AS DECIMAL(38, 4))) AS due,
    GREATEST(CAST(COALESCE(p.amount, CAST(0 AS DECIMAL(28, 4))) AS DECIMAL(38, 4)), CAST(0 AS DECIMAL(38, 4))) AS paid
  FROM owed AS o
  LEFT JOIN paid AS p ON p.pat_num = o.pat_num AND p.pay_date = o.proc_date
)
SELECT
  pat_num AS key_num, proc_date AS day, pat_num, 'Due at the visit' AS label, FALSE AS is_paid,
  CAST(due AS DECIMAL(38, 4)) AS amount
FROM capped
UNION ALL
SELECT
  pat_num AS key_num, proc_date AS day, pat_num, 'Due at the visit' AS label, TRUE AS is_paid,
  CAST(LEAST(paid, due) AS DECIMAL(38, 4)) AS amount
FROM capped
