//! Money: exact, in ten-thousandths of the practice's currency unit, rounded to cents only where it is shown.

use std::{
    iter::Sum,
    ops::{Add, AddAssign, Mul, Neg, Sub, SubAssign},
};

use chairsync_proto::google_type;

/// An amount in ten-thousandths of the currency unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Money(pub i64);

/// Ten-thousandths in a cent.
const PER_CENT: i64 = 100;

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// From whole cents.
    pub const fn cents(cents: i64) -> Self {
        Self(cents * PER_CENT)
    }

    /// To whole cents, half away from zero.
    pub const fn to_cents(self) -> i64 {
        let half = if self.0 < 0 { -(PER_CENT / 2) } else { PER_CENT / 2 };
        (self.0 + half) / PER_CENT
    }

    /// As it travels, in a currency, rounded to cents.
    pub fn to_proto(self, currency: &str) -> google_type::Money {
        let cents = self.to_cents();
        let nanos = i32::try_from(cents % 100).unwrap_or_default() * 10_000_000;
        google_type::Money { currency_code: currency.to_owned(), units: cents / 100, nanos }
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
        Self(self.0 * times)
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
    fn cents_round_half_away_from_zero() {
        let cents: Vec<i64> = [333_350, 333_349, -333_350, 50, -50, 49, 0].map(|m| Money(m).to_cents()).into();
        assert_eq!(cents, [3334, 3333, -3334, 1, -1, 0, 0]);
        let shown = Money(-333_350).to_proto("USD");
        assert_eq!((shown.units, shown.nanos, shown.currency_code.as_str()), (-33, -340_000_000, "USD"));
    }
}
