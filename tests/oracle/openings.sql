-- Question: when is whom free on @day for 30 minutes or more?  Grain: provider and free interval.
-- Source: features.md §1 openings; example 5. Needs minutes.sql.
SELECT f.ProvNum AS provider, MIN(f.t) AS start, COUNT(*) * @step AS minutes,
  IF(CAST(MAX(p.HourlyProdGoalAmt) AS DECIMAL(18,4)) = 0, '', ROUND(COUNT(*) * @step * CAST(MAX(p.HourlyProdGoalAmt) AS DECIMAL(18,4)) / 60, 2)) AS opportunity
FROM (SELECT s.ProvNum, s.t, s.t - @step * ROW_NUMBER() OVER (PARTITION BY s.ProvNum ORDER BY s.t) AS island
  FROM o_slot s LEFT JOIN o_busy b ON b.day = s.SchedDate AND b.prov = s.ProvNum AND b.t = s.t WHERE s.SchedDate = @day AND b.t IS NULL) f
LEFT JOIN provider p ON p.ProvNum = f.ProvNum
GROUP BY f.ProvNum, f.island HAVING minutes >= 30 ORDER BY start, provider;
