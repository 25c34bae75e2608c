-- Question: what should the team know of each appointment of @day?  Grain: appointment. Needs aging.sql.
-- Source: features.md §3 "Per appt", §1 unscheduled_treatment, unscheduled_family, §6 report 17; morning_huddle.proto HuddleAppointment.
SELECT a.AptNum AS appointment, DATE_FORMAT(a.start, '%Y-%m-%d %H:%i') AS start, a.minutes, a.Op AS operatory, a.prov AS provider, a.PatNum AS patient,
  COALESCE((SELECT GROUP_CONCAT(CONCAT(x.ProcNum, ':', x.ProcCode, ':', ROUND(x.fee, 2)) ORDER BY x.ProcNum) FROM o_proc x
    WHERE x.AptNum = a.AptNum AND (x.done OR x.planned)), '') AS procedures,
  (SELECT ROUND(COALESCE(SUM(x.fee), 0), 2) FROM o_proc x WHERE x.AptNum = a.AptNum AND (x.done OR x.planned)) AS fee,
  a.IsNewPatient = 1 OR NOT EXISTS (SELECT * FROM o_visit v WHERE v.PatNum = a.PatNum AND v.day < a.day) AS is_new,
  COALESCE(LOWER(d.ItemName) REGEXP '\\bconfirmed\\b', 0) AS confirmed,
  CONCAT_WS(',', IF(p.MedUrgNote <> '', 1, NULL), IF(p.Premed <> 0, 2, NULL),
    IF((SELECT TRIM(g.FamFinUrgNote) FROM patient g WHERE g.PatNum = p.Guarantor) <> '', 3, NULL),
    IF(p.ApptModNote <> '', 4, NULL), IF(n.Medical <> '', 5, NULL)) AS alerts,
  ROUND(COALESCE(g.past_due, 0), 2) AS past_due,
  (SELECT ROUND(COALESCE(SUM(x.fee), 0), 2) FROM o_proc x WHERE x.PatNum = a.PatNum AND x.planned AND p.PatStatus = 0
    AND NOT EXISTS (SELECT * FROM o_appt l WHERE l.AptNum = x.AptNum AND l.live AND l.day >= @d)) AS unscheduled_treatment,
  COALESCE((SELECT GROUP_CONCAT(CONCAT(COALESCE(t.Description, ''), ':', r.DateDue, ':', r.DateScheduled > '0002-01-01') ORDER BY r.DateDue, COALESCE(t.Description, ''))
    FROM recall r LEFT JOIN recalltype t ON t.RecallTypeNum = r.RecallTypeNum
    WHERE r.PatNum = a.PatNum AND r.IsDisabled = 0 AND r.DateDue > '0002-01-01' AND r.DateDue <= @day AND r.DisableUntilDate <= @d
      AND (r.DisableUntilBalance <= 0 OR COALESCE(g.total, 0) <= CAST(r.DisableUntilBalance AS DECIMAL(18,4)))), '') AS recalls,
  (SELECT COUNT(*) FROM o_pat m WHERE m.Guarantor = p.Guarantor AND m.PatNum <> a.PatNum AND m.PatStatus = 0
    AND NOT EXISTS (SELECT * FROM o_appt f WHERE f.PatNum = m.PatNum AND f.live AND f.day >= @day)) AS unscheduled_family,
  COALESCE(p.Birthdate > '0002-01-01' AND DATE_FORMAT(p.Birthdate, '%m-%d') = DATE_FORMAT(@day, '%m-%d'), 0) AS birthday,
  a.AptStatus = 2 OR (a.live AND a.start < @now AND NOT (
    EXISTS (SELECT * FROM o_proc x WHERE x.PatNum = a.PatNum AND x.done AND x.ProcDate = a.day AND x.AptNum IN (0, a.AptNum))
    AND NOT EXISTS (SELECT * FROM o_proc x WHERE x.PatNum = a.PatNum AND x.visit_row AND x.ProcDate = a.day AND x.AptNum IN (0, a.AptNum)))) AS completed,
  a.hyg_code AS hygiene
FROM o_appt a LEFT JOIN patient p ON p.PatNum = a.PatNum LEFT JOIN patientnote n ON n.PatNum = a.PatNum
LEFT JOIN definition d ON d.DefNum = a.Confirmed LEFT JOIN o_aging g ON g.fam = p.Guarantor
WHERE a.counted AND a.day = @day ORDER BY a.start, a.Op, a.AptNum;
