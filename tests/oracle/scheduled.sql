-- Question: scheduled_production still to do in [@from, @to].  Grain: one row.
-- Source: features.md §1 scheduled_production; books.md "Scheduled production" (capitation estimates; preference for Status 6).
SELECT ROUND((SELECT COALESCE(SUM(x.fee), 0) FROM o_proc x JOIN o_appt a ON a.AptNum = x.AptNum
    WHERE x.planned AND a.AptStatus = 1 AND a.day BETWEEN @from AND @to)
  - (SELECT COALESCE(SUM(CASE WHEN c.WriteOffEstOverride <> -1 THEN CAST(c.WriteOffEstOverride AS DECIMAL(18,4))
        WHEN c.WriteOffEst <> -1 THEN CAST(c.WriteOffEst AS DECIMAL(18,4)) ELSE 0 END), 0)
    FROM claimproc c JOIN o_proc x ON x.ProcNum = c.ProcNum JOIN o_appt a ON a.AptNum = x.AptNum
    WHERE x.planned AND a.AptStatus = 1 AND a.day BETWEEN @from AND @to AND (c.Status = 8 OR (c.Status = 6 AND @sched_less_wo))), 2)
  AS scheduled_production;
