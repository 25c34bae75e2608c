-- Question: what do families owe on @d, all together?  Grain: one row. Needs aging.sql.
-- Source: books.md (a line received after @d still waits); features.md §1 aging, accounts_receivable, credit_balances, past_due, accounts_past_due, est_insurance, est_patient.
SET @est = (SELECT COALESCE(SUM(CAST(InsPayEst AS DECIMAL(18,4)) + CAST(WriteOff AS DECIMAL(18,4))), 0)
  FROM claimproc WHERE (Status = 0 OR (Status = 1 AND DateCP > @d)) AND ProcDate <= @d);
SELECT ROUND(COALESCE(SUM(IF(total > 0, age_0_30, 0)), 0), 2) AS age_0_30, ROUND(COALESCE(SUM(IF(total > 0, age_31_60, 0)), 0), 2) AS age_31_60,
  ROUND(COALESCE(SUM(IF(total > 0, age_61_90, 0)), 0), 2) AS age_61_90, ROUND(COALESCE(SUM(IF(total > 0, age_over_90, 0)), 0), 2) AS age_over_90,
  ROUND(COALESCE(SUM(GREATEST(total, 0)), 0), 2) AS total, ROUND(COALESCE(SUM(past_due), 0), 2) AS past_due,
  COALESCE(SUM(past_due > 0), 0) AS accounts_past_due, COALESCE(SUM(total > 0), 0) AS accounts_owing,
  ROUND(COALESCE(SUM(LEAST(total, 0)), 0), 2) AS credit_balances,
  ROUND(@est, 2) AS est_insurance, ROUND(COALESCE(SUM(GREATEST(total, 0)), 0) - @est, 2) AS est_patient
FROM o_aging;
