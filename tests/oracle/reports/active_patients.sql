-- Report 15.  Source: features.md §6; books.md "Active patient". Needs entries.sql.
SELECT COALESCE(p.name, '') AS patient, x.PatNum AS patient_number, MAX(x.ProcDate) AS last_done, ROUND(SUM(x.fee), 2) AS fee,
  COALESCE(v.Abbr, 'unassigned') AS provider, p.phone
FROM o_proc x JOIN patient m ON m.PatNum = x.PatNum LEFT JOIN o_person p ON p.PatNum = x.PatNum LEFT JOIN provider v ON v.ProvNum = m.PriProv
WHERE x.done AND x.ProcDate BETWEEN @from AND @to AND m.PatStatus = 0 AND (@prov = 0 OR x.ProvNum = @prov) GROUP BY x.PatNum;
