//! People, places and the practice's own lists.

use super::{ColumnType::*, Dataset, column};

/// The datasets of this family, in the order in which they are read.
pub(super) const DATASETS: &[Dataset] =
    &[PATIENT, PATIENT_NOTE, PROVIDER, CLINIC, OPERATORY, DEFINITION, PREFERENCE, REFERRAL, REFERRAL_ATTACH];

/// People and their accounts: everyone with the same guarantor is a family.
const PATIENT: Dataset = Dataset {
    name: "patient",
    about: "People and their accounts: everyone with the same guarantor is a family",
    key: "pat_num",
    columns: &[
        column("pat_num", Id),
        column("l_name", Text),
        column("f_name", Text),
        column("middle_i", Text),
        column("preferred", Text),
        column("pat_status", Code),
        column("gender", Code),
        column("birthdate", Date),
        column("address", Text),
        column("address2", Text),
        column("city", Text),
        column("state", Text),
        column("zip", Text),
        column("hm_phone", Text),
        column("wk_phone", Text),
        column("wireless_phone", Text),
        column("guarantor", Id),
        column("email", Text),
        column("pri_prov", Id),
        column("sec_prov", Id),
        column("billing_type", Id),
        column("fam_fin_urg_note", Text),
        column("med_urg_note", Text),
        column("appt_mod_note", Text),
        column("bal_0_30", Money),
        column("bal_31_60", Money),
        column("bal_61_90", Money),
        column("bal_over_90", Money),
        column("ins_est", Money),
        column("bal_total", Money),
        column("date_first_visit", Date),
        column("clinic_num", Id),
        column("premed", Code),
        column("prefer_confirm_method", Code),
        column("prefer_contact_method", Code),
        column("prefer_recall_method", Code),
        column("language", Text),
        column("ask_to_arrive_early", Code),
        column("txt_msg_ok", Code),
        column("sec_date_entry", Date),
        column("date_t_stamp", Instant),
    ],
};

/// Medical alerts and emergency contacts, one row a patient.
const PATIENT_NOTE: Dataset = Dataset {
    name: "patient_note",
    about: "Medical alerts and emergency contacts, one row a patient",
    key: "pat_num",
    columns: &[
        column("pat_num", Id),
        column("fam_financial", Text),
        column("medical", Text),
        column("service", Text),
        column("medical_comp", Text),
        column("treatment", Text),
        column("ice_name", Text),
        column("ice_phone", Text),
        column("sec_date_t_edit", Instant),
    ],
};

/// Dentists and hygienists.
const PROVIDER: Dataset = Dataset {
    name: "provider",
    about: "Dentists and hygienists",
    key: "prov_num",
    columns: &[
        column("prov_num", Id),
        column("abbr", Text),
        column("item_order", Code),
        column("l_name", Text),
        column("f_name", Text),
        column("suffix", Text),
        column("specialty", Id),
        column("is_secondary", Code),
        column("is_hidden", Code),
        column("prov_status", Code),
        column("is_hidden_report", Code),
        column("hourly_prod_goal_amt", Money),
        column("date_term", Date),
        column("preferred_name", Text),
        column("date_t_stamp", Instant),
    ],
};

/// Locations.
const CLINIC: Dataset = Dataset {
    name: "clinic",
    about: "Locations",
    key: "clinic_num",
    columns: &[
        column("clinic_num", Id),
        column("description", Text),
        column("city", Text),
        column("state", Text),
        column("zip", Text),
        column("phone", Text),
        column("item_order", Code),
        column("abbr", Text),
        column("is_hidden", Code),
        column("time_zone", Text),
    ],
};

/// Chairs.
const OPERATORY: Dataset = Dataset {
    name: "operatory",
    about: "Chairs",
    key: "operatory_num",
    columns: &[
        column("operatory_num", Id),
        column("op_name", Text),
        column("abbrev", Text),
        column("item_order", Code),
        column("is_hidden", Code),
        column("prov_dentist", Id),
        column("prov_hygienist", Id),
        column("is_hygiene", Code),
        column("clinic_num", Id),
        column("is_web_sched", Code),
        column("is_new_pat_appt", Code),
        column("operatory_type", Id),
        column("date_t_stamp", Instant),
    ],
};

/// The practice's own lists: adjustment types, confirmation states, blockout types and more, by category.
const DEFINITION: Dataset = Dataset {
    name: "definition",
    about: "The practice's own lists: adjustment types, confirmation states, blockout types and more, by category",
    key: "def_num",
    columns: &[
        column("def_num", Id),
        column("category", Code),
        column("item_order", Code),
        column("item_name", Text),
        column("item_value", Text),
        column("item_color", Code),
        column("is_hidden", Code),
    ],
};

/// The practice's settings that change how its books are counted.
const PREFERENCE: Dataset = Dataset {
    name: "preference",
    about: "The practice's settings that change how its books are counted",
    key: "pref_name",
    columns: &[column("pref_name", Text), column("value_string", Text)],
};

/// Who refers patients.
const REFERRAL: Dataset = Dataset {
    name: "referral",
    about: "Who refers patients",
    key: "referral_num",
    columns: &[
        column("referral_num", Id),
        column("l_name", Text),
        column("f_name", Text),
        column("not_person", Code),
        column("is_doctor", Code),
        column("title", Text),
        column("is_hidden", Code),
        column("date_t_stamp", Instant),
    ],
};

/// Which patient was referred by or to whom.
const REFERRAL_ATTACH: Dataset = Dataset {
    name: "referral_attach",
    about: "Which patient was referred by or to whom",
    key: "ref_attach_num",
    columns: &[
        column("ref_attach_num", Id),
        column("referral_num", Id),
        column("pat_num", Id),
        column("item_order", Code),
        column("ref_date", Date),
        column("ref_type", Code),
        column("ref_to_status", Code),
        column("date_t_stamp", Instant),
    ],
};
