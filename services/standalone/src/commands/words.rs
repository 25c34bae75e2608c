//! What people type for a feature or a date.

use chairsync_proto::{catalog, feature::Feature, google_type};

/// Reads a feature as people write it.
pub fn feature(text: &str) -> Result<Feature, String> {
    let name = format!("FEATURE_{}", text.to_uppercase().replace('-', "_"));
    Feature::from_str_name(&name)
        .filter(|feature| catalog::feature(*feature).is_some())
        .ok_or_else(|| "must be a feature as `chairsync features` names it, e.g. morning-huddle".to_owned())
}

/// Reads `yyyy-mm-dd`.
pub fn date(text: &str) -> Result<google_type::Date, String> {
    let date: jiff::civil::Date = text.parse().map_err(|_| "must be a date, e.g. 2026-01-31".to_owned())?;
    Ok(google_type::Date { year: date.year().into(), month: date.month().into(), day: date.day().into() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn features_and_dates_are_words() {
        assert_eq!(feature("morning-huddle").unwrap(), Feature::MorningHuddle);
        assert!(feature("unspecified").is_err() && feature("lunch").is_err());
        assert_eq!(date("2026-02-28").unwrap(), google_type::Date { year: 2026, month: 2, day: 28 });
        assert!(date("2026-02-30").is_err());
    }
}
