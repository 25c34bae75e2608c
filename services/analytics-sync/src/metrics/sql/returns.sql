-- Question: which patients came back from $from to $to after 18 months and more, and who had not come back by then?
-- Source: features.md §1 "active_patients".
-- Grain: one row for each visit with the one before it more than 18 months earlier; one for each patient whose last visit
-- + 18 months lies there. Day: the visit's; for the lost that later date. Visits after D are not known yet.
WITH came AS (
  SELECT v.pat_num, v.proc_date
  FROM visit AS v
  LEFT JOIN deleted_patient AS x ON x.pat_num = v.pat_num
  WHERE x.pat_num IS NULL AND v.proc_date <= CAST($d AS DATE)
),
paired AS (
  SELECT pat_num, proc_date, LAG(proc_date) OVER (PARTITION BY pat_num ORDER BY proc_date) AS previous FROM came
),
lapsed AS (
  SELECT pat_num, CAST(MAX(proc_date) + INTERVAL '18 months' AS DATE) AS day FROM came GROUP BY pat_num
)
SELECT pat_num AS key_num, proc_date AS day, pat_num, 'Came back' AS label, FALSE AS is_lost
FROM paired
WHERE
  previous < CAST(proc_date - INTERVAL '18 months' AS DATE)
  AND proc_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
UNION ALL
SELECT pat_num AS key_num, day, pat_num, 'Did not come back' AS label, TRUE AS is_lost
FROM lapsed
WHERE day BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
