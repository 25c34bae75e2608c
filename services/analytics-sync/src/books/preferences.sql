-- Question: how does the practice want its books counted, and has it dynamic payment plans?
-- Grain: one row for each preference that the huddle reads, by name.
SELECT pref_name, COALESCE(value_string, '') AS value_string
FROM preference
WHERE pref_name IN (
  'ReportsPPOwriteoffDefaultToProcDate', 'BrokenApptProcedure', 'AgingProcLifo', 'PayPlansVersion',
  'ReportPandIschedProdSubtractsWO')
UNION ALL
SELECT 'payplan.IsDynamic' AS pref_name, CAST(COUNT(*) AS VARCHAR) AS value_string
FROM payment_plan
WHERE is_dynamic = 1 AND COALESCE(is_closed, 0) = 0
HAVING COUNT(*) > 0
ORDER BY pref_name
