-- Question: which families have a credit balance on @d?  Grain: family, the largest credit first. Needs aging.sql.
-- Source: features.md §1 credit_balances.
SELECT fam AS guarantor, ROUND(total, 2) AS balance FROM o_aging WHERE total < 0 ORDER BY o_aging.total, fam;
