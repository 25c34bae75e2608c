-- Question: which chairs are the blocks from $from on tied to?
-- Grain: one row for each block and chair.
SELECT DISTINCT o.schedule_num, o.operatory_num
FROM schedule_operatory AS o
JOIN schedule AS s ON s.schedule_num = o.schedule_num
WHERE s.sched_date >= CAST($from AS DATE) AND s.sched_type IN (1, 2)
ORDER BY o.schedule_num, o.operatory_num
