-- Question: when does each patient come next, when next for hygiene, and what does the next one's confirmation say?
-- Grain: one row for each patient with a live appointment on D or later. For hygiene: with a hygiene code, or without
-- procedures and marked so.
WITH live AS (
  SELECT apt_num, pat_num, apt_date_time, is_hygiene, confirmed
  FROM appt
  WHERE apt_status IN (1, 4) AND apt_date >= CAST($d AS DATE)
),
work AS (
  SELECT l.apt_num, BOOL_OR(p.is_hygiene) AS has_hygiene
  FROM live AS l
  JOIN appt_procedure AS p ON p.apt_num = l.apt_num
  GROUP BY l.apt_num
),
marked AS (
  SELECT
    l.pat_num,
    l.apt_date_time,
    l.confirmed,
    COALESCE(w.has_hygiene, FALSE) OR (w.apt_num IS NULL AND l.is_hygiene = 1) AS for_hygiene,
    ROW_NUMBER() OVER (PARTITION BY l.pat_num ORDER BY l.apt_date_time, l.apt_num) AS place
  FROM live AS l
  LEFT JOIN work AS w ON w.apt_num = l.apt_num
)
SELECT
  m.pat_num,
  MIN(m.apt_date_time) AS next_start,
  MIN(CASE WHEN m.for_hygiene THEN m.apt_date_time END) AS next_hygiene_start,
  MAX(CASE WHEN m.place = 1 THEN COALESCE(d.item_name, '') END) AS confirmation
FROM marked AS m
LEFT JOIN definition AS d ON d.def_num = m.confirmed
GROUP BY m.pat_num
ORDER BY m.pat_num
