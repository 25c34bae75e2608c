-- Report 3.  Source: features.md §0 (visit of a provider), §1 (hygiene_reappointment_pct and its credit), §5 (goal), §6.
-- Needs entries.sql and minutes.sql over the range.
CREATE OR REPLACE TEMPORARY TABLE o_credit AS
SELECT day, IF(prov IN (SELECT ProvNum FROM provider), prov, 0) AS prov, SUM(gross) AS gross, SUM(net) AS net, SUM(visits) AS visits,
  SUM(hyg) AS hyg, SUM(again) AS again, SUM(goal60) AS goal60
FROM (
  SELECT day, prov, IF(kind IN ('procedure', 'capitation'), amount, 0) AS gross, IF(kind = 'write-off', -amount, amount) AS net,
    0 AS visits, 0 AS hyg, 0 AS again, NULL AS goal60
  FROM o_entry WHERE kind IN ('procedure', 'capitation', 'adjustment', 'write-off')
  UNION ALL
  SELECT x.ProcDate, IF(x.ProvNum IN (SELECT ProvNum FROM provider), x.ProvNum, 0), 0, 0, COUNT(DISTINCT x.PatNum), 0, 0, NULL
  FROM o_proc x JOIN o_visit v ON v.PatNum = x.PatNum AND v.day = x.ProcDate
  WHERE x.visit_row AND v.counted AND x.ProcDate BETWEEN @from AND @to AND (@prov = 0 OR x.ProvNum = @prov)
  GROUP BY x.ProcDate, IF(x.ProvNum IN (SELECT ProvNum FROM provider), x.ProvNum, 0)
  UNION ALL
  SELECT f.day, x.ProvNum, 0, 0, 0, 1, EXISTS (SELECT * FROM o_appt a WHERE a.PatNum = f.PatNum AND a.kept AND a.hygiene AND a.day > f.day), NULL
  FROM (SELECT v.PatNum, v.day, MIN(h.ProcNum) AS first FROM o_visit v JOIN o_proc h ON h.PatNum = v.PatNum AND h.ProcDate = v.day AND h.done AND h.hyg
    WHERE v.counted AND v.day BETWEEN @from AND @to GROUP BY v.PatNum, v.day) f JOIN o_proc x ON x.ProcNum = f.first
  WHERE @prov = 0 OR x.ProvNum = @prov
  UNION ALL
  SELECT DISTINCT s.SchedDate, s.ProvNum, 0, 0, 0, 0, 0, NULL FROM schedule s JOIN provider p ON p.ProvNum = s.ProvNum
  WHERE s.SchedType = 1 AND s.SchedDate BETWEEN @from AND @to AND (@prov = 0 OR s.ProvNum = @prov)
  UNION ALL
  SELECT s.SchedDate, s.ProvNum, 0, 0, 0, 0, 0, SUM(@step) * MAX(CAST(p.HourlyProdGoalAmt AS DECIMAL(18,4)))
  FROM o_slot s JOIN provider p ON p.ProvNum = s.ProvNum
  WHERE CAST(p.HourlyProdGoalAmt AS DECIMAL(18,4)) <> 0 AND (@prov = 0 OR s.ProvNum = @prov) AND s.SchedDate BETWEEN @from AND @to
  GROUP BY s.SchedDate, s.ProvNum) part
GROUP BY day, IF(prov IN (SELECT ProvNum FROM provider), prov, 0);
SELECT o.day AS date, COALESCE(v.Abbr, 'unassigned') AS provider, ROUND(o.gross, 2) AS gross_production, ROUND(o.net, 2) AS net_production,
  o.visits, ROUND(o.net / NULLIF(o.visits, 0), 2) AS net_per_visit,
  IF(v.IsSecondary = 1 AND o.hyg > 0, TRUNCATE(FLOOR(o.again * 1000 / o.hyg + 0.5) / 10, 1), NULL) AS hygiene_reappointment_pct, ROUND(o.goal60 / 60, 2) AS goal
FROM o_credit o LEFT JOIN provider v ON v.ProvNum = o.prov;
