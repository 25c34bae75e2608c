//! A metric's figure: exact, and as it is shown.

use chairsync_proto::analytics::{MetricUnit, MetricValue, MoneyRate, metric_value::Value};
use mesh::money::{Money, divide_half_away};

use crate::figures::{count_ratio, money_ratio, percent};

/// A figure, exact: money in 1/10,000 of the unit, all else in whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// There is none: the scope narrows what the metric cannot be split by.
    None,
    /// A sum or count.
    Sum(i128),
    /// A ratio.
    Ratio {
        /// Above the line.
        above: i128,
        /// Below the line.
        below: i128,
        /// Whether there is no ratio over a negative denominator either.
        positive: bool,
    },
    /// Money for each of something.
    Rate {
        /// Above the line.
        above: i128,
        /// Below the line.
        below: i128,
        /// How many of what is below make one.
        per: u32,
    },
}

impl Figure {
    /// This and the same figure of others together: what is above and below the line is added, nothing is averaged. Where
    /// one has none, both have none.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        match (self, other) {
            (Self::Sum(a), Self::Sum(b)) => Self::Sum(a + b),
            (Self::Ratio { above, below, positive }, Self::Ratio { above: a, below: b, .. }) => {
                Self::Ratio { above: above + a, below: below + b, positive }
            }
            (Self::Rate { above, below, per }, Self::Rate { above: a, below: b, per: p }) if per == p => {
                Self::Rate { above: above + a, below: below + b, per }
            }
            _ => Self::None,
        }
    }

    /// On the wire.
    pub fn to_value(self, unit: MetricUnit, currency: &str) -> MetricValue {
        let value = match self {
            Self::None => None,
            Self::Sum(sum) => Some(match unit {
                MetricUnit::Money => Value::Money(Money(sum).to_proto(currency)),
                MetricUnit::Count => Value::Count(whole(sum)),
                _ => Value::Number(tenths(sum, per_unit(unit)) as f64 / 10.0),
            }),
            Self::Ratio { above, below, positive } => {
                let gone = positive && below <= 0;
                Some(if unit == MetricUnit::MoneyRatio {
                    let mut ratio = money_ratio(Money(above), Money(below), currency);
                    ratio.value = ratio.value.filter(|_| !gone);
                    Value::MoneyRatio(ratio)
                } else {
                    let mut ratio = count_ratio(whole(above), whole(below));
                    ratio.value = ratio.value.filter(|_| !gone);
                    Value::CountRatio(ratio)
                })
            }
            Self::Rate { above, below, .. } if unit == MetricUnit::Days => {
                (below > 0).then(|| Value::Number(tenths(above, below) as f64 / 10.0))
            }
            Self::Rate { above, below, per } => Some(Value::MoneyRate(rate(above, below, per, currency))),
        };
        MetricValue { value }
    }

    /// The value in units of its last shown place ([`places`] of a unit): what trends are drawn through. None for null.
    pub fn shown(self, unit: MetricUnit) -> Option<i128> {
        match self {
            Self::None => None,
            Self::Sum(sum) => Some(match unit {
                MetricUnit::Money => Money(sum).to_cents(),
                MetricUnit::Count => sum,
                _ => tenths(sum, per_unit(unit)),
            }),
            Self::Ratio { below, positive, .. } if below == 0 || (positive && below < 0) => None,
            Self::Ratio { above, below, .. } => {
                // Shown to tenths of a percent.
                percent(above, below).map(|shown| (shown * 10.0).round() as i128)
            }
            Self::Rate { above, below, .. } if unit == MetricUnit::Days => (below > 0).then(|| tenths(above, below)),
            Self::Rate { below: 0, .. } => None,
            Self::Rate { above, below, per } => Some(cents_each(above, below, per)),
        }
    }
}

/// How many of the last shown place make a unit: 100 cents, 10 tenths.
pub fn places(unit: MetricUnit) -> i128 {
    match unit {
        MetricUnit::Money | MetricUnit::MoneyRate => 100,
        MetricUnit::Count => 1,
        _ => 10,
    }
}

/// How many of what facts count make one of the unit: hours are counted in minutes.
fn per_unit(unit: MetricUnit) -> i128 {
    if unit == MetricUnit::Hours { 60 } else { 1 }
}

/// Tenths of a unit, half up.
fn tenths(sum: i128, per: i128) -> i128 {
    (2 * 10 * sum + per).div_euclid(2 * per)
}

fn rate(above: i128, below: i128, per: u32, currency: &str) -> MoneyRate {
    let hundredths = divide_half_away(below * 100, i128::from(per.max(1)));
    MoneyRate {
        value: (below != 0).then(|| Money::cents(cents_each(above, below, per)).to_proto(currency)),
        numerator: Some(Money(above).to_proto(currency)),
        denominator: hundredths as f64 / 100.0,
    }
}

/// Cents for each, half away from zero; `below` is not 0.
fn cents_each(above: i128, below: i128, per: u32) -> i128 {
    let above = above * i128::from(per.max(1)) * below.signum();
    divide_half_away(above, below.abs() * Money::cents(1).0)
}

fn whole(number: i128) -> i64 {
    i64::try_from(number).unwrap_or(if number < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn figures_are_rounded_once_where_they_are_shown() {
        let value = |figure: Figure, unit| figure.to_value(unit, "USD").value;
        let Some(Value::Money(money)) = value(Figure::Sum(333_350), MetricUnit::Money) else { panic!("no money") };
        assert_eq!((money.units, money.nanos), (33, 340_000_000));
        assert!(value(Figure::Sum(7), MetricUnit::Count) == Some(Value::Count(7)));
        assert!(value(Figure::Sum(450), MetricUnit::Hours) == Some(Value::Number(7.5)));
        assert!(value(Figure::None, MetricUnit::Money).is_none());
        // 100.00 in 90 minutes are 66.67 an hour, over 1.5 hours.
        let rate = Figure::Rate { above: 1_000_000, below: 90, per: 60 };
        let Some(Value::MoneyRate(shown)) = value(rate, MetricUnit::MoneyRate) else { panic!("no rate") };
        let each = shown.value.unwrap();
        assert_eq!((each.units, each.nanos, shown.denominator), (66, 670_000_000, 1.5));
        assert_eq!(rate.shown(MetricUnit::MoneyRate), Some(6_667));
    }

    #[test]
    fn together_sums_are_added_and_nothing_is_averaged() {
        let ratio = |above, below| Figure::Ratio { above, below, positive: false };
        // 1 of 2 and 9 of 90 are 10 of 92, and not the mean of 50 % and 10 %.
        assert_eq!(ratio(1, 2).with(ratio(9, 90)), ratio(10, 92));
        // 0.0050 and 0.0050 are a cent, although neither is one.
        let Some(Value::Money(money)) = Figure::Sum(50).with(Figure::Sum(50)).to_value(MetricUnit::Money, "USD").value
        else {
            panic!("no money")
        };
        assert_eq!((money.units, money.nanos), (0, 10_000_000));
        let rate = |above, below| Figure::Rate { above, below, per: 60 };
        assert_eq!(rate(5, 60).with(rate(7, 30)), rate(12, 90));
        assert_eq!(Figure::Sum(5).with(Figure::None), Figure::None);
        assert_eq!(Figure::Sum(5).with(ratio(1, 2)), Figure::None);
    }

    #[test]
    fn nothing_is_divided_by_zero() {
        let ratio = |below, positive| Figure::Ratio { above: 5, below, positive };
        for (figure, unit) in [
            (ratio(0, false), MetricUnit::CountRatio),
            (ratio(0, true), MetricUnit::MoneyRatio),
            (ratio(-5, true), MetricUnit::MoneyRatio),
            (Figure::Rate { above: 5, below: 0, per: 1 }, MetricUnit::MoneyRate),
        ] {
            assert_eq!(figure.shown(unit), None);
            match figure.to_value(unit, "USD").value.unwrap() {
                Value::CountRatio(r) => assert_eq!(r.value, None),
                Value::MoneyRatio(r) => assert_eq!(r.value, None),
                Value::MoneyRate(r) => assert_eq!(r.value, None),
                _ => panic!("neither a ratio nor a rate"),
            }
        }
        assert_eq!(ratio(-5, false).shown(MetricUnit::CountRatio), Some(-1_000));
    }
}
