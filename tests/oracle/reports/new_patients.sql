-- Report 13; referrals are left to the report.  Source: features.md §1 new_patients, §6. Needs entries.sql.
SELECT f.day AS first_visit, COALESCE(p.name, '') AS patient, f.PatNum AS patient_number, COALESCE(v.Abbr, 'unassigned') AS provider,
  (SELECT ROUND(SUM(x.fee), 2) FROM o_proc x WHERE x.PatNum = f.PatNum AND x.done AND x.ProcDate BETWEEN @from AND @to) AS fee,
  COALESCE((SELECT DATE_FORMAT(MIN(a.start), '%Y-%m-%d %H:%i') FROM o_appt a WHERE a.PatNum = f.PatNum AND a.live AND a.day >= @d), '') AS next_appointment
FROM (SELECT x.PatNum, MIN(x.ProcDate) AS day FROM o_proc x LEFT JOIN o_pat q ON q.PatNum = x.PatNum
  WHERE x.done AND NOT x.broken AND COALESCE(q.PatStatus, 0) <> 4 GROUP BY x.PatNum HAVING MIN(x.ProcDate) BETWEEN @from AND @to) f
JOIN o_proc c ON c.ProcNum = (SELECT MIN(x.ProcNum) FROM o_proc x WHERE x.PatNum = f.PatNum AND x.ProcDate = f.day AND x.done AND NOT x.broken)
LEFT JOIN provider v ON v.ProvNum = c.ProvNum LEFT JOIN o_person p ON p.PatNum = f.PatNum WHERE @prov = 0 OR c.ProvNum = @prov;
