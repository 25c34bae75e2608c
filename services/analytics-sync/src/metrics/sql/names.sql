-- Question: who are the providers and which are the locations?
-- Grain: one row for each, hidden and ended ones too.
SELECT 'provider' AS kind, prov_num AS number, COALESCE(abbr, '') AS name FROM provider
UNION ALL
SELECT 'clinic' AS kind, clinic_num AS number, COALESCE(NULLIF(abbr, ''), description, '') AS name FROM clinic
ORDER BY kind, number
