-- Question: for whom does a form wait to be filled?
-- Grain: one row for each patient. Consents, forms and medical histories that the PMS shows in its terminal.
SELECT DISTINCT pat_num
FROM sheet
WHERE sheet_type IN (6, 9, 11) AND COALESCE(show_in_terminal, 0) > 0 AND COALESCE(is_deleted, 0) = 0
ORDER BY pat_num
