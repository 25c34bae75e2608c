-- What the office's words stand for, for all parts of the huddle (features.md §0). Views; nothing is computed here.
-- Money is DECIMAL of four places throughout.

-- Patients that are in no count: deleted ones.
CREATE VIEW deleted_patient AS
SELECT pat_num FROM patient WHERE pat_status = 4;

-- Codes and what they count as. ADA: exactly D and four digits; all else is custom. Category of production: 1 hygiene, 2
-- restorative, 0 uncategorized. Preventive here: what is diagnostic or preventive and so never a case.
CREATE VIEW code AS
SELECT
  code_num,
  COALESCE(proc_code, '') AS code,
  COALESCE(descript, '') AS descript,
  COALESCE(regexp_like(proc_code, '^D[0-9]{4}$'), FALSE) AS is_ada,
  COALESCE(proc_code, '') IN ('D9986', 'D9987') AS is_broken,
  COALESCE(proc_code, '') IN ('D1110', 'D1120', 'D4341', 'D4342', 'D4910') AS is_hygiene,
  COALESCE(regexp_like(proc_code, '^D[2-8][0-9]{3}$'), FALSE) AND proc_code NOT IN ('D4341', 'D4342', 'D4910')
    AS is_restorative,
  COALESCE(proc_code, '') IN ('D0120', 'D0140', 'D0145', 'D0150', 'D0160', 'D0170', 'D0180') AS is_exam,
  COALESCE(proc_code, '') IN ('D4341', 'D4342', 'D4346', 'D4910') AS is_perio,
  COALESCE(proc_code, '') IN ('D4341', 'D4342', 'D4346', 'D4355', 'D4381', 'D4910', 'D4921') AS is_hygiene_case,
  COALESCE(regexp_like(proc_code, '^D[01][0-9]{3}$'), FALSE) AS is_preventive,
  CAST(CASE
    WHEN proc_code IN (
      'D1110', 'D1120', 'D1206', 'D1208', 'D1310', 'D1320', 'D1330', 'D1351', 'D1353', 'D4341', 'D4342', 'D4346', 'D4355',
      'D4381', 'D4910', 'D4921', 'D9972', 'D9973', 'D9975') THEN 1
    WHEN regexp_like(proc_code, '^D[02-8][0-9]{3}$') THEN 2
    ELSE 0
  END AS INT) AS category
FROM procedure_code;

-- Procedures with their code and FEE = fee × (units + base units). A code that is not there is custom.
CREATE VIEW fee_procedure AS
SELECT
  p.proc_num,
  p.pat_num,
  COALESCE(p.apt_num, 0) AS apt_num,
  p.proc_date,
  p.proc_status,
  COALESCE(p.prov_num, 0) AS prov_num,
  COALESCE(p.clinic_num, 0) AS clinic_num,
  p.date_tp,
  COALESCE(p.tooth_num, '') AS tooth_num,
  COALESCE(p.priority, 0) AS priority,
  COALESCE(c.code, '') AS code,
  COALESCE(c.descript, '') AS descript,
  COALESCE(c.is_ada, FALSE) AS is_ada,
  COALESCE(c.is_broken, FALSE) AS is_broken,
  COALESCE(c.is_hygiene, FALSE) AS is_hygiene,
  COALESCE(c.is_restorative, FALSE) AS is_restorative,
  COALESCE(c.is_exam, FALSE) AS is_exam,
  COALESCE(c.is_perio, FALSE) AS is_perio,
  COALESCE(c.is_hygiene_case, FALSE) AS is_hygiene_case,
  COALESCE(c.is_preventive, FALSE) AS is_preventive,
  COALESCE(c.category, CAST(0 AS INT)) AS category,
  CAST(COALESCE(p.proc_fee, CAST(0 AS DECIMAL(18, 4)))
    * CAST(COALESCE(p.unit_qty, 0) + COALESCE(p.base_units, 0) AS DECIMAL(10, 0)) AS DECIMAL(30, 4)) AS fee
FROM "procedure" AS p
LEFT JOIN code AS c ON c.code_num = p.code_num;

-- Done work: every done row, with what it counts as.
CREATE VIEW done_procedure AS
SELECT
  proc_num,
  pat_num,
  apt_num,
  proc_date,
  prov_num,
  clinic_num,
  code,
  descript,
  tooth_num,
  fee,
  is_broken,
  NOT is_broken AND (is_ada OR fee > CAST(0 AS DECIMAL(30, 4))) AS is_visit,
  is_hygiene,
  is_restorative,
  is_exam,
  is_perio,
  category
FROM fee_procedure
WHERE proc_status = 2;

-- Visits: a patient on a date with a done row that counts.
CREATE VIEW visit AS
SELECT DISTINCT pat_num, proc_date FROM done_procedure WHERE is_visit AND proc_date IS NOT NULL;

-- Appointments: on the schedule at a time; broken ones too.
CREATE VIEW appt AS
SELECT
  a.apt_num,
  a.pat_num,
  a.apt_status,
  a.apt_date_time,
  CAST(a.apt_date_time AS DATE) AS apt_date,
  CAST(5 * character_length(COALESCE(a.pattern, '')) AS INT) AS minutes,
  CASE
    WHEN a.is_hygiene = 1 AND COALESCE(a.prov_hyg, 0) <> 0 THEN a.prov_hyg
    ELSE COALESCE(a.prov_num, 0)
  END AS provider,
  COALESCE(a.op, 0) AS op,
  COALESCE(a.clinic_num, 0) AS clinic_num,
  COALESCE(a.confirmed, 0) AS confirmed,
  COALESCE(a.is_new_patient, 0) AS is_new_patient,
  COALESCE(a.is_hygiene, 0) AS is_hygiene
FROM appointment AS a
WHERE a.apt_status IN (1, 2, 4, 5) AND a.apt_date_time IS NOT NULL;

-- What is planned or done on appointments: a row for each procedure.
CREATE VIEW appt_procedure AS
SELECT apt_num, proc_num, code, descript, tooth_num, fee, is_hygiene, is_restorative
FROM fee_procedure
WHERE apt_num <> 0 AND proc_status IN (1, 2);

-- Hygiene appointments: with a hygiene code, or without procedures and marked as hygiene.
CREATE VIEW hygiene_appt AS
SELECT a.apt_num, a.pat_num, a.apt_status, a.apt_date
FROM appt AS a
LEFT JOIN (
  SELECT apt_num, BOOL_OR(is_hygiene) AS has_hygiene FROM appt_procedure GROUP BY apt_num
) AS w ON w.apt_num = a.apt_num
WHERE COALESCE(w.has_hygiene, a.is_hygiene = 1);

-- Treatment that is a case when it is planned on a date of a visit, and whether it is accepted as of now: done, or planned
-- on an appointment that stands or was kept.
CREATE VIEW case_procedure AS
SELECT
  p.proc_num,
  p.pat_num,
  p.date_tp,
  p.prov_num,
  p.clinic_num,
  p.code,
  p.descript,
  p.fee,
  p.is_restorative,
  p.is_hygiene_case,
  p.proc_status = 2 OR (p.proc_status = 1 AND a.apt_num IS NOT NULL) AS is_accepted
FROM fee_procedure AS p
LEFT JOIN appt AS a ON a.apt_num = p.apt_num AND a.apt_status IN (1, 2, 4)
WHERE
  p.proc_status IN (1, 2, 8)
  AND NOT p.is_broken
  AND NOT p.is_preventive
  AND (p.is_ada OR p.fee > CAST(0 AS DECIMAL(30, 4)));

-- The family of each patient: everyone with the same guarantor.
CREATE VIEW family_member AS
SELECT pat_num, pat_status, COALESCE(NULLIF(guarantor, 0), pat_num) AS guarantor FROM patient;

-- People as rows name them: "Last, First" or, where there is one, "Last, Preferred"; with their own provider and clinic.
CREATE VIEW person AS
SELECT
  pat_num,
  CASE WHEN last = '' OR first = '' THEN concat(last, first) ELSE concat(last, ', ', first) END AS name,
  pat_status,
  guarantor,
  pri_prov,
  clinic_num,
  phone
FROM (
  SELECT
    pat_num,
    COALESCE(l_name, '') AS last,
    COALESCE(NULLIF(preferred, ''), f_name, '') AS first,
    COALESCE(pat_status, 0) AS pat_status,
    COALESCE(NULLIF(guarantor, 0), pat_num) AS guarantor,
    COALESCE(pri_prov, 0) AS pri_prov,
    COALESCE(clinic_num, 0) AS clinic_num,
    COALESCE(NULLIF(wireless_phone, ''), NULLIF(hm_phone, ''), wk_phone, '') AS phone
  FROM patient
) AS p;

-- Providers as rows name them. Credit to a number that is not here is "unassigned".
CREATE VIEW provider_name AS
SELECT prov_num, COALESCE(abbr, '') AS abbr, COALESCE(is_secondary, 0) AS is_secondary FROM provider WHERE prov_num <> 0;

-- Who referred a patient: the first "from" by the PMS's order.
CREATE VIEW patient_referral AS
SELECT
  f.pat_num,
  f.referral_num,
  CASE
    WHEN COALESCE(r.f_name, '') = '' OR COALESCE(r.l_name, '') = '' THEN concat(COALESCE(r.l_name, ''), COALESCE(r.f_name, ''))
    ELSE concat(r.l_name, ', ', r.f_name)
  END AS name
FROM (
  SELECT
    pat_num,
    referral_num,
    ROW_NUMBER() OVER (PARTITION BY pat_num ORDER BY item_order, ref_attach_num) AS place
  FROM referral_attach
  WHERE ref_type = 1
) AS f
LEFT JOIN referral AS r ON r.referral_num = f.referral_num
WHERE f.place = 1;

-- Unearned types that are hidden: money of these is in no report of income.
CREATE VIEW hidden_unearned_type AS
SELECT def_num FROM definition WHERE category = 29 AND COALESCE(item_value, '') <> '';

-- What was produced and what came in (books.md "Production and income"): a row for each amount, by its own date, provider
-- and clinic. Kinds: production; capitation (below zero); adjustment; write_off_paid by insurance payment date and
-- write_off_treated by procedure date (a question takes one of the two); patient; unearned (hidden types out); insurance.
-- row_num is the key within the kind; def_num the adjustment's, payment's or unearned type. Work has its code and tooth.
CREATE VIEW money_entry AS
SELECT
  'production' AS kind, proc_date AS day, proc_num AS row_num, pat_num, prov_num, clinic_num, proc_num,
  CAST(0 AS BIGINT) AS def_num, code, descript, tooth_num, CAST(fee AS DECIMAL(38, 4)) AS amount
FROM done_procedure
UNION ALL
SELECT
  'capitation' AS kind, p.proc_date AS day, l.claim_proc_num AS row_num, p.pat_num, p.prov_num, p.clinic_num, p.proc_num,
  CAST(0 AS BIGINT) AS def_num, p.code, p.descript, p.tooth_num, CAST(-l.write_off AS DECIMAL(38, 4)) AS amount
FROM claim_line AS l
JOIN done_procedure AS p ON p.proc_num = l.proc_num
WHERE l.status = 7 AND l.write_off <> CAST(0 AS DECIMAL(18, 4))
UNION ALL
SELECT
  'adjustment' AS kind, adj_date AS day, adj_num AS row_num, pat_num, COALESCE(prov_num, 0) AS prov_num,
  COALESCE(clinic_num, 0) AS clinic_num, COALESCE(proc_num, 0) AS proc_num, COALESCE(adj_type, 0) AS def_num,
  '' AS code, '' AS descript, '' AS tooth_num,
  CAST(COALESCE(adj_amt, CAST(0 AS DECIMAL(18, 4))) AS DECIMAL(38, 4)) AS amount
FROM adjustment
UNION ALL
SELECT
  'write_off_paid' AS kind, date_cp AS day, claim_proc_num AS row_num, pat_num, COALESCE(prov_num, 0) AS prov_num,
  COALESCE(clinic_num, 0) AS clinic_num, COALESCE(proc_num, 0) AS proc_num, CAST(0 AS BIGINT) AS def_num,
  '' AS code, '' AS descript, '' AS tooth_num,
  CAST(write_off AS DECIMAL(38, 4)) AS amount
FROM claim_line
WHERE status IN (1, 4) AND write_off <> CAST(0 AS DECIMAL(18, 4))
UNION ALL
SELECT
  'write_off_treated' AS kind, proc_date AS day, claim_proc_num AS row_num, pat_num, COALESCE(prov_num, 0) AS prov_num,
  COALESCE(clinic_num, 0) AS clinic_num, COALESCE(proc_num, 0) AS proc_num, CAST(0 AS BIGINT) AS def_num,
  '' AS code, '' AS descript, '' AS tooth_num,
  CAST(write_off AS DECIMAL(38, 4)) AS amount
FROM claim_line
WHERE status IN (0, 1, 4) AND write_off <> CAST(0 AS DECIMAL(18, 4))
UNION ALL
SELECT
  CASE WHEN COALESCE(s.unearned_type, 0) = 0 THEN 'patient' ELSE 'unearned' END AS kind,
  y.pay_date AS day, s.split_num AS row_num, s.pat_num, COALESCE(s.prov_num, 0) AS prov_num,
  COALESCE(s.clinic_num, 0) AS clinic_num, COALESCE(s.proc_num, 0) AS proc_num,
  COALESCE(NULLIF(s.unearned_type, 0), y.pay_type, 0) AS def_num,
  '' AS code, '' AS descript, '' AS tooth_num,
  CAST(COALESCE(s.split_amt, CAST(0 AS DECIMAL(18, 4))) AS DECIMAL(38, 4)) AS amount
FROM payment AS y
JOIN payment_split AS s ON s.pay_num = y.pay_num
LEFT JOIN hidden_unearned_type AS h ON h.def_num = s.unearned_type
WHERE h.def_num IS NULL
UNION ALL
SELECT
  'insurance' AS kind, k.check_date AS day, l.claim_proc_num AS row_num, l.pat_num, COALESCE(l.prov_num, 0) AS prov_num,
  COALESCE(l.clinic_num, 0) AS clinic_num, COALESCE(l.proc_num, 0) AS proc_num, CAST(0 AS BIGINT) AS def_num,
  '' AS code, '' AS descript, '' AS tooth_num,
  CAST(COALESCE(l.ins_pay_amt, CAST(0 AS DECIMAL(18, 4))) AS DECIMAL(38, 4)) AS amount
FROM claim_payment AS k
JOIN claim_line AS l ON l.claim_payment_num = k.claim_payment_num
WHERE l.status IN (1, 4) AND l.ins_pay_amt <> CAST(0 AS DECIMAL(18, 4));

-- The last time that an appointment was broken or taken off the schedule (HistApptAction 2, 3), and whether that was more
-- than 24 hours ahead.
CREATE VIEW last_action AS
SELECT apt_num, hist_date_t_stamp < apt_date_time - INTERVAL '24 hours' AS is_early FROM (
  SELECT
    h.apt_num,
    h.apt_date_time,
    h.hist_date_t_stamp,
    ROW_NUMBER() OVER (PARTITION BY h.apt_num ORDER BY h.hist_date_t_stamp DESC, h.hist_appt_num DESC) AS place
  FROM appointment_history AS h
  WHERE h.hist_appt_action IN (2, 3) AND h.apt_date_time IS NOT NULL AND h.hist_date_t_stamp IS NOT NULL
) AS ranked
WHERE place = 1
