-- Question: when are providers booked from $from to $to?
-- Grain: one row for each appointment that stands or was kept. Day: the appointment's.
SELECT apt_num, apt_date, provider, apt_date_time, minutes
FROM appt
WHERE apt_status IN (1, 2, 4) AND apt_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
ORDER BY apt_date, provider, apt_date_time, apt_num
