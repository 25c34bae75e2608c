-- Question: what did patients owe for visits from $from to $to when they left, by whom and where was it earned?
-- Grain: one row for each patient, visit date, provider and clinic. Day: procedure date. Sign: fees with the adjustments
-- of that date on them, less what insurances are expected to settle; may be below zero.
WITH visited AS (
  SELECT pat_num, proc_date FROM visit WHERE proc_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
),
done AS (
  SELECT p.pat_num, p.proc_num, p.proc_date, p.prov_num, p.clinic_num, p.fee
  FROM fee_procedure AS p
  JOIN visited AS v ON v.pat_num = p.pat_num AND v.proc_date = p.proc_date
  WHERE p.proc_status = 2
),
adjusted AS (
  SELECT j.proc_num, SUM(j.adj_amt) AS amount
  FROM adjustment AS j
  JOIN done AS p ON p.proc_num = j.proc_num AND p.proc_date = j.adj_date
  GROUP BY j.proc_num
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
)
SELECT
  p.pat_num,
  p.proc_date,
  p.prov_num,
  p.clinic_num,
  CAST(SUM(p.fee + COALESCE(a.amount, CAST(0 AS DECIMAL(28, 4))) - COALESCE(i.amount, CAST(0 AS DECIMAL(28, 4))))
    AS DECIMAL(38, 4)) AS due
FROM done AS p
LEFT JOIN adjusted AS a ON a.proc_num = p.proc_num
LEFT JOIN insured AS i ON i.proc_num = p.proc_num
GROUP BY p.pat_num, p.proc_date, p.prov_num, p.clinic_num
ORDER BY p.pat_num, p.proc_date, p.prov_num, p.clinic_num
