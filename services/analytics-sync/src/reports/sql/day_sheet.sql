-- Question: what was done, corrected, written off and paid from $from to $to, entry by entry?
-- Grain: one row for each entry of money_entry, by date, patient, kind, key. Days: each entry's own; write-offs by $basis.
-- Sign: FEE above zero, a capitation's row below; adjustments as entered; write-offs above zero; refunds below.
WITH entry AS (
  SELECT
    day, kind, row_num, pat_num, prov_num, def_num, code, descript, tooth_num, amount,
    CASE kind
      WHEN 'production' THEN 1
      WHEN 'capitation' THEN 2
      WHEN 'adjustment' THEN 3
      WHEN 'patient' THEN 5
      WHEN 'unearned' THEN 6
      WHEN 'insurance' THEN 7
      ELSE 4
    END AS place
  FROM money_entry
  WHERE
    day BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
    AND kind <> CASE WHEN CAST($basis AS INT) = 1 THEN 'write_off_paid' ELSE 'write_off_treated' END
    AND in_providers(prov_num)
    AND in_clinics(clinic_num)
)
SELECT
  e.day AS date,
  COALESCE(n.name, '') AS patient,
  e.pat_num AS patient_number,
  CASE e.place
    WHEN 1 THEN 'procedure'
    WHEN 2 THEN 'capitation'
    WHEN 3 THEN 'adjustment'
    WHEN 4 THEN 'write-off'
    WHEN 5 THEN 'payment'
    WHEN 6 THEN 'prepayment'
    ELSE 'insurance payment'
  END AS kind,
  e.code,
  COALESCE(d.item_name, e.descript) AS description,
  e.tooth_num AS tooth,
  COALESCE(v.abbr, 'unassigned') AS provider,
  CASE WHEN e.place IN (1, 2) THEN e.amount END AS fee,
  CASE WHEN e.place = 3 THEN e.amount END AS adjustment,
  CASE WHEN e.place = 4 THEN e.amount END AS write_off,
  CASE WHEN e.place IN (5, 7) THEN e.amount END AS paid,
  CASE WHEN e.place = 6 THEN e.amount END AS unearned
FROM entry AS e
LEFT JOIN definition AS d ON d.def_num = e.def_num
LEFT JOIN person AS n ON n.pat_num = e.pat_num
LEFT JOIN provider_name AS v ON v.prov_num = e.prov_num
ORDER BY e.day, e.pat_num, e.place, e.row_num
