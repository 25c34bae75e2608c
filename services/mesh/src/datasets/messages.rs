//! Messages and forms.

use super::{ColumnType::*, Dataset, column};

/// The datasets of this family, in the order in which they are read.
pub(super) const DATASETS: &[Dataset] = &[COMMLOG, SMS_RECEIVED, SMS_SENT, SHEET];

/// The log of conversations.
const COMMLOG: Dataset = Dataset {
    name: "commlog",
    about: "The log of conversations",
    key: "commlog_num",
    columns: &[
        column("commlog_num", Id),
        column("pat_num", Id),
        column("comm_date_time", LocalDateTime),
        column("comm_type", Id),
        column("note", Text),
        column("mode", Code),
        column("sent_or_received", Code),
        column("comm_source", Code),
        column("date_t_stamp", Instant),
    ],
};

/// Text messages received.
const SMS_RECEIVED: Dataset = Dataset {
    name: "sms_received",
    about: "Text messages received",
    key: "sms_from_mobile_num",
    columns: &[
        column("sms_from_mobile_num", Id),
        column("pat_num", Id),
        column("clinic_num", Id),
        column("commlog_num", Id),
        column("msg_text", Text),
        column("date_time_received", LocalDateTime),
        column("mobile_phone_number", Text),
        column("msg_part", Code),
        column("msg_total", Code),
        column("msg_ref_id", Text),
        column("sms_status", Code),
        column("is_hidden", Code),
        column("sec_date_t_edit", Instant),
    ],
};

/// Text messages sent.
const SMS_SENT: Dataset = Dataset {
    name: "sms_sent",
    about: "Text messages sent",
    key: "sms_to_mobile_num",
    columns: &[
        column("sms_to_mobile_num", Id),
        column("pat_num", Id),
        column("clinic_num", Id),
        column("mobile_phone_number", Text),
        column("msg_text", Text),
        column("sms_status", Code),
        column("msg_parts", Code),
        column("date_time_sent", LocalDateTime),
        column("date_time_terminated", LocalDateTime),
        column("is_hidden", Code),
        column("guid_message", Text),
        column("sec_date_t_edit", Instant),
    ],
};

/// Forms and consents.
const SHEET: Dataset = Dataset {
    name: "sheet",
    about: "Forms and consents",
    key: "sheet_num",
    columns: &[
        column("sheet_num", Id),
        column("sheet_type", Code),
        column("pat_num", Id),
        column("date_time_sheet", LocalDateTime),
        column("description", Text),
        column("show_in_terminal", Code),
        column("is_web_form", Code),
        column("is_deleted", Code),
        column("sheet_def_num", Id),
        column("clinic_num", Id),
        column("rev_id", Code),
        column("date_t_sheet_edited", LocalDateTime),
    ],
};
