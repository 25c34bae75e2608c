-- features.md §2, example 5.
INSERT INTO provider (ProvNum, Abbr, HourlyProdGoalAmt) VALUES (1, 'DOC', 120);
INSERT INTO patient (PatNum, Guarantor) VALUES (1, 1);
INSERT INTO operatory (OperatoryNum) VALUES (1), (2);
INSERT INTO definition (DefNum, Category, ItemName, ItemValue) VALUES (1, 25, 'Closed', 'NS');
INSERT INTO schedule (ScheduleNum, SchedDate, StartTime, StopTime, SchedType, ProvNum, BlockoutType) VALUES
 (1, '2026-03-31', '08:00', '12:00', 1, 1, 0), (2, '2026-03-31', '13:00', '17:00', 1, 1, 0), (3, '2026-03-31', '16:30', '17:00', 2, 0, 1);
INSERT INTO scheduleop (ScheduleNum, OperatoryNum) VALUES (1, 1), (1, 2), (2, 1), (3, 1);
INSERT INTO appointment (AptNum, PatNum, AptStatus, AptDateTime, Pattern, ProvNum, Op) VALUES
 (1, 1, 1, '2026-03-31 08:00:00', REPEAT('X', 12), 1, 1), (2, 1, 1, '2026-03-31 08:30:00', REPEAT('X', 12), 1, 2),
 (3, 1, 2, '2026-03-31 13:00:00', REPEAT('X', 36), 1, 1), (4, 1, 5, '2026-03-31 11:00:00', REPEAT('X', 12), 1, 1);
