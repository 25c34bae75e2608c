-- Report 12.  Source: features.md §6; books.md "Unearned". Needs entries.sql.
SELECT COALESCE(p.name, '') AS guarantor, u.fam AS guarantor_number, ROUND(u.here, 2) AS unearned, ROUND(u.balance, 2) AS balance, COALESCE(p.phone, '') AS phone
FROM (SELECT m.Guarantor AS fam, SUM(IF(y.PayDate >= @from, CAST(s.SplitAmt AS DECIMAL(18,4)), 0)) AS here, MAX(y.PayDate >= @from) AS touched,
    SUM(CAST(s.SplitAmt AS DECIMAL(18,4))) AS balance
  FROM paysplit s JOIN payment y ON y.PayNum = s.PayNum JOIN o_pat m ON m.PatNum = s.PatNum
  WHERE s.UnearnedType <> 0 AND y.PayDate <= @to AND (@prov = 0 OR s.ProvNum = @prov)
    AND NOT EXISTS (SELECT * FROM definition d WHERE d.DefNum = s.UnearnedType AND d.Category = 29 AND d.ItemValue <> '')
  GROUP BY m.Guarantor) u LEFT JOIN o_person p ON p.PatNum = u.fam WHERE u.touched OR u.balance <> 0;
