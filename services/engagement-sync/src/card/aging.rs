//! A family's account, from the rows of its card: which transactions it has and how those that are tied to a procedure
//! age with it. `mesh::aging` has the rule by which they fill buckets.
//!
//! Pure: rows in, amounts out. Worked examples are the tests.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use jiff::civil::Date;
use mesh::{
    aging::{Aging, Entry},
    money::Money,
};

use super::rows::Gathered;

/// The practice's settings that change how accounts are aged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgingRules {
    /// `AgingProcLifo`: what is tied to a procedure ages with it. On unless the preference is 2.
    pub lifo: bool,
    /// `PayPlansVersion`, 1 to 4. Default: 2.
    pub payment_plans: PaymentPlans,
    /// The unearned types that are hidden: their splits are on no account.
    pub hidden_unearned: HashSet<i64>,
}

impl Default for AgingRules {
    fn default() -> Self {
        Self { lifo: true, payment_plans: PaymentPlans::CreditsAndDebits, hidden_unearned: HashSet::new() }
    }
}

/// How payment plans count on accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentPlans {
    /// 1: what a plan has taken over leaves the account; its charges and payments are not on it.
    NotAged,
    /// 2: credits and debits are both on the account.
    CreditsAndDebits,
    /// 3: only credits are on the account; debits and payments of plans are not.
    CreditsOnly,
    /// 4: plans only guide payments; none of their charges is on the account.
    NoCharges,
}

/// What a family owes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Balance {
    /// By age.
    pub by_age: Aging,
    /// Each patient's part of the sum; below zero for a credit balance.
    pub by_patient: BTreeMap<i64, Money>,
}

/// What moves an account: a charge when positive, a credit when negative.
#[derive(Debug, Clone, Copy)]
struct Transaction {
    patient: i64,
    /// A date that is missing counts as the oldest.
    date: Option<Date>,
    amount: Money,
    /// The procedure that it is tied to and ages with; 0 for none.
    procedure: i64,
}

/// Ages a family's account as of a date.
pub fn age(rows: &Gathered, family: &BTreeSet<i64>, as_of: Date, rules: &AgingRules) -> Balance {
    let transactions = transactions(rows, family, as_of, rules);
    let mut by_patient: BTreeMap<i64, Money> = BTreeMap::new();
    for transaction in &transactions {
        *by_patient.entry(transaction.patient).or_default() += transaction.amount;
    }
    Balance { by_age: mesh::aging::age(entries(rows, &transactions, rules), as_of), by_patient }
}

/// Transactions as they age: what is tied to a procedure is one amount by patient, procedure and its own date; below
/// zero it ages as the procedure does.
fn entries(rows: &Gathered, transactions: &[Transaction], rules: &AgingRules) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut tied: BTreeMap<(i64, i64, Option<Date>), Money> = BTreeMap::new();
    let entry =
        |date: Option<Date>, amount, lowers_bucket| Entry { date: date.unwrap_or(Date::MIN), amount, lowers_bucket };
    for transaction in transactions {
        let Transaction { patient, date, amount, procedure } = *transaction;
        if rules.lifo && procedure != 0 {
            *tied.entry((patient, procedure, date)).or_default() += amount;
        } else {
            entries.push(entry(date, amount, false));
        }
    }
    entries.extend(tied.into_iter().map(|((_, procedure, date), amount)| {
        match rows.get("procedure", procedure).filter(|_| amount < Money::ZERO) {
            Some(row) => entry(row.date("proc_date"), amount, true),
            None => entry(date, amount, false),
        }
    }));
    entries
}

fn transactions(rows: &Gathered, family: &BTreeSet<i64>, as_of: Date, rules: &AgingRules) -> Vec<Transaction> {
    let mut all = Vec::new();
    let mut put = |patient: i64, date: Option<Date>, amount: Money, procedure: i64| {
        if family.contains(&patient) && amount != Money::ZERO {
            all.push(Transaction { patient, date, amount, procedure });
        }
    };
    let mut done = HashSet::new();
    for row in rows.of("procedure").filter(|row| row.id("proc_status") == 2) {
        done.insert(row.id("proc_num"));
        let fee = row.money("proc_fee") * (row.id("unit_qty") + row.id("base_units"));
        put(row.id("pat_num"), row.date("proc_date"), fee, 0);
    }
    for row in rows.of("claim_line").filter(|row| matches!(row.int("status"), Some(1 | 4 | 5 | 7))) {
        let procedure = row.id("proc_num");
        if procedure == 0 || done.contains(&procedure) {
            let paid = if row.id("pay_plan_num") == 0 { row.money("ins_pay_amt") } else { Money::ZERO };
            put(row.id("pat_num"), row.date("date_cp"), -paid - row.money("write_off"), 0);
        }
    }
    for row in rows.of("adjustment") {
        put(row.id("pat_num"), row.date("adj_date"), row.money("adj_amt"), row.id("proc_num"));
    }
    let plan_payments_count = matches!(rules.payment_plans, PaymentPlans::CreditsAndDebits | PaymentPlans::NoCharges);
    for row in rows.of("payment_split") {
        let hidden = rules.hidden_unearned.contains(&row.id("unearned_type"));
        if !hidden && (plan_payments_count || row.id("pay_plan_num") == 0) {
            put(row.id("pat_num"), row.date("date_pay"), -row.money("split_amt"), 0);
        }
    }
    plan_transactions(rows, as_of, rules.payment_plans, &mut put);
    all
}

fn plan_transactions(
    rows: &Gathered,
    as_of: Date,
    version: PaymentPlans,
    put: &mut impl FnMut(i64, Option<Date>, Money, i64),
) {
    if version == PaymentPlans::NotAged {
        for plan in rows.of("payment_plan") {
            put(plan.id("pat_num"), plan.date("pay_plan_date"), -plan.money("completed_amt"), 0);
        }
    }
    if !matches!(version, PaymentPlans::CreditsAndDebits | PaymentPlans::CreditsOnly) {
        return;
    }
    for charge in rows.of("payment_plan_charge") {
        let plan = rows.get("payment_plan", charge.id("pay_plan_num"));
        let date = charge.date("charge_date");
        if charge.id("charge_type") == 1 {
            let patient = plan.map_or_else(|| charge.id("pat_num"), |plan| plan.id("pat_num"));
            put(patient, date, -charge.money("principal"), charge.id("proc_num"));
        } else if version == PaymentPlans::CreditsAndDebits {
            let due = date.is_none_or(|date| date <= as_of);
            let tracks_insurance = plan.is_some_and(|plan| plan.id("plan_num") != 0);
            if due && !tracks_insurance {
                put(charge.id("guarantor"), date, charge.money("principal") + charge.money("interest"), 0);
            }
        }
    }
}

#[cfg(test)]
#[path = "aging_tests.rs"]
mod tests;
