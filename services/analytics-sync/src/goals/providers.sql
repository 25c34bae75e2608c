-- Question: who are the providers, what is each one, and what is each one's hourly goal in the PMS?
-- Grain: one row for each provider, by name; hidden and ended ones too.
SELECT
  prov_num,
  COALESCE(abbr, '') AS abbr,
  COALESCE(is_secondary, 0) = 1 AS is_hygienist,
  CAST(COALESCE(hourly_prod_goal_amt, CAST(0 AS DECIMAL(18, 4))) AS DECIMAL(38, 4)) AS hourly_goal
FROM provider
WHERE prov_num <> 0
ORDER BY abbr, prov_num
