-- Report 5.  Source: features.md §6. Needs entries.sql.
SELECT e.day AS date, COALESCE(p.name, '') AS patient, e.pat AS patient_number, COALESCE(v.Abbr, 'unassigned') AS provider,
  COALESCE(d.ItemName, '') AS type, ROUND(e.amount, 2) AS amount
FROM o_entry e LEFT JOIN o_person p ON p.PatNum = e.pat LEFT JOIN provider v ON v.ProvNum = e.prov LEFT JOIN definition d ON d.DefNum = e.def
WHERE e.kind = 'adjustment';
