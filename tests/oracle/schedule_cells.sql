-- Question: what is on offer and what takes it?  Grain: kind (p provider, c chair), lane, date, slot of @step minutes.
-- Source: features.md §1 available_minutes, utilization_pct, openings; §5 Schedule Analysis. Needs minutes.sql over [@from, @to].
-- Lanes that the PMS does not know are 0.
CREATE TEMPORARY TABLE o_cell (KEY (kind, lane, day, t)) AS
SELECT kind, lane, day, t, MAX(offered) AS offered, MAX(is_open) AS is_open, SUM(depth) AS depth FROM (
  SELECT 'p' AS kind, h.ProvNum AS lane, h.SchedDate AS day, g.t, 1 AS offered, 0 AS is_open, 0 AS depth
  FROM o_hours h JOIN o_grid g ON g.t >= h.t0 AND g.t < h.t1
  UNION ALL SELECT 'p', ProvNum, SchedDate, t, 0, 1, 0 FROM o_slot
  UNION ALL
  SELECT 'c', c.OperatoryNum, h.SchedDate, g.t, 1,
    NOT EXISTS (SELECT * FROM o_shut b WHERE b.SchedDate = h.SchedDate AND b.OperatoryNum = c.OperatoryNum AND g.t >= b.t0 AND g.t < b.t1), 0
  FROM o_hours h JOIN o_chair c ON c.ScheduleNum = h.ScheduleNum JOIN o_grid g ON g.t >= h.t0 AND g.t < h.t1
  UNION ALL
  SELECT k.kind, IF(k.kind = 'p', a.prov, a.Op), a.day, g.t, 0, 0, 1
  FROM (SELECT 'p' AS kind UNION ALL SELECT 'c') k JOIN o_appt a ON a.kept AND a.day BETWEEN @from AND @to
  JOIN o_grid g ON g.t >= TIME_TO_SEC(TIME(a.start)) / 60 AND g.t < TIME_TO_SEC(TIME(a.start)) / 60 + a.minutes
) x GROUP BY kind, lane, day, t;

CREATE TEMPORARY TABLE o_free AS
SELECT kind, lane, day, MIN(t) AS t, COUNT(*) * @step AS minutes FROM (
  SELECT kind, lane, day, t, t - @step * ROW_NUMBER() OVER (PARTITION BY kind, lane, day ORDER BY t) AS island FROM o_cell WHERE is_open = 1 AND depth = 0
) f GROUP BY kind, lane, day, island HAVING COUNT(*) * @step >= 30;
-- Whose goal an opening has: the provider's; in a chair that of the only one with hours there then.
ALTER TABLE o_free ADD COLUMN prov BIGINT;
UPDATE o_free SET prov = lane WHERE kind = 'p';
UPDATE o_free f SET prov = (SELECT IF(COUNT(DISTINCT h.ProvNum) = 1, MAX(h.ProvNum), NULL) FROM o_hours h JOIN o_chair c ON c.ScheduleNum = h.ScheduleNum
  WHERE c.OperatoryNum = f.lane AND h.SchedDate = f.day AND h.t0 < f.t + f.minutes AND h.t1 > f.t) WHERE kind = 'c';
ALTER TABLE o_free ADD COLUMN goal DECIMAL(18,4);
UPDATE o_free f JOIN provider p ON p.ProvNum = f.prov SET f.goal = NULLIF(CAST(p.HourlyProdGoalAmt AS DECIMAL(18,4)), 0);

CREATE TEMPORARY TABLE o_broken AS
SELECT a.day, a.prov, a.Op, g.t, EXISTS (SELECT * FROM o_appt o WHERE o.kept AND o.day = a.day AND a.Op <> 0 AND o.Op = a.Op
  AND g.t >= TIME_TO_SEC(TIME(o.start)) / 60 AND g.t < TIME_TO_SEC(TIME(o.start)) / 60 + o.minutes) AS refilled
FROM o_appt a JOIN o_grid g ON g.t >= TIME_TO_SEC(TIME(a.start)) / 60 AND g.t < TIME_TO_SEC(TIME(a.start)) / 60 + a.minutes
WHERE a.AptStatus = 5 AND a.day BETWEEN @from AND @to;

CREATE TEMPORARY TABLE o_made (KEY (day)) AS
SELECT a.day, a.prov, a.Op, FLOOR(TIME_TO_SEC(TIME(a.start)) / 60) AS t, IF(w.SecDateTEntry < '0002-01-01', NULL, DATEDIFF(a.day, DATE(w.SecDateTEntry))) AS ahead
FROM o_appt a JOIN appointment w ON w.AptNum = a.AptNum WHERE a.kept AND a.counted AND a.day BETWEEN @from AND @to;

-- Work is spread over its appointment's minutes: what is reached by an hour's end less what was by its start.
CREATE TEMPORARY TABLE o_worth AS
SELECT e.day, e.prov, e.Op, e.hour, (FLOOR(e.fee * 10000 * (e.upto - e.t) / e.minutes) - FLOOR(e.fee * 10000 * (e.since - e.t) / e.minutes)) / 10000 AS amount FROM (
  SELECT w.*, g.hour, GREATEST(w.t, g.hour * 60) AS since, LEAST(w.t + w.minutes, g.hour * 60 + 60) AS upto FROM (
    SELECT a.AptNum, a.day, x.ProvNum AS prov, a.Op, FLOOR(TIME_TO_SEC(TIME(a.start)) / 60) AS t, a.minutes, SUM(x.fee) AS fee
    FROM o_appt a JOIN o_proc x ON x.AptNum = a.AptNum AND (x.done OR x.planned)
    WHERE a.kept AND a.day BETWEEN @from AND @to GROUP BY a.AptNum, x.ProvNum) w
  JOIN (SELECT DISTINCT FLOOR(t / 60) AS hour FROM o_grid) g ON g.hour * 60 < w.t + w.minutes AND g.hour * 60 + 60 > w.t
) e;
