-- Question: who in the families of the patients of $day has no live appointment from that day on?
-- Grain: one row for each such person of status "patient". Day: $day.
WITH family AS (
  SELECT DISTINCT m.guarantor
  FROM appt AS a
  JOIN family_member AS m ON m.pat_num = a.pat_num
  WHERE a.apt_date = CAST($day AS DATE)
),
booked AS (
  SELECT DISTINCT pat_num FROM appt WHERE apt_status IN (1, 4) AND apt_date >= CAST($day AS DATE)
)
SELECT m.guarantor, m.pat_num
FROM family_member AS m
JOIN family AS f ON f.guarantor = m.guarantor
LEFT JOIN booked AS b ON b.pat_num = m.pat_num
WHERE m.pat_status = 0 AND b.pat_num IS NULL
ORDER BY m.guarantor, m.pat_num
