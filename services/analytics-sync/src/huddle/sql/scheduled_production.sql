-- Question: what is still to do from $from to $to on scheduled appointments, less capitation estimates?
-- Grain: one row. Day: the appointment's. With $subtract_estimates 1 the insurance estimates' write-offs go off too
-- (preference ReportPandIschedProdSubtractsWO). Sign: fees, above zero.
WITH planned AS (
  SELECT p.proc_num, p.fee
  FROM fee_procedure AS p
  JOIN appt AS a ON a.apt_num = p.apt_num
  WHERE p.proc_status = 1 AND a.apt_status = 1 AND a.apt_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
),
estimate AS (
  SELECT
    l.proc_num,
    COALESCE(
      NULLIF(l.write_off_est_override, CAST(-1 AS DECIMAL(18, 4))),
      NULLIF(l.write_off_est, CAST(-1 AS DECIMAL(18, 4))),
      CAST(0 AS DECIMAL(18, 4))) AS amount
  FROM claim_line AS l
  WHERE l.status = 8 OR (CAST($subtract_estimates AS INT) = 1 AND l.status = 6)
)
SELECT
  CAST(COALESCE((SELECT SUM(fee) FROM planned), 0) AS DECIMAL(38, 4)) AS fees,
  CAST(COALESCE((SELECT SUM(e.amount) FROM estimate AS e JOIN planned AS p ON p.proc_num = e.proc_num), 0)
    AS DECIMAL(38, 4)) AS estimates
