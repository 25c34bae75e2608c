//! Ratios, exact inside and rounded once when they are shown: half up, to one decimal of a percent.

use chairsync_proto::analytics::{CountRatio, MoneyRatio};
use mesh::money::Money;

/// `n ÷ d` in percent, rounded half up to one decimal; none when `d` is zero.
pub fn percent(n: i128, d: i128) -> Option<f64> {
    tenths(n * 100, d)
}

/// `n ÷ d`, rounded half up to one decimal; none when `d` is zero.
pub fn tenths(n: i128, d: i128) -> Option<f64> {
    if d == 0 {
        return None;
    }
    let (n, d) = if d < 0 { (-n, -d) } else { (n, d) };
    let tenths = (2 * n * 10 + d).div_euclid(2 * d);
    Some(tenths as f64 / 10.0)
}

/// A ratio of two amounts, in percent, with both its parts.
pub fn money_ratio(numerator: Money, denominator: Money, currency: &str) -> MoneyRatio {
    MoneyRatio {
        value: percent(numerator.0, denominator.0),
        numerator: Some(numerator.to_proto(currency)),
        denominator: Some(denominator.to_proto(currency)),
    }
}

/// A ratio of two counts, in percent, with both its parts.
pub fn count_ratio(numerator: i64, denominator: i64) -> CountRatio {
    CountRatio { value: percent(numerator.into(), denominator.into()), numerator, denominator }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_rounded_half_up_and_null_over_zero() {
        assert_eq!(percent(280, 330), Some(84.8));
        assert_eq!(percent(1_000, 965), Some(103.6));
        assert_eq!(percent(1, 2_000), Some(0.1));
        assert_eq!(percent(-1, 2_000), Some(0.0));
        assert_eq!(percent(5, 0), None);
    }
}
