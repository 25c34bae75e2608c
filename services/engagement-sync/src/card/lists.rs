//! The practice's lists and settings that a card takes its names and rules from.

use std::collections::HashSet;

use chairsync_proto::engagement::{OperatoryRef, PatientRef, ProviderRef};

use super::{
    aging::{AgingRules, PaymentPlans},
    rows::Gathered,
};
use crate::row::Row;

/// The settings that change how accounts are aged.
pub const PREFERENCES: [&str; 2] = ["AgingProcLifo", "PayPlansVersion"];
/// The category of unearned types in `definition`.
const UNEARNED_TYPES: i64 = 29;
const UNASSIGNED: &str = "unassigned";

/// The lists, and the names made from them.
#[derive(Debug, Clone, Default)]
pub struct Lists {
    practice: String,
    rows: Gathered,
    preferences: Vec<(String, String)>,
}

impl Lists {
    /// Lists of a practice (its bare id).
    pub fn new(practice: &str, rows: Gathered, preferences: &[Row]) -> Self {
        let read = |row: &Row| (row.text("pref_name").to_owned(), row.text("value_string").to_owned());
        Self { practice: practice.to_owned(), rows, preferences: preferences.iter().map(read).collect() }
    }

    /// A row of a list.
    pub fn get(&self, list: &str, key: i64) -> Option<&Row> {
        self.rows.get(list, key)
    }

    /// The name of a `definition`; empty when there is none.
    pub fn definition(&self, key: i64) -> String {
        self.get("definition", key).map(|row| row.text("item_name").to_owned()).unwrap_or_default()
    }

    /// A provider.
    pub fn provider(&self, key: i64) -> ProviderRef {
        match self.get("provider", key) {
            Some(row) => ProviderRef { name: self.name("providers", key), display_name: row.text("abbr").to_owned() },
            None => ProviderRef { name: String::new(), display_name: UNASSIGNED.to_owned() },
        }
    }

    /// An operatory.
    pub fn operatory(&self, key: i64) -> OperatoryRef {
        match self.get("operatory", key) {
            Some(row) => {
                OperatoryRef { name: self.name("operatories", key), display_name: row.text("abbrev").to_owned() }
            }
            None => OperatoryRef { name: String::new(), display_name: UNASSIGNED.to_owned() },
        }
    }

    /// A patient.
    pub fn patient(&self, row: &Row) -> PatientRef {
        let first = Some(row.text("preferred")).filter(|name| !name.is_empty()).unwrap_or(row.text("f_name"));
        let display_name = format!("{}, {first}", row.text("l_name"));
        PatientRef { name: self.name("patients", row.id("pat_num")), display_name }
    }

    /// A resource under the practice.
    pub fn name(&self, collection: &str, key: impl std::fmt::Display) -> String {
        format!("practices/{}/{collection}/{key}", self.practice)
    }

    /// How accounts are aged here.
    pub fn aging_rules(&self) -> AgingRules {
        let preference = |name: &str| self.preferences.iter().find(|(n, _)| n == name).map(|(_, v)| v.trim());
        AgingRules {
            lifo: preference("AgingProcLifo") != Some("2"),
            payment_plans: match preference("PayPlansVersion") {
                Some("1") => PaymentPlans::NotAged,
                Some("3") => PaymentPlans::CreditsOnly,
                Some("4") => PaymentPlans::NoCharges,
                _ => PaymentPlans::CreditsAndDebits,
            },
            hidden_unearned: self.hidden_unearned(),
        }
    }

    /// Unearned types that are hidden: on no account.
    pub fn hidden_unearned(&self) -> HashSet<i64> {
        let hidden = |row: &&Row| row.id("category") == UNEARNED_TYPES && !row.text("item_value").is_empty();
        self.rows.of("definition").filter(hidden).map(|row| row.id("def_num")).collect()
    }
}
