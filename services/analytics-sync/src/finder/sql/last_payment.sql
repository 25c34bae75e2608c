-- Question: when did each family last pay?
-- Grain: one row for each family. Day: the payment's own, up to D; a payment counts for the families that it is shared
-- to. Refunds and transfers (PayAmt 0 or less) are no payments.
SELECT m.guarantor, MAX(p.pay_date) AS day
FROM payment AS p
JOIN payment_split AS s ON s.pay_num = p.pay_num
JOIN family_member AS m ON m.pat_num = s.pat_num
WHERE p.pay_amt > CAST(0 AS DECIMAL(18, 4)) AND p.pay_date <= CAST($d AS DATE)
GROUP BY m.guarantor
ORDER BY m.guarantor
