-- Report 2.  Source: features.md §6. Needs entries.sql.
SELECT e.day AS date, COALESCE(p.name, '') AS patient, e.pat AS patient_number, e.kind, IF(e.kind IN ('procedure', 'capitation'), COALESCE(x.ProcCode, ''), '') AS code,
  COALESCE(d.ItemName, IF(e.kind IN ('procedure', 'capitation'), c.Descript, NULL), '') AS description, IF(e.kind IN ('procedure', 'capitation'), COALESCE(l.ToothNum, ''), '') AS tooth, COALESCE(v.Abbr, 'unassigned') AS provider,
  IF(e.kind IN ('procedure', 'capitation'), ROUND(e.amount, 2), NULL) AS fee, IF(e.kind = 'adjustment', ROUND(e.amount, 2), NULL) AS adjustment,
  IF(e.kind = 'write-off', ROUND(e.amount, 2), NULL) AS write_off,
  IF(e.kind IN ('payment', 'insurance payment'), ROUND(e.amount, 2), NULL) AS paid, IF(e.kind = 'prepayment', ROUND(e.amount, 2), NULL) AS unearned
FROM o_entry e LEFT JOIN o_person p ON p.PatNum = e.pat LEFT JOIN o_proc x ON x.ProcNum = e.proc LEFT JOIN procedurelog l ON l.ProcNum = e.proc
LEFT JOIN procedurecode c ON c.CodeNum = l.CodeNum LEFT JOIN definition d ON d.DefNum = e.def LEFT JOIN provider v ON v.ProvNum = e.prov;
