-- Report 11, on @d.  Source: features.md §1 claims_aging, §6; books.md "Insurance". Needs entries.sql.
SELECT COALESCE(k.CarrierName, 'unassigned') AS carrier, COALESCE(p.name, '') AS patient, c.PatNum AS patient_number, c.ClaimNum AS claim_number,
  NULLIF(c.DateService, '0001-01-01') AS date_service, COALESCE(NULLIF(c.DateSent, '0001-01-01'), NULLIF(c.DateSentOrig, '0001-01-01'), NULLIF(c.DateService, '0001-01-01')) AS sent,
  DATEDIFF(@d, COALESCE(NULLIF(c.DateSent, '0001-01-01'), NULLIF(c.DateSentOrig, '0001-01-01'), NULLIF(c.DateService, '0001-01-01'))) AS age_days,
  ROUND(CAST(c.ClaimFee AS DECIMAL(18,4)), 2) AS fee,
  (SELECT ROUND(COALESCE(SUM(CAST(l.InsPayEst AS DECIMAL(18,4))), 0), 2) FROM claimproc l WHERE l.ClaimNum = c.ClaimNum AND l.Status = 0) AS estimate
FROM claim c LEFT JOIN o_person p ON p.PatNum = c.PatNum LEFT JOIN insplan i ON i.PlanNum = c.PlanNum LEFT JOIN carrier k ON k.CarrierNum = i.CarrierNum
WHERE c.ClaimStatus = 'S' AND LOWER(c.ClaimType) <> 'preauth' AND (@prov = 0 OR c.ProvTreat = @prov);
