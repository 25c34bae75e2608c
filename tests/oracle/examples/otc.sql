-- features.md §2, example 3.
INSERT INTO patient (PatNum, Guarantor) VALUES (1, 1), (2, 2);
INSERT INTO procedurecode (CodeNum, ProcCode) VALUES (1, 'D2740');
INSERT INTO procedurelog (ProcNum, PatNum, CodeNum, ProcStatus, ProcDate, ProcFee, UnitQty) VALUES
 (1, 1, 1, 2, '2026-03-31', 1000, 1), (2, 2, 1, 2, '2026-03-31', 80, 1);
INSERT INTO claimproc (ClaimProcNum, ProcNum, PatNum, Status, ProcDate, InsPayEst, WriteOff) VALUES (1, 1, 1, 0, '2026-03-31', 600, 150);
INSERT INTO payment (PayNum, PatNum, PayDate) VALUES (1, 1, '2026-03-31'), (2, 2, '2026-03-31');
INSERT INTO paysplit (SplitNum, PayNum, PatNum, SplitAmt, DatePay) VALUES (1, 1, 1, 200, '2026-03-31'), (2, 2, 2, 120, '2026-03-31');
