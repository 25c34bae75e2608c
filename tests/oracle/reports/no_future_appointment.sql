-- Report 16, on @d.  Source: features.md §1 unscheduled_patients, unscheduled_treatment, §6. Needs entries.sql.
SELECT p.name AS patient, m.PatNum AS patient_number, (SELECT MAX(v.day) FROM o_visit v WHERE v.PatNum = m.PatNum AND v.day <= @d) AS last_visit,
  (SELECT MIN(r.DateDue) FROM recall r WHERE r.PatNum = m.PatNum AND r.DateDue > '0001-01-01' AND r.IsDisabled = 0 AND r.DisableUntilDate <= @d) AS recall_due,
  (SELECT ROUND(COALESCE(SUM(x.fee), 0), 2) FROM o_proc x WHERE x.PatNum = m.PatNum AND x.planned
    AND NOT EXISTS (SELECT * FROM o_appt a WHERE a.AptNum = x.AptNum AND a.live AND a.day >= @d)) AS unscheduled_treatment, p.phone
FROM patient m JOIN o_person p ON p.PatNum = m.PatNum
WHERE m.PatStatus = 0 AND (@prov = 0 OR m.PriProv = @prov) AND NOT EXISTS (SELECT * FROM o_appt a WHERE a.PatNum = m.PatNum AND a.live AND a.day >= @d);
