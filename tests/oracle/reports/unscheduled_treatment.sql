-- Report 19, on @d.  Source: features.md §1 unscheduled_treatment, §6. Needs entries.sql.
SELECT p.name AS patient, x.PatNum AS patient_number, x.DateTP AS planned, x.ProcCode AS code, l.ToothNum AS tooth, COALESCE(d.ItemName, '') AS priority,
  COALESCE(v.Abbr, 'unassigned') AS provider, ROUND(x.fee, 2) AS fee, (SELECT MAX(o.day) FROM o_visit o WHERE o.PatNum = x.PatNum AND o.day <= @d) AS last_visit
FROM o_proc x JOIN o_pat m ON m.PatNum = x.PatNum JOIN o_person p ON p.PatNum = x.PatNum JOIN procedurelog l ON l.ProcNum = x.ProcNum
LEFT JOIN definition d ON d.DefNum = l.Priority LEFT JOIN provider v ON v.ProvNum = x.ProvNum
WHERE x.planned AND m.PatStatus = 0 AND (@prov = 0 OR x.ProvNum = @prov)
  AND NOT EXISTS (SELECT * FROM o_appt a WHERE a.AptNum = x.AptNum AND a.live AND a.day >= @d);
