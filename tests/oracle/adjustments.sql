-- Question: which adjustments does [@from, @to] have?  Grain: type, the largest first.
-- Source: features.md §1 adjustments.
SELECT COALESCE(d.ItemName, 'unassigned') AS type, COUNT(*) AS count, ROUND(SUM(CAST(j.AdjAmt AS DECIMAL(18,4))), 2) AS amount,
  CASE COALESCE(d.ItemValue, '') WHEN '+' THEN 1 WHEN '-' THEN 0 WHEN 'dp' THEN 0 ELSE SUM(j.AdjAmt) > 0 END AS plus
FROM adjustment j LEFT JOIN definition d ON d.DefNum = j.AdjType
WHERE j.AdjDate BETWEEN @from AND @to GROUP BY j.AdjType
ORDER BY ABS(SUM(CAST(j.AdjAmt AS DECIMAL(18,4)))) DESC, CAST(type AS CHAR CHARACTER SET utf8mb4) COLLATE utf8mb4_bin, j.AdjType;
