-- Report 4.  Source: features.md §6. Needs entries.sql.
SELECT COALESCE(c.ProcCode, '') AS code, COALESCE(c.Descript, '') AS description, SUM(e.kind = 'procedure') AS count,
  ROUND(SUM(e.amount), 2) AS gross_production, ROUND(SUM(e.amount) / SUM(e.kind = 'procedure'), 2) AS average
FROM o_entry e JOIN procedurelog l ON l.ProcNum = e.proc LEFT JOIN procedurecode c ON c.CodeNum = l.CodeNum
WHERE e.kind IN ('procedure', 'capitation') GROUP BY BINARY COALESCE(c.ProcCode, ''), BINARY COALESCE(c.Descript, '');
