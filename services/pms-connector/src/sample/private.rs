//! What of a generated practice no log may hold: for the tests that search logs for it.

use std::{collections::BTreeSet, ops::ControlFlow};

use super::{
    generator::{Config, generate},
    value::Value,
};

/// The columns that hold what is private, by table.
const COLUMNS: [(&str, &[&str]); 13] = [
    (
        "patient",
        &[
            "LName",
            "FName",
            "Preferred",
            "Birthdate",
            "Address",
            "HmPhone",
            "WkPhone",
            "WirelessPhone",
            "Email",
            "FamFinUrgNote",
            "MedUrgNote",
            "ApptModNote",
        ],
    ),
    ("patientnote", &["FamFinancial", "Medical", "Service", "Treatment", "ICEName", "ICEPhone"]),
    ("inssub", &["SubscriberID"]),
    ("appointment", &["Note"]),
    ("recall", &["Note"]),
    ("adjustment", &["AdjNote"]),
    ("payment", &["PayNote"]),
    ("commlog", &["Note"]),
    ("smsfrommobile", &["MsgText", "MobilePhoneNumber"]),
    ("smstomobile", &["MsgText", "MobilePhoneNumber"]),
    ("schedule", &["Note"]),
    ("securitylog", &["LogText"]),
    ("provider", &["LName", "FName"]),
];

/// Shorter texts are ordinary in a log.
const SHORTEST: usize = 5;
/// Ordinary words that the columns hold too.
const ORDINARY: [&str; 1] = ["Holiday"];

/// Every private text of a practice: names, birth dates (yyyy-mm-dd), phones, e-mail and street addresses, notes,
/// messages. The living day adds others.
pub fn texts(config: &Config) -> BTreeSet<String> {
    let only: Vec<&str> = COLUMNS.iter().map(|(table, _)| *table).collect();
    let mut texts = BTreeSet::new();
    generate(config, &only, &mut |table, row| {
        let columns = COLUMNS.iter().find(|(name, _)| *name == table.name).map_or(&[][..], |(_, columns)| *columns);
        for place in columns.iter().filter_map(|column| table.position(column)) {
            let text = match &row[place] {
                Value::Text(text) => text.to_string(),
                Value::Date(day) => day.date().map(|date| date.to_string()).unwrap_or_default(),
                _ => continue,
            };
            if text.len() >= SHORTEST && !ORDINARY.contains(&text.as_str()) {
                texts.insert(text);
            }
        }
        ControlFlow::Continue(())
    });
    texts
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sample::{generator::tests::config, tables};

    #[test]
    fn every_column_exists_and_gives_something() {
        for (name, columns) in COLUMNS {
            let table = tables::ALL.iter().find(|t| t.name == name).unwrap();
            assert!(columns.iter().all(|c| table.position(c).is_some()), "{name}");
        }
        let texts = texts(&config(1, 100));
        assert!(texts.len() > 900, "{}", texts.len());
        assert!(texts.iter().any(|t| t.ends_with("@example.invalid")));
    }
}
