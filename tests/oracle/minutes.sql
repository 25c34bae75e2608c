-- Question: when is each provider on offer, and when booked?  Grain: provider, date, slot of @step minutes.
-- Source: features.md §1 available_minutes, utilization_pct; example 5.
-- Parameters: @from, @to (dates). Slots of 5 minutes where all hours lie on that grid, else of 1 minute.
SET @step = IF(EXISTS (SELECT * FROM schedule WHERE SchedDate BETWEEN @from AND @to AND SchedType IN (1, 2)
    AND (MOD(TIME_TO_SEC(StartTime), 300) <> 0 OR MOD(TIME_TO_SEC(StopTime), 300) <> 0))
  OR EXISTS (SELECT * FROM o_appt WHERE day BETWEEN @from AND @to AND MOD(TIME_TO_SEC(TIME(start)), 300) <> 0), 1, 5);
CREATE TEMPORARY TABLE o_grid (PRIMARY KEY (t)) AS
WITH RECURSIVE g AS (SELECT 0 AS t UNION ALL SELECT t + @step FROM g WHERE t + @step < 1440) SELECT CAST(t AS INT) AS t FROM g;

CREATE TEMPORARY TABLE o_hours (KEY (SchedDate, ProvNum)) AS
SELECT s.ScheduleNum, s.SchedDate, s.ProvNum, TIME_TO_SEC(s.StartTime) / 60 AS t0, TIME_TO_SEC(s.StopTime) / 60 AS t1
FROM schedule s WHERE s.SchedType = 1 AND s.SchedDate BETWEEN @from AND @to
  AND NOT EXISTS (SELECT * FROM schedule h WHERE h.SchedDate = s.SchedDate AND h.SchedType = 0 AND h.Status = 2
    AND (h.ClinicNum = 0 OR h.ClinicNum = s.ClinicNum));
CREATE TEMPORARY TABLE o_chair (KEY (ScheduleNum)) AS
SELECT h.ScheduleNum, so.OperatoryNum FROM o_hours h JOIN scheduleop so ON so.ScheduleNum = h.ScheduleNum
UNION
SELECT h.ScheduleNum, op.OperatoryNum FROM o_hours h JOIN operatory op ON op.ProvDentist = h.ProvNum OR op.ProvHygienist = h.ProvNum
WHERE NOT EXISTS (SELECT * FROM scheduleop so WHERE so.ScheduleNum = h.ScheduleNum);
CREATE TEMPORARY TABLE o_shut (KEY (SchedDate, OperatoryNum)) AS
SELECT b.SchedDate, so.OperatoryNum, TIME_TO_SEC(b.StartTime) / 60 AS t0, TIME_TO_SEC(b.StopTime) / 60 AS t1
FROM schedule b JOIN definition d ON d.DefNum = b.BlockoutType JOIN scheduleop so ON so.ScheduleNum = b.ScheduleNum
WHERE b.SchedType = 2 AND d.ItemValue LIKE '%NS%' AND b.SchedDate BETWEEN @from AND @to;

-- A slot is on offer unless every chair offered then is shut; hours without any chair have none that could be shut.
CREATE TEMPORARY TABLE o_slot (PRIMARY KEY (SchedDate, ProvNum, t)) AS
SELECT o.SchedDate, o.ProvNum, o.t FROM (
  SELECT h.SchedDate, h.ProvNum, g.t, c.OperatoryNum,
    EXISTS (SELECT * FROM o_shut b WHERE b.SchedDate = h.SchedDate AND b.OperatoryNum = c.OperatoryNum AND g.t >= b.t0 AND g.t < b.t1) AS shut
  FROM o_hours h JOIN o_grid g ON g.t >= h.t0 AND g.t < h.t1 LEFT JOIN o_chair c ON c.ScheduleNum = h.ScheduleNum) o
GROUP BY o.SchedDate, o.ProvNum, o.t
HAVING COUNT(o.OperatoryNum) = 0 OR MIN(IF(o.OperatoryNum IS NULL, 1, o.shut)) = 0;

CREATE TEMPORARY TABLE o_busy (PRIMARY KEY (day, prov, t)) AS
SELECT DISTINCT a.day, a.prov, g.t FROM o_appt a
JOIN o_grid g ON g.t >= TIME_TO_SEC(TIME(a.start)) / 60 AND g.t < TIME_TO_SEC(TIME(a.start)) / 60 + a.minutes
WHERE a.kept AND a.day BETWEEN @from AND @to;

-- The goal of a provider's day: scheduled hours × hourly goal; a goal of 0 is none (features.md §5).
CREATE TEMPORARY TABLE o_goal AS
SELECT s.SchedDate AS day, CAST(SUM(@step) AS DECIMAL(20,4)) * MAX(CAST(p.HourlyProdGoalAmt AS DECIMAL(18,4))) AS goal60
FROM o_slot s JOIN provider p ON p.ProvNum = s.ProvNum WHERE CAST(p.HourlyProdGoalAmt AS DECIMAL(18,4)) <> 0
GROUP BY s.SchedDate, s.ProvNum;
