-- Question: what planned work does each patient have that is on no live appointment from D on?
-- Grain: one row for each patient, code and priority, by the practice's order of priorities. Status "patient" only;
-- treatment planned on a past appointment is in.
SELECT
  p.pat_num,
  p.code,
  COALESCE(n.item_name, '') AS priority,
  CAST(COALESCE(n.item_order, 0) AS INT) AS priority_order,
  CAST(SUM(p.fee) AS DECIMAL(38, 4)) AS amount
FROM fee_procedure AS p
JOIN patient AS t ON t.pat_num = p.pat_num
LEFT JOIN appt AS a ON a.apt_num = p.apt_num AND a.apt_status IN (1, 4) AND a.apt_date >= CAST($d AS DATE)
LEFT JOIN definition AS n ON n.def_num = p.priority AND p.priority <> 0
WHERE p.proc_status = 1 AND t.pat_status = 0 AND a.apt_num IS NULL
GROUP BY p.pat_num, p.code, n.item_name, n.item_order
ORDER BY p.pat_num, priority_order, priority, p.code
