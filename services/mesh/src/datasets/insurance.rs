//! Claims and coverage.

use super::{ColumnType::*, Dataset, column};

/// The datasets of this family, in the order in which they are read.
pub(super) const DATASETS: &[Dataset] =
    &[CLAIM, CLAIM_LINE, CLAIM_PAYMENT, CARRIER, INSURANCE_PLAN, INSURANCE_SUBSCRIBER, PATIENT_PLAN];

/// Insurance claims.
const CLAIM: Dataset = Dataset {
    name: "claim",
    about: "Insurance claims",
    key: "claim_num",
    columns: &[
        column("claim_num", Id),
        column("pat_num", Id),
        column("date_service", Date),
        column("date_sent", Date),
        column("claim_status", Text),
        column("date_received", Date),
        column("plan_num", Id),
        column("prov_treat", Id),
        column("claim_fee", Money),
        column("ins_pay_est", Money),
        column("ins_pay_amt", Money),
        column("ded_applied", Money),
        column("claim_type", Text),
        column("prov_bill", Id),
        column("write_off", Money),
        column("clinic_num", Id),
        column("ins_sub_num", Id),
        column("date_sent_orig", Date),
        column("date_resent", Date),
        column("sec_date_t_edit", Instant),
    ],
};

/// What insurance estimates, pays and writes off for a procedure.
const CLAIM_LINE: Dataset = Dataset {
    name: "claim_line",
    about: "What insurance estimates, pays and writes off for a procedure",
    key: "claim_proc_num",
    columns: &[
        column("claim_proc_num", Id),
        column("proc_num", Id),
        column("claim_num", Id),
        column("pat_num", Id),
        column("prov_num", Id),
        column("fee_billed", Money),
        column("ins_pay_est", Money),
        column("ded_applied", Money),
        column("status", Code),
        column("ins_pay_amt", Money),
        column("claim_payment_num", Id),
        column("plan_num", Id),
        column("date_cp", Date),
        column("write_off", Money),
        column("proc_date", Date),
        column("date_entry", Date),
        column("ins_est_total", Money),
        column("ins_est_total_override", Money),
        column("write_off_est", Money),
        column("write_off_est_override", Money),
        column("clinic_num", Id),
        column("ins_sub_num", Id),
        column("pay_plan_num", Id),
        column("is_transfer", Code),
        column("sec_date_t_edit", Instant),
    ],
};

/// Insurance checks.
const CLAIM_PAYMENT: Dataset = Dataset {
    name: "claim_payment",
    about: "Insurance checks",
    key: "claim_payment_num",
    columns: &[
        column("claim_payment_num", Id),
        column("check_date", Date),
        column("check_amt", Money),
        column("check_num", Text),
        column("clinic_num", Id),
        column("carrier_name", Text),
        column("date_issued", Date),
        column("is_partial", Code),
        column("pay_type", Id),
        column("sec_date_t_edit", Instant),
    ],
};

/// Insurance companies.
const CARRIER: Dataset = Dataset {
    name: "carrier",
    about: "Insurance companies",
    key: "carrier_num",
    columns: &[
        column("carrier_num", Id),
        column("carrier_name", Text),
        column("phone", Text),
        column("elect_id", Text),
        column("is_hidden", Code),
        column("sec_date_t_edit", Instant),
    ],
};

/// Insurance plans.
const INSURANCE_PLAN: Dataset = Dataset {
    name: "insurance_plan",
    about: "Insurance plans",
    key: "plan_num",
    columns: &[
        column("plan_num", Id),
        column("group_name", Text),
        column("group_num", Text),
        column("plan_type", Text),
        column("carrier_num", Id),
        column("month_renew", Code),
        column("is_medical", Code),
        column("is_hidden", Code),
        column("sec_date_t_edit", Instant),
    ],
};

/// Who subscribes to a plan.
const INSURANCE_SUBSCRIBER: Dataset = Dataset {
    name: "insurance_subscriber",
    about: "Who subscribes to a plan",
    key: "ins_sub_num",
    columns: &[
        column("ins_sub_num", Id),
        column("plan_num", Id),
        column("subscriber", Id),
        column("date_effective", Date),
        column("date_term", Date),
        column("subscriber_id", Text),
        column("sec_date_t_edit", Instant),
    ],
};

/// Which patients a subscription covers, in which order.
const PATIENT_PLAN: Dataset = Dataset {
    name: "patient_plan",
    about: "Which patients a subscription covers, in which order",
    key: "pat_plan_num",
    columns: &[
        column("pat_plan_num", Id),
        column("pat_num", Id),
        column("ordinal", Code),
        column("is_pending", Code),
        column("relationship", Code),
        column("ins_sub_num", Id),
        column("sec_date_t_edit", Instant),
    ],
};
