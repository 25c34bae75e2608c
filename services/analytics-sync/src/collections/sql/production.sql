-- Question: gross production, adjustments and write-offs from $from to $to, by whom and where?
-- Grain: one row for each provider and clinic; 0 is unassigned. Days: procedure date; adjustment date; insurance payment
-- date ($basis 0) or procedure date ($basis 1). Credit: the row's own; capitation goes with its procedure.
-- Sign: adjustments as entered; write-offs and capitation above zero lower production.
WITH done AS (
  SELECT proc_num, prov_num, clinic_num, fee
  FROM fee_procedure
  WHERE proc_status = 2 AND proc_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
),
part AS (
  SELECT prov_num, clinic_num, 'fees' AS kind, CAST(fee AS DECIMAL(38, 4)) AS amount FROM done
  UNION ALL
  SELECT p.prov_num, p.clinic_num, 'capitation' AS kind, CAST(l.write_off AS DECIMAL(38, 4)) AS amount
  FROM claim_line AS l
  JOIN done AS p ON p.proc_num = l.proc_num
  WHERE l.status = 7
  UNION ALL
  SELECT COALESCE(prov_num, 0), COALESCE(clinic_num, 0), 'adjustments' AS kind, CAST(adj_amt AS DECIMAL(38, 4)) AS amount
  FROM adjustment
  WHERE adj_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
  UNION ALL
  SELECT COALESCE(prov_num, 0), COALESCE(clinic_num, 0), 'write_offs' AS kind, CAST(write_off AS DECIMAL(38, 4)) AS amount
  FROM claim_line
  WHERE
    (CAST($basis AS INT) = 0 AND status IN (1, 4) AND date_cp BETWEEN CAST($from AS DATE) AND CAST($to AS DATE))
    OR (CAST($basis AS INT) = 1 AND status IN (0, 1, 4) AND proc_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE))
)
SELECT
  prov_num,
  clinic_num,
  CAST(SUM(CASE WHEN kind = 'fees' THEN amount END) AS DECIMAL(38, 4)) AS fees,
  CAST(SUM(CASE WHEN kind = 'capitation' THEN amount END) AS DECIMAL(38, 4)) AS capitation,
  CAST(SUM(CASE WHEN kind = 'adjustments' THEN amount END) AS DECIMAL(38, 4)) AS adjustments,
  CAST(SUM(CASE WHEN kind = 'write_offs' THEN amount END) AS DECIMAL(38, 4)) AS write_offs
FROM part
GROUP BY prov_num, clinic_num
ORDER BY prov_num, clinic_num
