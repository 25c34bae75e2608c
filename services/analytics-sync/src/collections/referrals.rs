//! Collections by who referred the patients.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chairsync_proto::analytics::ReferralCollections;
use mesh::money::Money;

use super::money_in::MoneyIn;
use crate::{
    books::{Books, BooksError},
    question::Question,
};

/// What stands in the place of a referral's name where a patient has none.
const NONE: &str = "none";
/// What stands in the place of the name of a referral that the PMS does not know.
const UNKNOWN: &str = "unassigned";

/// Collections of the range by referral, the largest first. Deleted patients' money counts, they do not.
///
/// # Errors
/// When the tables cannot be read.
pub async fn collections(
    books: &Books,
    question: &Question,
    came_in: &[MoneyIn],
) -> Result<Vec<ReferralCollections>, BooksError> {
    let rows = books.ask(include_str!("sql/referrals.sql"), &[]).await?;
    let mut referred: HashMap<i64, (i64, String)> = HashMap::with_capacity(rows.len());
    for row in 0..rows.len() {
        let referral = (rows.number(row, "referral_num")?, rows.text(row, "display_name")?.to_owned());
        referred.insert(rows.number(row, "pat_num")?, referral);
    }
    let rows = books.ask(include_str!("sql/deleted_patients.sql"), &[]).await?;
    let deleted: BTreeSet<i64> = (0..rows.len()).map(|row| rows.number(row, "pat_num")).collect::<Result<_, _>>()?;

    let mut by_patient: BTreeMap<i64, Money> = BTreeMap::new();
    for money in came_in.iter().filter(|m| !m.is_unearned()) {
        *by_patient.entry(money.patient).or_default() += money.amount;
    }
    let mut by_referral: BTreeMap<i64, (String, i64, Money)> = BTreeMap::new();
    for (patient, amount) in by_patient.into_iter().filter(|(_, amount)| *amount != Money::ZERO) {
        let (number, name) = match referred.get(&patient) {
            None => (0, NONE),
            Some((number, name)) if name.is_empty() => (*number, UNKNOWN),
            Some((number, name)) => (*number, name.as_str()),
        };
        let sum = by_referral.entry(number).or_insert_with(|| (name.to_owned(), 0, Money::ZERO));
        sum.1 += i64::from(!deleted.contains(&patient));
        sum.2 += amount;
    }
    let mut sums: Vec<(i64, (String, i64, Money))> = by_referral.into_iter().collect();
    sums.sort_by(|(one, a), (other, b)| b.2.cmp(&a.2).then_with(|| a.0.cmp(&b.0)).then(one.cmp(other)));
    let practice = &question.practice;
    let row = |(number, (display_name, patients, amount)): (i64, (String, i64, Money))| ReferralCollections {
        referral: if number == 0 { String::new() } else { format!("practices/{practice}/referrals/{number}") },
        display_name,
        patients,
        collections: Some(amount.to_proto(&question.currency)),
    };
    Ok(sums.into_iter().map(row).collect())
}
