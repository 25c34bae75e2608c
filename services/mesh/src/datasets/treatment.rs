//! Work done and planned.

use super::{ColumnType::*, Dataset, column};

/// The datasets of this family, in the order in which they are read.
pub(super) const DATASETS: &[Dataset] =
    &[PROCEDURE, PROCEDURE_CODE, TREATMENT_PLAN, TREATMENT_PLAN_ATTACH, TREATMENT_PLAN_PROCEDURE];

/// Work done and planned.
const PROCEDURE: Dataset = Dataset {
    name: "procedure",
    about: "Work done and planned",
    key: "proc_num",
    columns: &[
        column("proc_num", Id),
        column("pat_num", Id),
        column("apt_num", Id),
        column("proc_date", Date),
        column("proc_fee", Money),
        column("surf", Text),
        column("tooth_num", Text),
        column("tooth_range", Text),
        column("priority", Id),
        column("proc_status", Code),
        column("prov_num", Id),
        column("planned_apt_num", Id),
        column("clinic_num", Id),
        column("code_num", Id),
        column("unit_qty", Code),
        column("base_units", Code),
        column("date_tp", Date),
        column("date_entry_c", Date),
        column("date_complete", Date),
        column("discount", Money),
        column("discount_plan_amt", Money),
        column("tax_amt", Money),
        column("sec_date_entry", LocalDateTime),
        column("proc_num_lab", Id),
        column("date_t_stamp", Instant),
    ],
};

/// CDT and custom codes.
const PROCEDURE_CODE: Dataset = Dataset {
    name: "procedure_code",
    about: "CDT and custom codes",
    key: "code_num",
    columns: &[
        column("code_num", Id),
        column("proc_code", Text),
        column("descript", Text),
        column("abbr_desc", Text),
        column("proc_cat", Id),
        column("treat_area", Code),
        column("is_hygiene", Code),
        column("is_prosth", Code),
        column("layman_term", Text),
        column("date_t_stamp", Instant),
    ],
};

/// Saved and active treatment plans.
const TREATMENT_PLAN: Dataset = Dataset {
    name: "treatment_plan",
    about: "Saved and active treatment plans",
    key: "treat_plan_num",
    columns: &[
        column("treat_plan_num", Id),
        column("pat_num", Id),
        column("date_tp", Date),
        column("heading", Text),
        column("tp_status", Code),
        column("user_num_presenter", Id),
        column("tp_type", Code),
        column("date_t_signed", LocalDateTime),
        column("date_t_practice_signed", LocalDateTime),
        column("sec_date_t_edit", Instant),
    ],
};

/// Which procedures an active plan links.
const TREATMENT_PLAN_ATTACH: Dataset = Dataset {
    name: "treatment_plan_attach",
    about: "Which procedures an active plan links",
    key: "treat_plan_attach_num",
    columns: &[
        column("treat_plan_attach_num", Id),
        column("treat_plan_num", Id),
        column("proc_num", Id),
        column("priority", Id),
    ],
};

/// Procedures as a saved plan copied them.
const TREATMENT_PLAN_PROCEDURE: Dataset = Dataset {
    name: "treatment_plan_procedure",
    about: "Procedures as a saved plan copied them",
    key: "proc_tp_num",
    columns: &[
        column("proc_tp_num", Id),
        column("treat_plan_num", Id),
        column("pat_num", Id),
        column("proc_num_orig", Id),
        column("item_order", Code),
        column("priority", Id),
        column("tooth_num_tp", Text),
        column("surf", Text),
        column("proc_code", Text),
        column("descript", Text),
        column("fee_amt", Money),
        column("pri_ins_amt", Money),
        column("sec_ins_amt", Money),
        column("pat_amt", Money),
        column("discount", Money),
        column("prov_num", Id),
        column("date_tp", Date),
        column("clinic_num", Id),
        column("sec_date_t_edit", Instant),
    ],
};
