-- What the office's words stand for, for all parts of the huddle (features.md §0). Views; nothing is computed here.
-- Money is DECIMAL of four places throughout.

-- Patients that are in no count: deleted ones.
CREATE VIEW deleted_patient AS
SELECT pat_num FROM patient WHERE pat_status = 4;

-- Codes and what they count as. ADA: exactly D and four digits; all else is custom.
CREATE VIEW code AS
SELECT
  code_num,
  COALESCE(proc_code, '') AS code,
  COALESCE(descript, '') AS descript,
  COALESCE(regexp_like(proc_code, '^D[0-9]{4}$'), FALSE) AS is_ada,
  COALESCE(proc_code, '') IN ('D9986', 'D9987') AS is_broken,
  COALESCE(proc_code, '') IN ('D1110', 'D1120', 'D4341', 'D4342', 'D4910') AS is_hygiene
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
  p.date_tp,
  COALESCE(p.tooth_num, '') AS tooth_num,
  COALESCE(c.code, '') AS code,
  COALESCE(c.descript, '') AS descript,
  COALESCE(c.is_ada, FALSE) AS is_ada,
  COALESCE(c.is_broken, FALSE) AS is_broken,
  COALESCE(c.is_hygiene, FALSE) AS is_hygiene,
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
  code,
  fee,
  is_broken,
  NOT is_broken AND (is_ada OR fee > CAST(0 AS DECIMAL(30, 4))) AS is_visit,
  is_hygiene
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
  COALESCE(a.confirmed, 0) AS confirmed,
  COALESCE(a.is_new_patient, 0) AS is_new_patient,
  COALESCE(a.is_hygiene, 0) AS is_hygiene
FROM appointment AS a
WHERE a.apt_status IN (1, 2, 4, 5) AND a.apt_date_time IS NOT NULL;

-- What is planned or done on appointments: a row for each procedure.
CREATE VIEW appt_procedure AS
SELECT apt_num, proc_num, code, descript, tooth_num, fee, is_hygiene
FROM fee_procedure
WHERE apt_num <> 0 AND proc_status IN (1, 2);

-- The family of each patient: everyone with the same guarantor.
CREATE VIEW family_member AS
SELECT pat_num, pat_status, COALESCE(NULLIF(guarantor, 0), pat_num) AS guarantor FROM patient
