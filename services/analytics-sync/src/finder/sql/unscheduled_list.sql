-- Question: who is on the unscheduled list?
-- Grain: one row for each patient.
SELECT DISTINCT pat_num FROM appointment WHERE apt_status = 3 ORDER BY pat_num
