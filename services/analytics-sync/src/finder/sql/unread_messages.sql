-- Question: of whom is a text message unread?
-- Grain: one row for each patient.
SELECT DISTINCT pat_num FROM sms_received WHERE sms_status = 0 AND COALESCE(is_hidden, 0) = 0 ORDER BY pat_num
