-- Question: to how many of those who came on $day was treatment presented, and how much of it is accepted by now?
-- Grain: one row. Day: the date of the treatment plan, when the patient visited that day. Sign: fees, above zero.
-- Patients that are in no count still count in the amounts.
WITH visitor AS (
  SELECT v.pat_num, x.pat_num IS NULL AS is_counted
  FROM visit AS v
  LEFT JOIN deleted_patient AS x ON x.pat_num = v.pat_num
  WHERE v.proc_date = CAST($day AS DATE)
),
presented AS (
  SELECT p.pat_num, v.is_counted, p.fee, p.proc_status = 2 OR (p.proc_status = 1 AND a.apt_num IS NOT NULL) AS is_accepted
  FROM fee_procedure AS p
  JOIN visitor AS v ON v.pat_num = p.pat_num
  LEFT JOIN appt AS a ON a.apt_num = p.apt_num AND a.apt_status IN (1, 2, 4)
  WHERE
    p.date_tp = CAST($day AS DATE)
    AND p.proc_status IN (1, 2, 8)
    AND NOT p.is_broken
    AND NOT (p.is_ada AND (p.code LIKE 'D0%' OR p.code LIKE 'D1%'))
    AND (p.is_ada OR p.fee > CAST(0 AS DECIMAL(30, 4)))
)
SELECT
  (SELECT COUNT(*) FROM visitor WHERE is_counted) AS visitors,
  COUNT(DISTINCT CASE WHEN is_counted THEN pat_num END) AS presented_patients,
  COUNT(DISTINCT CASE WHEN is_counted AND is_accepted THEN pat_num END) AS accepted_patients,
  CAST(COALESCE(SUM(fee), 0) AS DECIMAL(38, 4)) AS presented_fee,
  CAST(COALESCE(SUM(CASE WHEN is_accepted THEN fee END), 0) AS DECIMAL(38, 4)) AS accepted_fee
FROM presented
