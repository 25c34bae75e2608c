-- Question: which rows do all figures count?  Grain: one row each per procedure, appointment, visit.
-- Source: features.md §0 (money, FEE, done, BROKEN, ADA, visit, HYG, RESTO, appointment, scope); preferences by books.md.
-- Parameters: @d (D), @now (the snapshot on the wall clock). Zero dates become NULL here, once.
SET @wo_basis = COALESCE((SELECT CAST(ValueString AS INT) FROM preference WHERE PrefName = 'ReportsPPOwriteoffDefaultToProcDate'), 0);
SET @broken_by_code = COALESCE((SELECT CAST(ValueString AS INT) FROM preference WHERE PrefName = 'BrokenApptProcedure'), 0) <> 0;
SET @lifo = COALESCE((SELECT CAST(ValueString AS INT) FROM preference WHERE PrefName = 'AgingProcLifo'), 1) <> 2;
SET @plans = COALESCE((SELECT CAST(ValueString AS INT) FROM preference WHERE PrefName = 'PayPlansVersion'), 2);
SET @sched_less_wo = COALESCE((SELECT LOWER(ValueString) IN ('1', 'true') FROM preference WHERE PrefName = 'ReportPandIschedProdSubtractsWO'), 0);

CREATE TEMPORARY TABLE o_pat (PRIMARY KEY (PatNum), KEY (Guarantor)) AS
SELECT PatNum, Guarantor, PatStatus, NULLIF(Birthdate, '0001-01-01') AS Birthdate FROM patient;

CREATE TEMPORARY TABLE o_proc (PRIMARY KEY (ProcNum), KEY (PatNum), KEY (AptNum), KEY (ProcDate), KEY (DateTP)) AS
SELECT r.*,
  r.done AND NOT r.broken AND (r.ada OR r.fee > 0) AS visit_row,
  NOT r.broken AND r.ProcCode NOT REGEXP '^D[01][0-9]{3}$' AND (r.ada OR r.fee <> 0) AS treatment
FROM (
  SELECT pl.ProcNum, pl.PatNum, pl.AptNum, pl.ProvNum, pl.ProcStatus, COALESCE(pc.ProcCode, '') AS ProcCode,
    IF(pl.ProcDate < '0002-01-01', NULL, pl.ProcDate) AS ProcDate, IF(pl.DateTP < '0002-01-01', NULL, pl.DateTP) AS DateTP,
    CAST(CAST(pl.ProcFee AS DECIMAL(18,4)) * (pl.UnitQty + pl.BaseUnits) AS DECIMAL(24,4)) AS fee,
    pl.ProcStatus = 2 AS done, pl.ProcStatus = 1 AS planned,
    COALESCE(BINARY pc.ProcCode IN ('D9986', 'D9987'), 0) AS broken,
    COALESCE(BINARY pc.ProcCode REGEXP '^D[0-9]{4}$', 0) AS ada,
    COALESCE(pc.ProcCode IN ('D1110', 'D1120', 'D4341', 'D4342', 'D4910'), 0) AS hyg
  FROM procedurelog pl LEFT JOIN procedurecode pc ON pc.CodeNum = pl.CodeNum) r;

CREATE TEMPORARY TABLE o_appt (PRIMARY KEY (AptNum), KEY (PatNum), KEY (day)) AS
SELECT a.AptNum, a.PatNum, a.AptStatus, a.AptDateTime AS start, DATE(a.AptDateTime) AS day, a.Op, a.Confirmed, a.IsNewPatient,
  5 * CHAR_LENGTH(a.Pattern) AS minutes, IF(a.IsHygiene = 1 AND a.ProvHyg <> 0, a.ProvHyg, a.ProvNum) AS prov,
  a.AptStatus IN (1, 4) AS live, a.AptStatus IN (1, 2, 4) AS kept, COALESCE(p.PatStatus, 0) <> 4 AS counted,
  EXISTS (SELECT * FROM o_proc x WHERE x.AptNum = a.AptNum AND x.hyg AND (x.done OR x.planned)) AS hyg_code,
  EXISTS (SELECT * FROM o_proc x WHERE x.AptNum = a.AptNum AND x.hyg AND (x.done OR x.planned))
    OR (a.IsHygiene = 1 AND NOT EXISTS (SELECT * FROM o_proc x WHERE x.AptNum = a.AptNum AND (x.done OR x.planned))) AS hygiene
FROM appointment a LEFT JOIN o_pat p ON p.PatNum = a.PatNum
WHERE a.AptStatus IN (1, 2, 4, 5) AND a.AptDateTime >= '0002-01-01';

CREATE TEMPORARY TABLE o_visit (PRIMARY KEY (PatNum, day), KEY (day)) AS
SELECT x.PatNum, x.ProcDate AS day, COALESCE(MAX(p.PatStatus), 0) <> 4 AS counted, MAX(x.hyg) AS hyg
FROM o_proc x LEFT JOIN o_pat p ON p.PatNum = x.PatNum
WHERE x.visit_row AND x.ProcDate IS NOT NULL GROUP BY x.PatNum, x.ProcDate;
