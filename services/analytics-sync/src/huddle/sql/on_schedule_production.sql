-- Question: what is the work on the schedule of $day worth, planned and done?
-- Grain: one row. Day: the appointment's; broken ones are out. Sign: fees, above zero. Money counts whoever the patient.
SELECT CAST(COALESCE(SUM(p.fee), 0) AS DECIMAL(38, 4)) AS amount
FROM appt AS a
JOIN appt_procedure AS p ON p.apt_num = a.apt_num
WHERE a.apt_status IN (1, 2, 4) AND a.apt_date = CAST($day AS DATE)
