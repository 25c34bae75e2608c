-- Question: how often was each code done from $from to $to, and what is it worth?
-- Grain: one row for each code, by code. Day: procedure date. Sign: FEE less capitation write-offs, above zero.
SELECT
  code,
  descript AS description,
  SUM(CASE WHEN kind = 'production' THEN 1 ELSE 0 END) AS count,
  SUM(amount) AS gross_production
FROM money_entry
WHERE
  kind IN ('production', 'capitation')
  AND day BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
  AND in_providers(prov_num)
  AND in_clinics(clinic_num)
GROUP BY code, descript
ORDER BY code, descript
