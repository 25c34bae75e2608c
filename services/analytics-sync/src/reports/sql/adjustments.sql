-- Question: which adjustments were made from $from to $to?
-- Grain: one row for each, by date, key. Day: adjustment date. Sign: as entered.
SELECT
  a.adj_date AS date,
  COALESCE(n.name, '') AS patient,
  a.pat_num AS patient_number,
  COALESCE(v.abbr, 'unassigned') AS provider,
  COALESCE(d.item_name, '') AS type,
  a.adj_amt AS amount
FROM adjustment AS a
LEFT JOIN person AS n ON n.pat_num = a.pat_num
LEFT JOIN provider_name AS v ON v.prov_num = a.prov_num
LEFT JOIN definition AS d ON d.def_num = a.adj_type
WHERE
  a.adj_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
  AND in_providers(a.prov_num)
  AND in_clinics(a.clinic_num)
ORDER BY a.adj_date, a.adj_num
