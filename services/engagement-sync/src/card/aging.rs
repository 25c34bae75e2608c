//! A family's accounts receivable by age, as Open Dental counts them (its ledger's rules, see `docs` of the features).
//!
//! Pure: rows in, amounts out. Worked examples are the tests.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::{SignedDuration, civil::Date};

use super::rows::Gathered;
use crate::money::Money;

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

/// The outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aging {
    /// 0–30, 31–60, 61–90, more than 90 days.
    pub buckets: [Money; 4],
    /// The plain sum; negative for a credit balance.
    pub total: Money,
    /// Each patient's part of the sum.
    pub by_patient: BTreeMap<i64, Money>,
}

impl Aging {
    /// What is older than 30 days.
    pub fn past_due(&self) -> Money {
        self.buckets[1..].iter().copied().sum()
    }
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
pub fn age(rows: &Gathered, family: &BTreeSet<i64>, as_of: Date, rules: &AgingRules) -> Aging {
    let procedure_dates: HashMap<i64, Option<Date>> =
        rows.of("procedure").map(|row| (row.id("proc_num"), row.date("proc_date"))).collect();
    let transactions = transactions(rows, family, as_of, rules);
    let mut aging = Aging::default();
    for transaction in &transactions {
        aging.total += transaction.amount;
        *aging.by_patient.entry(transaction.patient).or_default() += transaction.amount;
    }

    // What is tied to a procedure is summed by patient, procedure and its own date before it ages.
    let mut tied: BTreeMap<(i64, i64, Option<Date>), Money> = BTreeMap::new();
    let (mut credits, mut lowered) = (Money::ZERO, [Money::ZERO; 4]);
    for transaction in &transactions {
        if rules.lifo && procedure_dates.contains_key(&transaction.procedure) {
            *tied.entry((transaction.patient, transaction.procedure, transaction.date)).or_default() +=
                transaction.amount;
        } else if transaction.amount > Money::ZERO {
            aging.buckets[bucket(transaction.date, as_of)] += transaction.amount;
        } else {
            credits -= transaction.amount;
        }
    }
    for ((_, procedure, date), sum) in tied {
        if sum > Money::ZERO {
            aging.buckets[bucket(date, as_of)] += sum;
        } else {
            let date = procedure_dates.get(&procedure).copied().flatten();
            lowered[bucket(date, as_of)] -= sum;
        }
    }
    for (bucket, lowered) in aging.buckets.iter_mut().zip(lowered) {
        let taken = lowered.min(*bucket);
        *bucket -= taken;
        credits += lowered - taken;
    }
    for bucket in aging.buckets.iter_mut().rev() {
        let paid = credits.min(*bucket);
        *bucket -= paid;
        credits -= paid;
    }
    aging
}

/// The place of a date: 0–30 days, 31–60, 61–90, older.
fn bucket(date: Option<Date>, as_of: Date) -> usize {
    let Some(date) = date else { return 3 };
    let days = as_of.duration_since(date);
    [30, 60, 90].iter().position(|limit| days <= SignedDuration::from_hours(limit * 24)).unwrap_or(3)
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
