-- Question: what did each provider produce on each date from $from to $to, for how many visits, and how many hygiene
-- visits have a later hygiene appointment as of the snapshot?
-- Grain: one row for each date and provider with an entry, a visit or hours; unknown providers are one, "unassigned".
-- Days: each amount's own; write-offs by $basis. A hygiene visit is its first hygiene row's provider's.
WITH made AS (
  SELECT
    e.day,
    COALESCE(v.prov_num, 0) AS prov_num,
    SUM(CASE WHEN e.kind IN ('production', 'capitation') THEN e.amount ELSE CAST(0 AS DECIMAL(38, 4)) END) AS gross,
    SUM(CASE
      WHEN e.kind IN ('write_off_paid', 'write_off_treated') THEN CAST(-e.amount AS DECIMAL(38, 4))
      ELSE e.amount
    END) AS net
  FROM money_entry AS e
  LEFT JOIN provider_name AS v ON v.prov_num = e.prov_num
  WHERE
    e.day BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
    AND e.kind IN ('production', 'capitation', 'adjustment',
      CASE WHEN CAST($basis AS INT) = 1 THEN 'write_off_treated' ELSE 'write_off_paid' END)
    AND in_providers(e.prov_num)
    AND in_clinics(e.clinic_num)
  GROUP BY e.day, COALESCE(v.prov_num, 0)
),
visitor AS (
  SELECT DISTINCT p.proc_date AS day, COALESCE(v.prov_num, 0) AS prov_num, p.pat_num
  FROM done_procedure AS p
  LEFT JOIN provider_name AS v ON v.prov_num = p.prov_num
  LEFT JOIN deleted_patient AS x ON x.pat_num = p.pat_num
  WHERE
    p.is_visit
    AND x.pat_num IS NULL
    AND p.proc_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
    AND in_providers(p.prov_num)
    AND in_clinics(p.clinic_num)
),
came AS (
  SELECT day, prov_num, COUNT(*) AS visits FROM visitor GROUP BY day, prov_num
),
hygiene_row AS (
  SELECT
    p.pat_num,
    p.proc_date,
    p.prov_num,
    p.clinic_num,
    ROW_NUMBER() OVER (PARTITION BY p.pat_num, p.proc_date ORDER BY p.proc_num) AS place
  FROM done_procedure AS p
  LEFT JOIN deleted_patient AS x ON x.pat_num = p.pat_num
  WHERE p.is_hygiene AND x.pat_num IS NULL AND p.proc_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
),
last_hygiene AS (
  SELECT pat_num, MAX(apt_date) AS day FROM hygiene_appt WHERE apt_status IN (1, 2, 4) GROUP BY pat_num
),
hygiene AS (
  SELECT
    h.proc_date AS day,
    COALESCE(v.prov_num, 0) AS prov_num,
    COUNT(*) AS hygiene_visits,
    SUM(CASE WHEN l.day > h.proc_date THEN 1 ELSE 0 END) AS reappointed
  FROM hygiene_row AS h
  LEFT JOIN provider_name AS v ON v.prov_num = h.prov_num
  LEFT JOIN last_hygiene AS l ON l.pat_num = h.pat_num
  WHERE h.place = 1 AND in_providers(h.prov_num) AND in_clinics(h.clinic_num)
  GROUP BY h.proc_date, COALESCE(v.prov_num, 0)
),
open_hours AS (
  SELECT DISTINCT s.sched_date AS day, s.prov_num
  FROM schedule AS s
  JOIN provider_name AS v ON v.prov_num = s.prov_num
  WHERE
    s.sched_type = 1
    AND s.sched_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
    AND in_providers(s.prov_num)
    AND in_clinics(s.clinic_num)
),
provider_day AS (
  SELECT day, prov_num FROM made
  UNION
  SELECT day, prov_num FROM came
  UNION
  SELECT day, prov_num FROM hygiene
  UNION
  SELECT day, prov_num FROM open_hours
)
SELECT
  k.day AS date,
  k.prov_num,
  COALESCE(v.abbr, 'unassigned') AS provider,
  COALESCE(m.gross, CAST(0 AS DECIMAL(38, 4))) AS gross_production,
  COALESCE(m.net, CAST(0 AS DECIMAL(38, 4))) AS net_production,
  COALESCE(c.visits, 0) AS visits,
  CASE WHEN v.is_secondary = 1 THEN COALESCE(h.hygiene_visits, 0) END AS hygiene_visits,
  CASE WHEN v.is_secondary = 1 THEN COALESCE(h.reappointed, 0) END AS reappointed
FROM provider_day AS k
LEFT JOIN made AS m ON m.day = k.day AND m.prov_num = k.prov_num
LEFT JOIN came AS c ON c.day = k.day AND c.prov_num = k.prov_num
LEFT JOIN hygiene AS h ON h.day = k.day AND h.prov_num = k.prov_num
LEFT JOIN provider_name AS v ON v.prov_num = k.prov_num
ORDER BY k.day, k.prov_num
