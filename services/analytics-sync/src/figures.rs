//! Exact money and ratios, and how they are shown.
//!
//! Inside, an amount is an integer of 1/10,000 of the currency's unit. It is rounded once, when it is shown: to cents,
//! half away from zero. A ratio is rounded half up to one decimal.

use chairsync_proto::{
    analytics::{CountRatio, MoneyRatio},
    google_type::Money,
};

/// The parts of a unit in an [`Amount`].
pub const PARTS: i128 = 10_000;

/// An exact amount, in 1/10,000 of the currency's unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(pub i128);

impl Amount {
    /// A whole number of cents.
    pub fn cents(cents: i128) -> Self {
        Self(cents * (PARTS / 100))
    }

    /// The amount in whole cents, half away from zero.
    pub fn to_cents(self) -> i128 {
        divide_half_away(self.0, PARTS / 100)
    }

    /// The amount as the API has it, in the currency of the code.
    pub fn money(self, currency: &str) -> Money {
        let cents = self.to_cents();
        let units = i64::try_from(cents / 100).unwrap_or(i64::MAX);
        let nanos = i32::try_from(cents % 100).unwrap_or_default() * 10_000_000;
        Money { currency_code: currency.to_owned(), units, nanos }
    }
}

impl std::ops::Add for Amount {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl std::ops::Sub for Amount {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl std::ops::AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl std::iter::Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::default(), |a, b| a + b)
    }
}

/// `n ÷ d` rounded half away from zero; `d` above zero.
pub fn divide_half_away(n: i128, d: i128) -> i128 {
    let half = (2 * n.abs() + d) / (2 * d);
    if n < 0 { -half } else { half }
}

/// `n ÷ d` in percent, rounded half up to one decimal; none when `d` is zero.
pub fn percent(n: i128, d: i128) -> Option<f64> {
    if d == 0 {
        return None;
    }
    let (n, d) = if d < 0 { (-n, -d) } else { (n, d) };
    let tenths = (2 * n * 1_000 + d).div_euclid(2 * d);
    Some(tenths as f64 / 10.0)
}

/// A ratio of two amounts, in percent, with both its parts.
pub fn money_ratio(numerator: Amount, denominator: Amount, currency: &str) -> MoneyRatio {
    MoneyRatio {
        value: percent(numerator.0, denominator.0),
        numerator: Some(numerator.money(currency)),
        denominator: Some(denominator.money(currency)),
    }
}

/// A ratio of two counts, in percent, with both its parts.
pub fn count_ratio(numerator: i64, denominator: i64) -> CountRatio {
    CountRatio { value: percent(numerator.into(), denominator.into()), numerator, denominator }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cents_are_rounded_half_away_from_zero() {
        for (parts, cents) in [(333_350, 3334), (-333_350, -3334), (333_349, 3333), (50, 1), (-50, -1), (49, 0), (0, 0)]
        {
            assert_eq!(Amount(parts).to_cents(), cents, "{parts}");
        }
        let money = Amount::cents(-1_205).money("USD");
        assert_eq!((money.units, money.nanos), (-12, -50_000_000));
    }

    #[test]
    fn ratios_are_rounded_half_up_and_null_over_zero() {
        assert_eq!(percent(280, 330), Some(84.8));
        assert_eq!(percent(1_000, 965), Some(103.6));
        assert_eq!(percent(1, 2_000), Some(0.1));
        assert_eq!(percent(-1, 2_000), Some(0.0));
        assert_eq!(percent(5, 0), None);
    }

    proptest! {
        #[test]
        fn rounding_is_never_off_by_more_than_half_a_cent(parts in -10_i128.pow(15)..10_i128.pow(15)) {
            let error = (Amount(parts).to_cents() * 100 - parts).abs();
            prop_assert!(error <= 50);
            prop_assert_eq!(Amount(-parts).to_cents(), -Amount(parts).to_cents());
        }
    }
}
