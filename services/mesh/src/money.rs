//! Money: exact, in 1/10,000 of the practice's currency unit, rounded to cents only where it is shown.

use std::{
    iter::Sum,
    ops::{Add, AddAssign, Mul, Neg, Sub, SubAssign},
};

use chairsync_proto::google_type;

/// The parts of a unit in [`Money`].
pub const PARTS: i128 = 10_000;
const PARTS_OF_CENT: i128 = PARTS / 100;

/// An exact amount, in 1/10,000 of the currency unit. Sums of whole practices fit many times over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(pub i128);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// From whole cents.
    pub const fn cents(cents: i128) -> Self {
        Self(cents * PARTS_OF_CENT)
    }

    /// To whole cents, half away from zero.
    pub fn to_cents(self) -> i128 {
        divide_half_away(self.0, PARTS_OF_CENT)
    }

    /// As it travels, in the currency of an ISO 4217 code, rounded to cents.
    pub fn to_proto(self, currency: &str) -> google_type::Money {
        let cents = self.to_cents();
        let end = if cents < 0 { i64::MIN } else { i64::MAX };
        let units = i64::try_from(cents / 100).unwrap_or(end);
        let nanos = i32::try_from(cents % 100).unwrap_or_default() * 10_000_000;
        google_type::Money { currency_code: currency.to_owned(), units, nanos }
    }
}

/// `n ÷ d` rounded half away from zero; `d` above zero.
pub fn divide_half_away(n: i128, d: i128) -> i128 {
    let half = (2 * n.abs() + d) / (2 * d);
    if n < 0 { -half } else { half }
}

impl From<i64> for Money {
    /// From 1/10,000 of a unit, as rows hold it.
    fn from(parts: i64) -> Self {
        Self(parts.into())
    }
}

impl Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sub for Money {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl SubAssign for Money {
    fn sub_assign(&mut self, other: Self) {
        self.0 -= other.0;
    }
}

impl Neg for Money {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl Mul<i64> for Money {
    type Output = Self;
    fn mul(self, times: i64) -> Self {
        Self(self.0 * i128::from(times))
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cents_are_rounded_half_away_from_zero() {
        for (parts, cents) in [(333_350, 3334), (-333_350, -3334), (333_349, 3333), (50, 1), (-50, -1), (49, 0), (0, 0)]
        {
            assert_eq!(Money(parts).to_cents(), cents, "{parts}");
        }
    }

    #[test]
    fn an_amount_travels_in_its_currency() {
        let shown = Money(-333_350).to_proto("USD");
        assert_eq!((shown.units, shown.nanos, shown.currency_code.as_str()), (-33, -340_000_000, "USD"));
        let shown = Money::cents(-1_205).to_proto("CAD");
        assert_eq!((shown.units, shown.nanos, shown.currency_code.as_str()), (-12, -50_000_000, "CAD"));
    }

    /// Rounding is never off by more than half a cent, and the same on both sides of zero.
    #[test]
    fn rounding_is_even_handed() {
        for parts in (0..20_000).chain((0..1_000).map(|n| 987_654_321_012 + 7 * n)) {
            let cents = Money(parts).to_cents();
            assert!((cents * PARTS_OF_CENT - parts).abs() <= PARTS_OF_CENT / 2, "{parts}");
            assert_eq!(Money(-parts).to_cents(), -cents);
        }
    }
}
