//! Accounts receivable by age, as Open Dental ages an account: the one rule behind every board, list and card that says
//! what a family owes.
//!
//! Pure. Which transactions an account has is the caller's to find, in SQL over tables or in rows at hand; charges fill
//! buckets by their date, credits pay the oldest bucket first, what is left of them is a credit balance.

use jiff::civil::Date;

use crate::{calendar, money::Money};

/// The number of buckets.
pub const BUCKETS: usize = 4;
/// The last day of each bucket but the last, which has none.
const LAST_DAYS: [i32; BUCKETS - 1] = [30, 60, 90];

/// What moves an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The date by which it ages; the calendar's first where the PMS has none.
    pub date: Date,
    /// Charges are above zero, credits below.
    pub amount: Money,
    /// True for a sum below zero of what is tied to a procedure (`AgingProcLifo`): it lowers the bucket of `date`,
    /// which is the procedure's, before anything else is paid.
    pub lowers_bucket: bool,
}

/// An account by age.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Aging {
    /// 0–30, 31–60, 61–90 and more than 90 days.
    pub buckets: [Money; BUCKETS],
    /// BalTotal: the plain sum; below zero for a credit balance.
    pub total: Money,
}

impl Aging {
    /// What is older than 30 days.
    pub fn past_due(&self) -> Money {
        self.buckets[1..].iter().copied().sum()
    }
}

/// Ages an account as of a date. What a date in the past does not know yet must have been left out.
pub fn age(entries: impl IntoIterator<Item = Entry>, as_of: Date) -> Aging {
    let mut aging = Aging::default();
    let (mut credits, mut lowered) = (Money::ZERO, [Money::ZERO; BUCKETS]);
    for entry in entries {
        aging.total += entry.amount;
        let place = bucket(entry.date, as_of);
        if entry.amount >= Money::ZERO {
            aging.buckets[place] += entry.amount;
        } else if entry.lowers_bucket {
            lowered[place] -= entry.amount;
        } else {
            credits -= entry.amount;
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

/// The place of a date: 0–30 days (and the days to come), 31–60, 61–90, older.
fn bucket(date: Date, as_of: Date) -> usize {
    let days = calendar::to_days(as_of) - calendar::to_days(date);
    LAST_DAYS.iter().position(|last| days <= *last).unwrap_or(LAST_DAYS.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::inconsistent_digit_grouping)] // cents are set apart from units
    use super::*;
    use jiff::civil::date;
    use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

    const AS_OF: Date = date(2026, 3, 31);

    fn ago(days: i32) -> Date {
        calendar::from_days((calendar::to_days(AS_OF) - days).into()).unwrap()
    }
    fn plain(date: Date, units: i128) -> Entry {
        Entry { date, amount: Money::cents(units * 100), lowers_bucket: false }
    }
    fn lowering(date: Date, units: i128) -> Entry {
        Entry { lowers_bucket: true, ..plain(date, units) }
    }
    fn units(aging: &Aging) -> [i128; BUCKETS] {
        aging.buckets.map(|amount| amount.to_cents() / 100)
    }

    #[test]
    fn credits_pay_the_oldest_first() {
        let charges = [plain(date(2026, 1, 10), 200), plain(date(2026, 2, 20), 300), plain(date(2026, 3, 15), 150)];
        let owed = age(charges.into_iter().chain([plain(date(2026, 3, 20), -250)]), AS_OF);
        assert_eq!((units(&owed), owed.total), ([150, 250, 0, 0], Money::cents(400_00)));
        assert_eq!(owed.past_due(), Money::cents(250_00));
        let credit = age(charges.into_iter().chain([plain(date(2026, 3, 20), -700)]), AS_OF);
        assert_eq!((units(&credit), credit.total), ([0; 4], Money::cents(-50_00)));
    }

    #[test]
    fn what_is_tied_to_a_procedure_lowers_its_own_bucket() {
        let one = age([plain(ago(85), 100), plain(ago(55), 10), lowering(ago(85), -8)], AS_OF);
        assert_eq!(units(&one), [0, 10, 92, 0]);
        let two = [plain(ago(95), 1_000), plain(ago(85), 100), plain(ago(40), 10), lowering(ago(85), -800)];
        assert_eq!(units(&age(two, AS_OF)), [0, 10, 0, 300]);
    }

    #[test]
    fn buckets_end_on_their_days() {
        let at = [-400, 0, 30, 31, 60, 61, 90, 91, 4_000].map(|days| bucket(ago(days), AS_OF));
        assert_eq!(at, [0, 0, 0, 1, 1, 2, 2, 3, 3]);
        assert_eq!(bucket(Date::MIN, AS_OF), 3);
    }

    /// Whatever is on an account, no bucket is below zero, and together they are what is owed, or nothing.
    #[test]
    fn buckets_sum_to_what_is_owed() {
        for seed in 0..2_000 {
            let mut random = StdRng::seed_from_u64(seed);
            let entries: Vec<Entry> = (0..random.random_range(0..30))
                .map(|_| Entry {
                    date: ago(random.random_range(0..200)),
                    amount: Money(random.random_range(-500..500)),
                    lowers_bucket: random.random(),
                })
                .collect();
            let aging = age(entries, AS_OF);
            assert!(aging.buckets.iter().all(|amount| *amount >= Money::ZERO), "seed {seed}");
            assert_eq!(aging.buckets.iter().copied().sum::<Money>(), aging.total.max(Money::ZERO), "seed {seed}");
        }
    }
}
