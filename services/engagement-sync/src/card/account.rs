//! The money side of a card: the family's account and the patient's insurances.

use chairsync_proto::engagement::{
    Aging as AgingShown, InsuranceRelationship, LastPayment, LastStatement, PatientAccount, PatientInsurance,
};
use jiff::civil::Date;
use mesh::{calendar::date_to_proto, money::Money};

use super::{Subject, aging};
use crate::row::Row;

/// Ways in which statements are sent, as the PMS numbers them.
const STATEMENT_MODES: [&str; 4] = ["Mail", "In person", "Email", "Electronic"];

/// The family's account.
pub fn account(subject: &Subject<'_>) -> PatientAccount {
    let (rows, lists) = (subject.rows, subject.lists);
    let (family, guarantor) = (rows.family(subject.patient), rows.guarantor(subject.patient));
    let rules = lists.aging_rules();
    let balance = aging::age(rows, &family, subject.clock.today(), &rules);
    let aging = balance.by_age;
    let pending =
        rows.of("claim_line").filter(|row| row.int("status") == Some(0) && family.contains(&row.id("pat_num")));
    let est_insurance: Money = pending.map(|row| row.money("ins_pay_est") + row.money("write_off")).sum();
    let unearned = |row: &&Row| {
        let kind = row.id("unearned_type");
        kind != 0 && !rules.hidden_unearned.contains(&kind) && family.contains(&row.id("pat_num"))
    };
    let unearned: Money = rows.of("payment_split").filter(unearned).map(|row| row.money("split_amt")).sum();
    let [bucket_0_30, bucket_31_60, bucket_61_90, bucket_over_90] = aging.buckets.map(|m| Some(subject.money(m)));
    PatientAccount {
        guarantor: rows.get("patient", guarantor).map(|row| lists.patient(row)),
        aging: Some(AgingShown {
            bucket_0_30,
            bucket_31_60,
            bucket_61_90,
            bucket_over_90,
            total: Some(subject.money(aging.total)),
            past_due: Some(subject.money(aging.past_due())),
        }),
        est_insurance: Some(subject.money(est_insurance)),
        est_patient: Some(subject.money(aging.total - est_insurance)),
        unearned: Some(subject.money(unearned)),
        patient_balance: Some(subject.money(balance.by_patient.get(&subject.patient).copied().unwrap_or_default())),
        last_payment: last_payment(subject),
        last_statement: last_statement(subject, guarantor),
    }
}

/// The newest payment of which the family has a part; transfers, whose parts cancel out, are none.
fn last_payment(subject: &Subject<'_>) -> Option<LastPayment> {
    let family = subject.rows.family(subject.patient);
    let part = |payment: &Row| -> Money {
        let own = |row: &&Row| row.id("pay_num") == payment.id("pay_num") && family.contains(&row.id("pat_num"));
        subject.rows.of("payment_split").filter(own).map(|row| row.money("split_amt")).sum()
    };
    let dated = subject.rows.of("payment").filter(|row| row.date("pay_date").is_some());
    let (payment, amount) = dated
        .map(|payment| (payment, part(payment)))
        .filter(|(_, amount)| *amount != Money::ZERO)
        .max_by_key(|(payment, _)| (payment.date("pay_date"), payment.id("pay_num")))?;
    Some(LastPayment {
        date: payment.date("pay_date").map(date_to_proto),
        amount: Some(subject.money(amount)),
        r#type: subject.lists.definition(payment.id("pay_type")),
    })
}

/// The guarantor's newest statement that was sent; receipts and invoices are none.
fn last_statement(subject: &Subject<'_>, guarantor: i64) -> Option<LastStatement> {
    let sent = |row: &&Row| row.id("is_sent") != 0 && row.id("is_receipt") == 0 && row.id("is_invoice") == 0;
    let statements = subject.rows.of_patient("statement", guarantor).filter(sent);
    let row = statements.max_by_key(|row| (row.date("date_sent"), row.id("statement_num")))?;
    let mode = usize::try_from(row.id("mode")).ok().and_then(|mode| STATEMENT_MODES.get(mode)).copied();
    Some(LastStatement {
        date: row.date("date_sent").map(date_to_proto),
        mode: mode.unwrap_or_default().to_owned(),
        balance: row.int("bal_total").map(|amount| subject.money(amount.into())),
    })
}

/// The patient's insurances by ordinal. `with_used`: the claim lines are here.
pub fn insurances(subject: &Subject<'_>, with_used: bool) -> Vec<PatientInsurance> {
    let mut plans: Vec<&Row> = subject.rows.of_patient("patient_plan", subject.patient).collect();
    plans.sort_by_key(|row| (row.id("ordinal"), row.id("pat_plan_num")));
    plans.into_iter().map(|row| insurance(subject, row, with_used)).collect()
}

fn insurance(subject: &Subject<'_>, row: &Row, with_used: bool) -> PatientInsurance {
    let rows = subject.rows;
    let subscription = rows.get("insurance_subscriber", row.id("ins_sub_num"));
    let plan = subscription.and_then(|row| rows.get("insurance_plan", row.id("plan_num")));
    let carrier = plan.and_then(|row| rows.get("carrier", row.id("carrier_num")));
    let text = |row: Option<&Row>, column: &str| row.map(|row| row.text(column).to_owned()).unwrap_or_default();
    let subscriber = subscription.and_then(|row| rows.get("patient", row.id("subscriber")));
    let effective = subscription.and_then(|row| row.date("date_effective"));
    let ends = subscription.and_then(|row| row.date("date_term"));
    let today = subject.clock.today();
    let year_start = benefit_year_start(today, plan.map_or(0, |row| row.id("month_renew")));
    PatientInsurance {
        ordinal: i32::try_from(row.id("ordinal")).unwrap_or_default(),
        carrier: text(carrier, "carrier_name"),
        group_name: text(plan, "group_name"),
        group_number: text(plan, "group_num"),
        subscriber: subscriber.map(|row| subject.lists.patient(row)),
        subscriber_id: text(subscription, "subscriber_id"),
        relationship: match row.int("relationship") {
            Some(0) => InsuranceRelationship::Self_,
            Some(1) => InsuranceRelationship::Spouse,
            Some(2) => InsuranceRelationship::Child,
            Some(_) => InsuranceRelationship::Other,
            None => InsuranceRelationship::Unspecified,
        }
        .into(),
        effective_date: effective.map(date_to_proto),
        termination_date: ends.map(date_to_proto),
        in_force: effective.is_none_or(|from| from <= today) && ends.is_none_or(|until| today <= until),
        benefit_year_start: Some(date_to_proto(year_start)),
        used_this_benefit_year: with_used.then(|| subject.money(used(subject, row.id("ins_sub_num"), year_start))),
    }
}

/// The first day of the benefit year under way; a renewal month of 0 is January.
fn benefit_year_start(today: Date, renewal_month: i64) -> Date {
    let month = i8::try_from(renewal_month).ok().filter(|month| (1..=12).contains(month)).unwrap_or(1);
    let year = if month <= today.month() { today.year() } else { today.year() - 1 };
    Date::new(year, month, 1).unwrap_or(today)
}

/// What insurance paid, or is expected to pay, for services in a benefit year.
fn used(subject: &Subject<'_>, subscription: i64, year_start: Date) -> Money {
    let year_end = Date::new(year_start.year() + 1, year_start.month(), 1).unwrap_or(Date::MAX);
    let lines =
        subject.rows.of_patient("claim_line", subject.patient).filter(|row| row.id("ins_sub_num") == subscription);
    let in_year = lines.filter(|row| row.date("proc_date").is_some_and(|day| year_start <= day && day < year_end));
    in_year
        .map(|row| match row.int("status") {
            Some(1 | 4) => row.money("ins_pay_amt"),
            Some(0) => row.money("ins_pay_est"),
            _ => Money::ZERO,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::benefit_year_start;
    use jiff::civil::date;

    #[test]
    fn the_benefit_year_begins_in_its_month() {
        let today = date(2026, 3, 31);
        assert_eq!(benefit_year_start(today, 0), date(2026, 1, 1));
        assert_eq!(benefit_year_start(today, 3), date(2026, 3, 1));
        assert_eq!(benefit_year_start(today, 7), date(2025, 7, 1));
        assert_eq!(benefit_year_start(today, 99), date(2026, 1, 1));
    }
}
