-- Question: what did patients pay from $from to $to, split by split?
-- Grain: one row for each split of a payment, by date, payment, split; hidden unearned types are out. Day: the payment's
-- date, not the split's. Sign: refunds are below zero.
SELECT
  y.pay_date AS date,
  COALESCE(t.item_name, '') AS type,
  COALESCE(y.check_num, '') AS check_number,
  COALESCE(n.name, '') AS patient,
  s.pat_num AS patient_number,
  COALESCE(v.abbr, 'unassigned') AS provider,
  s.split_amt AS split,
  CASE WHEN COALESCE(s.unearned_type, 0) = 0 THEN '' ELSE COALESCE(u.item_name, 'unearned') END AS unearned_type,
  CASE COALESCE(y.payment_source, 0)
    WHEN 0 THEN 'office'
    WHEN 1 THEN 'XServer'
    WHEN 2 THEN 'XWeb'
    WHEN 3 THEN 'PayConnect'
    WHEN 4 THEN 'XServerPayConnect'
    WHEN 5 THEN 'XWebPortalLogin'
    WHEN 6 THEN 'PaySimple'
    WHEN 7 THEN 'PaySimpleACH'
    WHEN 8 THEN 'PayConnectPortal'
    WHEN 9 THEN 'PayConnectPortalLogin'
    WHEN 10 THEN 'CareCredit'
    WHEN 11 THEN 'EdgeExpressRCM'
    WHEN 12 THEN 'EdgeExpressCNP'
    WHEN 13 THEN 'API'
    WHEN 14 THEN 'EdgeExpressPaymentPortal'
    WHEN 15 THEN 'EdgeExpressPaymentPortalGuest'
    WHEN 16 THEN 'PayConnectPaymentPortal'
    WHEN 17 THEN 'PayConnectPaymentPortalGuest'
    WHEN 18 THEN 'PaySimplePaymentPortal'
    WHEN 19 THEN 'PaySimplePaymentPortalGuest'
    WHEN 20 THEN 'PaySimplePaymentPortalACH'
    WHEN 21 THEN 'XWebPaymentPortal'
    WHEN 22 THEN 'XWebPaymentPortalGuest'
    ELSE 'other'
  END AS source
FROM payment AS y
JOIN payment_split AS s ON s.pay_num = y.pay_num
LEFT JOIN hidden_unearned_type AS h ON h.def_num = s.unearned_type
LEFT JOIN definition AS t ON t.def_num = y.pay_type
LEFT JOIN definition AS u ON u.def_num = s.unearned_type
LEFT JOIN person AS n ON n.pat_num = s.pat_num
LEFT JOIN provider_name AS v ON v.prov_num = s.prov_num
WHERE
  y.pay_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
  AND h.def_num IS NULL
  AND in_providers(s.prov_num)
  AND in_clinics(s.clinic_num)
ORDER BY y.pay_date, y.pay_num, s.split_num
