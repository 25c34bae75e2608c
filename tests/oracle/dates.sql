-- Question: which dates are yesterday and tomorrow?  Grain: one row.
-- Source: features.md §3: the last date < D with a visit or appt; the next date with hours or appts. 0001-01-01: none.
SELECT COALESCE(GREATEST(COALESCE((SELECT MAX(day) FROM o_visit WHERE counted AND day < @d), '0001-01-01'),
    COALESCE((SELECT MAX(day) FROM o_appt WHERE counted AND day < @d), '0001-01-01')), '0001-01-01') AS yesterday,
  COALESCE(LEAST(COALESCE((SELECT MIN(s.SchedDate) FROM schedule s WHERE s.SchedType = 1 AND s.SchedDate > @d AND s.StopTime > s.StartTime
      AND NOT EXISTS (SELECT * FROM schedule h WHERE h.SchedDate = s.SchedDate AND h.SchedType = 0 AND h.Status = 2
        AND (h.ClinicNum = 0 OR h.ClinicNum = s.ClinicNum))), '9999-12-31'),
    COALESCE((SELECT MIN(day) FROM o_appt WHERE counted AND day > @d), '9999-12-31')), '9999-12-31') AS tomorrow;
