-- Question: which adjustments were made from $from to $to, of which type, by whom and where?
-- Grain: one row for each type, provider and clinic. Day: adjustment date. Sign: as entered.
SELECT
  COALESCE(j.adj_type, 0) AS adj_type,
  COALESCE(d.item_name, '') AS item_name,
  COALESCE(d.item_value, '') AS item_value,
  COALESCE(j.prov_num, 0) AS prov_num,
  COALESCE(j.clinic_num, 0) AS clinic_num,
  COUNT(*) AS adjustments,
  CAST(SUM(j.adj_amt) AS DECIMAL(38, 4)) AS amount
FROM adjustment AS j
LEFT JOIN definition AS d ON d.def_num = j.adj_type
WHERE j.adj_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
GROUP BY
  COALESCE(j.adj_type, 0), COALESCE(d.item_name, ''), COALESCE(d.item_value, ''), COALESCE(j.prov_num, 0),
  COALESCE(j.clinic_num, 0)
ORDER BY adj_type, prov_num, clinic_num
