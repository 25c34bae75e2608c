//! What the finder's columns are computed from, in parts that are there or absent as one.

use std::collections::BTreeSet;

use chairsync_proto::analytics::PatientField as Field;

use crate::receivables::LEDGER;

/// Columns that are computed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Who they are and how to reach them.
    Person,
    /// Who sent them.
    Referral,
    /// When they were here.
    Visits,
    /// When they come.
    Appointments,
    /// When they did not come.
    Broken,
    /// What their families owe.
    Balances,
    /// When their families paid.
    LastPayment,
    /// When they are due to return.
    Recalls,
    /// What is to be done and was done.
    Treatment,
    /// Forms to fill.
    Forms,
    /// Messages to read.
    Messages,
    /// Who insures them.
    Insurance,
}

impl Part {
    /// All of them, in the order in which they are computed.
    pub const ALL: [Self; 12] = [
        Self::Person,
        Self::Referral,
        Self::Visits,
        Self::Appointments,
        Self::Broken,
        Self::Balances,
        Self::LastPayment,
        Self::Recalls,
        Self::Treatment,
        Self::Forms,
        Self::Messages,
        Self::Insurance,
    ];

    /// The datasets that it is computed from.
    pub fn datasets(self) -> &'static [&'static str] {
        match self {
            Self::Person => &["patient", "provider", "clinic", "definition"],
            Self::Referral => &["patient", "referral", "referral_attach"],
            Self::Visits => &["patient", "procedure", "procedure_code"],
            Self::Appointments => &["patient", "appointment", "procedure", "procedure_code", "definition"],
            Self::Broken => &["patient", "preference", "appointment", "procedure", "procedure_code"],
            Self::Balances => LEDGER,
            Self::LastPayment => &["patient", "payment", "payment_split"],
            Self::Recalls => RECALLS,
            Self::Treatment => &["patient", "appointment", "procedure", "procedure_code", "definition"],
            Self::Forms => &["patient", "sheet"],
            Self::Messages => &["patient", "sms_received"],
            Self::Insurance => {
                &["patient", "patient_plan", "insurance_subscriber", "insurance_plan", "carrier", "claim_line"]
            }
        }
    }

    /// The columns of `PatientRow` that it fills.
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Person => &["patients"],
            Self::Referral => &["referral"],
            Self::Visits => &["active", "first_visit", "last_visit", "last_hygiene_visit"],
            Self::Appointments => &[
                "next_appointment",
                "next_hygiene_appointment",
                "unconfirmed",
                "unscheduled_list",
                "family_unscheduled",
            ],
            Self::Broken => &["broken_count"],
            Self::Balances => &["family_balance", "past_due", "oldest_bucket", "credit"],
            Self::LastPayment => &["last_payment"],
            Self::Recalls => &["recall_due", "recall_days_overdue", "recall_types", "recall_not_scheduled"],
            Self::Treatment => &[
                "unscheduled_treatment",
                "treatment_codes",
                "treatment_priorities",
                "treatment_presented",
                "treatment_done",
            ],
            Self::Forms => &["form_outstanding"],
            Self::Messages => &["unread_message"],
            Self::Insurance => &["has_insurance", "carrier", "insurance_group", "insurance_used"],
        }
    }

    /// The part that a field is computed in.
    pub fn of(field: Field) -> Self {
        match field {
            Field::Unspecified
            | Field::Status
            | Field::Age
            | Field::Birthday
            | Field::Gender
            | Field::Language
            | Field::Zip
            | Field::Clinic
            | Field::PrimaryProvider
            | Field::SecondaryProvider
            | Field::BillingType
            | Field::TextConsent
            | Field::ReachableBy
            | Field::Premedication => Self::Person,
            Field::Referral => Self::Referral,
            Field::Active | Field::FirstVisit | Field::LastVisit | Field::LastHygieneVisit => Self::Visits,
            Field::NextAppointment
            | Field::NoNextAppointment
            | Field::NextHygieneAppointment
            | Field::Unconfirmed
            | Field::UnscheduledList
            | Field::FamilyUnscheduled => Self::Appointments,
            Field::BrokenCount => Self::Broken,
            Field::RecallDue | Field::RecallDaysOverdue | Field::RecallType | Field::RecallNotScheduled => {
                Self::Recalls
            }
            Field::FamilyBalance | Field::PastDue | Field::OldestBucket | Field::Credit => Self::Balances,
            Field::LastPayment => Self::LastPayment,
            Field::UnscheduledTreatment
            | Field::TreatmentCode
            | Field::TreatmentPriority
            | Field::TreatmentPresented
            | Field::TreatmentDone => Self::Treatment,
            Field::FormOutstanding => Self::Forms,
            Field::UnreadMessage => Self::Messages,
            Field::HasInsurance
            | Field::Carrier
            | Field::InsuranceGroup
            | Field::InsuranceUsed
            | Field::InsuranceRemaining => Self::Insurance,
        }
    }
}

/// A family's balance may disable a recall.
const RECALLS: &[&str] = &[
    "patient",
    "preference",
    "definition",
    "procedure",
    "procedure_code",
    "claim_line",
    "payment_split",
    "adjustment",
    "payment_plan",
    "payment_plan_charge",
    "recall",
    "recall_type",
];

/// The parts that cannot be computed from the datasets that are there, with what they lack.
pub fn missing(present: &BTreeSet<String>) -> Vec<(Part, Vec<String>)> {
    let lacking = |part: Part| -> Vec<String> {
        part.datasets().iter().filter(|name| !present.contains(**name)).map(|name| (*name).to_owned()).collect()
    };
    Part::ALL.into_iter().map(|part| (part, lacking(part))).filter(|(_, lacking)| !lacking.is_empty()).collect()
}

/// Every dataset that the finder reads.
pub fn datasets() -> BTreeSet<&'static str> {
    Part::ALL.into_iter().flat_map(|part| part.datasets().iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use chairsync_proto::{catalog, feature::Feature};

    use super::*;

    #[test]
    fn the_catalog_names_what_is_read() {
        let row = catalog::feature(Feature::PatientFinder).unwrap();
        let named: BTreeSet<&str> = row.policy.datasets.iter().map(String::as_str).collect();
        assert_eq!(named, datasets());
    }

    #[test]
    fn a_part_is_missing_with_any_of_its_datasets() {
        let mut present: BTreeSet<String> = datasets().into_iter().map(str::to_owned).collect();
        assert!(missing(&present).is_empty());
        present.remove("sheet");
        assert_eq!(missing(&present), [(Part::Forms, vec!["sheet".to_owned()])]);
        assert_eq!(missing(&BTreeSet::new()).len(), Part::ALL.len());
    }
}
