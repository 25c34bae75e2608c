-- Question: which hours, holidays and blockouts stand from $from on, until $to where that is given?
-- Grain: one row for each block, by date and key. Days and times: the practice's calendar and wall clock, in seconds.
SELECT
  s.schedule_num,
  s.sched_date,
  CAST(s.sched_type AS INT) AS sched_type,
  CAST(COALESCE(s.status, 0) AS INT) AS status,
  CAST(COALESCE(s.start_time, 0) AS INT) AS start_time,
  CAST(COALESCE(s.stop_time, 0) AS INT) AS stop_time,
  COALESCE(s.prov_num, 0) AS prov_num,
  COALESCE(s.clinic_num, 0) AS clinic_num,
  COALESCE(strpos(d.item_value, 'NS') > 0, FALSE) AS no_schedule
FROM schedule AS s
LEFT JOIN definition AS d ON d.def_num = s.blockout_type
WHERE s.sched_type IN (0, 1, 2) AND s.sched_date >= CAST($from AS DATE)
ORDER BY s.sched_date, s.schedule_num
