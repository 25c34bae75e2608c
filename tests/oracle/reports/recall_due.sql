-- Report 17, with balances on @to, which is @d.  Source: features.md §6. Needs entries.sql and aging.sql.
SELECT COALESCE(t.Description, '') AS type, r.DateDue AS due, COALESCE(p.name, '') AS patient, r.PatNum AS patient_number,
  (SELECT MAX(v.day) FROM o_visit v WHERE v.PatNum = r.PatNum AND v.day <= @d) AS last_visit, COALESCE(p.phone, '') AS phone
FROM recall r LEFT JOIN recalltype t ON t.RecallTypeNum = r.RecallTypeNum LEFT JOIN o_person p ON p.PatNum = r.PatNum
LEFT JOIN o_pat m ON m.PatNum = r.PatNum LEFT JOIN o_aging a ON a.fam = m.Guarantor
WHERE r.DateDue BETWEEN @from AND @to AND r.IsDisabled = 0 AND r.DateScheduled < '0002-01-01' AND r.DisableUntilDate <= @d AND COALESCE(m.PatStatus, 0) <> 4
  AND (r.DisableUntilBalance <= 0 OR COALESCE(a.total, 0) <= CAST(r.DisableUntilBalance AS DECIMAL(18,4)));
