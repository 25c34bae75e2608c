-- Question: who referred each patient here?
-- Grain: one row for each patient with a referral from somebody: the first by the practice's order, then by key.
WITH first_attach AS (
  SELECT pat_num, referral_num FROM (
    SELECT
      pat_num,
      referral_num,
      ROW_NUMBER() OVER (PARTITION BY pat_num ORDER BY COALESCE(item_order, 0), ref_attach_num) AS place
    FROM referral_attach
    WHERE ref_type = 1
  ) AS ranked
  WHERE place = 1
)
SELECT
  a.pat_num,
  COALESCE(r.l_name, '') AS l_name,
  CASE WHEN r.not_person = 1 THEN '' ELSE COALESCE(r.f_name, '') END AS f_name
FROM first_attach AS a
JOIN referral AS r ON r.referral_num = a.referral_num
ORDER BY a.pat_num
