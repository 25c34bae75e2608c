//! The schedule and recalls.

use super::{ColumnType::*, Dataset, column};

/// The datasets of this family, in the order in which they are read.
pub(super) const DATASETS: &[Dataset] =
    &[APPOINTMENT, APPOINTMENT_HISTORY, APPOINTMENT_TYPE, SCHEDULE, SCHEDULE_OPERATORY, RECALL, RECALL_TYPE];

/// The schedule's appointments, and those on lists beside it.
const APPOINTMENT: Dataset = Dataset {
    name: "appointment",
    about: "The schedule's appointments, and those on lists beside it",
    key: "apt_num",
    columns: &[
        column("apt_num", Id),
        column("pat_num", Id),
        column("apt_status", Code),
        column("pattern", Text),
        column("confirmed", Id),
        column("op", Id),
        column("note", Text),
        column("prov_num", Id),
        column("prov_hyg", Id),
        column("apt_date_time", LocalDateTime),
        column("next_apt_num", Id),
        column("unsched_status", Id),
        column("is_new_patient", Code),
        column("proc_descript", Text),
        column("assistant", Id),
        column("clinic_num", Id),
        column("is_hygiene", Code),
        column("date_time_arrived", LocalDateTime),
        column("date_time_seated", LocalDateTime),
        column("date_time_dismissed", LocalDateTime),
        column("appointment_type_num", Id),
        column("sec_date_t_entry", LocalDateTime),
        column("priority", Code),
        column("date_t_stamp", Instant),
    ],
};

/// What was done to appointments, and when.
const APPOINTMENT_HISTORY: Dataset = Dataset {
    name: "appointment_history",
    about: "What was done to appointments, and when",
    key: "hist_appt_num",
    columns: &[
        column("hist_appt_num", Id),
        column("hist_date_t_stamp", LocalDateTime),
        column("hist_appt_action", Code),
        column("apt_num", Id),
        column("pat_num", Id),
        column("apt_status", Code),
        column("op", Id),
        column("prov_num", Id),
        column("prov_hyg", Id),
        column("apt_date_time", LocalDateTime),
        column("clinic_num", Id),
        column("is_hygiene", Code),
        column("pattern", Text),
        column("date_t_stamp", Instant),
    ],
};

/// Kinds of appointment with their length and procedures.
const APPOINTMENT_TYPE: Dataset = Dataset {
    name: "appointment_type",
    about: "Kinds of appointment with their length and procedures",
    key: "appointment_type_num",
    columns: &[
        column("appointment_type_num", Id),
        column("appointment_type_name", Text),
        column("item_order", Code),
        column("is_hidden", Code),
        column("pattern", Text),
        column("code_str", Text),
        column("blockout_types", Text),
    ],
};

/// Holidays, provider hours and blockouts by date.
const SCHEDULE: Dataset = Dataset {
    name: "schedule",
    about: "Holidays, provider hours and blockouts by date",
    key: "schedule_num",
    columns: &[
        column("schedule_num", Id),
        column("sched_date", Date),
        column("start_time", Time),
        column("stop_time", Time),
        column("sched_type", Code),
        column("prov_num", Id),
        column("blockout_type", Id),
        column("note", Text),
        column("status", Code),
        column("employee_num", Id),
        column("clinic_num", Id),
        column("date_t_stamp", Instant),
    ],
};

/// Which chairs a schedule block is for.
const SCHEDULE_OPERATORY: Dataset = Dataset {
    name: "schedule_operatory",
    about: "Which chairs a schedule block is for",
    key: "schedule_op_num",
    columns: &[column("schedule_op_num", Id), column("schedule_num", Id), column("operatory_num", Id)],
};

/// When patients are due to return.
const RECALL: Dataset = Dataset {
    name: "recall",
    about: "When patients are due to return",
    key: "recall_num",
    columns: &[
        column("recall_num", Id),
        column("pat_num", Id),
        column("date_due_calc", Date),
        column("date_due", Date),
        column("date_previous", Date),
        column("recall_interval", Code),
        column("recall_status", Id),
        column("note", Text),
        column("is_disabled", Code),
        column("recall_type_num", Id),
        column("disable_until_balance", Money),
        column("disable_until_date", Date),
        column("date_scheduled", Date),
        column("priority", Code),
        column("date_t_stamp", Instant),
    ],
};

/// Kinds of recall.
const RECALL_TYPE: Dataset = Dataset {
    name: "recall_type",
    about: "Kinds of recall",
    key: "recall_type_num",
    columns: &[
        column("recall_type_num", Id),
        column("description", Text),
        column("default_interval", Code),
        column("time_pattern", Text),
        column("procedures", Text),
    ],
};
