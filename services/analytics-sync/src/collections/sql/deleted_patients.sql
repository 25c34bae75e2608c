-- Question: which patients are in no count?
-- Grain: one row for each.
SELECT pat_num FROM deleted_patient ORDER BY pat_num
