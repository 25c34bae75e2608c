-- Report 7; the source's name is left to the report.  Source: features.md §6. Needs entries.sql.
SELECT e.day AS date, COALESCE(t.ItemName, '') AS type, y.CheckNum AS check_number, COALESCE(p.name, '') AS patient, e.pat AS patient_number,
  COALESCE(v.Abbr, 'unassigned') AS provider, ROUND(e.amount, 2) AS split, IF(s.UnearnedType = 0, '', COALESCE(u.ItemName, 'unearned')) AS unearned_type
FROM o_entry e JOIN paysplit s ON s.SplitNum = e.id JOIN payment y ON y.PayNum = s.PayNum LEFT JOIN definition t ON t.DefNum = y.PayType
LEFT JOIN definition u ON u.DefNum = s.UnearnedType LEFT JOIN o_person p ON p.PatNum = e.pat LEFT JOIN provider v ON v.ProvNum = e.prov
WHERE e.kind IN ('payment', 'prepayment');
