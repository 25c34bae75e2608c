-- Question: who are the providers, and what is each one's hourly goal?
-- Grain: one row for each provider; hidden and ended ones too.
SELECT
  prov_num,
  COALESCE(abbr, '') AS abbr,
  CAST(COALESCE(hourly_prod_goal_amt, CAST(0 AS DECIMAL(18, 4))) AS DECIMAL(38, 4)) AS hourly_goal
FROM provider
ORDER BY prov_num
