-- Report 6.  Source: features.md §6. Needs entries.sql.
SELECT COALESCE(k.CarrierName, 'unassigned') AS carrier, COALESCE(x.ProcCode, '') AS code, COUNT(*) AS `lines`, ROUND(SUM(e.amount), 2) AS write_offs,
  IF(@wo_basis = 1, 'procedure date', 'insurance payment date') AS basis
FROM o_entry e JOIN claimproc c ON c.ClaimProcNum = e.id LEFT JOIN insplan i ON i.PlanNum = c.PlanNum LEFT JOIN carrier k ON k.CarrierNum = i.CarrierNum
LEFT JOIN o_proc x ON x.ProcNum = e.proc
WHERE e.kind = 'write-off' GROUP BY BINARY COALESCE(k.CarrierName, 'unassigned'), BINARY COALESCE(x.ProcCode, '');
