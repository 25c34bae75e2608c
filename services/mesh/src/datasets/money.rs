//! Payments, adjustments, payment plans.

use super::{ColumnType::*, Dataset, column};

/// The datasets of this family, in the order in which they are read.
pub(super) const DATASETS: &[Dataset] =
    &[PAYMENT, PAYMENT_SPLIT, ADJUSTMENT, PAYMENT_PLAN, PAYMENT_PLAN_CHARGE, STATEMENT];

/// What patients paid, as taken; money is counted from the splits.
const PAYMENT: Dataset = Dataset {
    name: "payment",
    about: "What patients paid, as taken; money is counted from the splits",
    key: "pay_num",
    columns: &[
        column("pay_num", Id),
        column("pay_type", Id),
        column("pay_date", Date),
        column("pay_amt", Money),
        column("check_num", Text),
        column("pay_note", Text),
        column("pat_num", Id),
        column("clinic_num", Id),
        column("date_entry", Date),
        column("payment_source", Code),
        column("process_status", Code),
        column("external_id", Text),
        column("sec_date_t_edit", Instant),
    ],
};

/// How payments are shared over patients, providers and procedures.
const PAYMENT_SPLIT: Dataset = Dataset {
    name: "payment_split",
    about: "How payments are shared over patients, providers and procedures",
    key: "split_num",
    columns: &[
        column("split_num", Id),
        column("split_amt", Money),
        column("pat_num", Id),
        column("proc_date", Date),
        column("pay_num", Id),
        column("prov_num", Id),
        column("pay_plan_num", Id),
        column("date_pay", Date),
        column("proc_num", Id),
        column("date_entry", Date),
        column("unearned_type", Id),
        column("clinic_num", Id),
        column("f_split_num", Id),
        column("adj_num", Id),
        column("pay_plan_charge_num", Id),
        column("sec_date_t_edit", Instant),
    ],
};

/// Signed corrections of accounts.
const ADJUSTMENT: Dataset = Dataset {
    name: "adjustment",
    about: "Signed corrections of accounts",
    key: "adj_num",
    columns: &[
        column("adj_num", Id),
        column("adj_date", Date),
        column("adj_amt", Money),
        column("pat_num", Id),
        column("adj_type", Id),
        column("prov_num", Id),
        column("adj_note", Text),
        column("proc_date", Date),
        column("proc_num", Id),
        column("date_entry", Date),
        column("clinic_num", Id),
        column("sec_date_t_edit", Instant),
    ],
};

/// Payment plans.
const PAYMENT_PLAN: Dataset = Dataset {
    name: "payment_plan",
    about: "Payment plans",
    key: "pay_plan_num",
    columns: &[
        column("pay_plan_num", Id),
        column("pat_num", Id),
        column("guarantor", Id),
        column("pay_plan_date", Date),
        column("plan_num", Id),
        column("is_closed", Code),
        column("is_dynamic", Code),
        column("plan_category", Id),
        column("completed_amt", Money),
    ],
};

/// Debits and credits of payment plans.
const PAYMENT_PLAN_CHARGE: Dataset = Dataset {
    name: "payment_plan_charge",
    about: "Debits and credits of payment plans",
    key: "pay_plan_charge_num",
    columns: &[
        column("pay_plan_charge_num", Id),
        column("pay_plan_num", Id),
        column("guarantor", Id),
        column("pat_num", Id),
        column("charge_date", Date),
        column("principal", Money),
        column("interest", Money),
        column("prov_num", Id),
        column("clinic_num", Id),
        column("charge_type", Code),
        column("proc_num", Id),
        column("sec_date_t_edit", Instant),
    ],
};

/// Statements sent.
const STATEMENT: Dataset = Dataset {
    name: "statement",
    about: "Statements sent",
    key: "statement_num",
    columns: &[
        column("statement_num", Id),
        column("pat_num", Id),
        column("date_sent", Date),
        column("mode", Code),
        column("is_sent", Code),
        column("is_receipt", Code),
        column("is_invoice", Code),
        column("bal_total", Money),
        column("ins_est", Money),
        column("date_t_stamp", Instant),
    ],
};
