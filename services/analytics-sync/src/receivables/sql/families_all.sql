-- Question: which families are there?
-- Grain: one row for each guarantor.
SELECT DISTINCT guarantor FROM family_member
