//! `payment_timeliness`: money by the days from service to payment.

use chairsync_proto::analytics::{PaymentTimeliness, TimelinessBucket};
use mesh::{calendar, money::Money};

use super::money_in::MoneyIn;
use crate::figures::{money_ratio, tenths};

/// The first and last days of the buckets.
const BUCKETS: [(Option<i32>, Option<i32>); 5] =
    [(None, Some(0)), (Some(1), Some(30)), (Some(31), Some(60)), (Some(61), Some(90)), (Some(91), None)];

/// Sorts money by its days. Refunds are left out; money that pays no work is apart.
pub fn of<'a>(money: impl Iterator<Item = &'a MoneyIn>, currency: &str) -> PaymentTimeliness {
    let mut amounts = [Money::ZERO; BUCKETS.len()];
    let mut unallocated = Money::ZERO;
    // In days × 1/10,000 of a unit.
    let mut weighted = 0_i128;
    for part in money.filter(|part| part.amount > Money::ZERO) {
        let Some(served) = part.served else {
            unallocated += part.amount;
            continue;
        };
        let days = calendar::to_days(part.came) - calendar::to_days(served);
        let place = BUCKETS.iter().position(|(_, last)| last.is_none_or(|last| days <= last));
        amounts[place.unwrap_or(BUCKETS.len() - 1)] += part.amount;
        weighted += part.amount.0 * i128::from(days);
    }
    let all: Money = amounts.iter().copied().sum();
    let bucket = |((from_days, to_days), amount): ((Option<i32>, Option<i32>), Money)| TimelinessBucket {
        from_days,
        to_days,
        amount: Some(amount.to_proto(currency)),
        share: Some(money_ratio(amount, all, currency)),
    };
    PaymentTimeliness {
        buckets: BUCKETS.into_iter().zip(amounts).map(bucket).collect(),
        mean_days: tenths(weighted, all.0),
        unallocated: Some(unallocated.to_proto(currency)),
    }
}
