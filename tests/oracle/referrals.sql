-- Question: who referred the patients whose money came in [@from, @to]?  Grain: referral, 0 for none.
-- Source: features.md §3 Collections Board; §6 report 13 for which referral is a patient's.
CREATE OR REPLACE TEMPORARY TABLE o_paid (PRIMARY KEY (PatNum)) AS
SELECT PatNum, SUM(amount) AS amount FROM (
  SELECT s.PatNum, CAST(s.SplitAmt AS DECIMAL(18,4)) AS amount FROM paysplit s JOIN payment p ON p.PayNum = s.PayNum
  WHERE s.UnearnedType = 0 AND p.PayDate BETWEEN @from AND @to
  UNION ALL
  SELECT c.PatNum, CAST(c.InsPayAmt AS DECIMAL(18,4)) FROM claimproc c JOIN claimpayment k ON k.ClaimPaymentNum = c.ClaimPaymentNum
  WHERE c.Status IN (1, 4) AND k.CheckDate BETWEEN @from AND @to
) m GROUP BY PatNum HAVING SUM(amount) <> 0;
SELECT w.referral, SUM(w.counted) AS patients, ROUND(SUM(w.amount), 2) AS collections FROM (
  SELECT o.amount, COALESCE(p.PatStatus, 0) <> 4 AS counted, COALESCE((SELECT a.ReferralNum FROM refattach a
    WHERE a.PatNum = o.PatNum AND a.RefType = 1 ORDER BY a.ItemOrder, a.RefAttachNum LIMIT 1), 0) AS referral
  FROM o_paid o LEFT JOIN o_pat p ON p.PatNum = o.PatNum) w
GROUP BY w.referral;
