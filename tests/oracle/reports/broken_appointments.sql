-- Report 20.  Source: features.md §1 broken_pct and its edges, §6. Needs entries.sql.
CREATE OR REPLACE TEMPORARY TABLE o_breach AS
SELECT x.PatNum, x.ProcDate AS day, x.ProcCode, x.ProvNum AS prov, COALESCE((SELECT a.AptNum FROM o_appt a WHERE a.AptNum = x.AptNum),
    (SELECT MIN(a.AptNum) FROM o_appt a WHERE a.PatNum = x.PatNum AND a.day = x.ProcDate AND a.AptStatus = 5)) AS AptNum
FROM o_proc x LEFT JOIN o_pat p ON p.PatNum = x.PatNum
WHERE @broken_by_code AND x.done AND x.broken AND x.ProcDate BETWEEN @from AND @to AND COALESCE(p.PatStatus, 0) <> 4
UNION ALL
SELECT a.PatNum, a.day, (SELECT MAX(x.ProcCode) FROM o_proc x WHERE x.PatNum = a.PatNum AND x.ProcDate = a.day AND x.done AND x.broken), a.prov, a.AptNum
FROM o_appt a WHERE NOT @broken_by_code AND a.AptStatus = 5 AND a.counted AND a.day BETWEEN @from AND @to;
SELECT b.day AS date, COALESCE(DATE_FORMAT(a.start, '%Y-%m-%d %H:%i'), '') AS start, COALESCE(p.name, '') AS patient, b.PatNum AS patient_number,
  COALESCE(v.Abbr, 'unassigned') AS provider, COALESCE(a.minutes, 0) AS minutes,
  (SELECT ROUND(COALESCE(SUM(x.fee), 0), 2) FROM o_proc x WHERE x.AptNum = b.AptNum AND b.AptNum <> 0 AND (x.done OR x.planned)) AS fee,
  CASE WHEN h.HistApptNum IS NOT NULL THEN IF(h.HistDateTStamp < h.AptDateTime - INTERVAL 24 HOUR, 'cancelled', 'no-show')
    WHEN b.ProcCode = 'D9987' THEN 'cancelled' WHEN b.ProcCode = 'D9986' THEN 'no-show' ELSE 'unclassified' END AS kind,
  COALESCE(DATE_FORMAT((SELECT MIN(l.start) FROM o_appt l WHERE l.PatNum = b.PatNum AND l.kept AND l.start > COALESCE(a.start, b.day + INTERVAL 1439 MINUTE)), '%Y-%m-%d %H:%i'), '') AS rebooked_start
FROM o_breach b LEFT JOIN o_appt a ON a.AptNum = b.AptNum LEFT JOIN o_person p ON p.PatNum = b.PatNum LEFT JOIN provider v ON v.ProvNum = COALESCE(a.prov, b.prov)
LEFT JOIN histappointment h ON h.HistApptNum = (SELECT h2.HistApptNum FROM histappointment h2 WHERE h2.AptNum = b.AptNum AND b.AptNum <> 0
  AND h2.HistApptAction IN (2, 3) ORDER BY h2.HistDateTStamp DESC, h2.HistApptNum DESC LIMIT 1)
WHERE @prov = 0 OR COALESCE(a.prov, b.prov) = @prov;
