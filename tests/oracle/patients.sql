-- Question: what does Patient Finder show of each patient on @d?  Grain: one row per patient who is not deleted.
-- Source: features.md §7 Patient Finder; §0 active, future, family; §1 unscheduled_treatment, presented, past_due, credit_balances,
-- report 17 (recalls); books.md aging. Lists are sorted by text. Needs rows.sql and aging.sql.
SET SESSION group_concat_max_len = 1000000;
CREATE TEMPORARY TABLE o_first AS
SELECT PatNum, IF(LName <> '' AND given <> '', CONCAT(LName, ', ', given), CONCAT(LName, given)) AS shown
FROM (SELECT PatNum, LName, IF(Preferred <> '', Preferred, FName) AS given FROM patient) n;
ALTER TABLE o_first ADD PRIMARY KEY (PatNum);

CREATE TEMPORARY TABLE o_next (PRIMARY KEY (PatNum)) AS
SELECT PatNum, MIN(start) AS next_start, MIN(IF(hygiene, start, NULL)) AS next_hygiene,
  CAST(SUBSTRING_INDEX(GROUP_CONCAT(Confirmed ORDER BY start, AptNum), ',', 1) AS SIGNED) AS next_confirmed
FROM o_appt WHERE live AND day >= @d GROUP BY PatNum;

CREATE TEMPORARY TABLE o_came (PRIMARY KEY (PatNum)) AS
SELECT PatNum, MIN(day) AS first_visit, MAX(day) AS last_visit, MAX(IF(hyg, day, NULL)) AS last_hygiene
FROM o_visit WHERE day <= @d GROUP BY PatNum;

CREATE TEMPORARY TABLE o_broken (PRIMARY KEY (PatNum)) AS
SELECT PatNum, COUNT(*) AS count FROM (
  SELECT PatNum, ProcDate AS day FROM o_proc WHERE done AND broken AND @broken_by_code
  UNION ALL
  SELECT PatNum, day FROM o_appt WHERE AptStatus = 5 AND NOT @broken_by_code) b
WHERE day BETWEEN CAST(@d AS DATE) - INTERVAL 12 MONTH AND @d GROUP BY PatNum;

CREATE TEMPORARY TABLE o_recall (PRIMARY KEY (PatNum)) AS
SELECT r.PatNum, MIN(r.DateDue) AS due, MAX(r.DateDue <= @d AND r.DateScheduled < '0002-01-01') AS not_scheduled,
  COALESCE(GROUP_CONCAT(DISTINCT NULLIF(t.Description, '') ORDER BY BINARY t.Description SEPARATOR '|'), '') AS types
FROM recall r JOIN o_pat p ON p.PatNum = r.PatNum LEFT JOIN recalltype t ON t.RecallTypeNum = r.RecallTypeNum
LEFT JOIN o_aging g ON g.fam = p.Guarantor
WHERE r.DateDue >= '0002-01-01' AND r.IsDisabled = 0 AND r.DisableUntilDate <= @d
  AND (r.DisableUntilBalance <= 0 OR ROUND(COALESCE(g.total, 0), 2) <= CAST(r.DisableUntilBalance AS DECIMAL(18,4)))
GROUP BY r.PatNum;

CREATE TEMPORARY TABLE o_todo (PRIMARY KEY (PatNum)) AS
SELECT x.PatNum, SUM(x.fee) AS amount,
  COALESCE(GROUP_CONCAT(DISTINCT NULLIF(x.ProcCode, '') ORDER BY BINARY x.ProcCode SEPARATOR '|'), '') AS codes,
  COALESCE(GROUP_CONCAT(DISTINCT NULLIF(d.ItemName, '') ORDER BY BINARY d.ItemName SEPARATOR '|'), '') AS priorities
FROM o_proc x JOIN procedurelog pl ON pl.ProcNum = x.ProcNum JOIN o_pat p ON p.PatNum = x.PatNum AND p.PatStatus = 0
LEFT JOIN definition d ON d.DefNum = pl.Priority
WHERE x.planned AND NOT EXISTS (SELECT * FROM o_appt a WHERE a.AptNum = x.AptNum AND a.live AND a.day >= @d)
GROUP BY x.PatNum;

CREATE TEMPORARY TABLE o_treated (PRIMARY KEY (PatNum)) AS
SELECT PatNum, MAX(IF(done AND ProcDate <= @d, ProcDate, NULL)) AS done,
  MAX(IF(ProcStatus IN (1, 2, 8) AND DateTP <= @d
    AND EXISTS (SELECT * FROM o_visit v WHERE v.PatNum = o_proc.PatNum AND v.day = o_proc.DateTP), DateTP, NULL)) AS presented
FROM o_proc WHERE treatment GROUP BY PatNum;

CREATE TEMPORARY TABLE o_paid (PRIMARY KEY (fam)) AS
SELECT p.Guarantor AS fam, MAX(y.PayDate) AS day FROM payment y JOIN paysplit s ON s.PayNum = y.PayNum JOIN o_pat p ON p.PatNum = s.PatNum
WHERE y.PayAmt > 0 AND y.PayDate BETWEEN '0002-01-01' AND @d GROUP BY p.Guarantor;

CREATE TEMPORARY TABLE o_insured (PRIMARY KEY (PatNum)) AS
SELECT i.PatNum, c.CarrierName AS carrier, IF(l.GroupName <> '', l.GroupName, l.GroupNum) AS grp, s.InsSubNum, s.PlanNum,
  STR_TO_DATE(CONCAT(YEAR(@d) - (GREATEST(l.MonthRenew, 1) > MONTH(@d)), '-', GREATEST(l.MonthRenew, 1), '-01'), '%Y-%m-%d') AS since
FROM patplan i JOIN inssub s ON s.InsSubNum = i.InsSubNum JOIN insplan l ON l.PlanNum = s.PlanNum
LEFT JOIN carrier c ON c.CarrierNum = l.CarrierNum
WHERE s.DateEffective <= @d AND (s.DateTerm < '0002-01-01' OR s.DateTerm >= @d)
  AND NOT EXISTS (SELECT * FROM patplan j JOIN inssub t ON t.InsSubNum = j.InsSubNum JOIN insplan m ON m.PlanNum = t.PlanNum
    WHERE j.PatNum = i.PatNum AND (j.Ordinal, j.PatPlanNum) < (i.Ordinal, i.PatPlanNum)
      AND t.DateEffective <= @d AND (t.DateTerm < '0002-01-01' OR t.DateTerm >= @d));

CREATE TEMPORARY TABLE o_used (PRIMARY KEY (PatNum)) AS
SELECT i.PatNum, SUM(CAST(IF(c.Status = 0, c.InsPayEst, c.InsPayAmt) AS DECIMAL(18,4))) AS amount
FROM o_insured i JOIN claimproc c ON c.PatNum = i.PatNum AND c.InsSubNum = i.InsSubNum AND c.PlanNum = i.PlanNum
WHERE c.Status IN (0, 1, 4) AND c.ProcDate >= i.since AND c.ProcDate < i.since + INTERVAL 1 YEAR GROUP BY i.PatNum;

SELECT p.PatNum AS patient, n.shown AS display_name, IF(p.Birthdate < '0002-01-01', '', p.Birthdate) AS birthdate, p.Guarantor AS guarantor,
  COALESCE(g.shown, '') AS guarantor_name, p.WirelessPhone AS mobile_phone, p.HmPhone AS home_phone, p.Email AS email,
  ELT(p.PatStatus + 1, 'patient', 'non_patient', 'inactive', 'archived', '', 'deceased', 'prospective') AS status,
  IF(p.PatStatus = 0 AND came.last_visit >= CAST(@d AS DATE) - INTERVAL 18 MONTH, 'true', 'false') AS active,
  IF(p.Birthdate < '0002-01-01', '', TIMESTAMPDIFF(YEAR, p.Birthdate, @d)) AS age, ELT(p.Gender + 1, 'male', 'female', '', 'other') AS gender,
  p.Language AS language, p.Zip AS zip, COALESCE(cl.ClinicNum, '') AS clinic, COALESCE(pr.ProvNum, '') AS primary_provider,
  COALESCE(se.ProvNum, '') AS secondary_provider, COALESCE(bt.ItemName, '') AS billing_type,
  COALESCE((SELECT CASE WHEN r.NotPerson = 1 OR r.FName = '' THEN r.LName WHEN r.LName = '' THEN r.FName ELSE CONCAT(r.LName, ', ', r.FName) END
    FROM refattach ra JOIN referral r ON r.ReferralNum = ra.ReferralNum WHERE ra.PatNum = p.PatNum AND ra.RefType = 1
    ORDER BY ra.ItemOrder, ra.RefAttachNum LIMIT 1), '') AS referral,
  ELT(p.TxtMsgOk + 1, 'unknown', 'yes', 'no') AS text_consent, IF(p.Premed = 1, 'true', 'false') AS premedication,
  COALESCE(came.first_visit, '') AS first_visit, COALESCE(came.last_visit, '') AS last_visit, COALESCE(came.last_hygiene, '') AS last_hygiene_visit,
  COALESCE(DATE_FORMAT(nx.next_start, '%Y-%m-%d %H:%i'), '') AS next_appointment,
  COALESCE(DATE_FORMAT(nx.next_hygiene, '%Y-%m-%d %H:%i'), '') AS next_hygiene_appointment,
  CASE WHEN nx.PatNum IS NULL THEN '' WHEN COALESCE(cf.ItemName, '') REGEXP '(^|[^[:alnum:]_])confirmed([^[:alnum:]_]|$)' THEN 'false' ELSE 'true' END AS unconfirmed,
  COALESCE(b.count, 0) AS broken_count,
  IF(EXISTS (SELECT * FROM appointment a WHERE a.PatNum = p.PatNum AND a.AptStatus = 3), 'true', 'false') AS unscheduled_list,
  IF(EXISTS (SELECT * FROM o_pat m WHERE m.Guarantor = p.Guarantor AND m.PatNum <> p.PatNum AND m.PatStatus = 0
    AND NOT EXISTS (SELECT * FROM o_next k WHERE k.PatNum = m.PatNum)), 'true', 'false') AS family_unscheduled,
  COALESCE(rc.due, '') AS recall_due, COALESCE(DATEDIFF(@d, rc.due), '') AS recall_days_overdue, COALESCE(rc.types, '') AS recall_types,
  IF(rc.not_scheduled, 'true', 'false') AS recall_not_scheduled, ROUND(COALESCE(ag.total, 0), 2) AS family_balance,
  ROUND(COALESCE(ag.past_due, 0), 2) AS past_due,
  CASE WHEN ROUND(ag.age_over_90, 2) > 0 THEN 'over-90' WHEN ROUND(ag.age_61_90, 2) > 0 THEN '61-90' WHEN ROUND(ag.age_31_60, 2) > 0 THEN '31-60'
    WHEN ROUND(ag.age_0_30, 2) > 0 THEN '0-30' ELSE '' END AS oldest_bucket,
  IF(ROUND(ag.total, 2) < 0, -ROUND(ag.total, 2), '') AS credit, COALESCE(pd.day, '') AS last_payment,
  ROUND(COALESCE(td.amount, 0), 2) AS unscheduled_treatment, COALESCE(td.codes, '') AS treatment_codes, COALESCE(td.priorities, '') AS treatment_priorities,
  COALESCE(tr.presented, '') AS treatment_presented, COALESCE(tr.done, '') AS treatment_done,
  IF(EXISTS (SELECT * FROM sheet s WHERE s.PatNum = p.PatNum AND s.SheetType IN (6, 9, 11) AND s.ShowInTerminal > 0 AND s.IsDeleted = 0), 'true', 'false') AS form_outstanding,
  IF(EXISTS (SELECT * FROM smsfrommobile s WHERE s.PatNum = p.PatNum AND s.SmsStatus = 0 AND s.IsHidden = 0), 'true', 'false') AS unread_message,
  IF(ins.PatNum IS NOT NULL, 'true', 'false') AS has_insurance, COALESCE(ins.carrier, '') AS carrier, COALESCE(ins.grp, '') AS insurance_group,
  IF(ins.PatNum IS NULL, '', ROUND(COALESCE(us.amount, 0), 2)) AS insurance_used
FROM patient p JOIN o_first n ON n.PatNum = p.PatNum LEFT JOIN o_first g ON g.PatNum = p.Guarantor
LEFT JOIN clinic cl ON cl.ClinicNum = p.ClinicNum LEFT JOIN provider pr ON pr.ProvNum = p.PriProv LEFT JOIN provider se ON se.ProvNum = p.SecProv
LEFT JOIN definition bt ON bt.DefNum = p.BillingType LEFT JOIN o_came came ON came.PatNum = p.PatNum LEFT JOIN o_next nx ON nx.PatNum = p.PatNum
LEFT JOIN definition cf ON cf.DefNum = nx.next_confirmed LEFT JOIN o_broken b ON b.PatNum = p.PatNum LEFT JOIN o_recall rc ON rc.PatNum = p.PatNum
LEFT JOIN o_aging ag ON ag.fam = p.Guarantor LEFT JOIN o_paid pd ON pd.fam = p.Guarantor LEFT JOIN o_todo td ON td.PatNum = p.PatNum
LEFT JOIN o_treated tr ON tr.PatNum = p.PatNum LEFT JOIN o_insured ins ON ins.PatNum = p.PatNum LEFT JOIN o_used us ON us.PatNum = p.PatNum
WHERE p.PatStatus <> 4 ORDER BY p.PatNum;
