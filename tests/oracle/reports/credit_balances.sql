-- Report 9, on @to, which is @d.  Source: features.md §1 Receivables, §6. Needs entries.sql and aging.sql.
SELECT a.fam AS guarantor_number, ROUND(a.total, 2) AS balance, COALESCE(p.phone, '') AS phone
FROM o_aging a LEFT JOIN o_person p ON p.PatNum = a.fam WHERE a.total < 0;
