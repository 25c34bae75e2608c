-- Question: what is the work on the schedule from $from to $to worth, planned and done, and whose is it?
-- Grain: one row for each appointment and the provider of its procedures. Day: the appointment's; broken ones are out.
-- Sign: fees, above zero. Money counts whoever the patient.
SELECT a.apt_num, p.prov_num, CAST(SUM(p.fee) AS DECIMAL(38, 4)) AS amount
FROM appt AS a
JOIN fee_procedure AS p ON p.apt_num = a.apt_num
WHERE
  a.apt_status IN (1, 2, 4)
  AND a.apt_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
  AND p.proc_status IN (1, 2)
GROUP BY a.apt_num, p.prov_num
ORDER BY a.apt_num, p.prov_num
