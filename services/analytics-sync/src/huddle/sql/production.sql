-- Question: gross production, adjustments and write-offs from $from to $to, each by its own date?
-- Grain: one row. Days: procedure date; adjustment date; insurance payment date (basis 0) or procedure date (basis 1).
-- Sign: adjustments as entered; write-offs above zero lower production.
WITH done AS (
  SELECT proc_num, fee FROM done_procedure
  WHERE proc_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
),
fees AS (
  SELECT SUM(fee) AS amount FROM done
),
capitation AS (
  SELECT SUM(l.write_off) AS amount FROM claim_line AS l JOIN done AS p ON p.proc_num = l.proc_num WHERE l.status = 7
),
adjusted AS (
  SELECT SUM(adj_amt) AS amount FROM adjustment
  WHERE adj_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
),
written_off AS (
  SELECT SUM(write_off) AS amount FROM claim_line
  WHERE
    (CAST($basis AS INT) = 0 AND status IN (1, 4) AND date_cp BETWEEN CAST($from AS DATE) AND CAST($to AS DATE))
    OR (CAST($basis AS INT) = 1 AND status IN (0, 1, 4) AND proc_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE))
)
SELECT
  CAST(COALESCE((SELECT amount FROM fees), 0) AS DECIMAL(38, 4)) AS fees,
  CAST(COALESCE((SELECT amount FROM capitation), 0) AS DECIMAL(38, 4)) AS capitation,
  CAST(COALESCE((SELECT amount FROM adjusted), 0) AS DECIMAL(38, 4)) AS adjustments,
  CAST(COALESCE((SELECT amount FROM written_off), 0) AS DECIMAL(38, 4)) AS write_offs
