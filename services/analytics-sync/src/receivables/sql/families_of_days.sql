-- Question: whose patients come on $today and $tomorrow?
-- Grain: one row for each guarantor.
SELECT DISTINCT m.guarantor
FROM appt AS a
JOIN family_member AS m ON m.pat_num = a.pat_num
WHERE a.apt_date IN (CAST($today AS DATE), CAST($tomorrow AS DATE))
