-- Question: how much planned work do the patients of $today and $tomorrow have that is on no live appointment from D on?
-- Grain: one row for each patient that has some. Day: D; treatment planned on a past appointment is in.
WITH comer AS (
  SELECT DISTINCT pat_num FROM appt WHERE apt_date IN (CAST($today AS DATE), CAST($tomorrow AS DATE))
)
SELECT p.pat_num, CAST(SUM(p.fee) AS DECIMAL(38, 4)) AS amount
FROM fee_procedure AS p
JOIN comer AS c ON c.pat_num = p.pat_num
JOIN patient AS t ON t.pat_num = p.pat_num
LEFT JOIN appt AS a ON a.apt_num = p.apt_num AND a.apt_status IN (1, 4) AND a.apt_date >= CAST($d AS DATE)
WHERE p.proc_status = 1 AND t.pat_status = 0 AND a.apt_num IS NULL
GROUP BY p.pat_num
ORDER BY p.pat_num
