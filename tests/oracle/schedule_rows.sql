-- Question: how is the schedule of [@from, @to] used?  Grain: row of @grouping (provider, operatory, day, hour; total_p and
-- total_c for all together).  Source: features.md §5 Schedule Analysis. Needs schedule_cells.sql.
SET @kind = IF(@grouping IN ('operatory', 'total_c'), 'c', 'p');
CREATE OR REPLACE TEMPORARY TABLE o_known (PRIMARY KEY (lane)) AS
SELECT ProvNum AS lane FROM provider WHERE @kind = 'p' AND ProvNum <> 0 UNION SELECT OperatoryNum FROM operatory WHERE @kind = 'c' AND OperatoryNum <> 0;
CREATE OR REPLACE TEMPORARY TABLE o_part AS
SELECT lane, day, FLOOR(t / 60) AS hour, SUM(is_open) * @step AS available, SUM(is_open AND depth > 0) * @step AS booked, SUM(NOT is_open AND depth > 0) * @step AS outside,
  SUM(GREATEST(depth - 1, 0)) * @step AS twice, SUM(offered AND NOT is_open) * @step AS blocked, 0 AS broken, 0 AS refilled, 0 AS opening_count,
  0 AS opening_minutes, CAST(NULL AS DECIMAL(30,8)) AS opportunity60, CAST(0 AS DECIMAL(30,4)) AS worth, 0 AS appointments, CAST(NULL AS INT) AS lead_days
FROM o_cell WHERE kind = @kind GROUP BY lane, day, FLOOR(t / 60)
UNION ALL
SELECT IF(@kind = 'p', prov, Op), day, FLOOR(t / 60), 0, 0, 0, 0, 0, COUNT(*) * @step, SUM(refilled) * @step, 0, 0, NULL, 0, 0, NULL
FROM o_broken GROUP BY IF(@kind = 'p', prov, Op), day, FLOOR(t / 60)
UNION ALL
SELECT lane, day, FLOOR(t / 60), 0, 0, 0, 0, 0, 0, 0, 1, 0, NULL, 0, 0, NULL FROM o_free WHERE kind = @kind
UNION ALL
SELECT f.lane, f.day, g.hour, 0, 0, 0, 0, 0, 0, 0, 0, LEAST(f.t + f.minutes, g.hour * 60 + 60) - GREATEST(f.t, g.hour * 60),
  (LEAST(f.t + f.minutes, g.hour * 60 + 60) - GREATEST(f.t, g.hour * 60)) * f.goal, 0, 0, NULL
FROM o_free f JOIN (SELECT DISTINCT FLOOR(t / 60) AS hour FROM o_grid) g ON g.hour * 60 < f.t + f.minutes AND g.hour * 60 + 60 > f.t WHERE f.kind = @kind
UNION ALL
SELECT IF(@kind = 'p', prov, Op), day, hour, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, amount, 0, NULL FROM o_worth
UNION ALL
SELECT IF(@kind = 'p', prov, Op), day, FLOOR(t / 60), 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, 0, 1, ahead FROM o_made;
CREATE OR REPLACE TEMPORARY TABLE o_keyed (KEY (k)) AS
SELECT p.*, CASE @grouping WHEN 'provider' THEN COALESCE(n.lane, 0) WHEN 'operatory' THEN COALESCE(n.lane, 0) WHEN 'day' THEN p.day
  WHEN 'hour' THEN CONCAT(WEEKDAY(p.day) + 1, '@', p.hour) ELSE '' END AS k
FROM o_part p LEFT JOIN o_known n ON n.lane = p.lane;
CREATE OR REPLACE TEMPORARY TABLE o_lead (PRIMARY KEY (k)) AS
SELECT DISTINCT k, MEDIAN(lead_days) OVER (PARTITION BY k) AS ahead FROM o_keyed WHERE lead_days IS NOT NULL;
SELECT r.k, SUM(r.available) AS available_minutes, SUM(r.booked) AS booked_minutes, SUM(r.outside) AS outside_hours_minutes, SUM(r.twice) AS double_booked_minutes,
  SUM(r.blocked) AS blocked_minutes, SUM(r.broken) AS broken_minutes, SUM(r.refilled) AS refilled_minutes, SUM(r.opening_count) AS opening_count,
  SUM(r.opening_minutes) AS opening_minutes, COALESCE(ROUND(SUM(r.opportunity60) / 60, 2), '') AS opening_opportunity,
  ROUND(SUM(r.worth), 2) AS production, IF(SUM(r.available) = 0, '', ROUND(SUM(r.worth) * 60 / SUM(r.available), 2)) AS production_per_open_hour,
  SUM(r.appointments) AS appointments, COALESCE(CAST(MAX(l.ahead) AS DECIMAL(20,1)), '') AS median_lead_days
FROM o_keyed r LEFT JOIN o_lead l ON l.k = r.k GROUP BY r.k ORDER BY r.k;
