-- Question: what do insurances owe on @d, by age of the claim?  Grain: bucket, "unsent" for what is not sent.
-- Source: features.md §1 claims_aging.
SELECT b.bucket, COUNT(*) AS count, ROUND(SUM(b.fee), 2) AS fee, ROUND(SUM(b.est), 2) AS est_insurance FROM (
  SELECT IF(c.ClaimStatus <> 'S', 'unsent', CASE WHEN c.sent >= CAST(@d AS DATE) - INTERVAL 30 DAY THEN '0'
      WHEN c.sent >= CAST(@d AS DATE) - INTERVAL 60 DAY THEN '31' WHEN c.sent >= CAST(@d AS DATE) - INTERVAL 90 DAY THEN '61' ELSE '91' END) AS bucket,
    CAST(c.ClaimFee AS DECIMAL(18,4)) AS fee,
    COALESCE((SELECT SUM(CAST(l.InsPayEst AS DECIMAL(18,4))) FROM claimproc l WHERE l.ClaimNum = c.ClaimNum AND l.Status = 0), 0) AS est
  FROM (SELECT *, CASE WHEN DateSent > '0001-01-01' THEN DateSent WHEN DateSentOrig > '0001-01-01' THEN DateSentOrig ELSE DateService END AS sent
    FROM claim WHERE ClaimStatus IN ('S', 'U', 'W', 'H') AND LOWER(ClaimType) <> 'preauth') c) b
GROUP BY b.bucket;
