-- Report 21.  Source: features.md §1 scheduled_production, on_schedule_production, §6. Needs entries.sql.
SELECT t.day AS date, COALESCE(v.Abbr, 'unassigned') AS provider, SUM(t.appts) AS appointments, ROUND(SUM(t.todo), 2) AS scheduled_production,
  ROUND(SUM(t.onit), 2) AS on_schedule_production
FROM (SELECT a.day, a.prov, 1 AS appts, 0 AS todo, 0 AS onit FROM o_appt a WHERE a.kept AND a.counted AND a.day BETWEEN @from AND @to
  UNION ALL SELECT a.day, x.ProvNum, 0, IF(x.planned AND a.AptStatus = 1, x.fee - COALESCE((SELECT SUM(CASE WHEN c.WriteOffEstOverride <> -1 THEN CAST(c.WriteOffEstOverride AS DECIMAL(18,4))
      WHEN c.WriteOffEst <> -1 THEN CAST(c.WriteOffEst AS DECIMAL(18,4)) ELSE 0 END) FROM claimproc c WHERE c.ProcNum = x.ProcNum AND (c.Status = 8 OR (c.Status = 6 AND @sched_less_wo))), 0), 0), x.fee
    FROM o_appt a JOIN o_proc x ON x.AptNum = a.AptNum AND (x.done OR x.planned) WHERE a.kept AND a.day BETWEEN @from AND @to) t
LEFT JOIN provider v ON v.ProvNum = t.prov WHERE @prov = 0 OR t.prov = @prov GROUP BY t.day, COALESCE(v.ProvNum, 0);
