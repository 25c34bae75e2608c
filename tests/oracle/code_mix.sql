-- Question: how often was each code done in [@from, @to], and for how much?  Grain: one row a code ('total': all) and figure.
-- Source: features.md §1 gross_production; counted by rows, patients in no count left out of the counts and not of the money.
-- Needs pulse.sql over the range.
SELECT COALESCE(ProcCode, 'total') AS k, 'procedures_done' AS name, SUM(counted) AS value FROM o_mine
  WHERE done AND ProcDate BETWEEN @from AND @to GROUP BY ProcCode WITH ROLLUP
UNION ALL
SELECT COALESCE(ProcCode, 'total'), 'gross_production', ROUND(SUM(amount), 2) FROM (
    SELECT ProcCode, fee AS amount FROM o_mine WHERE done AND ProcDate BETWEEN @from AND @to
    UNION ALL
    SELECT x.ProcCode, -CAST(c.WriteOff AS DECIMAL(18,4)) FROM claimproc c JOIN o_mine x ON x.ProcNum = c.ProcNum
    WHERE c.Status = 7 AND x.done AND x.ProcDate BETWEEN @from AND @to) m GROUP BY ProcCode WITH ROLLUP;
