//! The age of what a family owes: books.md, "Patient balances and A/R aging".
//!
//! Charges fill buckets by their date; credits pay the oldest bucket first; what is left of them is a credit balance.

use jiff::civil::Date;
use mesh::calendar;

use crate::figures::Amount;

/// The number of buckets.
pub const BUCKETS: usize = 4;

/// A transaction of a family's account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transaction {
    /// The date by which it ages.
    pub date: Date,
    /// Charges are above zero, credits below.
    pub amount: Amount,
    /// True for a sum below zero of what is tied to a procedure (`AgingProcLifo`): it lowers the bucket of `date`,
    /// which is the procedure's, before anything else is paid.
    pub lowers_bucket: bool,
}

/// A family's account by age.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Aging {
    /// 0–30, 31–60, 61–90 and more than 90 days.
    pub buckets: [Amount; BUCKETS],
    /// BalTotal: the plain sum; below zero for a credit balance.
    pub total: Amount,
}

impl Aging {
    /// What is older than 30 days.
    pub fn past_due(&self) -> Amount {
        self.buckets[1] + self.buckets[2] + self.buckets[3]
    }
}

/// The bucket of a date as of another.
pub fn bucket(date: Date, as_of: Date) -> usize {
    let days = calendar::to_days(as_of) - calendar::to_days(date);
    [30, 60, 90].iter().position(|last| days <= *last).unwrap_or(3)
}

/// Ages an account as of a date. Later transactions must have been left out.
pub fn age(transactions: &[Transaction], as_of: Date) -> Aging {
    let mut charges = [0_i128; BUCKETS];
    let mut lowering = [0_i128; BUCKETS];
    let mut credits = 0_i128;
    for t in transactions {
        let amount = t.amount.0;
        match (t.lowers_bucket, amount) {
            (_, 0..) => charges[bucket(t.date, as_of)] += amount,
            (true, _) => lowering[bucket(t.date, as_of)] -= amount,
            (false, _) => credits -= amount,
        }
    }
    let total = Amount(transactions.iter().map(|t| t.amount.0).sum());
    for (charge, lower) in charges.iter_mut().zip(lowering) {
        let taken = lower.min(*charge);
        *charge -= taken;
        credits += lower - taken;
    }
    for charge in charges.iter_mut().rev() {
        let paid = credits.min(*charge);
        *charge -= paid;
        credits -= paid;
    }
    Aging { buckets: charges.map(Amount), total }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;

    fn ago(as_of: Date, days: i32) -> Date {
        calendar::from_days((calendar::to_days(as_of) - days).into()).unwrap_or(as_of)
    }
    fn plain(date: Date, units: i128) -> Transaction {
        Transaction { date, amount: Amount(units * 10_000), lowers_bucket: false }
    }
    fn lowering(date: Date, units: i128) -> Transaction {
        Transaction { lowers_bucket: true, ..plain(date, units) }
    }
    fn units(aging: &Aging) -> [i128; 4] {
        aging.buckets.map(|b| b.0 / 10_000)
    }

    /// features.md §2, example 2.
    #[test]
    fn credits_pay_the_oldest_first() {
        let as_of = date(2026, 3, 31);
        let charges = [plain(date(2026, 1, 10), 200), plain(date(2026, 2, 20), 300), plain(date(2026, 3, 15), 150)];
        let owed = age(&[&charges[..], &[plain(date(2026, 3, 20), -250)]].concat(), as_of);
        assert_eq!(units(&owed), [150, 250, 0, 0]);
        assert_eq!(owed.total, Amount(4_000_000));
        assert_eq!(owed.past_due(), Amount(2_500_000));
        let credit = age(&[&charges[..], &[plain(date(2026, 3, 20), -700)]].concat(), as_of);
        assert_eq!((units(&credit), credit.total), ([0; 4], Amount(-500_000)));
    }

    /// books.md, the two examples of `AgingProcLifo`.
    #[test]
    fn what_is_tied_to_a_procedure_lowers_its_own_bucket() {
        let as_of = date(2026, 3, 31);
        let one = age(&[plain(ago(as_of, 85), 100), plain(ago(as_of, 55), 10), lowering(ago(as_of, 85), -8)], as_of);
        assert_eq!(units(&one), [0, 10, 92, 0]);
        let two = [
            plain(ago(as_of, 95), 1_000),
            plain(ago(as_of, 85), 100),
            plain(ago(as_of, 40), 10),
            lowering(ago(as_of, 85), -800),
        ];
        assert_eq!(units(&age(&two, as_of)), [0, 10, 0, 300]);
    }

    #[test]
    fn the_edges_of_the_buckets() {
        let as_of = date(2026, 3, 31);
        let at = |days: i32| bucket(ago(as_of, days), as_of);
        assert_eq!([0, 30, 31, 60, 61, 90, 91].map(at), [0, 0, 1, 1, 2, 2, 3]);
    }

    proptest! {
        /// No bucket is ever below zero, and the buckets sum to the balance or to nothing.
        #[test]
        fn buckets_sum_to_what_is_owed(rows in prop::collection::vec((0..200_i32, -500..500_i128, any::<bool>()), 0..30)) {
            let as_of = date(2026, 3, 31);
            let row = |(days, amount, lowers): (i32, i128, bool)| Transaction {
                date: ago(as_of, days), amount: Amount(amount), lowers_bucket: lowers,
            };
            let aging = age(&rows.into_iter().map(row).collect::<Vec<_>>(), as_of);
            prop_assert!(aging.buckets.iter().all(|b| b.0 >= 0));
            let sum: i128 = aging.buckets.iter().map(|b| b.0).sum();
            prop_assert_eq!(sum, aging.total.0.max(0));
        }
    }
}
