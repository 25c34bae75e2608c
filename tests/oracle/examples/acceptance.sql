-- features.md §2, example 4: patients 1 to 4 are A, B, C and E; ten visited.
INSERT INTO patient (PatNum, Guarantor) VALUES (1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6), (7, 7), (8, 8), (9, 9), (10, 10);
INSERT INTO procedurecode (CodeNum, ProcCode) VALUES (1, 'D0120'), (2, 'D2740');
INSERT INTO procedurelog (PatNum, CodeNum, ProcStatus, ProcDate, ProcFee, UnitQty) SELECT PatNum, 1, 2, '2026-03-31', 50, 1 FROM patient;
INSERT INTO appointment (AptNum, PatNum, AptStatus, AptDateTime, Pattern) VALUES
 (1, 1, 1, '2026-04-10 09:00:00', '////'), (3, 3, 6, '2026-04-10 09:00:00', '////'), (4, 4, 5, '2026-03-30 09:00:00', '////');
INSERT INTO procedurelog (PatNum, CodeNum, ProcStatus, ProcDate, DateTP, ProcFee, UnitQty, AptNum) VALUES
 (1, 2, 1, '2026-03-31', '2026-03-31', 1000, 1, 0), (1, 2, 1, '2026-03-31', '2026-03-31', 200, 1, 1),
 (2, 2, 2, '2026-03-31', '2026-03-31', 500, 1, 0), (3, 2, 1, '2026-03-31', '2026-03-31', 300, 1, 3),
 (4, 2, 1, '2026-03-31', '2026-03-31', 800, 1, 4);
