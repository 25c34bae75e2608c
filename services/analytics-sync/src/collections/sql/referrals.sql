-- Question: who referred each patient?
-- Grain: one row for each patient that was referred: the first of those from whom the patient came. A person's name is
-- "Last, First".
WITH first_from AS (
  SELECT pat_num, referral_num FROM (
    SELECT
      a.pat_num,
      a.referral_num,
      ROW_NUMBER() OVER (PARTITION BY a.pat_num ORDER BY a.item_order, a.ref_attach_num) AS place
    FROM referral_attach AS a
    WHERE a.ref_type = 1 AND COALESCE(a.referral_num, 0) <> 0
  ) AS ranked
  WHERE place = 1
)
SELECT
  f.pat_num,
  f.referral_num,
  CASE
    WHEN COALESCE(r.not_person, 0) = 0 AND COALESCE(r.l_name, '') <> '' AND COALESCE(r.f_name, '') <> ''
      THEN concat(r.l_name, ', ', r.f_name)
    ELSE concat(COALESCE(r.l_name, ''), COALESCE(r.f_name, ''))
  END AS display_name
FROM first_from AS f
LEFT JOIN referral AS r ON r.referral_num = f.referral_num
ORDER BY f.pat_num
