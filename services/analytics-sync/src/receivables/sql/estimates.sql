-- Question: how much do the families of `family` wait for from insurances, as of D?
-- Grain: one row for each family with such lines. Lines not received, or received only after D; those of a procedure date
-- after D are not known yet. Sign: estimates and write-offs, above zero. Stands after `WITH family AS (...),`.
waiting AS (
  SELECT
    l.pat_num,
    COALESCE(l.ins_pay_est, CAST(0 AS DECIMAL(18, 4))) + COALESCE(l.write_off, CAST(0 AS DECIMAL(18, 4))) AS amount
  FROM claim_line AS l
  WHERE
    (l.status = 0 OR (l.status = 1 AND l.date_cp > CAST($d AS DATE)))
    AND (l.proc_date IS NULL OR l.proc_date <= CAST($d AS DATE))
)
SELECT m.guarantor, CAST(SUM(w.amount) AS DECIMAL(38, 4)) AS amount
FROM waiting AS w
JOIN family_member AS m ON m.pat_num = w.pat_num
JOIN family AS f ON f.guarantor = m.guarantor
GROUP BY m.guarantor
ORDER BY m.guarantor
