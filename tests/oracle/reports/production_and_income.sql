-- Report 1, by @interval.  Source: features.md §6, books.md. Needs entries.sql.
SELECT period, ROUND(SUM(IF(kind IN ('procedure', 'capitation'), amount, 0)), 2) AS gross_production,
  ROUND(SUM(IF(kind = 'adjustment', amount, 0)), 2) AS adjustments, ROUND(SUM(IF(kind = 'write-off', amount, 0)), 2) AS write_offs,
  ROUND(SUM(CASE WHEN kind IN ('procedure', 'capitation', 'adjustment') THEN amount WHEN kind = 'write-off' THEN -amount ELSE 0 END), 2) AS net_production,
  ROUND(SUM(IF(kind = 'payment', amount, 0)), 2) AS patient_collections,
  ROUND(SUM(IF(kind = 'insurance payment', amount, 0)), 2) AS insurance_collections,
  ROUND(SUM(IF(kind = 'prepayment', amount, 0)), 2) AS unearned,
  ROUND(SUM(IF(kind IN ('payment', 'insurance payment'), amount, 0)), 2) AS collections
FROM (SELECT GREATEST(CASE @interval WHEN 'month' THEN day - INTERVAL DAYOFMONTH(day) - 1 DAY WHEN 'year' THEN MAKEDATE(YEAR(day), 1) ELSE day END,
    CAST(@from AS DATE)) AS period, kind, amount
  FROM (SELECT day, kind, amount FROM o_entry UNION ALL
    SELECT * FROM (WITH RECURSIVE c AS (SELECT CAST(@from AS DATE) AS day UNION ALL SELECT day + INTERVAL 1 DAY FROM c WHERE day < @to)
      SELECT day, '', 0 FROM c) every_day) dated) placed
GROUP BY period;
