-- Report 14; @prov 0.  Source: features.md §6; books.md (the first ItemOrder with RefType 1). Needs entries.sql.
CREATE OR REPLACE TEMPORARY TABLE o_from (PRIMARY KEY (PatNum)) AS
SELECT a.PatNum, a.ReferralNum FROM refattach a WHERE a.RefType = 1 AND NOT EXISTS (SELECT * FROM refattach b WHERE b.PatNum = a.PatNum AND b.RefType = 1
  AND (b.ItemOrder < a.ItemOrder OR (b.ItemOrder = a.ItemOrder AND b.RefAttachNum < a.RefAttachNum)));
SELECT IF(MAX(r.ReferralNum) IS NULL, 'none', CONCAT_WS(', ', NULLIF(MAX(r.LName), ''), NULLIF(MAX(r.FName), ''))) AS referral, SUM(t.pats) AS patients, SUM(t.fresh) AS new_patients,
  ROUND(SUM(t.gross), 2) AS gross_production, ROUND(SUM(t.came), 2) AS collections
FROM (SELECT PatNum AS pat, 1 AS pats, 0 AS fresh, 0 AS gross, 0 AS came FROM o_pat WHERE PatStatus <> 4
  UNION ALL SELECT x.PatNum, 0, 1, 0, 0 FROM o_proc x LEFT JOIN o_pat q ON q.PatNum = x.PatNum WHERE x.done AND NOT x.broken AND COALESCE(q.PatStatus, 0) <> 4
    GROUP BY x.PatNum HAVING MIN(x.ProcDate) BETWEEN @from AND @to
  UNION ALL SELECT pat, 0, 0, IF(kind IN ('procedure', 'capitation'), amount, 0), IF(kind IN ('payment', 'insurance payment'), amount, 0) FROM o_entry) t
LEFT JOIN o_from f ON f.PatNum = t.pat LEFT JOIN referral r ON r.ReferralNum = f.ReferralNum GROUP BY COALESCE(r.ReferralNum, 0);
