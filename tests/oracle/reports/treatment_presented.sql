-- Report 18.  Source: features.md §6; books.md "Treatment presented". Needs entries.sql.
SELECT IF(s.UserNumPresenter = 0, 'unassigned', CONCAT('user ', s.UserNumPresenter)) AS presenter, COUNT(*) AS procedures, ROUND(SUM(s.gross), 2) AS gross,
  ROUND(SUM(s.net), 2) AS net, SUM(COALESCE(s.AptStatus, 0) = 1) AS scheduled_procedures, ROUND(SUM(IF(s.AptStatus = 1, s.gross, 0)), 2) AS scheduled_gross,
  ROUND(SUM(IF(s.AptStatus = 1, s.net, 0)), 2) AS scheduled_net, SUM(COALESCE(s.AptStatus, 0) = 2) AS completed_procedures,
  ROUND(SUM(IF(s.AptStatus = 2, s.gross, 0)), 2) AS completed_gross, ROUND(SUM(IF(s.AptStatus = 2, s.net, 0)), 2) AS completed_net
FROM (SELECT g.*, g.gross - g.off + COALESCE((SELECT SUM(CAST(j.AdjAmt AS DECIMAL(18,4))) FROM adjustment j WHERE j.ProcNum = g.ProcNum), 0) AS net
  FROM (SELECT t.UserNumPresenter, x.ProcNum, a.AptStatus,
      x.fee - COALESCE((SELECT SUM(CAST(c.WriteOff AS DECIMAL(18,4))) FROM claimproc c WHERE c.ProcNum = x.ProcNum AND c.Status = 7), 0) AS gross,
      COALESCE((SELECT SUM(CASE WHEN x.done AND c.Status IN (0, 1, 4) THEN CAST(c.WriteOff AS DECIMAL(18,4))
        WHEN NOT x.done AND c.Status = 6 THEN CASE WHEN c.WriteOffEstOverride <> -1 THEN CAST(c.WriteOffEstOverride AS DECIMAL(18,4))
          WHEN c.WriteOffEst <> -1 THEN CAST(c.WriteOffEst AS DECIMAL(18,4)) ELSE 0 END ELSE 0 END) FROM claimproc c WHERE c.ProcNum = x.ProcNum), 0) AS off
    FROM o_proc x JOIN treatplan t ON t.TreatPlanNum = (SELECT f.TreatPlanNum FROM proctp q JOIN treatplan f ON f.TreatPlanNum = q.TreatPlanNum
        WHERE q.ProcNumOrig = x.ProcNum AND f.TPStatus = 0 AND f.DateTP > '0001-01-01' ORDER BY f.DateTP, f.TreatPlanNum LIMIT 1)
    LEFT JOIN appointment a ON a.AptNum = x.AptNum AND x.AptNum <> 0
    WHERE x.ProcStatus IN (1, 2, 8) AND t.DateTP BETWEEN @from AND @to AND (@prov = 0 OR x.ProvNum = @prov)) g) s
GROUP BY s.UserNumPresenter;
