-- Question: how does the schedule of @day stand?  Grain: one row. Needs minutes.sql over a range with @day, and aging.sql.
-- Source: features.md §1 on_schedule_production, available_minutes, utilization_pct, unscheduled_family, past_due; §3; example 5.
SELECT
  (SELECT ROUND(COALESCE(SUM(x.fee), 0), 2) FROM o_proc x JOIN o_appt a ON a.AptNum = x.AptNum
    WHERE a.kept AND a.day = @day AND (x.done OR x.planned)) AS on_schedule_production,
  (SELECT COUNT(*) FROM o_appt WHERE counted AND day = @day) AS appointment_count,
  (SELECT COUNT(*) FROM o_appt a WHERE a.counted AND a.day = @day AND (a.IsNewPatient = 1
    OR NOT EXISTS (SELECT * FROM o_visit v WHERE v.PatNum = a.PatNum AND v.day < a.day))) AS new_patients,
  (SELECT COUNT(*) FROM o_appt a LEFT JOIN definition d ON d.DefNum = a.Confirmed WHERE a.counted AND a.day = @day
    AND NOT COALESCE(LOWER(d.ItemName) REGEXP '\\bconfirmed\\b', 0)) AS unconfirmed,
  (SELECT COUNT(*) * @step FROM o_slot WHERE SchedDate = @day) AS available_minutes,
  (SELECT COUNT(*) * @step FROM o_slot s JOIN o_busy b ON b.day = s.SchedDate AND b.prov = s.ProvNum AND b.t = s.t WHERE s.SchedDate = @day) AS booked_minutes,
  (SELECT ROUND(COALESCE(SUM(g.past_due), 0), 2) FROM o_aging g WHERE g.fam IN (SELECT p.Guarantor FROM o_appt a JOIN o_pat p ON p.PatNum = a.PatNum
    WHERE a.counted AND a.day = @day)) AS past_due,
  (SELECT COUNT(DISTINCT m.PatNum) FROM o_appt a JOIN o_pat p ON p.PatNum = a.PatNum JOIN o_pat m ON m.Guarantor = p.Guarantor AND m.PatNum <> p.PatNum
    WHERE a.counted AND a.kept AND a.day = @day AND m.PatStatus = 0
      AND NOT EXISTS (SELECT * FROM o_appt f WHERE f.PatNum = m.PatNum AND f.live AND f.day >= @day)) AS unscheduled_family;
