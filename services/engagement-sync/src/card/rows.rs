//! The rows that a card is computed from, and which rows that needs.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::row::Row;

/// Rows by dataset and key.
#[derive(Debug, Clone, Default)]
pub struct Gathered(HashMap<&'static str, BTreeMap<i64, Row>>);

/// Rows to read: a dataset, a column, the values to match.
pub type Selections = BTreeMap<(&'static str, &'static str), BTreeSet<i64>>;

impl Gathered {
    /// These rows.
    pub fn of_rows(rows: impl IntoIterator<Item = Row>) -> Self {
        let mut gathered = Self::default();
        gathered.extend(rows);
        gathered
    }

    /// Adds rows; a later row replaces an earlier one with its key.
    pub fn extend(&mut self, rows: impl IntoIterator<Item = Row>) {
        for row in rows {
            let dataset = row.dataset();
            self.0.entry(dataset.name).or_default().insert(row.id(dataset.key), row);
        }
    }

    /// A dataset's rows by key.
    pub fn of(&self, dataset: &str) -> impl Iterator<Item = &Row> {
        self.0.get(dataset).into_iter().flat_map(BTreeMap::values)
    }

    /// A row.
    pub fn get(&self, dataset: &str, key: i64) -> Option<&Row> {
        self.0.get(dataset)?.get(&key)
    }

    /// All rows.
    pub fn all(&self) -> impl Iterator<Item = &Row> {
        self.0.values().flat_map(BTreeMap::values)
    }

    /// A patient's rows of a dataset.
    pub fn of_patient(&self, dataset: &str, patient: i64) -> impl Iterator<Item = &Row> {
        self.of(dataset).filter(move |row| row.id("pat_num") == patient)
    }

    /// The guarantor of a patient's family; the patient itself where the PMS names none.
    pub fn guarantor(&self, patient: i64) -> i64 {
        self.get("patient", patient).map(|row| row.id("guarantor")).filter(|number| *number > 0).unwrap_or(patient)
    }

    /// The numbers of a patient's family, the patient included.
    pub fn family(&self, patient: i64) -> BTreeSet<i64> {
        let guarantor = self.guarantor(patient);
        let members = self.of("patient").filter(|row| row.id("guarantor") == guarantor).map(|row| row.id("pat_num"));
        members.chain([patient]).collect()
    }

    /// All that a patient's card needs, as far as the rows here tell: what they refer to is known only once they are here.
    pub fn wanted(&self, patient: i64) -> Selections {
        let mut wanted = Selections::new();
        let mut want = |dataset, column, values: BTreeSet<i64>| {
            let values: BTreeSet<i64> = values.into_iter().filter(|value| *value > 0).collect();
            if !values.is_empty() {
                wanted.entry((dataset, column)).or_default().extend(values);
            }
        };
        want("patient", "pat_num", [patient].into());
        for dataset in OF_PATIENT {
            want(dataset, "pat_num", [patient].into());
        }
        if self.get("patient", patient).is_some() {
            let guarantor = self.guarantor(patient);
            want("patient", "guarantor", [guarantor].into());
            want("statement", "pat_num", [guarantor].into());
            let family = self.family(patient);
            for dataset in OF_FAMILY {
                want(dataset, "pat_num", family.clone());
            }
            want("payment_plan", "guarantor", family.clone());
            want("payment_plan_charge", "guarantor", family);
        }
        let refers = |dataset: &str, column: &'static str| -> BTreeSet<i64> {
            self.of(dataset).map(move |row| row.id(column)).collect()
        };
        want("payment", "pay_num", refers("payment_split", "pay_num"));
        want("insurance_subscriber", "ins_sub_num", refers("patient_plan", "ins_sub_num"));
        want("insurance_plan", "plan_num", refers("insurance_subscriber", "plan_num"));
        want("carrier", "carrier_num", refers("insurance_plan", "carrier_num"));
        want("patient", "pat_num", refers("insurance_subscriber", "subscriber"));
        wanted
    }

    /// The practice's lists that the rows here refer to.
    pub fn wanted_lists(&self) -> Selections {
        let mut wanted = Selections::new();
        for (from, column, list, key) in REFERENCES {
            let values = self.of(from).map(|row| row.id(column)).filter(|value| *value > 0);
            wanted.entry((list, key)).or_default().extend(values);
        }
        wanted.retain(|_, values| !values.is_empty());
        wanted
    }
}

/// Read for the patient alone.
const OF_PATIENT: [&str; 8] =
    ["patient_note", "recall", "patient_plan", "treatment_plan", "commlog", "sms_sent", "sms_received", "sheet"];

/// Read for the whole family.
const OF_FAMILY: [&str; 7] =
    ["procedure", "claim_line", "adjustment", "payment_split", "payment_plan", "payment_plan_charge", "appointment"];

/// Which columns name something in the practice's lists.
const REFERENCES: [(&str, &str, &str, &str); 13] = [
    ("patient", "pri_prov", "provider", "prov_num"),
    ("patient", "sec_prov", "provider", "prov_num"),
    ("patient", "billing_type", "definition", "def_num"),
    ("appointment", "prov_num", "provider", "prov_num"),
    ("appointment", "prov_hyg", "provider", "prov_num"),
    ("appointment", "op", "operatory", "operatory_num"),
    ("appointment", "confirmed", "definition", "def_num"),
    ("procedure", "code_num", "procedure_code", "code_num"),
    ("procedure", "prov_num", "provider", "prov_num"),
    ("procedure", "priority", "definition", "def_num"),
    ("payment", "pay_type", "definition", "def_num"),
    ("payment_split", "unearned_type", "definition", "def_num"),
    ("recall", "recall_type_num", "recall_type", "recall_type_num"),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_selection_names_a_dataset_and_its_column() {
        let mut all = Gathered::default();
        for dataset in mesh::datasets::all().filter(|dataset| dataset.has_numeric_key()) {
            let row = dataset.columns.iter().fold(Row::new(dataset), |row, column| row.with(column.name, 1));
            all.extend([row]);
        }
        for ((dataset, column), values) in all.wanted(1).into_iter().chain(all.wanted_lists()) {
            let dataset = mesh::datasets::get(dataset).unwrap();
            assert!(dataset.position(column).is_some(), "{}.{column}", dataset.name);
            assert_eq!(values, [1].into());
        }
    }
}
