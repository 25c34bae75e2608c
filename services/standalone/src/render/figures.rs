//! Figures as people read them: amounts, ratios, trends.

use chairsync_proto::{
    analytics::{
        CountRatio, DateRange, LocalDateTime, MetricValue, MoneyRate, MoneyRatio, Trend, TrendDirection, TrendSense,
        metric_value::Value,
    },
    google_type::{Date, Money},
};

use super::{count, time::NONE};

/// The steps of a sparkline, low to high.
const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// An amount to the cent, with a comma at each thousand; "-" where there is none.
pub fn money(amount: Option<&Money>) -> String {
    let Some(amount) = amount else { return NONE.to_owned() };
    let cents = i64::from(amount.nanos.unsigned_abs() / 10_000_000);
    let sign = if amount.units < 0 || amount.nanos < 0 { "-" } else { "" };
    format!("{sign}{}.{cents:02}", count(amount.units.saturating_abs()))
}

/// A ratio of amounts in percent.
pub fn money_ratio(ratio: Option<&MoneyRatio>) -> String {
    percent(ratio.and_then(|ratio| ratio.value))
}

/// A ratio of counts in percent, and of how many.
pub fn count_ratio(ratio: Option<&CountRatio>) -> String {
    match ratio {
        None => NONE.to_owned(),
        Some(ratio) => format!("{} ({}/{})", percent(ratio.value), count(ratio.numerator), count(ratio.denominator)),
    }
}

/// A percentage of one decimal.
pub fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| NONE.to_owned(), |value| format!("{value:.1} %"))
}

/// An amount per hour, visit or day.
pub fn rate(rate: Option<&MoneyRate>) -> String {
    money(rate.and_then(|rate| rate.value.as_ref()))
}

/// A metric's value, whatever its unit.
pub fn metric(value: Option<&MetricValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        None => NONE.to_owned(),
        Some(Value::Money(amount)) => money(Some(amount)),
        Some(Value::Count(number)) => count(*number),
        Some(Value::MoneyRatio(ratio)) => money_ratio(Some(ratio)),
        Some(Value::CountRatio(ratio)) => count_ratio(Some(ratio)),
        Some(Value::MoneyRate(per)) => rate(Some(per)),
        Some(Value::Number(number)) => format!("{number:.1}"),
    }
}

/// A metric's value as a point of a line; nothing where it has none. For drawing only.
fn height(value: &MetricValue) -> Option<f64> {
    let amount = |money: &Money| money.units as f64 + f64::from(money.nanos) / 1e9;
    match value.value.as_ref()? {
        Value::Money(money) => Some(amount(money)),
        Value::Count(number) => Some(*number as f64),
        Value::MoneyRatio(ratio) => ratio.value,
        Value::CountRatio(ratio) => ratio.value,
        Value::MoneyRate(rate) => rate.value.as_ref().map(amount),
        Value::Number(number) => Some(*number),
    }
}

/// Heights as a line of blocks, one for each; "·" where there is none.
pub fn sparkline(heights: &[Option<f64>]) -> String {
    let known = || heights.iter().flatten().copied();
    let (low, high) = (known().fold(f64::INFINITY, f64::min), known().fold(f64::NEG_INFINITY, f64::max));
    let step = |height: f64| match high > low {
        true => STEPS[(((height - low) / (high - low) * 7.0).round() as usize).min(7)], // within 0 to 7
        false => STEPS[3],
    };
    heights.iter().map(|height| height.map_or('·', step)).collect()
}

/// A trend: its line, its arrow, its change, and whether that is good.
pub fn trend(trend: Option<&Trend>) -> String {
    let Some(trend) = trend else { return NONE.to_owned() };
    let heights: Vec<Option<f64>> = trend.points.iter().map(|p| p.value.as_ref().and_then(height)).collect();
    let arrow = match trend.direction() {
        TrendDirection::Up => " ▲",
        TrendDirection::Level => " ■",
        TrendDirection::Down => " ▼",
        TrendDirection::Unspecified => "",
    };
    let change = trend.change_percent.map(|change| format!(" {change:+.1} %")).unwrap_or_default();
    format!("{}{arrow}{change}{}", sparkline(&heights), sense(trend.sense()))
}

/// Whether a change is good, in a word after a blank.
pub fn sense(sense: TrendSense) -> &'static str {
    match sense {
        TrendSense::Better => " better",
        TrendSense::Worse => " worse",
        TrendSense::Unspecified => "",
    }
}

/// `yyyy-mm-dd`.
pub fn date(date: Option<&Date>) -> String {
    date.map_or_else(|| NONE.to_owned(), |date| format!("{:04}-{:02}-{:02}", date.year, date.month, date.day))
}

/// A range of dates, or its only date.
pub fn range(range: Option<&DateRange>) -> String {
    let Some(range) = range else { return NONE.to_owned() };
    let (from, to) = (date(range.start_date.as_ref()), date(range.end_date.as_ref()));
    if from == to { from } else { format!("{from} to {to}") }
}

/// `hh:mm` on the wall clock.
pub fn clock(at: Option<&LocalDateTime>) -> String {
    at.map_or_else(|| NONE.to_owned(), |at| format!("{:02}:{:02}", at.minute_of_day / 60, at.minute_of_day % 60))
}

/// Minutes as hours and minutes.
pub fn hours(minutes: i64) -> String {
    format!("{}:{:02}", count(minutes / 60), minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(units: i64, nanos: i32) -> Money {
        Money { currency_code: "USD".to_owned(), units, nanos }
    }

    #[test]
    fn amounts_keep_their_sign_and_cents() {
        let shown = [amount(1_234_567, 50_000_000), amount(0, -20_000_000), amount(-12, -340_000_000), amount(0, 0)];
        let shown: Vec<String> = shown.iter().map(|a| money(Some(a))).collect();
        assert_eq!(shown, ["1,234,567.05", "-0.02", "-12.34", "0.00"]);
        assert_eq!(money(None), "-");
    }

    #[test]
    fn ratios_say_of_how_many() {
        assert_eq!(count_ratio(Some(&CountRatio { value: Some(50.0), numerator: 2, denominator: 4 })), "50.0 % (2/4)");
        assert_eq!(count_ratio(Some(&CountRatio { value: None, numerator: 0, denominator: 0 })), "- (0/0)");
    }

    #[test]
    fn a_sparkline_has_a_block_for_each_point() {
        assert_eq!(sparkline(&[Some(0.0), None, Some(7.0), Some(14.0)]), "▁·▅█");
        assert_eq!(sparkline(&[Some(5.0), Some(5.0)]), "▄▄");
        assert_eq!(sparkline(&[None]), "·");
        assert_eq!(sparkline(&[]), "");
    }
}
