-- Question: who is each patient, how can they be reached, and where do they belong?
-- Grain: one row for each patient who is not deleted, by key. Family: the guarantor, or the patient without one.
SELECT
  p.pat_num,
  COALESCE(p.l_name, '') AS l_name,
  COALESCE(p.f_name, '') AS f_name,
  COALESCE(p.preferred, '') AS preferred,
  m.guarantor,
  COALESCE(g.l_name, '') AS guarantor_l_name,
  COALESCE(g.f_name, '') AS guarantor_f_name,
  COALESCE(g.preferred, '') AS guarantor_preferred,
  p.birthdate,
  COALESCE(p.wireless_phone, '') AS mobile_phone,
  COALESCE(p.hm_phone, '') AS home_phone,
  COALESCE(p.email, '') AS email,
  CAST(COALESCE(p.pat_status, 0) AS INT) AS pat_status,
  CAST(COALESCE(p.gender, 2) AS INT) AS gender,
  COALESCE(p.language, '') AS language,
  COALESCE(p.zip, '') AS zip,
  COALESCE(c.clinic_num, 0) AS clinic_num,
  COALESCE(NULLIF(c.abbr, ''), c.description, '') AS clinic_abbr,
  COALESCE(v.prov_num, 0) AS pri_prov,
  COALESCE(v.abbr, '') AS pri_prov_abbr,
  COALESCE(s.prov_num, 0) AS sec_prov,
  COALESCE(s.abbr, '') AS sec_prov_abbr,
  COALESCE(b.item_name, '') AS billing_type,
  CAST(COALESCE(p.txt_msg_ok, 0) AS INT) AS txt_msg_ok,
  COALESCE(p.premed, 0) = 1 AS premed
FROM patient AS p
JOIN family_member AS m ON m.pat_num = p.pat_num
LEFT JOIN patient AS g ON g.pat_num = m.guarantor
LEFT JOIN clinic AS c ON c.clinic_num = p.clinic_num AND p.clinic_num <> 0
LEFT JOIN provider AS v ON v.prov_num = p.pri_prov AND p.pri_prov <> 0
LEFT JOIN provider AS s ON s.prov_num = p.sec_prov AND p.sec_prov <> 0
LEFT JOIN definition AS b ON b.def_num = p.billing_type AND p.billing_type <> 0
WHERE COALESCE(p.pat_status, 0) <> 4
ORDER BY p.pat_num
