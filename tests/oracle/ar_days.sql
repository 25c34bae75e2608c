-- Question: how many days of production do families owe?  Grain: one row. Needs aging.sql, whose entries are dated.
-- Source: features.md §1 ar_days: the mean of the nights before @d (at most 90, from the first entry on) ÷ daily net production.
SET @first = GREATEST(CAST(@d AS DATE) - INTERVAL 90 DAY, COALESCE((SELECT MIN(day) FROM o_trans WHERE day > '0001-01-01'), @d));
SET @last = CAST(@d AS DATE) - INTERVAL 1 DAY;
SET @nights = DATEDIFF(@d, @first);
CREATE OR REPLACE TEMPORARY TABLE o_moved (KEY (fam)) AS
SELECT fam, GREATEST(day, @first) AS day, SUM(amount) AS amount FROM o_trans WHERE day <= @last GROUP BY fam, GREATEST(day, @first);
CREATE OR REPLACE TEMPORARY TABLE o_night (PRIMARY KEY (n)) AS
WITH RECURSIVE s AS (SELECT @first AS n UNION ALL SELECT n + INTERVAL 1 DAY FROM s WHERE n < @last) SELECT CAST(n AS DATE) AS n FROM s;
SET @owed = (SELECT COALESCE(SUM(GREATEST(0, b.balance)), 0) FROM (SELECT n.n, m.fam, SUM(m.amount) AS balance
  FROM o_night n JOIN o_moved m ON m.day <= n.n GROUP BY n.n, m.fam) b);
SET @net = (SELECT COALESCE(SUM(fee), 0) FROM o_proc WHERE done AND ProcDate BETWEEN @first AND @last)
  - (SELECT COALESCE(SUM(CAST(c.WriteOff AS DECIMAL(18,4))), 0) FROM claimproc c JOIN o_proc x ON x.ProcNum = c.ProcNum
     WHERE c.Status = 7 AND x.done AND x.ProcDate BETWEEN @first AND @last)
  + (SELECT COALESCE(SUM(CAST(AdjAmt AS DECIMAL(18,4))), 0) FROM adjustment WHERE AdjDate BETWEEN @first AND @last)
  - (SELECT COALESCE(SUM(CAST(WriteOff AS DECIMAL(18,4))), 0) FROM claimproc WHERE IF(@wo_basis = 1,
     Status IN (0, 1, 4) AND ProcDate BETWEEN @first AND @last, Status IN (1, 4) AND DateCP BETWEEN @first AND @last));
SELECT IF(@nights < 30, 0, @nights) AS ar_days_nights,
  IF(@nights < 30 OR @net <= 0, '', CAST(FLOOR((@owed / @nights) / (@net / @nights) * 10 + 0.5) / 10 AS DECIMAL(20,1))) AS ar_days;
