-- features.md §2, example 1.
INSERT INTO patient (PatNum, Guarantor) VALUES (1, 1);
INSERT INTO procedurecode (CodeNum, ProcCode) VALUES (1, 'D2740'), (2, 'D1110'), (3, 'ZZ'), (4, 'D3330');
INSERT INTO procedurelog (ProcNum, PatNum, CodeNum, ProcStatus, ProcDate, ProcFee, UnitQty, BaseUnits) VALUES
 (1, 1, 1, 2, '2026-03-31', 1200, 1, 0), (2, 1, 2, 2, '2026-03-31', 95, 1, 0), (3, 1, 3, 2, '2026-03-31', 50, 0, 0), (4, 1, 4, 2, '2026-02-02', 900, 1, 0);
INSERT INTO adjustment (AdjNum, PatNum, AdjDate, AdjAmt) VALUES (1, 1, '2026-03-31', -20);
INSERT INTO claimpayment (ClaimPaymentNum, CheckDate) VALUES (1, '2026-03-31');
INSERT INTO claimproc (ClaimProcNum, ProcNum, PatNum, Status, DateCP, ProcDate, WriteOff, InsPayAmt, ClaimPaymentNum) VALUES
 (1, 4, 1, 1, '2026-03-31', '2026-02-02', 310, 600, 1), (2, 4, 1, 4, '2026-03-31', '2026-02-02', 0, 50, 0);
INSERT INTO payment (PayNum, PatNum, PayDate) VALUES (1, 1, '2026-03-31');
INSERT INTO definition (DefNum, Category, ItemName) VALUES (9, 29, 'Prepayment');
INSERT INTO paysplit (SplitNum, PayNum, PatNum, SplitAmt, UnearnedType, DatePay) VALUES (1, 1, 1, 400, 0, '2026-03-31'), (2, 1, 1, 100, 9, '2026-03-31');
