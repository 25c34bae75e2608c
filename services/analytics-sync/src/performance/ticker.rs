//! The ticker: figures that do not depend on the board's range.

use chairsync_proto::{
    analytics::{CountRatio, MetricValue, MoneyRate, Ticker, metric_value::Value},
    google_type::Money,
};
use jiff::{ToSpan, civil::Date};

use super::neighbours;
use crate::{
    books::{Books, BooksError},
    metrics::{Facts, Metric, Range, Scope, get},
};

/// The days before D that production per visit is over.
pub const DAYS_BEFORE: i32 = 90;
/// What tells which date has hours.
pub const HOURS: [&str; 5] = ["schedule", "schedule_operatory", "operatory", "provider", "definition"];

const METRICS: [&str; 9] = [
    "gross_production",
    "on_schedule_production",
    "active_patients",
    "active_hygiene",
    "pre_appointment_pct",
    "hygiene_pre_appointment_pct",
    "future_appointments",
    "production_per_visit",
    "active_perio_pct",
];

/// The ticker's metrics.
pub fn metrics() -> impl Iterator<Item = &'static Metric> {
    METRICS.into_iter().filter_map(get)
}

/// The dates beside D that the ticker speaks of.
#[derive(Debug, Clone, Copy, Default)]
pub struct Days {
    /// The last date before D with a visit or an appointment.
    pub yesterday: Option<Date>,
    /// The next date after D with hours or appointments.
    pub tomorrow: Option<Date>,
}

impl Days {
    /// Finds them.
    ///
    /// # Errors
    /// When the tables cannot be read.
    pub async fn read(books: &Books, d: Date) -> Result<Self, BooksError> {
        let (yesterday, tomorrow) = neighbours(books, d).await?;
        Ok(Self { yesterday, tomorrow })
    }
}

/// Works the ticker out.
pub fn ticker(facts: &Facts, days: &Days, scope: &Scope) -> Ticker {
    let d = facts.d();
    let value = |id: &str, range: Range| -> Option<Value> {
        get(id).and_then(|metric| Some(facts.value(metric, range, scope)).and_then(|MetricValue { value }| value))
    };
    let money = |id: &str, day: Date| -> Option<Money> {
        match value(id, (day, day)) {
            Some(Value::Money(money)) => Some(money),
            _ => None,
        }
    };
    let count = |id: &str| -> Option<i64> {
        match value(id, (d, d)) {
            Some(Value::Count(count)) => Some(count),
            _ => None,
        }
    };
    let ratio = |id: &str| -> Option<CountRatio> {
        match value(id, (d, d)) {
            Some(Value::CountRatio(ratio)) => Some(ratio),
            _ => None,
        }
    };
    let rate = |id: &str, range: Range| -> Option<MoneyRate> {
        match value(id, range) {
            Some(Value::MoneyRate(rate)) => Some(rate),
            _ => None,
        }
    };
    let quarter = (d.saturating_sub(DAYS_BEFORE.days()), d.saturating_sub(1.day()));
    Ticker {
        yesterday_production: days.yesterday.and_then(|day| money("gross_production", day)),
        today_on_schedule_production: money("on_schedule_production", d),
        tomorrow_on_schedule_production: days.tomorrow.and_then(|day| money("on_schedule_production", day)),
        active_patients: count("active_patients"),
        active_hygiene: count("active_hygiene"),
        pre_appointment_pct: ratio("pre_appointment_pct"),
        hygiene_pre_appointment_pct: ratio("hygiene_pre_appointment_pct"),
        future_appointments: count("future_appointments"),
        production_per_visit: rate("production_per_visit", quarter),
        perio_pct: ratio("active_perio_pct"),
    }
}
