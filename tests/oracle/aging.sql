-- Question: what does each family owe, by age, on @d?  Grain: family (Guarantor).
-- Source: books.md "Patient balances and A/R aging"; features.md §1 aging, past_due; example 2.
-- PayPlansVersion beyond books.md's words: 1 credits the plan's CompletedAmt and leaves its splits out, 3 ages credits
-- only and leaves its splits out, 4 knows no charges.
CREATE TEMPORARY TABLE o_trans (KEY (fam)) AS
SELECT p.Guarantor AS fam, t.PatNum, t.proc, t.amount, t.day FROM (
  SELECT PatNum, 0 AS proc, fee AS amount, COALESCE(ProcDate, '0001-01-01') AS day FROM o_proc WHERE done AND fee <> 0
  UNION ALL
  SELECT c.PatNum, 0, -IF(c.PayPlanNum <> 0, 0, CAST(c.InsPayAmt AS DECIMAL(18,4))) - CAST(c.WriteOff AS DECIMAL(18,4)), c.DateCP
  FROM claimproc c LEFT JOIN o_proc x ON x.ProcNum = c.ProcNum WHERE c.Status IN (1, 4, 5, 7) AND (c.ProcNum = 0 OR x.done)
  UNION ALL
  SELECT PatNum, ProcNum, CAST(AdjAmt AS DECIMAL(18,4)), AdjDate FROM adjustment
  UNION ALL
  SELECT s.PatNum, 0, -CAST(s.SplitAmt AS DECIMAL(18,4)), s.DatePay FROM paysplit s
  WHERE NOT EXISTS (SELECT * FROM definition d WHERE d.DefNum = s.UnearnedType AND d.Category = 29 AND d.ItemValue <> '')
    AND (s.PayPlanNum = 0 OR @plans NOT IN (1, 3))
  UNION ALL
  SELECT pp.PatNum, ch.ProcNum, -CAST(ch.Principal AS DECIMAL(18,4)), ch.ChargeDate
  FROM payplancharge ch JOIN payplan pp ON pp.PayPlanNum = ch.PayPlanNum WHERE ch.ChargeType = 1 AND @plans IN (2, 3)
  UNION ALL
  SELECT ch.Guarantor, 0, CAST(ch.Principal AS DECIMAL(18,4)) + CAST(ch.Interest AS DECIMAL(18,4)), ch.ChargeDate
  FROM payplancharge ch JOIN payplan pp ON pp.PayPlanNum = ch.PayPlanNum WHERE ch.ChargeType = 0 AND pp.PlanNum = 0 AND @plans = 2
  UNION ALL
  SELECT PatNum, 0, -CAST(CompletedAmt AS DECIMAL(18,4)), PayPlanDate FROM payplan WHERE @plans = 1
) t JOIN o_pat p ON p.PatNum = t.PatNum WHERE t.day <= @d;

-- With AgingProcLifo, what is tied to a procedure is one amount a patient, procedure and date; below zero it belongs to
-- the bucket of the procedure's date.
CREATE TEMPORARY TABLE o_aged (KEY (fam)) AS
SELECT fam, amount, day, 0 AS lowers FROM o_trans WHERE proc = 0 OR NOT @lifo
UNION ALL
SELECT t.fam, SUM(t.amount), IF(SUM(t.amount) < 0 AND MAX(x.ProcNum) IS NOT NULL, COALESCE(MAX(x.ProcDate), '0001-01-01'), t.day),
  SUM(t.amount) < 0 AND MAX(x.ProcNum) IS NOT NULL
FROM o_trans t LEFT JOIN o_proc x ON x.ProcNum = t.proc WHERE t.proc <> 0 AND @lifo GROUP BY t.fam, t.PatNum, t.proc, t.day;

CREATE TEMPORARY TABLE o_bucket (PRIMARY KEY (fam, age)) AS
SELECT fam, CASE WHEN day >= CAST(@d AS DATE) - INTERVAL 30 DAY THEN 0 WHEN day >= CAST(@d AS DATE) - INTERVAL 60 DAY THEN 1
  WHEN day >= CAST(@d AS DATE) - INTERVAL 90 DAY THEN 2 ELSE 3 END AS age,
  SUM(IF(amount > 0, amount, 0)) AS charges, SUM(IF(amount < 0 AND lowers, -amount, 0)) AS lowered, SUM(IF(amount < 0 AND NOT lowers, -amount, 0)) AS credits
FROM o_aged GROUP BY fam, age;

CREATE TEMPORARY TABLE o_aging (PRIMARY KEY (fam)) AS
SELECT fam, total,
  GREATEST(0, b0 - GREATEST(0, credits - b3 - b2 - b1)) AS age_0_30, GREATEST(0, b1 - GREATEST(0, credits - b3 - b2)) AS age_31_60,
  GREATEST(0, b2 - GREATEST(0, credits - b3)) AS age_61_90, GREATEST(0, b3 - credits) AS age_over_90,
  GREATEST(0, b1 - GREATEST(0, credits - b3 - b2)) + GREATEST(0, b2 - GREATEST(0, credits - b3)) + GREATEST(0, b3 - credits) AS past_due
FROM (SELECT fam, SUM(charges - lowered - credits) AS total, SUM(credits + GREATEST(0, lowered - charges)) AS credits,
    SUM(IF(age = 0, GREATEST(0, charges - lowered), 0)) AS b0, SUM(IF(age = 1, GREATEST(0, charges - lowered), 0)) AS b1,
    SUM(IF(age = 2, GREATEST(0, charges - lowered), 0)) AS b2, SUM(IF(age = 3, GREATEST(0, charges - lowered), 0)) AS b3
  FROM o_bucket GROUP BY fam) f;
SELECT fam, ROUND(age_0_30, 2) AS age_0_30, ROUND(age_31_60, 2) AS age_31_60, ROUND(age_61_90, 2) AS age_61_90,
  ROUND(age_over_90, 2) AS age_over_90, ROUND(past_due, 2) AS past_due, ROUND(total, 2) AS total FROM o_aging ORDER BY fam;
