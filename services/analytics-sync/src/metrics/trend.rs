//! Trends: least squares over weeks or periods, and years side by side. `features.md` §4.
//!
//! Lines are drawn through the values as they are shown, in whole numbers of their last shown place: whoever sees the
//! points can work out the same line.

use chairsync_proto::analytics::{MetricUnit, Polarity, Trend, TrendDirection, TrendPoint, TrendSense, YearOverYear};

use super::{
    facts::Facts,
    figure::{Figure, places},
    metric::Metric,
    range::{Range, to_proto, year_earlier},
    scope::Scope,
};
use crate::figures::percent;

/// A point of a trend: its range and figure.
pub type Point = (Range, Figure);

/// The trend over figures, oldest first. Points without a value keep their place and are left out of the line.
pub fn trend(points: &[Point], unit: MetricUnit, polarity: Polarity, currency: &str) -> Trend {
    let shown: Vec<Option<i128>> = points.iter().map(|(_, figure)| figure.shown(unit)).collect();
    let line = Line::through(&shown);
    let point = |(range, figure): &Point| TrendPoint {
        range: Some(to_proto(*range)),
        value: Some(figure.to_value(unit, currency)),
    };
    let rise = line.as_ref().map(|line| line.rise.signum());
    Trend {
        points: points.iter().map(point).collect(),
        slope: line.as_ref().map(|line| line.rise as f64 / (line.run * places(unit)) as f64),
        change_percent: line.as_ref().and_then(|line| line.change_percent(shown.len())),
        direction: match rise {
            None => TrendDirection::Unspecified,
            Some(1) => TrendDirection::Up,
            Some(0) => TrendDirection::Level,
            Some(_) => TrendDirection::Down,
        }
        .into(),
        sense: sense(rise.unwrap_or_default(), polarity).into(),
    }
}

/// The trend of a metric over ranges, oldest first.
pub fn trend_of(facts: &Facts, metric: &Metric, ranges: &[Range], scope: &Scope) -> Trend {
    let points: Vec<Point> = ranges.iter().map(|range| (*range, facts.figure(metric, *range, scope))).collect();
    trend(&points, metric.unit, metric.polarity, facts.currency())
}

/// A metric's value a year earlier, beside the one of `range`.
pub fn year_over_year(facts: &Facts, metric: &Metric, range: Range, scope: &Scope) -> YearOverYear {
    let earlier = year_earlier(range);
    let (then, now) = (facts.figure(metric, earlier, scope), facts.figure(metric, range, scope));
    let change = match (now.shown(metric.unit), then.shown(metric.unit)) {
        (Some(now), Some(then)) => Some((now - then, then)),
        _ => None,
    };
    YearOverYear {
        previous_range: Some(to_proto(earlier)),
        previous: Some(facts.shown(metric, then)),
        change_percent: change.and_then(|(by, then)| percent(by, then.abs())),
        sense: sense(change.map_or(0, |(by, _)| by.signum()), metric.polarity).into(),
    }
}

/// Whether going up (1) or down (−1) is good.
fn sense(rise: i128, polarity: Polarity) -> TrendSense {
    match (rise, polarity) {
        (0, _) | (_, Polarity::Unspecified) => TrendSense::Unspecified,
        (1.., Polarity::HigherIsBetter) | (..0, Polarity::LowerIsBetter) => TrendSense::Better,
        _ => TrendSense::Worse,
    }
}

/// A least-squares line: its slope is `rise ÷ run`, `run` above zero.
struct Line {
    rise: i128,
    run: i128,
    count: i128,
    sum: i128,
}

impl Line {
    /// None through fewer than two values.
    fn through(values: &[Option<i128>]) -> Option<Self> {
        let (mut count, mut sum, mut sum_x, mut sum_xx, mut sum_xy) = (0, 0, 0, 0, 0);
        for (x, y) in (0i128..).zip(values).filter_map(|(x, y)| y.map(|y| (x, y))) {
            count += 1;
            sum += y;
            sum_x += x;
            sum_xx += x * x;
            sum_xy += x * y;
        }
        let run = count * sum_xx - sum_x * sum_x;
        (count >= 2).then_some(Self { rise: count * sum_xy - sum_x * sum, run, count, sum })
    }

    /// Slope × the points after the first ÷ |mean|, in percent; none over a mean of zero.
    fn change_percent(&self, points: usize) -> Option<f64> {
        let after_first = i128::try_from(points).ok()? - 1;
        percent(self.rise * after_first * self.count, self.run * self.sum.abs())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    fn drawn(values: &[Option<i128>], polarity: Polarity) -> Trend {
        let day = date(2026, 3, 1);
        let figure = |value: &Option<i128>| value.map_or(Figure::None, Figure::Sum);
        let points: Vec<Point> = values.iter().map(|value| ((day, day), figure(value))).collect();
        trend(&points, MetricUnit::Count, polarity, "USD")
    }

    /// features.md §2, example 6.
    #[test]
    fn a_line_through_four_points() {
        let up = drawn(&[Some(22), Some(20), Some(24), Some(30)], Polarity::HigherIsBetter);
        assert_eq!((up.slope, up.change_percent), (Some(2.8), Some(35.0)));
        assert!(up.direction() == TrendDirection::Up && up.sense() == TrendSense::Better);
        let worse = drawn(&[Some(22), Some(20), Some(24), Some(30)], Polarity::LowerIsBetter);
        assert!(worse.sense() == TrendSense::Worse);
    }

    #[test]
    fn too_few_values_level_ones_and_a_mean_of_zero() {
        let none = drawn(&[None, Some(3), None], Polarity::HigherIsBetter);
        assert_eq!((none.slope, none.change_percent, none.points.len()), (None, None, 3));
        assert!(none.direction() == TrendDirection::Unspecified && none.sense() == TrendSense::Unspecified);
        let level = drawn(&[Some(3), None, Some(3)], Polarity::HigherIsBetter);
        assert_eq!((level.slope, level.change_percent), (Some(0.0), Some(0.0)));
        assert!(level.direction() == TrendDirection::Level && level.sense() == TrendSense::Unspecified);
        let balanced = drawn(&[Some(-3), Some(3)], Polarity::HigherIsBetter);
        assert_eq!((balanced.slope, balanced.change_percent), (Some(6.0), None));
        assert_eq!(drawn(&[], Polarity::HigherIsBetter).slope, None);
    }

    #[test]
    fn money_slopes_are_in_the_unit() {
        let day = date(2026, 3, 1);
        let points = [((day, day), Figure::Sum(100_000)), ((day, day), Figure::Sum(125_000))];
        assert_eq!(trend(&points, MetricUnit::Money, Polarity::HigherIsBetter, "USD").slope, Some(2.5));
    }

    proptest! {
        /// A straight line is found again, whatever is missing of it; turned around it falls.
        #[test]
        fn a_straight_line_is_found(start in -1_000i128..1_000, step in -50i128..50, gaps in prop::collection::vec(any::<bool>(), 4..20)) {
            let values: Vec<Option<i128>> =
                gaps.iter().zip(0i128..).map(|(gap, x)| (!gap).then_some(start + step * x)).collect();
            prop_assume!(values.iter().flatten().count() >= 2);
            prop_assert_eq!(drawn(&values, Polarity::Unspecified).slope, Some(step as f64));
            let back: Vec<_> = values.into_iter().rev().collect();
            prop_assert_eq!(drawn(&back, Polarity::Unspecified).slope, Some(-step as f64));
        }
    }
}
