-- Question: which appointments stand from $from to $to, how long, whose, where, and when were they made?
-- Grain: one row for each, broken ones too; by start and key. Day: the appointment's. Deleted patients' take time, but are
-- in no count.
SELECT
  a.apt_num,
  CAST(a.apt_status AS INT) AS apt_status,
  a.apt_date_time,
  a.minutes,
  a.provider,
  a.op,
  a.clinic_num,
  CAST(w.sec_date_t_entry AS DATE) AS made,
  x.pat_num IS NULL AS is_counted
FROM appt AS a
JOIN appointment AS w ON w.apt_num = a.apt_num
LEFT JOIN deleted_patient AS x ON x.pat_num = a.pat_num
WHERE a.apt_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
ORDER BY a.apt_date_time, a.apt_num
