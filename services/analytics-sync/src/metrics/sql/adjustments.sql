-- Question: which adjustments were made from $from to $to?
-- Source: features.md §1 "adjustments"; books.md "Production and income".
-- Grain: one row for each adjustment, attached or not. Day: adjustment date. Sign: as entered. Kind: its type.
SELECT
  j.adj_num AS key_num,
  j.adj_date AS day,
  j.pat_num,
  j.prov_num,
  j.clinic_num,
  COALESCE(d.item_name, '') AS label,
  COALESCE(j.adj_type, 0) AS kind,
  CAST(COALESCE(j.adj_amt, CAST(0 AS DECIMAL(18, 4))) AS DECIMAL(38, 4)) AS amount
FROM adjustment AS j
LEFT JOIN definition AS d ON d.def_num = j.adj_type
WHERE j.adj_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
