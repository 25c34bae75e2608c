-- Question: what was charged to and credited to the families of `family`, as of D?
-- Grain of `entry`: one row for each transaction; what is tied to a procedure is one. Ages by `day`, stands on the account
-- since `booked`. Days: books.md "Patient balances and A/R aging"; no date counts as the oldest. Sign: charges above zero,
-- credits below. With $lifo 1 what is tied to a procedure is summed by patient, procedure and its own date; a sum below
-- zero lowers the bucket of the procedure's date.
-- Payment plans by $plans (PayPlansVersion): 1 the completed amount, 2 credits and debits, 3 credits, 4 nothing.
-- Stands between `WITH family AS (...),` and the question asked of the entries.
member AS (
  SELECT m.pat_num, m.guarantor FROM family_member AS m JOIN family AS f ON f.guarantor = m.guarantor
),
hidden_type AS (
  SELECT def_num FROM definition WHERE category = 29 AND COALESCE(item_value, '') <> ''
),
charge AS (
  SELECT m.guarantor, p.proc_date AS day, CAST(p.fee AS DECIMAL(38, 4)) AS amount
  FROM done_procedure AS p
  JOIN member AS m ON m.pat_num = p.pat_num
),
insurance AS (
  SELECT
    m.guarantor,
    l.date_cp AS day,
    CAST(
      -(CASE
        WHEN COALESCE(l.pay_plan_num, 0) <> 0 THEN CAST(0 AS DECIMAL(18, 4))
        ELSE COALESCE(l.ins_pay_amt, CAST(0 AS DECIMAL(18, 4)))
      END)
      - COALESCE(l.write_off, CAST(0 AS DECIMAL(18, 4))) AS DECIMAL(38, 4)) AS amount
  FROM claim_line AS l
  JOIN member AS m ON m.pat_num = l.pat_num
  LEFT JOIN "procedure" AS p ON p.proc_num = l.proc_num
  WHERE l.status IN (1, 4, 5, 7) AND (COALESCE(l.proc_num, 0) = 0 OR p.proc_status = 2)
),
split AS (
  SELECT m.guarantor, s.date_pay AS day, CAST(-s.split_amt AS DECIMAL(38, 4)) AS amount
  FROM payment_split AS s
  JOIN member AS m ON m.pat_num = s.pat_num
  LEFT JOIN hidden_type AS h ON h.def_num = s.unearned_type
  WHERE h.def_num IS NULL AND (CAST($plans AS INT) IN (2, 4) OR COALESCE(s.pay_plan_num, 0) = 0)
),
plan_debit AS (
  SELECT
    m.guarantor,
    c.charge_date AS day,
    CAST(COALESCE(c.principal, CAST(0 AS DECIMAL(18, 4))) + COALESCE(c.interest, CAST(0 AS DECIMAL(18, 4)))
      AS DECIMAL(38, 4)) AS amount
  FROM payment_plan_charge AS c
  JOIN member AS m ON m.pat_num = c.guarantor
  LEFT JOIN payment_plan AS n ON n.pay_plan_num = c.pay_plan_num
  WHERE CAST($plans AS INT) = 2 AND c.charge_type = 0 AND COALESCE(n.plan_num, 0) = 0
),
plan_completed AS (
  SELECT m.guarantor, n.pay_plan_date AS day, CAST(-n.completed_amt AS DECIMAL(38, 4)) AS amount
  FROM payment_plan AS n
  JOIN member AS m ON m.pat_num = n.pat_num
  WHERE CAST($plans AS INT) = 1
),
correction AS (
  SELECT
    m.guarantor,
    j.pat_num,
    COALESCE(j.proc_num, 0) AS proc_num,
    j.adj_date AS day,
    CAST(j.adj_amt AS DECIMAL(38, 4)) AS amount
  FROM adjustment AS j
  JOIN member AS m ON m.pat_num = j.pat_num
  UNION ALL
  SELECT
    m.guarantor,
    m.pat_num,
    COALESCE(c.proc_num, 0) AS proc_num,
    c.charge_date AS day,
    CAST(-c.principal AS DECIMAL(38, 4)) AS amount
  FROM payment_plan_charge AS c
  LEFT JOIN payment_plan AS n ON n.pay_plan_num = c.pay_plan_num
  JOIN member AS m ON m.pat_num = COALESCE(n.pat_num, c.pat_num)
  WHERE CAST($plans AS INT) IN (2, 3) AND c.charge_type = 1
),
correction_so_far AS (
  SELECT guarantor, pat_num, proc_num, COALESCE(day, DATE '0001-01-01') AS day, amount
  FROM correction
  WHERE COALESCE(day, DATE '0001-01-01') <= CAST($d AS DATE)
),
untied AS (
  SELECT guarantor, day, amount FROM correction_so_far WHERE CAST($lifo AS INT) = 0 OR proc_num = 0
),
tied AS (
  SELECT guarantor, pat_num, proc_num, day, CAST(SUM(amount) AS DECIMAL(38, 4)) AS amount
  FROM correction_so_far
  WHERE CAST($lifo AS INT) = 1 AND proc_num <> 0
  GROUP BY guarantor, pat_num, proc_num, day
),
plain AS (
  SELECT guarantor, COALESCE(day, DATE '0001-01-01') AS day, amount FROM (
    SELECT guarantor, day, amount FROM charge
    UNION ALL
    SELECT guarantor, day, amount FROM insurance
    UNION ALL
    SELECT guarantor, day, amount FROM split
    UNION ALL
    SELECT guarantor, day, amount FROM plan_debit
    UNION ALL
    SELECT guarantor, day, amount FROM plan_completed
  ) AS dated
  WHERE COALESCE(day, DATE '0001-01-01') <= CAST($d AS DATE)
),
entry AS (
  SELECT guarantor, day, day AS booked, amount, FALSE AS lowers_bucket FROM plain
  UNION ALL
  SELECT guarantor, day, day AS booked, amount, FALSE AS lowers_bucket FROM untied
  UNION ALL
  SELECT
    t.guarantor,
    CASE WHEN t.amount < CAST(0 AS DECIMAL(38, 4)) AND p.proc_num IS NOT NULL
      THEN COALESCE(p.proc_date, DATE '0001-01-01') ELSE t.day END AS day,
    t.day AS booked,
    t.amount,
    t.amount < CAST(0 AS DECIMAL(38, 4)) AND p.proc_num IS NOT NULL AS lowers_bucket
  FROM tied AS t
  LEFT JOIN "procedure" AS p ON p.proc_num = t.proc_num
)
