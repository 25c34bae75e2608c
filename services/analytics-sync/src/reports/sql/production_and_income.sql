-- Question: what was produced and what came in, for each $interval (1 day, 2 month, 3 year) from $from to $to?
-- Grain: one row for each period, an empty one too, named by its first date within the range. Days: each amount's own, as
-- money_entry has them; write-offs by $basis (0 insurance payment date, 1 procedure date).
-- Sign: adjustments as entered, refunds below zero; write-offs above zero lower production.
WITH calendar AS (
  SELECT unnest(generate_series(CAST($from AS DATE), CAST($to AS DATE), INTERVAL '1 day')) AS day
),
entry AS (
  SELECT day, kind, amount
  FROM money_entry
  WHERE
    day BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
    AND kind <> CASE WHEN CAST($basis AS INT) = 1 THEN 'write_off_paid' ELSE 'write_off_treated' END
    AND in_providers(prov_num)
    AND in_clinics(clinic_num)
),
dated AS (
  SELECT day, kind, amount FROM entry
  UNION ALL
  SELECT CAST(day AS DATE) AS day, '' AS kind, CAST(0 AS DECIMAL(38, 4)) AS amount FROM calendar
),
placed AS (
  SELECT
    GREATEST(
      CASE CAST($interval AS INT)
        WHEN 2 THEN make_date(CAST(date_part('year', day) AS INT), CAST(date_part('month', day) AS INT), 1)
        WHEN 3 THEN make_date(CAST(date_part('year', day) AS INT), 1, 1)
        ELSE day
      END,
      CAST($from AS DATE)) AS period,
    kind,
    amount
  FROM dated
),
summed AS (
  SELECT
    period,
    COALESCE(SUM(CASE WHEN kind IN ('production', 'capitation') THEN amount END), CAST(0 AS DECIMAL(38, 4))) AS gross,
    COALESCE(SUM(CASE WHEN kind = 'adjustment' THEN amount END), CAST(0 AS DECIMAL(38, 4))) AS adjustments,
    COALESCE(SUM(CASE WHEN kind IN ('write_off_paid', 'write_off_treated') THEN amount END), CAST(0 AS DECIMAL(38, 4)))
      AS write_offs,
    COALESCE(SUM(CASE WHEN kind = 'patient' THEN amount END), CAST(0 AS DECIMAL(38, 4))) AS patient,
    COALESCE(SUM(CASE WHEN kind = 'insurance' THEN amount END), CAST(0 AS DECIMAL(38, 4))) AS insurance,
    COALESCE(SUM(CASE WHEN kind = 'unearned' THEN amount END), CAST(0 AS DECIMAL(38, 4))) AS unearned
  FROM placed
  GROUP BY period
)
SELECT
  period,
  gross AS gross_production,
  adjustments,
  write_offs,
  CAST(gross + adjustments - write_offs AS DECIMAL(38, 4)) AS net_production,
  patient AS patient_collections,
  insurance AS insurance_collections,
  unearned,
  CAST(patient + insurance AS DECIMAL(38, 4)) AS collections
FROM summed
ORDER BY period
