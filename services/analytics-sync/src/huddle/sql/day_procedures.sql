-- Question: what is planned or done on the appointments of $day?
-- Grain: one row for each procedure, by key. Day: the appointment's.
SELECT p.apt_num, p.proc_num, p.code, p.descript, CAST(p.fee AS DECIMAL(38, 4)) AS fee, p.tooth_num
FROM appt_procedure AS p
JOIN appt AS a ON a.apt_num = p.apt_num
WHERE a.apt_date = CAST($day AS DATE)
ORDER BY p.proc_num
