-- features.md §2, example 2 (families 1 and 2); books.md, both examples of AgingProcLifo (families 3 and 4).
INSERT INTO patient (PatNum, Guarantor) VALUES (1, 1), (2, 2), (3, 3), (4, 4);
INSERT INTO procedurecode (CodeNum, ProcCode) VALUES (1, 'D2740');
INSERT INTO procedurelog (ProcNum, PatNum, CodeNum, ProcStatus, ProcDate, ProcFee, UnitQty) VALUES
 (1, 1, 1, 2, '2026-01-10', 200, 1), (2, 1, 1, 2, '2026-02-20', 300, 1), (3, 1, 1, 2, '2026-03-15', 150, 1),
 (4, 2, 1, 2, '2026-01-10', 200, 1), (5, 2, 1, 2, '2026-02-20', 300, 1), (6, 2, 1, 2, '2026-03-15', 150, 1),
 (7, 3, 1, 2, '2026-03-31' - INTERVAL 85 DAY, 100, 1),
 (8, 4, 1, 2, '2026-03-31' - INTERVAL 95 DAY, 1000, 1), (9, 4, 1, 2, '2026-03-31' - INTERVAL 85 DAY, 100, 1);
INSERT INTO payment (PayNum, PatNum, PayDate) VALUES (1, 1, '2026-03-20'), (2, 2, '2026-03-20');
INSERT INTO paysplit (SplitNum, PayNum, PatNum, SplitAmt, DatePay) VALUES (1, 1, 1, 250, '2026-03-20'), (2, 2, 2, 700, '2026-03-20');
INSERT INTO adjustment (AdjNum, PatNum, ProcNum, AdjDate, AdjAmt) VALUES
 (1, 3, 7, '2026-03-31' - INTERVAL 55 DAY, 10), (2, 3, 7, '2026-03-31' - INTERVAL 2 DAY, -8),
 (3, 4, 9, '2026-03-31' - INTERVAL 40 DAY, 10), (4, 4, 9, '2026-03-31' - INTERVAL 2 DAY, -800);
