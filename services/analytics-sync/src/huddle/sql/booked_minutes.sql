-- Question: when are providers booked on $day?
-- Grain: one row for each appointment that stands or was kept. Day: the appointment's.
SELECT provider, apt_date_time, minutes
FROM appt
WHERE apt_status IN (1, 2, 4) AND apt_date = CAST($day AS DATE)
ORDER BY provider, apt_date_time, apt_num
