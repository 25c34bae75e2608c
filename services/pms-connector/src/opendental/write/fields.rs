//! What is asked of a write, checked before the PMS is touched.

use jiff::civil::{Date, DateTime};
use mesh::Refusal;

/// The most cents of one payment.
const CENTS_MAX: i64 = 100_000_000;

/// A key of the PMS that must be there.
pub(super) fn key(field: &str, value: i64) -> Result<i64, Refusal> {
    if value <= 0 {
        return Err(Refusal::invalid(format!("content.{field}"), "must be a key of the PMS, more than zero"));
    }
    Ok(value)
}

/// A key of the PMS that may be left out.
pub(super) fn key_or_none(field: &str, value: i64) -> Result<Option<i64>, Refusal> {
    if value == 0 { Ok(None) } else { key(field, value).map(Some) }
}

/// An amount: more than zero.
pub(super) fn cents(field: &str, value: i64) -> Result<i64, Refusal> {
    if !(1..=CENTS_MAX).contains(&value) {
        let fault = "must be cents, more than zero and at most 100,000,000";
        return Err(Refusal::invalid(format!("content.{field}"), fault));
    }
    Ok(value)
}

/// A local date.
pub(super) fn date(field: &str, value: &str) -> Result<Date, Refusal> {
    value.parse().map_err(|_| Refusal::invalid(format!("content.{field}"), "must be a local date, yyyy-mm-dd"))
}

/// A local time.
pub(super) fn time(field: &str, value: &str) -> Result<DateTime, Refusal> {
    let fault = "must be a local time, yyyy-mm-dd hh:mm:ss";
    DateTime::strptime("%Y-%m-%d %H:%M:%S", value).map_err(|_| Refusal::invalid(format!("content.{field}"), fault))
}

/// A local time as the API writes it.
pub(super) fn time_text(at: DateTime) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A text of at most so many characters, without what ends a line oddly.
pub(super) fn text(field: &str, value: String, most: usize) -> Result<String, Refusal> {
    if value.chars().count() > most {
        return Err(Refusal::invalid(format!("content.{field}"), format!("must be at most {most} characters")));
    }
    if value.contains('\0') || value.contains("[cs:") {
        return Err(Refusal::invalid(format!("content.{field}"), "must not hold a zero byte or a key of chairsync's"));
    }
    Ok(value)
}

/// A text that must be there.
pub(super) fn some_text(field: &str, value: String, most: usize) -> Result<String, Refusal> {
    if value.trim().is_empty() {
        return Err(Refusal::invalid(format!("content.{field}"), "must not be empty"));
    }
    text(field, value, most)
}

/// Cents as the API writes an amount.
pub(super) fn amount(cents: i64) -> String {
    format!("{}{}.{:02}", if cents < 0 { "-" } else { "" }, cents.abs() / 100, cents.abs() % 100)
}

/// An amount of the database in cents, half away from zero.
pub(super) fn to_cents(amount: f64) -> i64 {
    (amount * 100.0).round() as i64 // amounts of money are far within range
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn cents_come_back_from_the_database_as_they_were_sent(value in -CENTS_MAX..=CENTS_MAX) {
            let text = amount(value);
            prop_assert_eq!(to_cents(text.parse().expect("a number")), value);
        }
    }

    #[test]
    fn what_is_not_a_time_an_amount_or_a_key_is_refused() {
        assert!(time("start", "2026-11-24 09:00:00").is_ok());
        assert!(time("start", "2026-11-24T09:00:00").is_err() && time("start", "2026-02-30 09:00:00").is_err());
        assert!(cents("cents", 0).is_err() && cents("cents", -1).is_err() && cents("cents", CENTS_MAX + 1).is_err());
        assert!(key("patient", 0).is_err() && key_or_none("clinic", 0).is_ok_and(|key| key.is_none()));
        assert!(text("note", "x [cs:a]".to_owned(), 100).is_err());
    }
}
